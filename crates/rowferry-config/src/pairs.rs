//! Which settings of a table make sense together: one table in code.

use rowferry_core::{Job, Mode, PublishWhen, ReplaceMode, TableJob, WriteMode};

use crate::{ConfigError, is_pattern};

/// Refuses settings that contradict each other, after flags and file have been put together.
///
/// # Errors
///
/// The first contradiction, with the name of its table.
pub fn check_pairs(job: &Job) -> Result<(), ConfigError> {
    if job.mode == Mode::Incremental && job.publish == PublishWhen::Job {
        return Err(wrong(
            "publish: job has no meaning with mode: incremental, which has no staging",
        )
        .with_next("Remove publish, or use mode: full."));
    }
    job.tables.iter().try_for_each(|table| {
        check_table(job, table).map_err(|error| ConfigError { line: table.line, ..error })
    })
}

fn wrong(message: impl Into<String>) -> ConfigError {
    ConfigError::new("contradiction", message)
}

fn check_table(job: &Job, table: &TableJob) -> Result<(), ConfigError> {
    let write = match (job.mode, table.write) {
        (Mode::Full, None) => WriteMode::Replace,
        (Mode::Incremental, None) => WriteMode::Upsert,
        (Mode::Full | Mode::Incremental, Some(write)) => write,
    };
    let replaces = write == WriteMode::Replace;
    let pattern =
        is_pattern(&table.source.name) || table.source.schema.as_deref().is_some_and(is_pattern);
    let guarded = table.guard.max_shrink.is_some() || table.guard.min_rows.is_some();
    let named = |name: &str| name.contains("{table}");
    let target_names = table.target.as_ref().is_none_or(|target| named(&target.name));
    let both = table.include.iter().find(|column| table.exclude.contains(column));
    let gone = table.rename.keys().find(|column| {
        table.exclude.contains(column)
            || (!table.include.is_empty() && !table.include.contains(column))
    });
    let name = &table.source;
    let rules: [(bool, &str, &str); 8] = [
        (
            job.mode == Mode::Incremental && write != WriteMode::Upsert,
            "mode: incremental writes by upsert: the overlap of two runs is written twice",
            "Use write: upsert, or mode: full.",
        ),
        (
            !replaces && table.keep_old,
            "keep_old needs write: replace",
            "Remove keep_old: no table is swapped out.",
        ),
        (
            table.keep_old && table.replace == ReplaceMode::Truncate,
            "keep_old and replace: truncate contradict each other",
            "Use replace: swap, or remove keep_old.",
        ),
        (
            !replaces && table.replace == ReplaceMode::Truncate,
            "replace: truncate needs write: replace",
            "Remove one of the two.",
        ),
        (
            !replaces && guarded,
            "guard needs write: replace",
            "Remove guard: no row is ever removed.",
        ),
        (
            replaces && table.shared_target,
            "shared_target and write: replace contradict each other",
            "Use write: append or upsert for a target that several streams fill.",
        ),
        (
            !pattern && !table.exclude_tables.is_empty(),
            "exclude_tables needs a pattern in source",
            "Write for example source: public.*.",
        ),
        (
            pattern && !target_names,
            "a pattern of tables needs {table} in its target",
            "Write for example target: \"stg_{table}\".",
        ),
    ];
    if let Some((_, message, next)) = rules.iter().find(|(broken, _, _)| *broken) {
        return Err(wrong(format!("table {name}: {message}")).with_next(*next));
    }
    if let Some(column) = both {
        return Err(wrong(format!(
            "table {name}: column {column:?} is both included and excluded"
        ))
        .with_next("Remove it from one of the two lists."));
    }
    if let Some(column) = gone {
        return Err(wrong(format!("table {name}: column {column:?} is renamed but not copied"))
            .with_next("Include the column, or remove it from rename."));
    }
    let mut targets: Vec<&String> = table.rename.values().collect();
    targets.sort();
    if let Some([column, _]) = targets.windows(2).find(|pair| pair.first() == pair.last()) {
        return Err(wrong(format!("table {name}: two columns are renamed to {column:?}"))
            .with_next("Give each column its own name."));
    }
    Ok(())
}
