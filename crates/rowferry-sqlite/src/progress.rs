//! The two progress tables and the stream rows, in the file that holds the rows.
//!
//! They commit with the rows, so what they say is durable is durable. All functions run inside a
//! transaction of the caller; one that writes has begun with `begin immediate`, so the epoch that
//! it reads cannot change before its COMMIT.

use rowferry_core::{
    Claim, ClaimStart, ConnectorError, ErrorClass, Fingerprint, Phase, Prepared, Receipt, Result,
    StreamSpec, StreamState, TableRef,
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use crate::count::Count;
use crate::error::{conflict, failed, setup};
use crate::quarantine;
use crate::receipts::{folded_digest, receipts};
use crate::sql::quote;

/// Version of the layout of the two tables, stored in each row.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// The moment by the target's clock, UTC.
pub(crate) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

const CREATE: &str = "
create table if not exists _rowferry_stream (
  stream_id text not null primary key,
  format_version integer not null,
  tool_version text not null,
  job text not null,
  source_id text not null,
  source_table text not null,
  target_table text not null,
  run integer not null,
  run_key text,
  epoch integer not null,
  owner text not null,
  phase text not null,
  plan_fingerprint text not null,
  staging_name text,
  watermark text,
  rows integer not null,
  digest text,
  started_at text not null,
  updated_at text not null
) without rowid;
create table if not exists _rowferry_chunk (
  stream_id text not null,
  run integer not null,
  chunk_no integer not null,
  format_version integer not null,
  tool_version text not null,
  lower text,
  upper text,
  last_key text,
  rows_read integer not null,
  rows_written integer not null,
  rows_rejected integer not null,
  duplicates integer not null,
  bytes integer not null,
  digest text,
  digest_kind text,
  digest_rows integer,
  epoch integer not null,
  committed_at text not null,
  primary key (stream_id, run, chunk_no)
) without rowid;";

/// First characters of a stream's id that its staging tables carry.
const STAGING_ID_CHARS: usize = 12;

/// Name of the staging table of a run.
pub(crate) fn staging_name(stream_id: &str, run: i64) -> String {
    format!("{}{run}", staging_prefix(stream_id))
}

fn staging_prefix(stream_id: &str) -> String {
    let short: String = stream_id.chars().take(STAGING_ID_CHARS).collect();
    format!("_rowferry_s_{short}_r")
}

/// SQLite has no schemas, so the progress tables can only live in the file itself.
pub(crate) fn check_schema(progress_schema: Option<&str>) -> Result<()> {
    match progress_schema {
        None | Some("main") => Ok(()),
        Some(schema) => Err(setup(
            "no-schemas",
            format!("progress schema {schema:?} cannot exist: a SQLite file has no schemas"),
        )
        .with_next("Remove `progress_schema` for this target.")),
    }
}

/// Whether the progress tables are there.
pub(crate) fn exists(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "select count(*) = 2 from sqlite_schema where type = 'table' \
         and name in ('_rowferry_stream', '_rowferry_chunk')",
        [],
        |row| row.get(0),
    )
}

/// Class `Conflict` when a later version has written to the progress tables.
pub(crate) fn check_format(connection: &Connection) -> Result<()> {
    let newest = || -> rusqlite::Result<Option<(i64, String)>> {
        if !exists(connection)? {
            return Ok(None);
        }
        connection
            .query_row(
                "select format_version, tool_version from _rowferry_stream \
                 order by format_version desc limit 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    };
    match newest().map_err(|error| failed("could not read the streams of the target", error))? {
        Some((format, by)) if format > FORMAT_VERSION => Err(conflict(
            "newer-state",
            format!(
                "the progress tables have format {format} of rowferry {by}, this one knows \
                 {FORMAT_VERSION}"
            ),
        )
        .with_next("Run that rowferry or a newer one; nothing was changed.")),
        _ => Ok(()),
    }
}

/// All streams, or the one with this id, in the order of job and target table.
pub(crate) fn states(connection: &Connection, id: Option<&str>) -> Result<Vec<StreamState>> {
    check_format(connection)?;
    let read = || -> rusqlite::Result<Vec<StreamState>> {
        if !exists(connection)? {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare(
            "select s.stream_id, s.job, s.source_table, s.target_table, s.run, s.epoch, \
             s.run_key, s.phase, s.plan_fingerprint, s.staging_name, s.watermark, \
             coalesce(c.rows, s.rows), coalesce(c.chunks, 0), s.started_at, \
             max(s.updated_at, coalesce(c.at, '')), \
             cast(strftime('%s', 'now') as integer) - cast(strftime('%s', \
               max(s.updated_at, coalesce(c.at, ''))) as integer), s.owner \
             from _rowferry_stream s left join (select stream_id, run, sum(rows_written) as rows, \
               count(*) as chunks, max(committed_at) as at from _rowferry_chunk \
               group by stream_id, run) c on c.stream_id = s.stream_id and c.run = s.run \
             where ?1 is null or s.stream_id = ?1 order by s.job, s.target_table, s.stream_id",
        )?;
        statement.query_map([id], state_of)?.collect()
    };
    read().map_err(|error| failed("could not read the streams of the target", error))
}

fn state_of(row: &Row<'_>) -> rusqlite::Result<StreamState> {
    let phase: String = row.get(7)?;
    let fingerprint: String = row.get(8)?;
    Ok(StreamState {
        stream_id: row.get(0)?,
        job: row.get(1)?,
        source_table: row.get(2)?,
        target_table: row.get(3)?,
        run: row.get(4)?,
        epoch: row.get(5)?,
        run_key: row.get(6)?,
        // A word of a later version: the run is not finished as far as this version can tell.
        phase: Phase::from_word(&phase).unwrap_or(Phase::Loading),
        // An unreadable fingerprint differs from every plan, which stops the run with a reason.
        fingerprint: serde_json::from_str(&fingerprint).unwrap_or_else(|_unreadable| {
            Fingerprint([("stored".to_owned(), "unreadable".to_owned())].into())
        }),
        staging: row.get::<_, Option<String>>(9)?.map(TableRef::bare),
        watermark: row.get(10)?,
        rows: row.get::<_, Count>(11)?.0,
        chunks: row.get::<_, Count>(12)?.0,
        started_at: row.get(13)?,
        updated_at: row.get(14)?,
        age_seconds: row.get(15)?,
        owner: row.get(16)?,
    })
}

/// Class `Conflict` when another stream writes the same target table and sharing was not allowed.
pub(crate) fn check_shared(connection: &Connection, spec: &StreamSpec) -> Result<()> {
    if spec.shared_target {
        return Ok(());
    }
    let other = || -> rusqlite::Result<Option<(String, String)>> {
        if !exists(connection)? {
            return Ok(None);
        }
        connection
            .query_row(
                "select job, source_table from _rowferry_stream \
                 where target_table = ?1 collate nocase and stream_id <> ?2 limit 1",
                params![spec.target_table.to_string(), spec.stream_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    };
    match other().map_err(|error| failed("could not read the streams of the target", error))? {
        None => Ok(()),
        Some((job, source)) => Err(conflict(
            "target-shared",
            format!(
                "target table {} is already filled by job {job:?} from {source}",
                spec.target_table
            ),
        )
        .with_next(
            "Set `shared_target: true` with append or upsert, or forget the other stream with \
             `rowferry state reset`.",
        )),
    }
}

/// Takes the stream over: creates the tables, raises the epoch, reads the receipts.
pub(crate) fn claim(
    connection: &Connection,
    spec: &StreamSpec,
    start: &ClaimStart,
) -> Result<Claim> {
    let refused = |error| failed("could not claim the stream in the target", error);
    connection.execute_batch(CREATE).map_err(refused)?;
    check_shared(connection, spec)?;
    let known: Option<(i64, i64, String)> = connection
        .query_row(
            "select run, epoch, phase from _rowferry_stream where stream_id = ?1",
            [&spec.stream_id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()
        .map_err(refused)?;
    match (known, start) {
        (None, ClaimStart::NewRun | ClaimStart::Anew) => {
            // Of runs whose progress was lost.
            drop_staging(connection, &spec.stream_id).map_err(refused)?;
            insert_stream(connection, spec).map_err(refused)?;
            Ok(Claim { run: 1, epoch: 1, phase: Phase::Loading, receipts: Vec::new() })
        }
        (Some((run, epoch, _)), ClaimStart::NewRun | ClaimStart::Anew) => {
            let old = receipts(connection, &spec.stream_id, run)?;
            drop_staging(connection, &spec.stream_id).map_err(refused)?;
            start_run(connection, spec, run + 1, epoch + 1, &old).map_err(refused)?;
            if *start == ClaimStart::Anew {
                forget_watermark(connection, &spec.stream_id).map_err(refused)?;
            }
            Ok(Claim {
                run: run + 1,
                epoch: epoch + 1,
                phase: Phase::Loading,
                receipts: Vec::new(),
            })
        }
        (Some((run, epoch, phase)), ClaimStart::Continue) => {
            take_over(connection, spec, epoch + 1).map_err(refused)?;
            Ok(Claim {
                run,
                epoch: epoch + 1,
                phase: Phase::from_word(&phase).unwrap_or(Phase::Loading),
                receipts: receipts(connection, &spec.stream_id, run)?,
            })
        }
        (None, ClaimStart::Continue) => {
            Err(conflict("state-gone", "the stream to continue is no longer in the target")
                .with_next("Run again with `--restart`."))
        }
    }
}

fn insert_stream(connection: &Connection, spec: &StreamSpec) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "insert into _rowferry_stream (stream_id, format_version, tool_version, job, \
             source_id, source_table, target_table, run, run_key, epoch, owner, phase, \
             plan_fingerprint, rows, started_at, updated_at) values (:id, {FORMAT_VERSION}, \
             :tool, :job, :source_id, :source, :target, 1, :run_key, 1, :owner, 'loading', \
             :fingerprint, 0, {NOW}, {NOW})"
        ),
        named_params! {
            ":id": spec.stream_id, ":tool": spec.tool_version, ":job": spec.job,
            ":source_id": spec.source_id, ":source": spec.source_table.to_string(),
            ":target": spec.target_table.to_string(), ":run_key": spec.run_key,
            ":owner": spec.owner, ":fingerprint": fingerprint(spec),
        },
    )?;
    Ok(())
}

/// Starts run `run`: the receipts of the run before are folded into the row. The watermark stays.
fn start_run(
    connection: &Connection,
    spec: &StreamSpec,
    run: i64,
    epoch: i64,
    old: &[Receipt],
) -> rusqlite::Result<()> {
    let rows: u64 = old.iter().map(|receipt| receipt.totals.rows_written).sum();
    connection.execute(
        &format!(
            "update _rowferry_stream set format_version = {FORMAT_VERSION}, tool_version = :tool, \
             job = :job, run = :run, run_key = :run_key, epoch = :epoch, owner = :owner, \
             phase = 'loading', plan_fingerprint = :fingerprint, staging_name = null, \
             rows = iif(:folded, :rows, rows), digest = iif(:folded, :digest, digest), \
             started_at = {NOW}, updated_at = {NOW} where stream_id = :id"
        ),
        named_params! {
            ":id": spec.stream_id, ":tool": spec.tool_version, ":job": spec.job, ":run": run,
            ":run_key": spec.run_key, ":epoch": epoch, ":owner": spec.owner,
            ":fingerprint": fingerprint(spec), ":folded": !old.is_empty(), ":rows": Count(rows),
            ":digest": folded_digest(old),
        },
    )?;
    connection.execute("delete from _rowferry_chunk where stream_id = ?1", [&spec.stream_id])?;
    Ok(())
}

fn forget_watermark(connection: &Connection, stream_id: &str) -> rusqlite::Result<()> {
    connection.execute(
        "update _rowferry_stream set watermark = null where stream_id = ?1",
        [stream_id],
    )?;
    Ok(())
}

fn take_over(connection: &Connection, spec: &StreamSpec, epoch: i64) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "update _rowferry_stream set format_version = {FORMAT_VERSION}, tool_version = :tool, \
             epoch = :epoch, owner = :owner, \
             run_key = coalesce(:run_key, run_key), updated_at = {NOW} where stream_id = :id"
        ),
        named_params! {
            ":id": spec.stream_id, ":tool": spec.tool_version, ":epoch": epoch,
            ":owner": spec.owner, ":run_key": spec.run_key,
        },
    )?;
    Ok(())
}

fn fingerprint(spec: &StreamSpec) -> String {
    serde_json::to_string(&spec.fingerprint).unwrap_or_default()
}

/// Class `Fenced` unless the stream row still holds our run and epoch; otherwise its phase.
pub(crate) fn check_epoch(connection: &Connection, prepared: &Prepared) -> Result<Phase> {
    let row: Option<(i64, i64, String)> = connection
        .prepare_cached("select run, epoch, phase from _rowferry_stream where stream_id = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([&prepared.stream.stream_id], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
        })
        .map_err(|error| failed("could not read the epoch of the stream", error))?;
    match row {
        Some((run, epoch, phase)) if run == prepared.run && epoch == prepared.epoch => {
            Ok(Phase::from_word(&phase).unwrap_or(Phase::Loading))
        }
        _ => Err(ConnectorError::new(
            ErrorClass::Fenced,
            "fenced",
            format!("another process took over the copy into {}", prepared.target),
        )
        .with_next("What was committed is kept; the other process goes on.")),
    }
}

/// Sets the phase from `loading` to `publishing`.
pub(crate) fn set_publishing(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "update _rowferry_stream set phase = 'publishing', updated_at = {NOW} \
             where stream_id = ?1 and phase = 'loading'"
        ),
        [id],
    )?;
    Ok(())
}

/// Notes the staging table of the run, or that there is none.
pub(crate) fn set_staging(
    connection: &Connection,
    id: &str,
    staging: Option<&str>,
) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "update _rowferry_stream set staging_name = ?2, updated_at = {NOW} where stream_id = ?1"
        ),
        params![id, staging],
    )?;
    Ok(())
}

/// Sets phase `done`, the watermark where there is one, and the rows of the finished run.
pub(crate) fn set_done(
    connection: &Connection,
    prepared: &Prepared,
    watermark: Option<&str>,
) -> rusqlite::Result<()> {
    connection.execute(
        &format!(
            "update _rowferry_stream set phase = 'done', watermark = coalesce(?2, watermark), \
             staging_name = null, rows = (select coalesce(sum(rows_written), 0) \
               from _rowferry_chunk where stream_id = ?1 and run = ?3), updated_at = {NOW} \
             where stream_id = ?1"
        ),
        params![prepared.stream.stream_id, watermark, prepared.run],
    )?;
    Ok(())
}

/// Drops every staging table that a run of the stream has left.
pub(crate) fn drop_staging(connection: &Connection, stream_id: &str) -> rusqlite::Result<()> {
    let prefix = staging_prefix(stream_id);
    let left: Vec<String> = connection
        .prepare(
            "select name from sqlite_schema where type = 'table' \
             and substr(name, 1, length(?1)) = ?1",
        )?
        .query_map([prefix], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in left {
        connection.execute_batch(&format!("drop table {}", quote(&name)))?;
    }
    Ok(())
}

/// Removes the stream and its staging tables.
pub(crate) fn forget(connection: &Connection, stream_id: &str) -> rusqlite::Result<()> {
    if !exists(connection)? {
        return Ok(());
    }
    drop_staging(connection, stream_id)?;
    connection.execute("delete from _rowferry_chunk where stream_id = ?1", [stream_id])?;
    connection.execute("delete from _rowferry_stream where stream_id = ?1", [stream_id])?;
    quarantine::forget(connection, stream_id)
}
