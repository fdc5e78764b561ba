//! What `drift` found of each table, run by run.

use rusqlite::{Connection, params};

use crate::DriftRow;

pub(crate) const CREATE: &str = "
create table if not exists drift (
  number integer primary key,
  run_id text not null references run on delete cascade,
  job text not null,
  source text not null,
  target text not null,
  row text not null
);
create index if not exists drift_by_run on drift (run_id);
create index if not exists drift_by_table on drift (job, source, target);
";

/// Rows of one run, in the order in which they were found.
pub(crate) const OF_RUN: &str = "select row from drift where run_id = ?1 order by number";

/// The newest row of each table of each job.
pub(crate) const LAST: &str = "select row from drift where ?1 and number in \
     (select max(number) from drift group by job, source, target) order by job, number";

pub(crate) fn write(connection: &Connection, run_id: &str, row: &DriftRow) -> rusqlite::Result<()> {
    connection.execute(
        "insert into drift (run_id, job, source, target, row) values (?1, ?2, ?3, ?4, ?5)",
        params![run_id, row.job, row.source, row.target, crate::ledger::json(row)],
    )?;
    Ok(())
}
