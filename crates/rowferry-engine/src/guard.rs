//! When a copy must not replace what is there.

use rowferry_core::{ConnectorError, ErrorClass, Guard, Result, TablePlan};

/// Whether the guard needs the exact number of rows in the target.
pub(crate) fn needs_count(guard: &Guard) -> bool {
    guard.max_shrink.is_some()
}

/// Refuses to replace `target_rows` rows by `loaded` ones when that looks like an accident. With
/// [`needs_count`] false, `target_rows` need only say whether there are any.
///
/// # Errors
///
/// Class `Conflict`, slug `source-empty` or `source-shrunk`.
pub(crate) fn check(plan: &TablePlan, guard: &Guard, loaded: u64, target_rows: u64) -> Result<()> {
    let override_words = "If that is right, run again with `--accept-shrink`; the target is \
                          untouched.";
    if loaded == 0 && target_rows > 0 {
        return Err(refusal(
            "source-empty",
            format!(
                "source table {} has no rows, but target {} has some",
                plan.source.table, plan.target
            ),
        )
        .with_next(override_words));
    }
    if let Some(least) = guard.min_rows
        && loaded < least
    {
        return Err(refusal(
            "source-shrunk",
            format!(
                "source table {} has {loaded} rows, fewer than min_rows {least}",
                plan.source.table
            ),
        )
        .with_next(override_words));
    }
    if let Some(share) = guard.max_shrink
        && shrunk_beyond(share, loaded, target_rows)
    {
        return Err(refusal(
            "source-shrunk",
            format!(
                "source table {} has {loaded} rows where target {} has {target_rows}: more than \
                 max_shrink allows to lose",
                plan.source.table, plan.target
            ),
        )
        .with_next(override_words));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a share of a row count needs no exact digits")]
fn shrunk_beyond(share: f64, loaded: u64, target_rows: u64) -> bool {
    (loaded as f64) < (target_rows as f64) * (1.0 - share)
}

fn refusal(code: &'static str, message: String) -> ConnectorError {
    ConnectorError::new(ErrorClass::Conflict, code, message)
}
