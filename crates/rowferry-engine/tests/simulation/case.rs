//! What one seed is about: a few small tables, how they are written, and what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use rowferry_core::{
    CanonicalType, Column, Consistency, Endpoint, EndpointKind, Job, Key, KeyTuple, KeyValue, Mode,
    NativeType, OnBadRow, PublishWhen, ReplaceMode, Settings, TableJob, TableRef, TableSchema,
    WriteMode,
};

use super::dice::Dice;

/// Most rows of a table: twenty chunks of three.
const ROWS_MAX: u64 = 60;
/// Characters that the target's column holds.
pub(crate) const VALUE_CHARS: u64 = 12;
/// Begins a value that only the target itself knows to be wrong.
const POISON: &str = "poison";
/// Ids of rows that stood in the target before, and their keys where they meet no other.
const OLD: i64 = 10_000;

/// What identifies a row, and so in which order a table is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Int,
    Text,
    /// Unique, null in some rows: it cuts the table and identifies nothing.
    Nullable,
    None,
}

/// A row: `id` tells it from all others for ever, `key` is the key, if it has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) key: Option<i64>,
    pub(crate) value: String,
}

impl Row {
    fn good(id: i64, key: Option<i64>) -> Self {
        Self { id, key, value: format!("v{id}") }
    }

    /// Whether some rule of the target is broken.
    pub(crate) fn is_bad(&self) -> bool {
        breaks_a_rule(&self.value)
    }
}

/// Whether the target takes no such value.
pub(crate) fn breaks_a_rule(value: &str) -> bool {
    value.starts_with(POISON) || value.chars().count() as u64 > VALUE_CHARS
}

#[derive(Clone, Debug)]
pub(crate) struct CaseTable {
    pub(crate) name: TableRef,
    pub(crate) key: KeyKind,
    pub(crate) write: WriteMode,
    pub(crate) replace: ReplaceMode,
    pub(crate) rows: Vec<Row>,
    /// What stood in the target before.
    pub(crate) old: Vec<Row>,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) tables: Vec<CaseTable>,
    pub(crate) job: Job,
    pub(crate) run_key: Option<String>,
    /// What views of the source are.
    pub(crate) consistency: Consistency,
    pub(crate) payload_rows: usize,
    /// Rows that are changed, moved or removed while copies run, at most.
    pub(crate) moves: u64,
    /// Whether the target takes one chunk at a time.
    pub(crate) writes_in_turn: bool,
}

/// How the copy of a table has to end when nothing disturbs it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// Refused with this exit code for what its rows are.
    Refused(u8),
}

impl Case {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let count = dice.pick(&[1, 1, 1, 2, 3]);
        let moves = if dice.percent(30) { 1 + dice.below(6) } else { 0 };
        let bad = if dice.percent(25) { 1 + dice.below(3) } else { 0 };
        let tables: Vec<CaseTable> =
            (0..count).map(|index| CaseTable::of(index, moves > 0, bad, dice)).collect();
        let on_bad_row = match dice.below(3) {
            0 => OnBadRow::Fail,
            _ => OnBadRow::Quarantine { max_rejects: dice.below(5) },
        };
        let run_key = dice.percent(50).then(|| "night".to_owned());
        let mut case = Self {
            job: job(&tables, on_bad_row),
            tables,
            run_key,
            consistency: dice.pick(&[Consistency::Table, Consistency::Chunk]),
            payload_rows: 1 + dice.place(4),
            moves,
            writes_in_turn: false,
        };
        // Where one table can never be shown, none ever is: nothing to learn. A finished append that
        // has no run key is such a table when the run comes again.
        let ends = |table: &CaseTable| {
            case.ending(table) == Ending::Complete
                && (case.run_key.is_some() || table.write != WriteMode::Append)
        };
        let all_end = case.tables.iter().all(ends);
        if all_end && dice.percent(20) {
            case.job.publish = PublishWhen::Job;
        }
        case.writes_in_turn = dice.percent(40);
        case
    }

    pub(crate) fn ending(&self, table: &CaseTable) -> Ending {
        let bad = table.rows.iter().filter(|row| row.is_bad()).count() as u64;
        let too_bad = match self.job.settings.on_bad_row {
            OnBadRow::Fail => bad > 0,
            OnBadRow::Quarantine { max_rejects } => bad > max_rejects,
        };
        let empties = table.write == WriteMode::Replace
            && table.rows.len() as u64 == bad
            && !table.old.is_empty();
        match (too_bad, empties) {
            (true, _) => Ending::Refused(65),
            (false, true) => Ending::Refused(76),
            (false, false) => Ending::Complete,
        }
    }
}

fn job(tables: &[CaseTable], on_bad_row: OnBadRow) -> Job {
    let entry = |table: &CaseTable| TableJob {
        write: Some(table.write),
        replace: table.replace,
        ..TableJob::of(table.name.clone())
    };
    Job {
        name: "simulation".to_owned(),
        source: Endpoint::empty(EndpointKind::Generate),
        target: Endpoint::empty(EndpointKind::Null),
        mode: Mode::Full,
        publish: PublishWhen::Table,
        every: None,
        settings: Settings {
            retry_for: Duration::from_secs(30),
            on_bad_row,
            ..Settings::documented()
        },
        progress_schema: None,
        casts: Vec::new(),
        tables: tables.iter().map(entry).collect(),
        warnings: Vec::new(),
    }
}

impl CaseTable {
    fn of(index: usize, moving: bool, bad: u64, dice: &mut Dice) -> Self {
        let kinds = [KeyKind::Int, KeyKind::Int, KeyKind::Text, KeyKind::Nullable, KeyKind::None];
        let key = dice.pick(&kinds);
        let write = match key {
            KeyKind::Int | KeyKind::Text => {
                dice.pick(&[WriteMode::Replace, WriteMode::Append, WriteMode::Upsert])
            }
            KeyKind::Nullable | KeyKind::None => {
                dice.pick(&[WriteMode::Replace, WriteMode::Append])
            }
        };
        let most = dice.below(ROWS_MAX) + 1;
        let mut rows: Vec<Row> = Vec::new();
        let mut next = 0;
        for id in 0..i64::try_from(dice.below(most)).unwrap() {
            next += dice.pick(&[1, 1, 1, 2, 40]);
            let is_null = key == KeyKind::Nullable && dice.percent(20);
            let has_key = key != KeyKind::None && !is_null;
            rows.push(Row::good(id, has_key.then_some(next)));
        }
        for _ in 0..bad {
            let spoiled = dice.place(rows.len());
            if let Some(row) = rows.get_mut(spoiled) {
                let bad = dice.pick(&["far too long for its column", "poison", "poison"]);
                bad.clone_into(&mut row.value);
            }
        }
        let mut table = Self {
            name: TableRef::bare(format!("t{index}")),
            key,
            write,
            replace: dice.pick(&[ReplaceMode::Swap, ReplaceMode::Truncate]),
            rows,
            old: Vec::new(),
        };
        // Rows that move may take the key of an old one: who is right then is not the question here.
        if !moving && dice.percent(30) {
            table.old = table.old_rows(dice);
        }
        table
    }

    fn old_rows(&self, dice: &mut Dice) -> Vec<Row> {
        let old = |(index, place): (usize, u64)| {
            let id = OLD + i64::try_from(index).unwrap();
            let meets = self.write != WriteMode::Append && place.is_multiple_of(2);
            let met = self.rows.get(index).and_then(|row| row.key).filter(|_| meets);
            let key = (self.key != KeyKind::None).then(|| met.unwrap_or(id));
            Row::good(id, key)
        };
        let places: Vec<u64> = (0..=dice.below(8)).map(|_| dice.roll()).collect();
        places.into_iter().enumerate().map(old).collect()
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let text = CanonicalType::Text { chars: None, fixed: false };
        let key = if self.key == KeyKind::Text { text.clone() } else { CanonicalType::Int64 };
        let column = |name: &str, canonical: &CanonicalType| {
            let native = NativeType::new("memory", canonical.name());
            Column::new(name, Some(canonical.clone()), native)
        };
        let mut columns =
            vec![column("id", &CanonicalType::Int64), column("k", &key), column("v", &text)];
        if let (KeyKind::Int | KeyKind::Text, Some(key)) = (self.key, columns.get_mut(1)) {
            key.nullable = false;
        }
        columns
    }

    pub(crate) fn schema(&self) -> TableSchema {
        let key = Key {
            name: format!("{}_key", self.name),
            columns: vec!["k".to_owned()],
            primary: self.key != KeyKind::Nullable,
        };
        TableSchema {
            table: self.name.clone(),
            columns: self.columns(),
            keys: if self.key == KeyKind::None { Vec::new() } else { vec![key] },
            ..TableSchema::default()
        }
    }

    /// The key of the target's table.
    pub(crate) fn target_key(&self) -> Vec<String> {
        match self.key {
            KeyKind::Int | KeyKind::Text => vec!["k".to_owned()],
            KeyKind::Nullable | KeyKind::None => Vec::new(),
        }
    }

    /// `rows` in the order of their keys, as a batch and its keys.
    pub(crate) fn batch(&self, rows: &[Row]) -> (RecordBatch, Vec<Option<KeyTuple>>) {
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| (row.key.is_none(), row.key));
        let ids: Int64Array = rows.iter().map(|row| Some(row.id)).collect();
        let values: StringArray = rows.iter().map(|row| Some(row.value.as_str())).collect();
        let keys: ArrayRef = if self.key == KeyKind::Text {
            Arc::new(rows.iter().map(|row| row.key.map(text_key)).collect::<StringArray>())
        } else {
            Arc::new(rows.iter().map(|row| row.key).collect::<Int64Array>())
        };
        let columns = self.columns();
        let fields: Vec<_> = columns
            .iter()
            .filter_map(|column| Some(column.canonical.as_ref()?.field(&column.name)))
            .collect();
        let arrays: Vec<ArrayRef> = vec![Arc::new(ids), keys, Arc::new(values)];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let tuple = |key: i64| {
            let value = match self.key {
                KeyKind::Text => KeyValue::Text(text_key(key)),
                KeyKind::Int | KeyKind::Nullable | KeyKind::None => KeyValue::Int(key.into()),
            };
            KeyTuple(vec![value])
        };
        (batch, rows.iter().map(|row| row.key.map(tuple)).collect())
    }
}

/// Sorts as its number does.
fn text_key(key: i64) -> String {
    format!("k{key:06}")
}
