//! The server's own vacuum stays away from a table that is being loaded.
//!
//! It wakes once a minute and finds a table that has grown by millions of rows: it reads them while
//! more are written, and whoever then wants the table for a key or for its name waits a second
//! (`deadlock_timeout`) before it gives way. Once the table has its name, what was counted while it
//! was loaded lets the vacuum and the statistics come within that minute.
//! <https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM>

use rowferry_core::TableRef;

use crate::sql;

const PARAMETER: &str = "autovacuum_enabled";

/// The statement for a new staging table.
pub(crate) fn leave_alone(table: &TableRef) -> String {
    let table = sql::table(table);
    format!("alter table {table} set ({PARAMETER} = false, toast.{PARAMETER} = false)")
}

/// The statement for a staging table that becomes the target.
pub(crate) fn take_care_of(table: &TableRef) -> String {
    format!("alter table {} reset ({PARAMETER}, toast.{PARAMETER})", sql::table(table))
}
