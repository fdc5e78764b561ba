//! How the chunks of one table are read and written at the moment.
//!
//! A reader that meets a value its column's type cannot hold says so (`unrepresentable`). If the
//! target column takes the wider type too, the table changes to another lane: the same columns, one
//! of them read wider. Chunks that are durable stay; the chunk is read again.

use std::sync::Arc;

use rowferry_core::{
    CanonicalType, Cast, ColumnPlan, ColumnWish, Prepared, ReadSpec, Settings, TablePlan,
    WireFormat,
};

use crate::copy_chunk::PAYLOADS_IN_FLIGHT;
use crate::values::ValueRules;
use crate::{JobEnds, RunContext, epochs};

/// Largest payload asked of a reader: 2 MiB keep an encoder's buffers in cache.
const PAYLOAD_BYTES_MAX: u64 = 2 << 20;
/// Rows per batch at most: row offsets of one batch stay in the first cache levels.
const PAYLOAD_ROWS_MAX: u64 = 16_384;

/// Columns as they are read, transformed and written.
pub(crate) struct Lane {
    /// 0 for the planned one; each wider column adds 1.
    pub(crate) number: u64,
    pub(crate) plan: Arc<TablePlan>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) read: ReadSpec,
    pub(crate) rules: Arc<ValueRules>,
}

impl Lane {
    /// The lane of `plan` as it stands.
    pub(crate) fn new(
        plan: Arc<TablePlan>,
        prepared: Arc<Prepared>,
        ends: &JobEnds,
        settings: &Settings,
        context: &RunContext,
    ) -> Self {
        let rules = ValueRules::new(&plan, settings);
        let read = read_spec(&plan, &rules, ends, settings, context);
        Self { number: 0, plan, prepared, read, rules: Arc::new(rules) }
    }

    /// The lane in which rows that pass in wire form are decoded, so that each can be looked at;
    /// `None` where they are already, or a column has no meaning.
    pub(crate) fn decoded(&self) -> Option<Self> {
        let readable = self.read.columns.iter().all(|column| column.canonical.is_some());
        let read = ReadSpec { wire: None, ..self.read.clone() };
        (self.read.wire.is_some() && readable).then(|| Self {
            number: self.number + 1,
            plan: Arc::clone(&self.plan),
            prepared: Arc::clone(&self.prepared),
            read,
            rules: Arc::clone(&self.rules),
        })
    }

    /// The lane in which `column` is read wider, and what to tell the user; `None` when there is no
    /// wider type or the target column does not take it.
    pub(crate) fn widened(
        &self,
        column: &str,
        ends: &JobEnds,
        settings: &Settings,
        context: &RunContext,
    ) -> Option<(Self, String)> {
        let named = |plan: &ColumnPlan| plan.source.name == column;
        let position = self.plan.columns.iter().position(named)?;
        let planned = self.plan.columns.get(position)?;
        let narrow = planned.source.canonical.as_ref()?;
        let mut source = planned.source.clone();
        source.canonical = Some(narrow.demoted()?);
        let wish = ColumnWish {
            source: &source,
            name: &planned.target.name,
            existing: Some(&planned.target),
            in_key: self.plan.key.contains(&planned.target.name),
            cast: Some(&planned.cast).filter(|cast| **cast != Cast::default()),
        };
        let choice = epochs::choice(&wish, ends).ok()?;
        let words = format!(
            "column {column} has values beyond {}; it is read as {} from here on",
            narrow.name(),
            source.canonical.as_ref().map_or_else(String::new, CanonicalType::name),
        );
        let mut wider = ColumnPlan::new(source, choice);
        wider.cast = planned.cast.clone();
        let mut plan = TablePlan::clone(&self.plan);
        let mut prepared = Prepared::clone(&self.prepared);
        for columns in [&mut plan.columns, &mut prepared.columns] {
            let place = columns.iter_mut().find(|planned| named(planned))?;
            *place = wider.clone();
        }
        let lane = Self::new(Arc::new(plan), Arc::new(prepared), ends, settings, context);
        Some((Self { number: self.number + 1, ..lane }, words))
    }
}

/// Rows pass in wire form only where nobody has to look at them.
fn read_spec(
    plan: &TablePlan,
    rules: &ValueRules,
    ends: &JobEnds,
    settings: &Settings,
    context: &RunContext,
) -> ReadSpec {
    let columns: Vec<_> = plan.columns.iter().map(|column| column.source.clone()).collect();
    let may_pass = settings.passthrough && plan.duplicates.is_none() && !rules.ask_for_rows();
    let wire = WireFormat::ALL.into_iter().find(|format| {
        may_pass
            && ends.source.offers(*format, &columns)
            && ends.sink.accepts(*format, &plan.columns)
    });
    // Small payloads of all workers fill half of the budget at most; a chunk that runs alone counts on it.
    let share = context.memory_budget
        / (u64::try_from(context.workers).unwrap_or(u64::MAX) * PAYLOADS_IN_FLIGHT * 2);
    let payload = (PAYLOAD_ROWS_MAX, share.clamp(1, PAYLOAD_BYTES_MAX));
    let (batch_rows, batch_bytes) =
        settings.max_rate.map_or(payload, |rate| rate.of_payload(payload.0, payload.1));
    ReadSpec {
        columns,
        predicate: plan.predicate.clone(),
        wire,
        batch_bytes,
        batch_rows,
        ordered: plan.duplicates.is_some(),
    }
}
