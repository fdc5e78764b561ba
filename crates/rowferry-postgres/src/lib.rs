//! PostgreSQL as a source and as a sink, over `tokio-postgres`.
//!
//! ```text
//!  PostgresSource ─ describe ─ PgSnapshot ─┬─ PgKeyProbe      where to cut
//!                                          └─ PgChunkReader   copy (select …) to stdout
//!  PostgresSink ─ plan_column ─ PgStreamLock ─ claim, prepare, seal, publish
//!                             └─ PgChunkWriter   copy … from stdin, receipt, commit
//! ```
//!
//! Rows travel in COPY's binary format, encoded and decoded by `rowferry-codec` on the compute pool.
//! All state of a run lives in two tables of the target and commits with the rows.

mod altered;
mod begin;
mod blockers;
mod buffer;
mod built_in;
mod chunks;
mod client;
mod columns;
mod conditions;
mod config;
mod create;
mod defaults;
mod describe;
mod digest;
mod error;
mod finish;
mod fit;
mod foreign_keys;
mod hashed;
mod holders;
mod known;
mod lock;
mod meaning;
mod mend;
mod objects;
mod oids;
mod pool;
mod prepare;
mod progress;
mod publish;
mod quarantine;
mod read;
mod read_script;
mod repeated;
mod rights;
mod row;
mod script;
mod server;
mod session;
mod shape;
mod sink;
mod snapshot;
mod source;
mod sql;
mod tap;
mod tls;
mod type_catalog;
mod types;
mod vacuum;
mod ways;
mod wire;
mod write;

pub use script::PostgresScript;
pub use sink::PostgresSink;
pub use source::PostgresSource;
