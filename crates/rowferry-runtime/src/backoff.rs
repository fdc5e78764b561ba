//! Pauses between attempts: decorrelated jitter, so that many workers do not return at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// First pause. Long enough for a server to finish a restart's first second.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause: a server that is back is found within a minute.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Where the pauses of a run get their chance from. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Jitter(Arc<AtomicU64>);

impl Default for Jitter {
    fn default() -> Self {
        // The standard hasher's keys are random per process: seed enough for jitter.
        Self::seeded(RandomState::new().hash_one(0_u64))
    }
}

impl Jitter {
    /// The same pauses again for the same seed, so that a simulated run can be repeated.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// The pauses of one series of attempts.
    pub fn backoff(&self) -> Backoff {
        // 2^64 divided by the golden ratio: neighbouring series differ in half of their bits.
        let seed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        Backoff { last: PAUSE_MIN, state: seed | 1 }
    }
}

/// The pauses of one series of attempts.
#[derive(Debug)]
pub struct Backoff {
    last: Duration,
    state: u64,
}

impl Backoff {
    /// The next pause: between half a second and three times the last one, at most a minute.
    pub fn next_pause(&mut self) -> Duration {
        // xorshift64: any spread will do.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let span = (self.last * 3).saturating_sub(PAUSE_MIN);
        let share = (self.state % 1_000) as u32;
        self.last = (PAUSE_MIN + span * share / 1_000).clamp(PAUSE_MIN, PAUSE_MAX);
        self.last
    }
}
