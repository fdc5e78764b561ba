//! Batch to bytes and back: PostgreSQL COPY binary, MySQL load text. No sockets.

pub mod mysql_text;
pub mod pgcopy;
