//! One start of the program: it may be killed or frozen at any of its steps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rowferry_core::TableRef;
use rowferry_runtime::CancellationToken;
use tokio::sync::Notify;

use super::model::{Fate, Model, Step};

/// What happens to a process at one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// SIGKILL: it never does anything again.
    Killed,
    /// SIGSTOP, until it is woken.
    Frozen,
    /// SIGTERM.
    AskedToStop,
}

/// The claim that a process last made of a target table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) run: i64,
    pub(crate) epoch: i64,
}

pub(crate) struct Process {
    pub(crate) model: Arc<Model>,
    pub(crate) number: u64,
    pub(crate) stop: CancellationToken,
    /// Told when it was killed or frozen.
    pub(crate) halted: Notify,
    halt: Option<(u64, Halt)>,
    steps: AtomicU64,
    stands_still: AtomicBool,
    /// Wakes its steps in the order in which they came to stand still.
    woken: Notify,
    claims: Mutex<BTreeMap<TableRef, Claimed>>,
    /// The turn of a target that takes one chunk at a time.
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
}

impl Process {
    pub(crate) fn new(model: &Arc<Model>, number: u64, halt: Option<(u64, Halt)>) -> Arc<Self> {
        Arc::new(Self {
            model: Arc::clone(model),
            number,
            stop: CancellationToken::new(),
            halted: Notify::new(),
            halt,
            steps: AtomicU64::new(0),
            stands_still: AtomicBool::new(false),
            woken: Notify::new(),
            claims: Mutex::default(),
            writing: Arc::default(),
        })
    }

    /// Every call that leaves the process comes by here: other tasks get their turn, the process may
    /// end, the world goes on, and it is decided what becomes of the call.
    pub(crate) async fn step(&self, step: Step, table: &TableRef) -> Fate {
        let wait = self.model.state().dice.below(20);
        match wait {
            // Milliseconds are the finest that tokio's clock tells apart.
            1..=5 => tokio::time::sleep(Duration::from_millis(wait)).await,
            6..=10 => tokio::task::yield_now().await,
            _ => {}
        }
        let count = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((_, halt)) = self.halt.filter(|(at, _)| *at == count) {
            self.model.tell(|| format!("process {} is {halt:?}", self.number));
            match halt {
                Halt::AskedToStop => self.stop.cancel(),
                Halt::Killed | Halt::Frozen => {
                    self.stands_still.store(true, Ordering::Relaxed);
                    self.halted.notify_one();
                }
            }
        }
        if self.stands_still.load(Ordering::Relaxed) {
            self.woken.notified().await;
        }
        self.model.go_on().await;
        let fate = self.model.fate(step, table);
        self.model.tell(|| format!("process {}: {step:?} {table}: {fate:?}", self.number));
        fate
    }

    /// Lets a frozen process go on.
    pub(crate) fn wake(&self) {
        self.model.tell(|| format!("process {} wakes", self.number));
        self.stands_still.store(false, Ordering::Relaxed);
        self.woken.notify_waiters();
    }

    pub(crate) fn claimed(&self, target: &TableRef, claimed: Claimed) {
        self.claims.lock().unwrap().insert(target.clone(), claimed);
    }

    pub(crate) fn claim_of(&self, target: &TableRef) -> Option<Claimed> {
        self.claims.lock().unwrap().get(target).copied()
    }
}
