//! Sealing and publishing: from a loaded table to the target that readers see.
//!
//! ```text
//!  seal     phase = publishing │ keys, indexes, foreign keys (each guarded by what the catalogue
//!                                shows, so it can be repeated) │ count staging
//!  publish  one transaction:  fence ─ lock target ─ drop old ─ rename ─ rights ─ phase = done
//! ```
//!
//! The swap and the phase commit together, so a process killed anywhere finds either the old table
//! and its staging, or the new table and `done`. The transaction does not wait for long for its lock,
//! but tries several times: a waiting `access exclusive` would hold up every reader behind it.

use rowferry_core::{
    ConnectorError, Digest, ErrorClass, LoadInto, Phase, Prepared, Published, ReplaceMode, Result,
    Sealed, TableRef,
};
use rowferry_runtime::FailPoint;
use tokio_postgres::types::{ToSql, Type};

use crate::client::Client;
use crate::error::{commit_failed, failed};
use crate::finish::Finish;
use crate::prepare;
use crate::progress::{Progress, RunOf};
use crate::session::Session;
use crate::shape::{self, Kind, Part};
use crate::{sql, vacuum};

/// Memory for building indexes: a quarter of `shared_buffers`, which say how large a machine its
/// administrator thinks it is, but no less than 256 MB and no more than 1 GB, which are guessed. With 512 instead
/// of 256 MB the key of six million rows took 1.7 instead of 2.2 s. A larger setting of the server stays.
const RAISE_BUILD_MEMORY: &str = "select pg_catalog.set_config('maintenance_work_mem', wanted / 1024 || 'kB', false) \
     from (select greatest(pg_catalog.pg_size_bytes('256MB'), least(pg_catalog.pg_size_bytes('1GB'), \
         pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) / 4)) as wanted) as memory \
     where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < wanted";

/// Whether rows become visible by renaming staging.
fn swaps(prepared: &Prepared) -> bool {
    prepared.load == LoadInto::StagingReplace && prepared.replace == ReplaceMode::Swap
}

/// Sets the phase, builds the keys of staging and counts its rows.
pub(crate) async fn seal(
    session: &Session,
    progress: &Progress,
    prepared: &Prepared,
    finish: &Finish,
) -> Result<Sealed> {
    let client = &session.client;
    let attempt = || format!("could not seal table {}", prepared.load_table);
    if progress.begin_fenced(client, &RunOf::prepared(prepared)).await? == Phase::Done {
        client.batch_execute("rollback").await.map_err(failed(attempt()))?;
        return Ok(Sealed::default());
    }
    let intent = format!(
        "update {} set phase = 'publishing', updated_at = now() where stream_id = $1",
        progress.stream()
    );
    client
        .execute_typed(&intent, &[(&prepared.stream.stream_id, Type::TEXT)])
        .await
        .map_err(failed(attempt()))?;
    client.batch_execute("commit").await.map_err(failed(attempt()))?;
    FailPoint::IntentWritten.reach();
    if prepared.load == LoadInto::Target {
        return Ok(Sealed::default());
    }
    if !prepare::exists(client, &prepared.load_table).await? {
        return Err(staging_gone(prepared));
    }
    let indexed = if swaps(prepared) {
        client.batch_execute(RAISE_BUILD_MEMORY).await.map_err(failed(attempt()))?;
        build(client, prepared, finish, Within::Nothing).await?
    } else {
        None
    };
    // Anything but what the receipts say: a count has the last word.
    let indexed = match indexed {
        Some(rows) if loaded(client, progress, prepared).await?.rows == rows => Some(rows),
        Some(_) | None => None,
    };
    let rows = match indexed {
        Some(rows) => rows,
        None => prepare::rows(client, &prepared.load_table, None)
            .await?
            .ok_or_else(|| staging_gone(prepared))?,
    };
    Ok(Sealed { rows: Some(rows) })
}

/// Where keys and indexes are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Each in a transaction of its own, so that what is built stays when the next one fails.
    Nothing,
    /// In the caller's.
    Transaction,
}

/// Builds on staging whatever keys the target has, or the key of the plan for a new table. Returns the
/// rows that the first index was built of, where one was built and knows.
async fn build(
    client: &Client,
    prepared: &Prepared,
    finish: &Finish,
    within: Within,
) -> Result<Option<u64>> {
    let staging = &prepared.load_table;
    let present = shape::part_names(client, staging).await?;
    let target_exists = prepare::exists(client, &prepared.target).await?;
    let mut rows = None;
    if !target_exists {
        let name = part_name_of_key(prepared);
        if prepared.key_enforced && !prepared.key.is_empty() && !present.contains(&name) {
            let key = sql::list(prepared.key.iter().map(String::as_str));
            let statement = format!(
                "alter table {} add constraint {} primary key ({key})",
                sql::table(staging),
                sql::quote(&name)
            );
            let attempt = "could not add the primary key to";
            rows = run(client, &statement, attempt, staging, within).await?;
        }
    }
    let found;
    let parts = if target_exists {
        found = parts(client, &prepared.target).await?;
        &found
    } else {
        &finish.parts
    };
    for part in parts {
        let name = shape::part_name(staging, part);
        if part.kind != Kind::SelfReference && !present.contains(&name) {
            let statement = part.create(staging, &name);
            let attempt = "could not build a key or index of";
            let indexed = run(client, &statement, attempt, staging, within).await?;
            if matches!(part.kind, Kind::Key | Kind::Index) {
                rows = rows.or(indexed);
            }
        }
    }
    Ok(rows)
}

fn part_name_of_key(prepared: &Prepared) -> String {
    sql::with_suffix(&prepared.load_table.name, "_pkey")
}

/// Numbers of rows below this are exact where the catalogue has them, in 24 bits.
const EXACT_ROWS: i64 = 1 << 24;

/// Runs a statement that builds something, and returns the rows of the table as the server has counted
/// them while it built an index; `None` where they are too many for an exact number.
///
/// A count of its own reads the whole table once more: a twentieth of the time of a copy.
async fn run(
    client: &Client,
    statement: &str,
    attempt: &str,
    table: &TableRef,
    within: Within,
) -> Result<Option<u64>> {
    const ROWS: &str = "select c.reltuples::pg_catalog.int8 from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1::text and c.relname = $2::text";
    let attempt = || failed(format!("{attempt} table {table}"));
    if within == Within::Transaction {
        client.batch_execute(statement).await.map_err(attempt())?;
        FailPoint::TableStatement.reach();
        return Ok(None);
    }
    // In one transaction, so that nothing else writes its own number there.
    client.batch_execute("begin").await.map_err(attempt())?;
    client.batch_execute(statement).await.map_err(attempt())?;
    let names: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT)];
    let rows: i64 = client.query_typed_one(ROWS, &names).await.map_err(attempt())?.get(0)?;
    client.batch_execute("commit").await.map_err(attempt())?;
    FailPoint::TableStatement.reach();
    Ok(u64::try_from(rows).ok().filter(|_| rows < EXACT_ROWS))
}

/// [`shape::parts`] with names resolved by `pg_catalog` alone.
async fn parts(client: &Client, table: &TableRef) -> Result<Vec<Part>> {
    let attempt = || format!("could not read the keys of table {table}");
    client
        .batch_execute("begin; set local search_path = pg_catalog")
        .await
        .map_err(failed(attempt()))?;
    let parts = shape::parts(client, table).await?;
    client.batch_execute("commit").await.map_err(failed(attempt()))?;
    Ok(parts)
}

fn staging_gone(prepared: &Prepared) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        "staging-gone",
        format!("staging table {} does not exist any more", prepared.load_table),
    )
    .with_next("Run again with `--restart`.")
}

/// Makes the rows visible and sets phase `done`, in one fenced transaction.
pub(crate) async fn publish(
    client: &Client,
    progress: &Progress,
    prepared: &Prepared,
    finish: &Finish,
    watermark: Option<&str>,
) -> Result<Published> {
    let attempt = || format!("could not publish table {}", prepared.target);
    let phase = progress.begin_fenced(client, &RunOf::prepared(prepared)).await?;
    let loaded = loaded(client, progress, prepared).await?;
    let rows = match prepared.load {
        LoadInto::StagingReplace => Some(loaded.rows),
        LoadInto::StagingAppend | LoadInto::Target => None,
    };
    if phase == Phase::Done {
        client.batch_execute("rollback").await.map_err(failed(attempt()))?;
        return Ok(Published { rows_in_target: rows });
    }
    match prepared.load {
        LoadInto::StagingReplace if prepared.replace == ReplaceMode::Swap => {
            swap(client, prepared, finish).await?;
        }
        LoadInto::StagingReplace => move_rows(client, prepared, finish, &loaded, true).await?,
        LoadInto::StagingAppend => move_rows(client, prepared, finish, &loaded, false).await?,
        LoadInto::Target => {}
    }
    finish.advance_sequences(client, &prepared.target).await?;
    FailPoint::TableStatement.reach();
    let done = format!(
        "update {} set phase = 'done', watermark = coalesce($2, watermark), rows = $3, \
             digest = $4, staging_name = null, updated_at = now() where stream_id = $1",
        progress.stream()
    );
    let count = i64::try_from(loaded.rows).unwrap_or(i64::MAX);
    client
        .execute_typed(
            &done,
            &[
                (&prepared.stream.stream_id, Type::TEXT),
                (&watermark, Type::TEXT),
                (&count, Type::INT8),
                (&loaded.digest, Type::TEXT),
            ],
        )
        .await
        .map_err(failed(attempt()))?;
    FailPoint::TableStatement.reach();
    let commit = FailPoint::TableStatement.reach_while(client.batch_execute("commit"));
    commit.await.map_err(|error| commit_failed(attempt(), error))?;
    Ok(Published { rows_in_target: rows })
}

/// Rows and digest of all receipts of the run.
struct Loaded {
    rows: u64,
    digest: Option<String>,
}

async fn loaded(client: &Client, progress: &Progress, prepared: &Prepared) -> Result<Loaded> {
    let receipts = progress.receipts(client, &prepared.stream.stream_id, prepared.run).await?;
    let rows = receipts.iter().map(|receipt| receipt.totals.rows_written).sum();
    let mut digests = receipts.iter().map(|receipt| receipt.totals.digest.as_ref());
    // One chunk without a digest, or with another kind, and the whole has none.
    let first = digests.next().flatten().cloned();
    let whole = digests.try_fold(first, |sum: Option<Digest>, digest| match (sum, digest) {
        (Some(mut sum), Some(digest)) if sum.kind == digest.kind => {
            sum.count += digest.count;
            sum.sum = sum.sum.wrapping_add(digest.sum);
            Some(Some(sum))
        }
        _ => None,
    });
    let digest = whole
        .flatten()
        .map(|digest| format!("{}:{}:{:032x}", digest.kind, digest.count, digest.sum));
    Ok(Loaded { rows, digest })
}

/// `insert … select` from staging, after a delete when the rows replace others.
async fn move_rows(
    client: &Client,
    prepared: &Prepared,
    finish: &Finish,
    loaded: &Loaded,
    replace: bool,
) -> Result<()> {
    let (target, staging) = (&prepared.target, &prepared.load_table);
    if !prepare::exists(client, staging).await? {
        return Err(staging_gone(prepared));
    }
    let attempt = || format!("could not move the rows of {staging} into table {target}");
    if prepare::exists(client, target).await? {
        if replace {
            let delete = format!("delete from {}", sql::table(target));
            client.batch_execute(&delete).await.map_err(failed(attempt()))?;
        }
        let written = prepared.columns.iter().filter(|column| !column.target.generated);
        let columns = sql::list(written.map(|column| column.target.name.as_str()));
        let insert = format!(
            "insert into {} ({columns}) overriding system value select {columns} from {}",
            sql::table(target),
            sql::table(staging)
        );
        let moved = client.execute_typed(&insert, &[]).await.map_err(failed(attempt()))?;
        if moved != loaded.rows {
            return Err(ConnectorError::new(
                ErrorClass::Conflict,
                "rows-differ",
                format!("table {target} took {moved} of {} rows of {staging}", loaded.rows),
            )
            .with_next("Look for triggers or rules on the target that swallow rows."));
        }
        let drop = format!("drop table {}", sql::table(staging));
        client.batch_execute(&drop).await.map_err(failed(attempt()))
    } else {
        // A new table has nothing to be mixed with: staging becomes it.
        build(client, prepared, finish, Within::Transaction).await?;
        swap(client, prepared, finish).await
    }
}

/// Renames staging to the target, inside the caller's transaction.
async fn swap(client: &Client, prepared: &Prepared, finish: &Finish) -> Result<()> {
    let (target, staging) = (&prepared.target, &prepared.load_table);
    let attempt = || format!("could not swap table {target}");
    if !prepare::exists(client, staging).await? {
        return Err(staging_gone(prepared));
    }
    let statements = if prepare::exists(client, target).await? {
        let lock = format!(
            "set local search_path = pg_catalog; lock table {} in access exclusive mode",
            sql::table(target)
        );
        client.batch_execute(&lock).await.map_err(failed(attempt()))?;
        let mut dependents = shape::dependents(client, target).await?;
        let references = shape::references(client, target).await?;
        dependents.extend(references.iter().map(ToString::to_string));
        if !dependents.is_empty() {
            return Err(cut_off(target, &dependents));
        }
        replacing(client, prepared).await?
    } else {
        let mut statements = vec![rename_table(staging, &target.name)];
        let present = shape::part_names(client, staging).await?;
        for part in &finish.parts {
            let name = shape::part_name(staging, part);
            if present.contains(&name) {
                let free = prepare::free_name(client, target, part).await?;
                statements.push(part.rename(target, &name, &free));
            }
        }
        if present.contains(&part_name_of_key(prepared)) {
            statements.push(format!(
                "alter table {} rename constraint {} to {}",
                sql::table(target),
                sql::quote(&part_name_of_key(prepared)),
                sql::quote(&sql::with_suffix(&target.name, "_pkey")),
            ));
        }
        for sequence in shape::sequences(client, staging).await? {
            let name = sql::with_suffix(&target.name, &format!("_{}_seq", sequence.column));
            let free = TableRef { schema: sequence.name.schema.clone(), name: name.clone() };
            if !prepare::exists(client, &free).await? {
                statements.push(rename_sequence(&sequence.name, &name));
            }
        }
        statements
    };
    // Before the parameters and the owner of the old table come over.
    client.batch_execute(&vacuum::take_care_of(staging)).await.map_err(failed(attempt()))?;
    for statement in statements {
        client.batch_execute(&statement).await.map_err(failed(attempt()))?;
        FailPoint::TableStatement.reach();
    }
    Ok(())
}

/// The statements by which staging takes the place of an existing target.
async fn replacing(client: &Client, prepared: &Prepared) -> Result<Vec<String>> {
    let (target, staging) = (&prepared.target, &prepared.load_table);
    let parts = shape::parts(client, target).await?;
    let present = shape::part_names(client, staging).await?;
    let old_sequences = shape::sequences(client, target).await?;
    let new_sequences = shape::sequences(client, staging).await?;
    // First of all: the sequences may only be linked to a table of the same owner.
    let mut statements = shape::inheritance(client, target, staging).await?;
    let old = TableRef {
        schema: target.schema.clone(),
        name: sql::with_suffix(&target.name, OLD_SUFFIX),
    };
    // Before the old table goes: its default's sequence would go with it.
    for sequence in old_sequences.iter().filter(|sequence| !sequence.identity) {
        statements.push(format!(
            "alter sequence {} owned by {}.{}",
            sql::table(&sequence.name),
            sql::table(staging),
            sql::quote(&sequence.column)
        ));
    }
    if prepared.keep_old {
        if prepare::exists(client, &old).await? {
            statements.push(format!("drop table {}", sql::table(&old)));
        }
        statements.push(rename_table(target, &old.name));
        for part in parts.iter().filter(|part| matches!(part.kind, Kind::Key | Kind::Index)) {
            let kept = sql::with_suffix(&part.name, OLD_SUFFIX);
            statements.push(part.rename(&old, &part.name, &kept));
        }
        for sequence in old_sequences.iter().filter(|sequence| sequence.identity) {
            let kept = sql::with_suffix(&sequence.name.name, OLD_SUFFIX);
            statements.push(rename_sequence(&sequence.name, &kept));
        }
    } else {
        statements.push(format!("drop table {}", sql::table(target)));
    }
    statements.push(rename_table(staging, &target.name));
    for part in &parts {
        let name = shape::part_name(staging, part);
        if part.kind == Kind::SelfReference {
            statements.push(part.create(target, &part.name));
        } else if present.contains(&name) {
            statements.push(part.rename(target, &name, &part.name));
        } else {
            return Err(changed(target));
        }
    }
    for sequence in new_sequences.iter().filter(|sequence| sequence.identity) {
        let old = old_sequences.iter().find(|old| old.column == sequence.column && old.identity);
        if let Some(old) = old {
            statements.push(rename_sequence(&sequence.name, &old.name.name));
        }
    }
    Ok(statements)
}

/// Suffix of a swapped-out table that is kept.
const OLD_SUFFIX: &str = "_rowferry_old";

fn rename_table(table: &TableRef, name: &str) -> String {
    format!("alter table {} rename to {}", sql::table(table), sql::quote(name))
}

fn rename_sequence(sequence: &TableRef, name: &str) -> String {
    format!("alter sequence {} rename to {}", sql::table(sequence), sql::quote(name))
}

fn cut_off(target: &TableRef, dependents: &[String]) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        "target-has-dependents",
        format!("a swap of table {target} would cut off: {}", dependents.join(", ")),
    )
    .with_next("Use `replace: truncate`, which keeps the table object.")
}

fn changed(target: &TableRef) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        "target-changed",
        format!("keys or indexes of table {target} changed during the copy"),
    )
    .with_next("Run again; what was loaded so far is kept.")
}
