//! Columns whose numbers count time.
//!
//! The sink is asked for a column of instants, and if it has none that fits, of wall clocks, which
//! are then those of UTC. It never hears of the numbers.

use rowferry_core::{
    CanonicalType, Column, ColumnChoice, ColumnWish, Epoch, Fidelity, NativeType, PlanProblem,
};

use crate::JobEnds;

/// What the sink says of a column; of one whose numbers count time, what it says of instants.
pub(crate) fn choice(wish: &ColumnWish<'_>, ends: &JobEnds) -> Result<ColumnChoice, PlanProblem> {
    match wish.cast.and_then(|cast| cast.epoch) {
        Some(epoch) => instants(wish, epoch, ends),
        None => ends.sink.plan_column(wish),
    }
}

fn instants(
    wish: &ColumnWish<'_>,
    epoch: Epoch,
    ends: &JobEnds,
) -> Result<ColumnChoice, PlanProblem> {
    let source = wish.source;
    if !counts(source) {
        return Err(PlanProblem::of_column(
            "cast-does-not-fit",
            &source.name,
            format!("{} values count no time", source.native.declared),
            "Only numbers can be cast by `epoch=`.",
        ));
    }
    let instant = CanonicalType::Instant { digits: 6 };
    let clock = CanonicalType::Timestamp { digits: 6 };
    let asked = |meaning: &CanonicalType| {
        // Of no engine, so that nobody takes the numbers for its own.
        let native = NativeType::new("epoch", format!("epoch={epoch}"));
        let column = Column {
            canonical: Some(meaning.clone()),
            native,
            default: None,
            default_meaning: None,
            identity: None,
            ..source.clone()
        };
        ends.sink.plan_column(&ColumnWish { source: &column, ..*wish })
    };
    // A cast is pasted in place of this one, so it has to say again what the numbers count.
    let counting = |cast: &String| format!("epoch={epoch} {cast}");
    let (meaning, mut choice) = match asked(&instant) {
        Ok(choice) => (instant, choice),
        Err(mut problem) => match asked(&clock) {
            Ok(choice) => (clock, choice),
            Err(_second) => {
                problem.casts = problem.casts.iter().map(counting).collect();
                return Err(problem);
            }
        },
    };
    choice.converted.get_or_insert(meaning);
    choice.fidelity = choice.fidelity.max(Fidelity::Checked);
    let rule = choice.rule.take().map_or_else(String::new, |rule| format!("; {rule}"));
    choice.rule = Some(format!("{}{rule}", epoch.rule()));
    if !choice.options.iter().any(|option| option.starts_with("else")) {
        let policy = if wish.in_key || !choice.column.nullable { "skip_row" } else { "null" };
        choice.options = vec![format!("else {policy}")];
    }
    choice.options = choice.options.iter().map(counting).collect();
    Ok(choice)
}

/// Whether these are numbers, or cells among which there may be some.
fn counts(source: &Column) -> bool {
    source.canonical.as_ref().is_some_and(|meaning| {
        meaning.is_integer()
            || matches!(
                meaning,
                CanonicalType::Float32
                    | CanonicalType::Float64
                    | CanonicalType::Decimal { .. }
                    | CanonicalType::DecimalText
                    | CanonicalType::Variant
            )
    })
}
