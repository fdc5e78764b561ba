//! Source and sink over `mysql_async`, with a link of our own for rows, for MySQL and MariaDB.
//!
//! ```text
//! source   config ─► describe ─► snapshot (N equal views) ─► chunks (keys) ─► read (link) ─► decode
//! sink     config ─► describe ─► lock, progress ─► write (LOAD DATA or INSERT) ─► publish
//! ```
//!
//! The fork is asked for at connecting; wherever the two differ, the code names both.

mod altered;
mod blockers;
mod chunks;
mod columns;
mod config;
mod conn;
mod declare;
mod decode;
mod defaults;
mod definition;
mod describe;
mod error;
mod fit;
mod fit_text;
mod foreign_keys;
mod hashed;
mod holder;
mod holders;
mod link;
mod lock;
mod mend;
mod merge;
mod plan;
mod prepare;
mod progress;
mod publish;
mod quarantine;
mod read;
mod read_script;
mod relations;
mod rights;
mod rules;
mod script;
mod session;
mod shape;
mod sink;
mod snapshot;
mod source;
mod sql;
mod staging;
mod types;
mod write;

pub use script::MysqlScript;
pub use sink::MysqlSink;
pub use source::MysqlSource;
