//! A source whose rows are read by ConnectorX.
//!
//! ```text
//!  ConnectorxSource ─ native source   describe, keys, views, cutting
//!        └─ ConnectorxSnapshot ─ ChunkAnswer ─ one helper process per chunk ─ IPC stream
//!                                    │
//!                     forms: how each column is asked for and what arrives
//! ```
//!
//! Everything that decides what is read stays with our own connection; ConnectorX gets one query at a
//! time. Its program is apart from this one: see `crates/rowferry-connectorx`.

mod answer;
mod arrival;
mod error;
mod forms;
mod mysql_forms;
mod postgres_forms;
mod program;
mod read;
mod request;
mod snapshot;
mod source;
mod url;

pub use program::Program;
pub use source::ConnectorxSource;
