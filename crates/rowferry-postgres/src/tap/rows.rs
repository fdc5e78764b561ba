//! The rows of the copy under way, between the stream that they come from and whoever wants them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rowferry_codec::pgcopy::{CodecError, RawTuples, Sum, Tuples};

/// When enough rows are gathered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
}

/// What becomes of rows that come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Wish {
    /// There is no copy: the driver gets everything.
    #[default]
    None,
    /// They wait in the socket.
    Wait,
    Gather(Limits),
    /// They are skipped: whoever asked for them has gone.
    Skip,
}

/// Rows of the copy under way. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) wish: Wish,
    tuples: RawTuples,
    failed: Option<CodecError>,
    pub(super) heard: Option<Instant>,
    /// Of whoever reads from the socket.
    pub(super) driver: Option<Waker>,
    /// Of whoever wants the rows.
    reader: Option<Waker>,
}

impl Rows {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy is about to begin: its rows are for [`Self::poll_gathered`], and go into `tuples`.
    pub(crate) fn begin(&self, tuples: RawTuples) {
        let mut state = self.state();
        (state.tuples, state.failed) = (tuples, None);
        state.wish = Wish::Wait;
    }

    /// Lets rows come until there are enough.
    pub(crate) fn want(&self, limits: Limits) {
        let mut state = self.state();
        state.heard = Some(Instant::now());
        state.change(Wish::Gather(limits));
    }

    /// The copy is over, or nobody wants the rest of it.
    pub(crate) fn end(&self, complete: bool) {
        let mut state = self.state();
        state.tuples = RawTuples::new();
        state.change(if complete { Wish::None } else { Wish::Skip });
    }

    /// Whether enough rows are here since [`Self::want`].
    ///
    /// # Errors
    ///
    /// [`CodecError::Stream`] when what came is no COPY.
    pub(crate) fn poll_gathered(&self, context: &Context<'_>) -> Poll<Result<(), CodecError>> {
        let mut state = self.state();
        if let Some(error) = state.failed.take() {
            return Poll::Ready(Err(error));
        }
        if !matches!(state.wish, Wish::Gather(_)) {
            return Poll::Ready(Ok(()));
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// The rows so far, and the bytes of the largest of them.
    pub(crate) fn take(&self) -> (Tuples, usize) {
        let tuples = &mut self.state().tuples;
        let largest = tuples.largest();
        (tuples.take(), largest)
    }

    /// All rows of the copy so far, where they are hashed.
    pub(crate) fn sum(&self) -> Sum {
        self.state().tuples.sum()
    }

    /// Whether the end of the copy was among what came.
    pub(crate) fn are_complete(&self) -> bool {
        self.state().tuples.is_finished()
    }

    /// How long nothing has come that was wanted.
    pub(crate) fn silent_for(&self) -> Duration {
        self.state().heard.map_or(Duration::ZERO, |heard| heard.elapsed())
    }
}

impl State {
    fn change(&mut self, wish: Wish) {
        self.wish = wish;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(super) fn take_in(&mut self, bytes: &[u8], ends: bool) {
        let Wish::Gather(limits) = self.wish else { return };
        if let Err(error) = self.tuples.push(bytes) {
            self.failed = Some(error);
        }
        let full = self.tuples.bytes() >= limits.bytes || self.tuples.rows() >= limits.rows;
        if self.failed.is_some() || (ends && full) {
            self.wish = if self.failed.is_some() { Wish::Skip } else { Wish::Wait };
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}
