//! Making the rows of a run visible.
//!
//! DDL commits by itself here and cannot share a transaction with the progress row, so the swap is
//! written down as an intent (phase `publishing`) and each step is guarded by what the catalogue
//! shows. After a kill at any point the same call finds where it was:
//!
//! ```text
//! staging  target          then
//! yes      yes   rename target to old, staging to target      (one statement, atomic)
//! yes      no    rename staging to target
//! no       yes   the rename is done: drop old, then phase done
//! ```
//!
//! Names carry the run. A rename that a frozen process sends late finds no staging table.

use rowferry_core::{
    ConnectorError, ErrorClass, LoadInto, Phase, Prepared, Published, ReplaceMode, Result, Sealed,
    TableRef,
};
use rowferry_runtime::FailPoint;

use crate::conn::Conn;
use crate::lock::{MysqlLock, still_ours};
use crate::{columns, error, merge, sql, staging};

/// Rows of a table, counted up to `limit`.
pub(crate) async fn count(conn: &mut Conn, table: &TableRef, limit: Option<u64>) -> Result<u64> {
    let name = sql::table(table);
    let query = match limit {
        Some(limit) => format!("select count(*) from (select 1 from {name} limit {limit}) counted"),
        None => format!("select count(*) from {name}"),
    };
    let rows: Option<u64> = conn
        .query_first(query)
        .await
        .map_err(|error| error::of(error, format!("could not count the rows of {table}")))?;
    Ok(rows.unwrap_or(0))
}

/// Sets phase `publishing`, counts a staging table and builds indexes.
pub(crate) async fn seal(lock: &mut MysqlLock, prepared: &Prepared) -> Result<Sealed> {
    let attempt = format!("could not seal {}", prepared.load_table);
    begin_fenced(lock, prepared, &attempt).await?;
    let statement = format!(
        "update {} set phase = '{}', updated_at = utc_timestamp(6) where stream_id = {} \
         and phase <> '{}'",
        lock.progress.stream,
        Phase::Publishing.word(),
        sql::text(&prepared.stream.stream_id),
        Phase::Done.word()
    );
    lock.execute(&statement, &attempt).await?;
    lock.execute("commit", &attempt).await?;
    FailPoint::IntentWritten.reach();
    let there = staging::exists(lock.work()?, &prepared.load_table).await?;
    if there {
        build_indexes(lock, prepared).await?;
    }
    let rows = match prepared.load {
        LoadInto::StagingReplace | LoadInto::StagingAppend if there => {
            Some(count(lock.work()?, &prepared.load_table, None).await?)
        }
        // Swapped already: the rows are in the target.
        LoadInto::StagingReplace => Some(count(lock.work()?, &prepared.target, None).await?),
        LoadInto::Target | LoadInto::StagingAppend => None,
    };
    Ok(Sealed { rows })
}

/// Builds the indexes that are not there yet, in one statement.
async fn build_indexes(lock: &mut MysqlLock, prepared: &Prepared) -> Result<()> {
    if prepared.load == LoadInto::StagingAppend || lock.indexes.is_empty() {
        return Ok(());
    }
    let table = prepared.load_table.clone();
    let attempt = format!("could not build the indexes of {table}");
    let present: Vec<String> = lock
        .work()?
        .exec(
            "select distinct index_name from information_schema.statistics \
             where table_schema = ? and table_name = ?",
            (table.schema.as_deref(), &table.name),
        )
        .await
        .map_err(|error| error::of(error, attempt.clone()))?;
    let clauses: Vec<&str> = lock
        .indexes
        .iter()
        .filter(|index| !present.contains(&index.name))
        .map(|index| index.clause.as_str())
        .collect();
    if clauses.is_empty() {
        return Ok(());
    }
    let statement = format!("alter table {} {}", sql::table(&table), clauses.join(", "));
    lock.execute(&statement, &attempt).await
}

/// Begins a transaction that holds the stream row, which must still be ours.
async fn begin_fenced(lock: &mut MysqlLock, prepared: &Prepared, attempt: &str) -> Result<()> {
    lock.execute("start transaction", attempt).await?;
    let progress = lock.progress.clone();
    let found = progress
        .epoch_exclusive(lock.work()?, &prepared.stream.stream_id)
        .await
        .map_err(|error| error::of(error, attempt))?;
    still_ours(found, prepared)
}

/// Makes the rows visible and ends the run.
pub(crate) async fn publish(
    lock: &mut MysqlLock,
    prepared: &Prepared,
    watermark: Option<&str>,
) -> Result<Published> {
    let attempt = format!("could not publish {}", prepared.target);
    match (prepared.load, prepared.replace) {
        (LoadInto::Target, _) => {
            begin_fenced(lock, prepared, &attempt).await?;
            finish(lock, prepared, watermark, &attempt).await?;
            Ok(Published { rows_in_target: None })
        }
        (LoadInto::StagingReplace, ReplaceMode::Swap) => {
            swap(lock, prepared, watermark, &attempt).await
        }
        (LoadInto::StagingReplace, ReplaceMode::Truncate) => {
            pour(lock, prepared, watermark, true, &attempt).await
        }
        (LoadInto::StagingAppend, _) => pour(lock, prepared, watermark, false, &attempt).await,
    }
}

/// Phase done with the watermark, and COMMIT of the fenced transaction. Returns the run's rows.
async fn finish(
    lock: &mut MysqlLock,
    prepared: &Prepared,
    watermark: Option<&str>,
    attempt: &str,
) -> Result<u64> {
    let progress = lock.progress.clone();
    let statement = format!(
        "update {} s set s.phase = ?, s.watermark = coalesce(?, s.watermark), \
         s.`rows` = (select coalesce(sum(c.rows_written), 0) from {} c \
         where c.stream_id = s.stream_id and c.run = s.run), s.updated_at = utc_timestamp(6) \
         where s.stream_id = ?",
        progress.stream, progress.chunk
    );
    lock.work()?
        .exec_drop(statement, (Phase::Done.word(), watermark, &prepared.stream.stream_id))
        .await
        .map_err(|error| error::of(error, attempt))?;
    let rows: Option<u64> = lock
        .work()?
        .exec_first(
            format!("select `rows` from {} where stream_id = ?", progress.stream),
            (&prepared.stream.stream_id,),
        )
        .await
        .map_err(|error| error::of(error, attempt))?;
    lock.execute("commit", attempt).await?;
    Ok(rows.unwrap_or(0))
}

async fn swap(
    lock: &mut MysqlLock,
    prepared: &Prepared,
    watermark: Option<&str>,
    attempt: &str,
) -> Result<Published> {
    let (target, load) = (&prepared.target, &prepared.load_table);
    let server = std::sync::Arc::clone(&lock.sink.server);
    let old = staging::old_name(&server, target, &prepared.stream.stream_id, prepared.run);
    begin_fenced(lock, prepared, attempt).await?;
    lock.execute("commit", attempt).await?;
    let staged = staging::exists(lock.work()?, load).await?;
    let present = staging::exists(lock.work()?, target).await?;
    let (load_name, target_name, old_name) =
        (sql::table(load), sql::table(target), sql::table(&old));
    let rename = match (staged, present) {
        (true, true) => {
            Some(format!("rename table {target_name} to {old_name}, {load_name} to {target_name}"))
        }
        (true, false) => Some(format!("rename table {load_name} to {target_name}")),
        (false, true) => None,
        (false, false) => {
            return Err(ConnectorError::new(
                ErrorClass::Conflict,
                "staging-lost",
                format!("{attempt}: neither staging nor target table is there"),
            )
            .with_next("Start anew with --restart."));
        }
    };
    if let Some(rename) = rename {
        lock.execute(&rename, attempt).await?;
        // The catalogue has the last word on what was done.
        let swapped = !staging::exists(lock.work()?, load).await?
            && staging::exists(lock.work()?, target).await?;
        if !swapped {
            return Err(ConnectorError::bug(format!("{attempt}: the rename left no trace")));
        }
    }
    // Before the phase is done: nobody looks behind a finished run.
    for table in staging::siblings(lock.work()?, &old).await? {
        if table != old || !prepared.keep_old {
            let statement = format!("drop table if exists {}", sql::table(&table));
            lock.execute(&statement, attempt).await?;
        }
    }
    begin_fenced(lock, prepared, attempt).await?;
    let rows = finish(lock, prepared, watermark, attempt).await?;
    Ok(Published { rows_in_target: Some(rows) })
}

/// Rows that the receipts of this run say were written.
async fn written(lock: &mut MysqlLock, prepared: &Prepared, attempt: &str) -> Result<u64> {
    let query = format!(
        "select cast(coalesce(sum(rows_written), 0) as unsigned) from {} \
         where stream_id = ? and run = ?",
        lock.progress.chunk
    );
    let rows: Option<u64> = lock
        .work()?
        .exec_first(query, (&prepared.stream.stream_id, prepared.run))
        .await
        .map_err(|error| error::of(error, attempt))?;
    Ok(rows.unwrap_or(0))
}

/// Moves staging's rows into the target in the transaction that ends the run.
async fn pour(
    lock: &mut MysqlLock,
    prepared: &Prepared,
    watermark: Option<&str>,
    empty_first: bool,
    attempt: &str,
) -> Result<Published> {
    let (target, load) = (sql::table(&prepared.target), sql::table(&prepared.load_table));
    begin_fenced(lock, prepared, attempt).await?;
    let phase = format!("select phase from {} where stream_id = ?", lock.progress.stream);
    let done: Option<String> = lock
        .work()?
        .exec_first(phase, (&prepared.stream.stream_id,))
        .await
        .map_err(|error| error::of(error, attempt))?;
    let mut rows = None;
    if done.as_deref() == Some(Phase::Done.word()) {
        lock.execute("commit", attempt).await?;
    } else {
        if empty_first {
            lock.execute(&format!("delete from {target}"), attempt).await?;
        }
        let names = columns::names(prepared);
        let pour = format!("insert into {target} ({names}) select {names} from {load}");
        lock.execute(&pour, attempt).await?;
        let poured = lock.work()?.affected_rows();
        merge::no_warnings(lock.work()?, attempt).await?;
        let written = written(lock, prepared, attempt).await?;
        if poured != written {
            lock.execute("rollback", attempt).await?;
            return Err(ConnectorError::new(
                ErrorClass::Conflict,
                "rows-missing",
                format!("{attempt}: staging has {poured} rows, its receipts say {written}"),
            )
            .with_next("Start anew with --restart."));
        }
        rows = Some(finish(lock, prepared, watermark, attempt).await?);
    }
    lock.execute(&format!("drop table if exists {load}"), attempt).await?;
    Ok(Published { rows_in_target: rows.filter(|_| empty_first) })
}
