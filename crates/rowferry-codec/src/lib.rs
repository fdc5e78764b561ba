//! Batch to bytes and back: PostgreSQL COPY binary, MySQL binary rows and load text. No sockets.
//!
//! [`pen`] and [`digits`] write the text of numbers, dates and times for whoever needs it.

pub mod digits;
mod expected;
mod joined;
pub mod mysql_binary;
pub mod mysql_text;
pub mod pen;
pub mod pgcopy;
mod validity;
