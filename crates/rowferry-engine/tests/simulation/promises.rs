//! What must hold of both ends, as it is known from outside.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array as _, cast::AsArray, types::Int64Type};
use rowferry_core::{Phase, TableRef, WriteMode};
use rowferry_engine::{RunReport, RunStatus, TableReport};

use super::case::{CaseTable, Ending, KeyKind, Row};
use super::model::Model;

/// Exit codes that a run may end with: 70 is none of them.
const CODES: [u8; 8] = [0, 1, 65, 69, 74, 75, 76, 77];

/// Looks at a run that ended by itself, at once.
pub(crate) fn of_report(model: &Model, report: &RunReport) {
    if !CODES.contains(&report.exit_code) {
        model.accuse(format!("exit code {}: {:?}", report.exit_code, report.error));
    }
    for table in &report.tables {
        if table.exit_code != 0 && !CODES.contains(&table.exit_code) {
            model.accuse(format!(
                "{} ends with {}: {:?}",
                table.source, table.exit_code, table.error
            ));
        }
        if says_done(table) {
            let known = model.case.tables.iter().find(|known| known.name.name == table.source);
            complete(model, known.expect("a report is of a table"), "a run says so");
        }
    }
}

fn says_done(table: &TableReport) -> bool {
    match table.status {
        RunStatus::Ok | RunStatus::Degraded => true,
        RunStatus::Skipped => table.warnings.iter().any(|why| why.starts_with("finished earlier")),
        RunStatus::Partial | RunStatus::Failed | RunStatus::Stopped => false,
    }
}

/// Looks at the ends while nothing moves: receipts agree with rows.
pub(crate) async fn at_rest(model: &Model) {
    let streams = rowferry_core::Sink::streams(&model.sink, None).await.unwrap();
    for table in &model.case.tables {
        let name = &table.name;
        let Some(stream) = streams.iter().find(|stream| stream.target_table == name.name) else {
            continue;
        };
        let receipts = model.sink.receipts(name);
        let written: u64 = receipts.iter().map(|receipt| receipt.totals.rows_written).sum();
        let durable =
            model.state().durable.get(&(name.clone(), stream.run)).map_or(0, BTreeSet::len);
        let moves = model.state().moved.iter().any(|(moved, _)| moved == name);
        if written != durable as u64 && !moves {
            model.accuse(format!("receipts of {name} say {written} rows, {durable} are durable"));
        }
        if stream.rows != written {
            model
                .accuse(format!("stream {name} says {} rows, its receipts {written}", stream.rows));
        }
        if let Some(staging) = stream.staging.as_ref().filter(|_| stream.phase == Phase::Loading) {
            let there = model.sink.rows(staging);
            // A claim whose process ended before it made the table.
            if there != written && !(there == 0 && receipts.is_empty()) {
                model.accuse(format!("staging of {name} has {there} rows, its receipts {written}"));
            }
        }
        no_more_than_asked(model, table);
    }
}

/// Looks at the ends after the last resume.
pub(crate) fn at_the_end(model: &Model, report: &RunReport) {
    for table in &model.case.tables {
        let ended = report.tables.iter().find(|ended| ended.source == table.name.name);
        let code = ended.map_or(0, |ended| ended.exit_code);
        let slug = ended.and_then(|ended| ended.error.as_ref()).map_or("", |error| &error.code);
        match model.case.ending(table) {
            Ending::Complete => {
                // Without a run key a finished append says that it will not be done twice.
                if code != 0 && slug != "already-appended" {
                    model.accuse(format!("{} never ends: {code} {slug}", table.name));
                }
                complete(model, table, "it ends");
                set_aside(model, table);
            }
            Ending::Refused(wanted) => {
                if code != wanted {
                    model.accuse(format!("{} ends with {code} {slug}, not {wanted}", table.name));
                }
                if table.write == WriteMode::Replace && rows_of(model, table) != sorted(&table.old)
                {
                    model.accuse(format!("{} was refused and changed", table.name));
                }
            }
        }
        if model.sink.is_locked(&table.name) {
            model.accuse(format!("{} is still locked", table.name));
        }
    }
    let all_done = model.case.tables.iter().all(|t| model.case.ending(t) == Ending::Complete);
    let left = model.sink.table_names().into_iter().find(|name| name.name.starts_with("_rowferry"));
    if let Some(left) = left.filter(|_| all_done) {
        model.accuse(format!("{left} is left behind"));
    }
}

/// Every row that stood still is there, once and as it is; of those that moved, only states that
/// they were really in.
fn complete(model: &Model, table: &CaseTable, when: &str) {
    let (moved, versions, source) = {
        let state = model.state();
        let of_table = |name: &TableRef| *name == table.name;
        let moved: BTreeSet<i64> =
            state.moved.iter().filter(|(name, _)| of_table(name)).map(|(_, id)| *id).collect();
        let versions: BTreeSet<Row> = state
            .versions
            .iter()
            .filter(|(name, _)| of_table(name))
            .map(|(_, row)| row.clone())
            .collect();
        (moved, versions, state.rows.get(&table.name).cloned().unwrap_or_default())
    };
    let stands = |row: &Row| !moved.contains(&row.id) && !row.is_bad();
    let mut expected: Vec<Row> = source.iter().filter(|row| stands(row)).cloned().collect();
    let written = source.iter().filter(|row| !row.is_bad());
    let keys: BTreeSet<i64> = written.filter_map(|row| row.key).collect();
    let merged = |row: &&Row| row.key.is_some_and(|key| keys.contains(&key));
    match table.write {
        WriteMode::Replace => {}
        WriteMode::Append => expected.extend_from_slice(&table.old),
        WriteMode::Upsert => {
            expected.extend(table.old.iter().filter(|row| !merged(row)).cloned());
        }
    }
    expected.sort();
    let (still, others): (Vec<Row>, Vec<Row>) =
        rows_of(model, table).into_iter().partition(|row| !moved.contains(&row.id));
    if still != expected {
        let missing = expected.iter().filter(|row| !still.contains(row)).count();
        model.accuse(format!(
            "{} is not complete when {when}: {} rows that stood still, {} expected, {missing} missing",
            table.name,
            still.len(),
            expected.len(),
        ));
    }
    if let Some(row) = others.iter().find(|row| !versions.contains(row)) {
        model.accuse(format!("{} has {row:?}, which never was", table.name));
    }
    if matches!(table.key, KeyKind::Int | KeyKind::Text) {
        let keys: BTreeSet<Option<i64>> = others.iter().map(|row| row.key).collect();
        if keys.len() < others.len() {
            model.accuse(format!("{} has two rows of one key", table.name));
        }
    }
}

/// No row stands in the target twice, at any time, nor one that nobody asked for.
fn no_more_than_asked(model: &Model, table: &CaseTable) {
    let rows = rows_of(model, table);
    let (moved, source) = {
        let state = model.state();
        (state.moved.clone(), state.rows.get(&table.name).cloned().unwrap_or_default())
    };
    let mut times: BTreeMap<&Row, u64> = BTreeMap::new();
    for row in &rows {
        *times.entry(row).or_default() += 1;
    }
    for (row, times) in times {
        let known = source.contains(row) || table.old.contains(row);
        if (times > 1 || !known || row.is_bad()) && !moved.contains(&(table.name.clone(), row.id)) {
            model.accuse(format!("{} has {row:?} {times} times", table.name));
        }
    }
}

/// The rows that break a rule, and no others, were set aside.
fn set_aside(model: &Model, table: &CaseTable) {
    let wanted: u64 = table.rows.iter().filter(|row| row.is_bad()).count() as u64;
    let receipts = model.sink.receipts(&table.name);
    let counted: u64 = receipts.iter().map(|receipt| receipt.totals.rows_rejected).sum();
    // An append without a key reads rows whose place changed twice or not at all.
    if counted != wanted {
        model.accuse(format!("{} sets {counted} rows aside, {wanted} are bad", table.name));
    }
}

fn sorted(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

/// The rows of the target table, sorted.
fn rows_of(model: &Model, table: &CaseTable) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in model.sink.batches(&table.name) {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let values = batch.column(2).as_string::<i32>();
        for place in 0..batch.num_rows() {
            let key = batch.column(1);
            let key = key.is_valid(place).then(|| match table.key {
                KeyKind::Text => key.as_string::<i32>().value(place)[1..].parse().unwrap(),
                KeyKind::Int | KeyKind::Nullable | KeyKind::None => {
                    key.as_primitive::<Int64Type>().value(place)
                }
            });
            rows.push(Row { id: ids.value(place), key, value: values.value(place).to_owned() });
        }
    }
    rows.sort();
    rows
}
