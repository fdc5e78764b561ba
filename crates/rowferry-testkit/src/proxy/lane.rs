//! One way of one connection.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::fault::{Way, What, WireFault};
use super::frames::{Frames, Talk};
use super::spawn;
use super::state::{Orders, State};

/// What both ways of a connection share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    talk: Talk,
    /// What begins with the next answer.
    with_answer: Mutex<Vec<What>>,
    /// When a byte moved last.
    moved: Mutex<Option<Instant>>,
}

impl Shared {
    fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn silence(&self) -> Duration {
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.map_or(Duration::ZERO, |moved| moved.elapsed())
    }
}

/// A way that is being relayed, and what is being done to it.
pub(super) struct Lane {
    way: Way,
    state: Arc<State>,
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    /// The order that this way obeys.
    current: Orders,
    begun: Vec<WireFault>,
    frames: Frames,
    to: Option<OwnedWriteHalf>,
    delay: Duration,
    bytes_per_second: Option<u64>,
    flip: Option<(u64, u8)>,
    is_hole: bool,
    /// What had been read when the black hole began.
    held: Vec<u8>,
    /// Bytes that were seen to wait in front of it.
    waiting: usize,
    /// The sender has gone meanwhile.
    left: bool,
}

/// How often the sender in front of a black hole is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Whether the connection goes on.
type Going = ControlFlow<()>;

impl Lane {
    pub(super) fn new(
        way: Way,
        state: &Arc<State>,
        shared: &Arc<Shared>,
        to: OwnedWriteHalf,
    ) -> Self {
        let orders = state.orders.subscribe();
        Self {
            way,
            state: Arc::clone(state),
            shared: Arc::clone(shared),
            current: Orders::default(),
            orders,
            begun: Vec::new(),
            frames: Frames::new(way),
            to: Some(to),
            delay: Duration::ZERO,
            bytes_per_second: None,
            flip: None,
            is_hole: false,
            held: Vec::new(),
            waiting: 0,
            left: false,
        }
    }

    /// Relays until the way ends or the connection is to be closed.
    pub(super) async fn run(mut self, mut from: OwnedReadHalf) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            if self.obey().await.is_break() {
                return;
            }
            let read = tokio::select! {
                read = from.read(&mut buffer), if !self.is_hole => read,
                () = tokio::time::sleep(LOOK), if self.is_hole => {
                    self.look(&mut from);
                    continue;
                }
                changed = self.orders.changed() => {
                    if changed.is_err() { return }
                    continue;
                }
            };
            let Ok(length @ 1..) = read else { return };
            self.shared.moved();
            // An order that came together with the bytes holds for them.
            if self.obey().await.is_break() {
                return;
            }
            if self.relay(buffer.get(..length).unwrap_or_default()).await.is_break() {
                return;
            }
        }
    }

    /// Looks whether the sender in front of a black hole still sends, or has gone.
    fn look(&mut self, from: &mut OwnedReadHalf) {
        let ready = from.ready(Interest::READABLE).now_or_never();
        let Some(Ok(ready)) = ready else { return };
        let mut waiting = vec![0; 1 << 20];
        let waiting = match from.peek(&mut waiting).now_or_never() {
            Some(Ok(length)) => length,
            Some(Err(_)) | None => 0,
        };
        if waiting > self.waiting {
            self.waiting = waiting;
            self.shared.moved();
        }
        if self.way == Way::Sent
            && ready.is_read_closed()
            && !std::mem::replace(&mut self.left, true)
        {
            let mut given_up = self.state.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            given_up.push(self.shared.silence());
        }
    }

    /// Begins what hits all connections by now, and ends what an earlier order had begun.
    async fn obey(&mut self) -> Going {
        let orders = self.orders.borrow_and_update().clone();
        if orders.number != self.current.number {
            self.begun.clear();
            self.delay = Duration::ZERO;
            self.bytes_per_second = None;
            self.flip = None;
            self.is_hole = false;
            self.waiting = 0;
            let held = std::mem::take(&mut self.held);
            self.deliver(&held).await?;
        }
        self.current = orders.clone();
        for armed in orders.faults.iter().filter(|armed| armed.hits_all()) {
            if armed.fault.way == self.way && !self.begun.contains(&armed.fault) {
                self.begun.push(armed.fault);
                self.begin(armed.fault.what, &[]).await?;
            }
        }
        Going::Continue(())
    }

    /// Delivers bytes up to the places where faults begin, and from there on as those will have it.
    async fn relay(&mut self, bytes: &[u8]) -> Going {
        if self.way == Way::Answered {
            let waiting = std::mem::take(
                &mut *self.shared.with_answer.lock().unwrap_or_else(PoisonError::into_inner),
            );
            for what in waiting {
                self.begin(what, bytes).await?;
            }
        }
        let met =
            self.state.pass(self.way, bytes, &mut self.frames, &self.shared.talk, &self.current);
        let mut done = 0;
        for (offset, fault) in met {
            self.deliver(bytes.get(done..offset).unwrap_or_default()).await?;
            done = offset;
            if fault.way == self.way {
                self.begun.push(fault);
                self.begin(fault.what, bytes.get(done..).unwrap_or_default()).await?;
            } else {
                let mut waiting =
                    self.shared.with_answer.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.push(fault.what);
            }
        }
        self.deliver(bytes.get(done..).unwrap_or_default()).await
    }

    /// Begins a fault, before `bytes`.
    async fn begin(&mut self, what: What, bytes: &[u8]) -> Going {
        match what {
            What::Close => return Going::Break(()),
            What::HalfClose => {
                if let Some(mut to) = self.to.take() {
                    drop(to.shutdown().await);
                }
            }
            What::Hold(pause) => {
                if let Some(mut to) = self.to.take() {
                    let bytes = bytes.to_vec();
                    // It owns the receiver's end, which stays open until then.
                    drop(spawn(async move {
                        tokio::time::sleep(pause).await;
                        drop(to.write_all(&bytes).await);
                    }));
                }
                return Going::Break(());
            }
            What::Delay(delay) => self.delay = delay,
            What::Slow(bytes_per_second) => self.bytes_per_second = Some(bytes_per_second.max(1)),
            What::Corrupt { offset, mask } => self.flip = Some((offset, mask)),
            What::Blackhole => self.is_hole = true,
        }
        Going::Continue(())
    }

    async fn deliver(&mut self, bytes: &[u8]) -> Going {
        if bytes.is_empty() {
            return Going::Continue(());
        }
        if self.is_hole {
            self.held.extend_from_slice(bytes);
            return Going::Continue(());
        }
        let bytes = self.flipped(bytes);
        tokio::time::sleep(self.delay).await;
        let piece = match self.bytes_per_second {
            // A tenth of a second at once.
            Some(rate) => usize::try_from(rate.div_ceil(10)).unwrap_or(usize::MAX),
            None => bytes.len(),
        };
        for piece in bytes.chunks(piece) {
            // A receiver that was told of the end gets nothing more.
            let Some(to) = &mut self.to else { return Going::Continue(()) };
            if to.write_all(piece).await.is_err() {
                return Going::Break(());
            }
            if let Some(rate) = self.bytes_per_second {
                let pause = Duration::from_micros(piece.len() as u64 * 1_000_000 / rate);
                tokio::time::sleep(pause).await;
            }
        }
        Going::Continue(())
    }

    /// Bytes with their bits flipped, where that is due.
    fn flipped(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if let Some((offset, mask)) = self.flip.take() {
            match usize::try_from(offset).ok().and_then(|offset| bytes.get_mut(offset)) {
                Some(byte) => *byte ^= mask,
                None => self.flip = Some((offset - bytes.len() as u64, mask)),
            }
        }
        bytes
    }
}
