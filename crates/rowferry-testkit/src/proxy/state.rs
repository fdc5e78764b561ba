//! What all connections of a proxy share: the faults that were asked for, and what has passed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::fault::{At, On, Way, What, WireFault};
use super::frames::{self, Frames, Talk};

/// The faults that were set last.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Rises with each order, so that what an earlier one had begun ends.
    pub(super) number: u64,
    pub(super) faults: Arc<[Armed]>,
}

/// A fault that waits or has begun.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) fault: WireFault,
    /// Its moment has come.
    ripe: AtomicBool,
    begun: AtomicBool,
}

impl Armed {
    pub(super) fn new(fault: WireFault) -> Self {
        let is_ripe = fault.at == At::Now;
        Self {
            ripe: AtomicBool::new(is_ripe),
            begun: AtomicBool::new(is_ripe && fault.on == On::All),
            fault,
        }
    }

    /// From now on the next bytes meet it; on all connections it begins without any.
    fn ripen(&self) {
        self.ripe.store(true, Ordering::SeqCst);
        if self.fault.on == On::All {
            self.begin();
        }
    }

    /// Begins it; false when that was done before.
    pub(super) fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::SeqCst)
    }

    /// Whether it hits every connection by now.
    pub(super) fn hits_all(&self) -> bool {
        self.fault.on == On::All && self.begun.load(Ordering::SeqCst)
    }
}

/// What has passed on one way.
#[derive(Debug, Default)]
struct Meter {
    bytes: AtomicU64,
    messages: AtomicU64,
    commits: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) orders: watch::Sender<Orders>,
    sent: Meter,
    answered: Meter,
    /// How long clients waited in black holes before they gave up.
    pub(super) given_up: Mutex<Vec<Duration>>,
    /// Held while bytes are counted, so that exactly one connection meets a place.
    counting: Mutex<()>,
}

impl State {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            orders: watch::Sender::new(Orders::default()),
            sent: Meter::default(),
            answered: Meter::default(),
            given_up: Mutex::default(),
            counting: Mutex::new(()),
        })
    }

    const fn meter(&self, way: Way) -> &Meter {
        match way {
            Way::Sent => &self.sent,
            Way::Answered => &self.answered,
        }
    }

    pub(super) fn bytes(&self, way: Way) -> u64 {
        self.meter(way).bytes.load(Ordering::Relaxed)
    }

    pub(super) fn messages(&self, way: Way) -> u64 {
        self.meter(way).messages.load(Ordering::Relaxed)
    }

    pub(super) fn commits(&self) -> u64 {
        self.sent.commits.load(Ordering::Relaxed)
    }

    /// Whether connections are closed on arrival.
    pub(super) fn closes_all(&self) -> bool {
        let orders = self.orders.borrow();
        orders.faults.iter().any(|armed| armed.hits_all() && armed.fault.what == What::Close)
    }

    /// Its time has come: `fault` of this order begins.
    pub(super) fn ripen(&self, order: u64, fault: WireFault) {
        self.orders.send_if_modified(|orders| {
            let armed = orders.faults.iter().find(|armed| armed.fault == fault);
            let (true, Some(armed)) = (orders.number == order, armed) else { return false };
            armed.ripen();
            true
        });
    }

    /// Counts bytes of one way, and says at which of their offsets faults begin here, in order.
    pub(super) fn pass(
        &self,
        way: Way,
        bytes: &[u8],
        frames: &mut Frames,
        talk: &Talk,
        orders: &Orders,
    ) -> Vec<(usize, WireFault)> {
        let starts = frames.starts(bytes, talk);
        let commits = match way {
            Way::Sent => frames::commits(bytes),
            Way::Answered => Vec::new(),
        };
        let counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = self.meter(way);
        let bytes_before = meter.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let messages_before = meter.messages.fetch_add(starts.len() as u64, Ordering::Relaxed);
        let commits_before = meter.commits.fetch_add(commits.len() as u64, Ordering::Relaxed);
        let mut met = Vec::new();
        for armed in orders.faults.iter() {
            let nth = |wanted: u64, before: u64| {
                usize::try_from(wanted.checked_sub(before)?.checked_sub(1)?).ok()
            };
            let offset = match armed.fault.at {
                At::Commit(wanted) if way == Way::Sent => {
                    nth(wanted, commits_before).and_then(|nth| commits.get(nth).copied())
                }
                _ if armed.fault.way != way => None,
                At::Now | At::After(_) => armed.ripe.load(Ordering::SeqCst).then_some(0),
                At::Commit(_) => None,
                At::Byte(wanted) => nth(wanted, bytes_before).filter(|nth| *nth < bytes.len()),
                At::Message(wanted) => {
                    nth(wanted, messages_before).and_then(|nth| starts.get(nth).copied())
                }
            };
            if let Some(offset) = offset
                && armed.begin()
            {
                met.push((offset, armed.fault));
            }
        }
        drop(counting);
        met.sort_by_key(|(offset, _)| *offset);
        if met.iter().any(|(_, fault)| fault.on == On::All) {
            // Wakes the other connections.
            self.orders.send_modify(|_| {});
        }
        met
    }
}
