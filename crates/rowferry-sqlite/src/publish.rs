//! From the plan to a table that can be loaded, and from the loaded table to the visible one.
//!
//! DDL is transactional in SQLite, so each step here is one fenced transaction: either the swap, the
//! phase and the watermark are all there, or none is. An interrupted step is simply done again.
//!
//! ```text
//! prepare   create staging (or the target), note its name
//! seal      phase publishing, count
//! publish   drop target · rename staging · its indexes and triggers again · phase done
//! ```
//!
//! `legacy_alter_table` is on for this connection: renaming must not rewrite views, triggers and
//! foreign keys of others that name the target; they mean whatever table bears its name.

use rowferry_core::{
    Claim, ConnectorError, LoadInto, Phase, PlanProblem, Prepared, Published, ReplaceMode, Result,
    Sealed, TablePlan, TableRef, WriteMode, target_altered,
};
use rowferry_runtime::FailPoint;
use rusqlite::{Connection, OptionalExtension as _};

use crate::altered;
use crate::count::Count;
use crate::create::{create_table, indexes};
use crate::ddl::{facts, recreate_as};
use crate::describe;
use crate::error::{failed, setup};
use crate::load::same_columns;
use crate::progress;
use crate::receipts;
use crate::sql::{quote, quote_list};

/// Makes the table that chunks are written to; idempotent within a run.
pub(crate) fn prepare(
    connection: &Connection,
    plan: &TablePlan,
    claim: &Claim,
) -> Result<Prepared> {
    check_names(plan)?;
    let id = &plan.stream.stream_id;
    let load_table = match plan.load {
        LoadInto::StagingReplace | LoadInto::StagingAppend => {
            TableRef::bare(progress::staging_name(id, claim.run))
        }
        LoadInto::Target => TableRef::bare(plan.target.name.clone()),
    };
    let mut prepared = Prepared::of(plan, claim, plan.target.clone(), load_table);
    progress::check_epoch(connection, &prepared)?;
    prepared.staging_lost = match plan.load {
        LoadInto::Target => prepare_target(connection, plan, claim, &prepared)?,
        LoadInto::StagingReplace | LoadInto::StagingAppend => {
            prepare_staging(connection, plan, claim, &prepared)?
        }
    };
    prepared.shape = altered::shape(connection, &prepared.load_table)?;
    let existed =
        plan.target_existing.is_some() && (plan.load == LoadInto::Target || plan.keeps_shape());
    let planned = plan.columns.iter().map(|column| &column.target);
    match prepared.shape.change_since_plan(planned).filter(|_| existed) {
        Some(change) => Err(target_altered(&plan.target, &change)),
        None => Ok(prepared),
    }
}

/// The refusal of a table whose name SQLite keeps for itself.
pub(crate) fn check_table_name(target: &TableRef) -> Option<PlanProblem> {
    let name = &target.name;
    (name.to_ascii_lowercase().starts_with("sqlite_") || name.contains('\0')).then(|| {
        let why = format!("SQLite allows no table of the name {name:?}");
        PlanProblem::of_table("bad-name", why, "Give the table another name with `target`.")
    })
}

/// Names that SQLite takes for one another.
fn check_names(plan: &TablePlan) -> Result<()> {
    let target = &plan.target.name;
    for (index, column) in plan.columns.iter().enumerate() {
        let name = &column.target.name;
        let twin = plan
            .columns
            .iter()
            .take(index)
            .find(|other| other.target.name.eq_ignore_ascii_case(name));
        if let Some(twin) = twin {
            return Err(setup(
                "column-twice",
                format!(
                    "columns {:?} and {name:?} of target table {target} are one column in SQLite, \
                     which does not tell case apart",
                    twin.target.name
                ),
            )
            .with_next("Give one of them another name with `rename`."));
        }
    }
    Ok(())
}

/// Whether the target was missing although receipts speak of rows in it.
fn prepare_target(
    connection: &Connection,
    plan: &TablePlan,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<bool> {
    let refused = |error| failed(format!("could not create target table {}", plan.target), error);
    let missing = !table_exists(connection, &plan.target)?;
    if missing {
        connection
            .execute_batch(&create_table(&prepared.load_table.name, plan, true))
            .map_err(refused)?;
        make_indexes(connection, plan).map_err(refused)?;
    }
    if plan.write == WriteMode::Upsert && !has_unique_key(connection, plan)? {
        return Err(setup(
            "no-unique-key",
            format!(
                "target table {} has no unique key over ({})",
                plan.target,
                plan.key.join(", ")
            ),
        )
        .with_next("Add that unique key to the target, or name another `key`."));
    }
    progress::set_staging(connection, &plan.stream.stream_id, None).map_err(refused)?;
    Ok(missing && rows_of(claim) > 0)
}

/// Whether staging was missing or empty although receipts speak of rows in it.
fn prepare_staging(
    connection: &Connection,
    plan: &TablePlan,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<bool> {
    let name = &prepared.load_table.name;
    let refused = |error| failed(format!("could not create staging table {name}"), error);
    if plan.load == LoadInto::StagingAppend && !table_exists(connection, &plan.target)? {
        let statement = create_table(&plan.target.name, plan, true);
        connection.execute_batch(&statement).map_err(refused)?;
        make_indexes(connection, plan).map_err(refused)?;
    }
    let there = table_exists(connection, &prepared.load_table)?;
    let empty = there && is_empty(connection, name).map_err(refused)?;
    let lost = rows_of(claim) > 0 && (!there || empty);
    if !there {
        let statement = staging_statement(connection, plan, name)?;
        connection.execute_batch(&statement).map_err(refused)?;
        FailPoint::TableStatement.reach();
    }
    progress::set_staging(connection, &plan.stream.stream_id, Some(name)).map_err(refused)?;
    Ok(lost)
}

/// Staging that replaces a table which has all columns of the plan is made by that table's own
/// statement, so that defaults, checks, collations and `without rowid` live on. Otherwise the plan
/// says what it looks like.
fn staging_statement(connection: &Connection, plan: &TablePlan, name: &str) -> Result<String> {
    let from_plan = || create_table(name, plan, plan.load == LoadInto::StagingReplace);
    if plan.load != LoadInto::StagingReplace {
        return Ok(from_plan());
    }
    if !plan.keeps_shape() {
        return Ok(from_plan());
    }
    let statement: Option<String> = connection
        .query_row(
            "select sql from sqlite_schema where type = 'table' and name = ?1 collate nocase",
            [&plan.target.name],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| failed(format!("could not read table {}", plan.target), error))?;
    Ok(statement
        .and_then(|text| recreate_as(&text, name, &plan.target.name))
        .unwrap_or_else(from_plan))
}

/// Sets phase `publishing` and counts staging.
pub(crate) fn seal(connection: &Connection, prepared: &Prepared) -> Result<Sealed> {
    let phase = progress::check_epoch(connection, prepared)?;
    let refused = |error| failed(format!("could not seal table {}", prepared.load_table), error);
    progress::set_publishing(connection, &prepared.stream.stream_id).map_err(refused)?;
    let rows = match (prepared.load, phase) {
        (LoadInto::Target, _) | (_, Phase::Done) => None,
        (
            LoadInto::StagingReplace | LoadInto::StagingAppend,
            Phase::Loading | Phase::Publishing,
        ) => Some(count(connection, &prepared.load_table.name).map_err(refused)?),
    };
    Ok(Sealed { rows })
}

/// Makes the rows visible and finishes the run.
///
/// `plan` is that of `prepare`: a new target gets the source's indexes, and its numbering goes on
/// where that of the source stands.
pub(crate) fn publish(
    connection: &Connection,
    plan: &TablePlan,
    prepared: &Prepared,
    watermark: Option<&str>,
) -> Result<Published> {
    let phase = progress::check_epoch(connection, prepared)?;
    let target = &prepared.target.name;
    let refused = |error| failed(format!("could not publish target table {target}"), error);
    let written = receipts::rows_written(connection, &prepared.stream.stream_id, prepared.run)
        .map_err(refused)?;
    let rows_in_target = (prepared.load == LoadInto::StagingReplace).then_some(written);
    if phase == Phase::Done {
        return Ok(Published { rows_in_target });
    }
    let staging = &prepared.load_table.name;
    match prepared.load {
        LoadInto::Target => {}
        LoadInto::StagingAppend => move_rows(connection, prepared, false).map_err(refused)?,
        LoadInto::StagingReplace => {
            if !table_exists(connection, &prepared.load_table)? {
                return Err(ConnectorError::bug(format!("staging table {staging} is gone")));
            }
            let found = describe::find(connection, &TableRef::bare(target.clone()))?;
            match (found, prepared.replace) {
                (None, _) => {
                    rename(connection, staging, target).map_err(refused)?;
                    make_indexes(connection, plan).map_err(refused)?;
                }
                (Some(_), ReplaceMode::Truncate) => {
                    move_rows(connection, prepared, true).map_err(refused)?;
                }
                (Some(found), ReplaceMode::Swap) => {
                    swap(connection, prepared, &found.name).map_err(refused)?;
                }
            }
        }
    }
    carry_numbering(connection, plan).map_err(refused)?;
    FailPoint::TableStatement.reach();
    progress::set_done(connection, prepared, watermark).map_err(refused)?;
    FailPoint::TableStatement.reach();
    Ok(Published { rows_in_target })
}

/// Makes the indexes that the source has on a new target.
fn make_indexes(connection: &Connection, plan: &TablePlan) -> rusqlite::Result<()> {
    let names: Vec<String> = connection
        .prepare("select name from sqlite_schema")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_taken = |name: &str| names.iter().any(|taken| taken.eq_ignore_ascii_case(name));
    for statement in indexes(plan, is_taken) {
        connection.execute_batch(&statement)?;
    }
    Ok(())
}

/// A table with autoincrement gives the source's next number next, even where the rows with the
/// highest numbers were deleted.
fn carry_numbering(connection: &Connection, plan: &TablePlan) -> rusqlite::Result<()> {
    let Some(last) = plan.source.next_identity.and_then(|next| next.checked_sub(1)) else {
        return Ok(());
    };
    let target = &plan.target.name;
    let statement: Option<String> = connection
        .query_row(
            "select sql from sqlite_schema where type = 'table' and name = ?1 collate nocase",
            [target],
            |row| row.get(0),
        )
        .optional()?;
    if !statement.is_some_and(|statement| facts(&statement).autoincrement) {
        return Ok(());
    }
    let known = connection.execute(
        "update sqlite_sequence set seq = max(seq, ?2) where name = ?1 collate nocase",
        rusqlite::params![target, last],
    )?;
    if known == 0 {
        connection.execute(
            "insert into sqlite_sequence (name, seq) values (?1, ?2)",
            rusqlite::params![target, last],
        )?;
    }
    Ok(())
}

/// Tables that are pointed at, with the number of rows whose parents they do not have.
pub(crate) fn orphans(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<(String, u64)>> {
    connection
        .prepare(
            "select parent, count(*) from pragma_foreign_key_check(?1) group by parent order by 1",
        )?
        .query_map([table], |row| Ok((row.get(0)?, row.get::<_, Count>(1)?.0)))?
        .collect()
}

/// Puts staging in the place of the target. Its indexes and triggers are made again, by their own
/// statements, on the new rows.
fn swap(connection: &Connection, prepared: &Prepared, old: &str) -> rusqlite::Result<()> {
    let attached: Vec<String> = connection
        .prepare(
            "select sql from sqlite_schema where type in ('index', 'trigger') \
             and tbl_name = ?1 collate nocase and sql is not null order by type, name",
        )?
        .query_map([old], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if prepared.keep_old {
        let kept = format!("_rowferry_old_{old}");
        connection.execute_batch(&format!("drop table if exists {}", quote(&kept)))?;
        rename(connection, old, &kept)?;
        drop_attached(connection, &kept)?;
    } else {
        connection.execute_batch(&format!("drop table {}", quote(old)))?;
    }
    FailPoint::TableStatement.reach();
    rename(connection, &prepared.load_table.name, old)?;
    FailPoint::TableStatement.reach();
    for statement in attached {
        connection.execute_batch(&statement)?;
        FailPoint::TableStatement.reach();
    }
    Ok(())
}

/// A kept table gives its index and trigger names to the new one.
fn drop_attached(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    let attached: Vec<(String, String)> = connection
        .prepare(
            "select type, name from sqlite_schema where type in ('index', 'trigger') \
             and tbl_name = ?1 and sql is not null",
        )?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name) in attached {
        connection.execute_batch(&format!("drop {kind} {}", quote(&name)))?;
    }
    Ok(())
}

fn rename(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("alter table {} rename to {}", quote(from), quote(to)))
}

/// Moves the rows of staging into the target, in place of its own or behind them.
fn move_rows(connection: &Connection, prepared: &Prepared, replace: bool) -> rusqlite::Result<()> {
    let (target, staging) = (quote(&prepared.target.name), quote(&prepared.load_table.name));
    let columns = match describe::find(connection, &prepared.target) {
        Ok(Some(found)) => describe::shape(connection, &found)?,
        // The insert will say what is wrong with it.
        Ok(None) | Err(_) => Vec::new(),
    };
    let is_computed =
        |name: &str| columns.iter().any(|c| c.generated && c.name.eq_ignore_ascii_case(name));
    let names = prepared.columns.iter().map(|column| column.target.name.as_str());
    let names = quote_list(names.filter(|name| !is_computed(name)));
    if replace {
        connection.execute_batch(&format!("delete from {target}"))?;
    }
    connection.execute_batch(&format!(
        "insert into {target} ({names}) select {names} from {staging}; drop table {staging}"
    ))
}

/// Rows of a table, counted up to a limit; 0 when it does not exist.
pub(crate) fn target_rows(
    connection: &Connection,
    table: &TableRef,
    limit: Option<u64>,
) -> Result<u64> {
    if !table_exists(connection, table)? {
        return Ok(0);
    }
    let name = quote(&table.name);
    let text = match limit {
        None => format!("select count(*) from {name}"),
        Some(limit) => format!("select count(*) from (select 1 from {name} limit {limit})"),
    };
    connection
        .query_row(&text, [], |row| row.get(0))
        .map(|Count(rows)| rows)
        .map_err(|error| failed(format!("could not count rows of target table {table}"), error))
}

fn count(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let text = format!("select count(*) from {}", quote(table));
    connection.query_row(&text, [], |row| row.get(0)).map(|Count(rows)| rows)
}

fn is_empty(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let text = format!("select not exists (select 1 from {})", quote(table));
    connection.query_row(&text, [], |row| row.get(0))
}

fn table_exists(connection: &Connection, table: &TableRef) -> Result<bool> {
    describe::find(connection, table).map(|found| found.is_some())
}

fn has_unique_key(connection: &Connection, plan: &TablePlan) -> Result<bool> {
    let Some(found) = describe::find(connection, &plan.target)? else { return Ok(false) };
    let schema = describe::schema(connection, &found)
        .map_err(|error| failed(format!("could not describe table {}", plan.target), error))?;
    Ok(schema.keys.iter().any(|key| same_columns(&key.columns, &plan.key)))
}

fn rows_of(claim: &Claim) -> u64 {
    claim.receipts.iter().map(|receipt| receipt.totals.rows_written).sum()
}
