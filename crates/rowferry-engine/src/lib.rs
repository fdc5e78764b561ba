//! Plans a job, runs its chunks, retries, limits and reports. Names no database, holds no SQL.
//!
//! ```text
//!  run_job ─► expand patterns ─► plan every table ─► run_table (parallel_tables at once)
//!  run_table ─► lock ─► state ─► start? ─► claim ─► prepare ─► chunks ─► seal ─► guard ─► publish
//!  chunks ─► cut ─► slot (workers at once) ─► copy_chunk ─► Receipt ─► observer (ledger)
//! ```
//!
//! Order of safety: a chunk is durable in the target first, then the observer may note it.

mod big_rows;
mod chunk_loop;
mod copy_chunk;
mod draft;
mod epochs;
mod expand;
mod fingerprint;
mod foreign_keys;
mod grants;
mod guard;
mod heartbeat;
mod job_run;
mod keys;
mod lane;
mod observer;
mod options;
mod outcome;
mod pace;
mod persistence;
mod planner;
mod reading_turn;
mod report;
mod row_limit;
mod sieve;
mod start;
mod table_run;
mod tally;
mod transform;
mod values;
mod watermark;

pub use draft::PlannedColumn;
pub use expand::{TableTask, expand};
pub use grants::{missing_in_source, missing_in_target};
pub use job_run::{JobEnds, run_job};
pub use observer::Observer;
pub use options::{RunContext, RunOptions};
pub use outcome::TableFailure;
pub use pace::Pace;
pub use planner::{PlannedTable, casts_to_paste, plan_job, plan_table};
pub use report::{
    ErrorReport, Phases, RunReport, RunStatus, Stages, TableReport, TableStatus, Totals,
    ValueChange,
};
pub use start::foresee;
pub use watermark::Watermark;
