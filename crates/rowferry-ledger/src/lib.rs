//! The SQLite progress store: runs, tables, chunks, statistics.
//!
//! The target decides how far a copy is; this ledger is history for `status` and for people. It is
//! written only from what a commit handed out, it can be deleted at any time, and nothing is lost
//! but the history. Of the rows that moved it holds numbers and key bounds, never a value, and
//! never a password.
//!
//! ```text
//! receipt from the target ──► record_chunk ──► chunk    (the stream's current run only)
//! end of a table          ──► upsert_table ──► run_table, stream (last known state)
//! end of a run            ──► finish_run   ──► run
//! claim of a stream       ──► learn        ──► position (what each target last said), chunk
//! end of a comparison     ──► record_drift ──► drift
//! ```
//!
//! The position is the one thing that is compared: a target that says less than it said before was
//! put back to an earlier state, and a person must choose.

mod drift;
mod error;
mod job_lock;
mod ledger;
mod position;
mod rows;
mod store;

pub use error::LedgerError;
pub use job_lock::JobLock;
pub use ledger::Ledger;
pub use rows::{ChunkRow, DriftRow, RunRow, RunTotals, StreamRow, TableRow};
