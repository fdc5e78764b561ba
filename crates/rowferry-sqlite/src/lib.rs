//! Source and sink over rusqlite.
//!
//! SQLite's handles stay on threads of their own; nothing here blocks the caller's thread.
//!
//! ```text
//! source   n reading connections that see one moment ──► cells ──► batches
//! sink     one writing connection, one turn at a time ◄── columns of cells ◄── batches
//!          lock file beside the target, progress tables inside it
//! ```
//!
//! A declared type is only a hint in SQLite, so reading checks the storage class of every cell and
//! writing refuses what a column's affinity would change.

mod affinity;
mod altered;
mod bind;
mod cells;
mod check;
mod choose;
mod chunks;
mod columns;
mod config;
mod count;
mod create;
mod database;
mod ddl;
mod decimal;
mod defaults;
mod describe;
mod error;
mod fit;
mod image;
mod iso;
mod journal;
mod load;
mod lock;
mod mend;
mod objects;
mod observe;
mod period;
mod progress;
mod publish;
mod quarantine;
mod read;
mod receipts;
mod row_key;
mod rows_table;
mod sink;
mod snapshot;
mod source;
mod sql;
mod types;
mod wire;
mod write;

pub use sink::SqliteSink;
pub use source::SqliteSource;
