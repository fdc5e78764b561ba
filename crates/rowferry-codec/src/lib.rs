//! Batch to bytes and back: PostgreSQL COPY binary, MySQL binary rows and load text. No sockets.

mod joined;
pub mod mysql_binary;
pub mod mysql_text;
pub mod pgcopy;
mod validity;
