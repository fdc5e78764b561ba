//! The world outside of the process: a source and a target in memory, what goes wrong in them, and
//! what is known of every row without asking them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rowferry_core::{
    ChunkTotals, ChunkWriter, ColumnChoice, ColumnWish, ConnectorError, ErrorClass, Prepared,
    Receipt, Result, TableRef, ValueLimits,
};
use rowferry_synthetic::MemorySink;
use rowferry_testkit::MemorySource;

use super::case::{Case, KeyKind, Row, VALUE_CHARS};
use super::dice::Dice;

/// A call that leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    DescribeSource,
    OpenView,
    Probe,
    Read,
    NextRows,
    DescribeTarget,
    Lock,
    State,
    Claim,
    Prepare,
    CountTarget,
    Begin,
    Write,
    SetAside,
    Commit,
    Seal,
    Publish,
    Heartbeat,
    Ledger,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    /// It is refused, or never arrives.
    Fails(ErrorClass),
    /// It is done, and its answer never comes.
    AnswerLost,
    /// A COMMIT that is under way when its connection breaks: the server does it later, or not.
    UnderWay {
        lands: bool,
    },
}

/// What the model does wrong on purpose, to see whether the simulation finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Writers that were overtaken get through.
    NoFence,
    /// A COMMIT that got lost is answered as done.
    LostCommitSaidDone,
    /// An attempt that follows an unknown COMMIT does not wait for it.
    NothingSettled,
    /// A stream of rows breaks off and looks complete.
    EndsEarly,
    /// A connection that is closed commits what it has.
    CommitsOnClose,
}

/// A COMMIT whose connection broke.
struct UnderWay {
    writer: Box<dyn ChunkWriter>,
    totals: ChunkTotals,
    prepared: Arc<Prepared>,
    ids: Vec<i64>,
    lands: bool,
}

/// A writer's session in the target.
pub(crate) struct Session {
    pub(crate) target: TableRef,
    pub(crate) process: u64,
    pub(crate) ended: Arc<AtomicBool>,
}

pub(crate) struct State {
    pub(crate) dice: Dice,
    /// Things that may still go wrong in this attempt.
    pub(crate) faults_left: u64,
    /// Faults of all attempts.
    pub(crate) faults: u64,
    /// What was promised and not held.
    pub(crate) accusations: Vec<String>,
    /// The rows of the source now.
    pub(crate) rows: BTreeMap<TableRef, Vec<Row>>,
    /// Ids of rows that were moved, changed or removed since the first attempt began.
    pub(crate) moved: BTreeSet<(TableRef, i64)>,
    /// Every state that a moved row was ever in.
    pub(crate) versions: BTreeSet<(TableRef, Row)>,
    /// Ids of the rows that each run of a target made durable.
    pub(crate) durable: BTreeMap<(TableRef, i64), BTreeSet<i64>>,
    /// The epoch whose writers may commit.
    pub(crate) epochs: BTreeMap<TableRef, i64>,
    pub(crate) sessions: Vec<Session>,
    /// Views opened so far, and how many of them the source has lost.
    pub(crate) views: u64,
    pub(crate) views_lost: u64,
    under_way: Vec<UnderWay>,
    moves_left: u64,
    lines: Option<Vec<String>>,
}

pub(crate) struct Model {
    pub(crate) case: Case,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) sink: MemorySink,
    pub(crate) source: MemorySource,
    state: Mutex<State>,
}

impl Model {
    /// `told` keeps the story in words.
    pub(crate) fn new(case: Case, dice: Dice, flaw: Option<Flaw>, told: bool) -> Self {
        let sink = MemorySink::new().choosing(narrow);
        let sink = if flaw == Some(Flaw::NoFence) { sink.without_fence() } else { sink };
        let source = MemorySource::new(case.consistency, case.payload_rows);
        let mut rows = BTreeMap::new();
        for table in &case.tables {
            let (batch, keys) = table.batch(&table.rows);
            source.put(table.schema(), batch, keys);
            rows.insert(table.name.clone(), table.rows.clone());
            if !table.old.is_empty() {
                sink.put_table(table.name.clone(), table.columns(), table.target_key());
                sink.put_rows(&table.name, table.batch(&table.old).0);
            }
        }
        let state = State {
            dice,
            faults_left: 0,
            faults: 0,
            accusations: Vec::new(),
            rows,
            moved: BTreeSet::new(),
            versions: BTreeSet::new(),
            durable: BTreeMap::new(),
            epochs: BTreeMap::new(),
            sessions: Vec::new(),
            views: 0,
            views_lost: 0,
            under_way: Vec::new(),
            moves_left: case.moves,
            lines: told.then(Vec::new),
        };
        Self { case, flaw, sink, source, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Notes a promise that was not held.
    pub(crate) fn accuse(&self, what: String) {
        self.tell(|| format!("NOT HELD: {what}"));
        self.state().accusations.push(what);
    }

    /// Adds a line to the story, where it is kept in words.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.state().lines {
            lines.push(line());
        }
    }

    /// The story so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state().lines.clone().unwrap_or_default()
    }

    /// What becomes of the next call.
    pub(crate) fn fate(&self, step: Step, table: &TableRef) -> Fate {
        let mut guard = self.state();
        let state = &mut *guard;
        // A guess: three of a hundred calls leave most chunks whole and end many runs.
        if state.faults_left == 0 || !state.dice.percent(3) {
            return Fate::Well;
        }
        state.faults_left -= 1;
        state.faults += 1;
        let lasting =
            [ErrorClass::Refused, ErrorClass::Data, ErrorClass::Local, ErrorClass::Conflict];
        match step {
            Step::Commit => match state.dice.below(5) {
                0 => Fate::Fails(ErrorClass::Transient),
                1 => Fate::Fails(ErrorClass::Unknown),
                2 => Fate::AnswerLost,
                _ => Fate::UnderWay { lands: state.dice.percent(60) },
            },
            Step::Ledger => Fate::Fails(ErrorClass::Local),
            Step::Lock => Fate::Fails(state.dice.pick(&[ErrorClass::Transient, ErrorClass::Busy])),
            Step::Claim | Step::Prepare | Step::Seal | Step::Publish if state.dice.percent(50) => {
                Fate::AnswerLost
            }
            // Another process takes over without having waited for the lock.
            Step::Begin if state.dice.percent(10) => {
                state.epochs.insert(table.clone(), i64::MAX);
                self.sink.take_over(table);
                Fate::Well
            }
            _ if state.dice.percent(10) => Fate::Fails(state.dice.pick(&lasting)),
            _ => Fate::Fails(ErrorClass::Transient),
        }
    }

    /// What happens by itself between two steps.
    pub(crate) async fn go_on(&self) {
        let landing = {
            let mut guard = self.state();
            let state = &mut *guard;
            if state.moves_left > 0 && state.dice.percent(4) {
                state.moves_left -= 1;
                self.move_row(state);
            }
            if state.faults_left > 0 && state.dice.percent(1) {
                state.faults_left -= 1;
                state.faults += 1;
                if state.dice.percent(50) {
                    state.views_lost = state.views;
                } else {
                    let table = state.dice.place(self.case.tables.len());
                    self.sink.break_lock(&self.case.tables.get(table).unwrap().name);
                }
            }
            let lands = !state.under_way.is_empty() && state.dice.percent(25);
            lands.then(|| {
                let place = state.dice.place(state.under_way.len());
                state.under_way.remove(place)
            })
        };
        if let Some(commit) = landing {
            self.end(commit).await;
        }
    }

    /// Changes, moves, adds or removes a row of the source.
    fn move_row(&self, state: &mut State) {
        let place = state.dice.place(self.case.tables.len());
        let table = self.case.tables.get(place).unwrap();
        let rows = state.rows.get_mut(&table.name).unwrap();
        // What is wrong with a table, and whether it is empty, must not depend on chance.
        let good: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.is_bad() && row.id > 0)
            .map(|(place, _)| place)
            .collect();
        let highest = rows.iter().filter_map(|row| row.key).max().unwrap_or(0);
        let free = |key: i64| rows.iter().all(|row| row.key != Some(key));
        let wanted = i64::try_from(state.dice.below(highest.unsigned_abs() + 20)).unwrap();
        let key =
            (table.key != KeyKind::None).then(|| if free(wanted) { wanted } else { highest + 1 });
        let next = rows.iter().map(|row| row.id).max().unwrap_or(0) + 1_000;
        let way = state.dice.below(4);
        let changed = if good.is_empty() || (way == 0 && !rows.is_empty()) {
            if rows.is_empty() {
                return;
            }
            rows.push(Row { id: next, key, value: format!("v{next}") });
            rows.last().unwrap().clone()
        } else {
            let place = good.get(state.dice.place(good.len())).copied().unwrap();
            let before = rows.get(place).unwrap().clone();
            state.versions.insert((table.name.clone(), before.clone()));
            // A row that goes leaves the others in their blocks, which this model does not know how to.
            if way == 1 && table.key != KeyKind::None {
                rows.remove(place);
                before
            } else {
                let row = rows.get_mut(place).unwrap();
                if way == 2 && row.key.is_some() {
                    row.key = key;
                } else {
                    row.value = format!("w{}", row.id);
                }
                row.clone()
            }
        };
        state.moved.insert((table.name.clone(), changed.id));
        state.versions.insert((table.name.clone(), changed));
        let (batch, keys) = table.batch(rows);
        self.source.put(table.schema(), batch, keys);
    }

    /// Commits, and looks whether it was allowed to.
    pub(crate) async fn land(
        &self,
        writer: Box<dyn ChunkWriter>,
        totals: ChunkTotals,
        prepared: &Prepared,
        ids: &[i64],
    ) -> Result<Receipt> {
        let receipt = writer.commit(totals).await?;
        let target = &prepared.target;
        let mut accusations = Vec::new();
        {
            let mut guard = self.state();
            let state = &mut *guard;
            if state.epochs.get(target) != Some(&prepared.epoch) {
                accusations.push(format!("epoch {} of {target} wrote late", prepared.epoch));
            }
            let durable = state.durable.entry((target.clone(), prepared.run)).or_default();
            for id in ids {
                if !durable.insert(*id) && !state.moved.contains(&(target.clone(), *id)) {
                    accusations.push(format!("row {id} of {target} was made durable twice"));
                }
            }
        }
        for accusation in accusations {
            self.accuse(accusation);
        }
        Ok(receipt)
    }

    /// A COMMIT stays under way.
    pub(crate) fn keep_under_way(
        &self,
        writer: Box<dyn ChunkWriter>,
        totals: ChunkTotals,
        prepared: Arc<Prepared>,
        ids: Vec<i64>,
        lands: bool,
    ) {
        self.state().under_way.push(UnderWay { writer, totals, prepared, ids, lands });
    }

    /// Waits for the commits of `target` that are under way, as an exclusive lock of its stream row
    /// does; of all targets when none is named.
    pub(crate) async fn settle(&self, target: Option<&TableRef>) {
        let concerned: Vec<UnderWay> = {
            let mut state = self.state();
            let all = std::mem::take(&mut state.under_way);
            let (concerned, others) = all
                .into_iter()
                .partition(|commit| target.is_none_or(|target| commit.prepared.target == *target));
            state.under_way = others;
            concerned
        };
        for commit in concerned {
            self.end(commit).await;
        }
    }

    async fn end(&self, commit: UnderWay) {
        self.tell(|| format!("a COMMIT under way ends: lands {}", commit.lands));
        if commit.lands {
            // Whether the server took it is seen in the receipts.
            let ended =
                self.land(commit.writer, commit.totals, &commit.prepared, &commit.ids).await;
            self.tell(|| format!("it is {:?}", ended.map(|receipt| receipt.no)));
        }
    }

    /// Ends the sessions of other processes that write `target`.
    pub(crate) fn end_sessions(&self, target: &TableRef, process: u64) {
        self.state().sessions.retain(|session| {
            let others = session.target == *target && session.process != process;
            if others {
                session.ended.store(true, Ordering::Relaxed);
            }
            !others
        });
    }
}

/// A target whose text columns are short.
fn narrow(
    wish: &ColumnWish<'_>,
    choice: ColumnChoice,
) -> Result<ColumnChoice, rowferry_core::PlanProblem> {
    let mut choice = choice;
    if wish.name == "v" {
        choice.limits = ValueLimits::Text {
            chars: Some(VALUE_CHARS),
            bytes: None,
            nul: true,
            bmp_only: false,
            no_trailing_blank: false,
        };
        choice.fidelity = rowferry_core::Fidelity::Checked;
        choice.rule = Some(format!("at most {VALUE_CHARS} characters"));
    }
    Ok(choice)
}

/// The error of a call that did not go well.
pub(crate) fn failed(class: ErrorClass, step: Step) -> ConnectorError {
    ConnectorError::new(class, "simulated", format!("{step:?} failed by chance"))
}
