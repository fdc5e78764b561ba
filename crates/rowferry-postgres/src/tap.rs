//! A tap on a connection: rows of a COPY leave the stream before the driver sees them.
//!
//! The driver makes a message of its own of every row, which costs more than all else that is done to
//! a row that passes through, and it reads three rows ahead, whatever their size. So the stream under
//! it follows the server's messages: what a `CopyData` message carries is gathered here, and everything
//! else is handed on. Nothing of a copy is read unless somebody wants it, but for what one look at the
//! socket brings.

mod rows;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use std::{io, mem};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

pub(crate) use rows::{Limits, Rows};
use rows::{State, Wish};

/// Bytes that one look at the socket may bring: eight of what the server sends at once, and a small
/// part of a core's second cache.
const LOOK_BYTES: usize = 64 << 10;
/// Type and length of a message.
const HEADER_BYTES: usize = 5;
const COPY_DATA: u8 = b'd';
/// The answer to the question for TLS by which the stream becomes one of TLS.
const ENCRYPTED: u8 = b'S';

/// The stream under the driver.
pub(crate) struct Tap<S> {
    stream: S,
    rows: Rows,
    follow: Follow,
    /// What was read and is not yet handed on.
    ahead: Box<[u8]>,
    from: usize,
    upto: usize,
    /// Bytes that are still to come of the message under way.
    left: usize,
    /// Whether these are rows.
    tapped: bool,
}

/// What is known of the bytes that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    /// The first one answers whether there will be TLS.
    Answer,
    Messages,
    /// They are not for us to understand.
    Nothing,
}

/// Why no more was handed on.
enum Stop {
    /// There is nothing left, or not enough of it.
    Dry,
    /// Rows come that nobody wants yet.
    Unwanted,
    /// The driver's buffer is full.
    Full,
}

impl<S> Tap<S> {
    /// A tap on a stream of messages; `asks` when the driver asks for TLS first.
    pub(crate) fn new(stream: S, rows: Rows, asks: bool) -> Self {
        Self {
            stream,
            rows,
            follow: if asks { Follow::Answer } else { Follow::Messages },
            ahead: vec![0; LOOK_BYTES].into_boxed_slice(),
            from: 0,
            upto: 0,
            left: 0,
            tapped: false,
        }
    }

    fn ahead(&self) -> &[u8] {
        self.ahead.get(self.from..self.upto).unwrap_or_default()
    }

    fn hand_on(&mut self, context: &Context<'_>, out: &mut ReadBuf<'_>) -> Stop {
        let rows = self.rows.clone();
        let mut state = rows.state();
        loop {
            if self.left == 0 && self.follow == Follow::Messages && !self.begin_message(&state) {
                return Stop::Dry;
            }
            if self.left == 0 && self.follow == Follow::Answer {
                self.begin_answer();
            }
            let ahead = self.upto - self.from;
            if ahead == 0 {
                return Stop::Dry;
            }
            let size = if self.follow == Follow::Nothing { ahead } else { self.left.min(ahead) };
            if self.tapped {
                if matches!(state.wish, Wish::Wait) {
                    state.driver = Some(context.waker().clone());
                    return Stop::Unwanted;
                }
                let ends = size == self.left;
                state.take_in(self.ahead().get(..size).unwrap_or_default(), ends);
                self.passed(size);
            } else {
                let size = size.min(out.remaining());
                if size == 0 {
                    return Stop::Full;
                }
                out.put_slice(self.ahead().get(..size).unwrap_or_default());
                self.passed(size);
            }
        }
    }

    fn passed(&mut self, size: usize) {
        self.from += size;
        self.left = self.left.saturating_sub(size);
    }

    /// Looks at the header of the next message; `false` = it has not come completely.
    fn begin_message(&mut self, state: &State) -> bool {
        let Some((&[kind, length @ ..], _)) = self.ahead().split_first_chunk::<HEADER_BYTES>()
        else {
            return false;
        };
        // The length counts itself. The driver has its own word for what is less than that.
        let Some(body) = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0).checked_sub(4)
        else {
            (self.follow, self.tapped) = (Follow::Nothing, false);
            return true;
        };
        self.tapped = kind == COPY_DATA && !matches!(state.wish, Wish::None);
        self.left = body;
        if self.tapped {
            self.from += HEADER_BYTES;
        } else {
            self.left += HEADER_BYTES;
        }
        true
    }

    fn begin_answer(&mut self) {
        match self.ahead().first() {
            None => {}
            Some(&ENCRYPTED) => self.follow = Follow::Nothing,
            Some(_) => (self.follow, self.left) = (Follow::Messages, 1),
        }
    }
}

impl<S: AsyncRead + Unpin> Tap<S> {
    /// Reads what is there; 0 = the stream has ended.
    fn look(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ahead.copy_within(self.from..self.upto, 0);
        self.upto -= mem::take(&mut self.from);
        let mut room = ReadBuf::new(self.ahead.get_mut(self.upto..).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
        let size = room.filled().len();
        self.upto += size;
        if self.tapped {
            self.rows.state().heard = Some(Instant::now());
        }
        Poll::Ready(Ok(size))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        loop {
            if this.follow == Follow::Nothing && this.ahead().is_empty() {
                return Pin::new(&mut this.stream).poll_read(context, out);
            }
            let stop = this.hand_on(context, out);
            if out.filled().len() > before || matches!(stop, Stop::Full) {
                return Poll::Ready(Ok(()));
            }
            if matches!(stop, Stop::Unwanted) {
                return Poll::Pending;
            }
            if ready!(this.look(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Tap<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use rowferry_codec::pgcopy::{CodecError, HEADER, RawTuples, TRAILER};
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Bytes that come in pieces of these sizes, over and over.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let size = self.sizes.get(self.turn % self.sizes.len()).copied().unwrap_or(1);
            let upto = self.bytes.len().min(self.at + size.min(out.remaining()));
            out.put_slice(self.bytes.get(self.at..upto).unwrap_or_default());
            (self.at, self.turn) = (upto, self.turn + 1);
            Poll::Ready(Ok(()))
        }
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    /// A tuple of one field.
    fn tuple(value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        [&[0, 1][..], &length, value].concat()
    }

    /// A copy of these values between other messages: all that comes, what the driver gets of it, and
    /// the tuples.
    fn copy(values: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let before = [message(b'2', b""), message(b'H', &[1, 0, 0])].concat();
        let behind = [message(b'c', b""), message(b'C', b"COPY\0"), message(b'Z', b"I")].concat();
        let tuples: Vec<Vec<u8>> = values.iter().map(|value| tuple(value)).collect();
        let mut rows = message(COPY_DATA, HEADER);
        rows.extend(tuples.iter().flat_map(|tuple| message(COPY_DATA, tuple)));
        rows.extend(message(COPY_DATA, TRAILER));
        let all = [before.clone(), rows, behind.clone()].concat();
        (all, [before, behind].concat(), tuples.concat())
    }

    fn tap(bytes: Vec<u8>, sizes: Vec<usize>, rows: &Rows, asks: bool) -> Tap<Pieces> {
        Tap::new(Pieces { bytes, at: 0, sizes, turn: 0 }, rows.clone(), asks)
    }

    const ALL: Limits = Limits { bytes: usize::MAX, rows: usize::MAX };

    async fn gathered(rows: &Rows) -> Result<(), CodecError> {
        poll_fn(|context| rows.poll_gathered(context)).await
    }

    proptest! {
        #[test]
        fn rows_are_gathered_and_all_else_is_handed_on(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            sizes in prop::collection::vec(1_usize..700, 1..5),
            room in 1_usize..300,
        ) {
            let (all, others, tuples) = copy(&values);
            let rows = Rows::default();
            rows.begin(RawTuples::new());
            rows.want(ALL);
            let mut tap = tap(all, sizes, &rows, false);
            let mut handed = Vec::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut buffer = vec![0; room];
                loop {
                    let size = tap.read(&mut buffer).await.unwrap();
                    if size == 0 {
                        return;
                    }
                    handed.extend_from_slice(&buffer[..size]);
                }
            });
            prop_assert_eq!(handed, others);
            prop_assert!(rows.are_complete());
            let (taken, largest) = rows.take();
            prop_assert_eq!(taken.rows, values.len());
            prop_assert_eq!(&taken.bytes[..], &tuples[..]);
            prop_assert_eq!(largest, values.iter().map(|value| value.len() + 6).max().unwrap_or(0));
        }
    }

    #[tokio::test]
    async fn nothing_comes_that_nobody_wants() {
        let values = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        let (all, others, _) = copy(&values);
        let rows = Rows::default();
        rows.begin(RawTuples::new());
        let mut tap = tap(all, vec![usize::MAX], &rows, false);
        let driver = rowferry_runtime::spawn("driver", async move {
            let mut handed = Vec::new();
            tap.read_to_end(&mut handed).await.unwrap();
            handed
        });
        for value in &values {
            tokio::task::yield_now().await;
            assert_eq!(rows.take().0.rows, 0);
            rows.want(Limits { bytes: usize::MAX, rows: 1 });
            gathered(&rows).await.unwrap();
            assert_eq!(&rows.take().0.bytes[..], &tuple(value)[..]);
        }
        assert!(!driver.is_finished());
        rows.want(ALL);
        assert_eq!(driver.join().await.unwrap(), others);
    }

    #[tokio::test]
    async fn what_is_left_of_a_copy_that_nobody_wants_any_more_is_skipped() {
        let (all, others, _) = copy(&[b"one".to_vec(), b"two".to_vec()]);
        let rows = Rows::default();
        rows.begin(RawTuples::new());
        let mut tap = tap(all, vec![7], &rows, false);
        rows.end(false);
        let mut handed = Vec::new();
        tap.read_to_end(&mut handed).await.unwrap();
        assert_eq!(handed, others);
        assert_eq!(rows.take().0.rows, 0);
    }

    #[tokio::test]
    async fn what_is_no_copy_is_an_error_of_whoever_waits() {
        let all = [message(COPY_DATA, b"no copy at all"), message(b'Z', b"I")].concat();
        let rows = Rows::default();
        rows.begin(RawTuples::new());
        rows.want(ALL);
        let mut tap = tap(all, vec![5], &rows, false);
        let mut handed = Vec::new();
        tap.read_to_end(&mut handed).await.unwrap();
        assert_eq!(handed, message(b'Z', b"I"));
        assert!(gathered(&rows).await.is_err());
    }

    #[tokio::test]
    async fn an_encrypted_stream_is_not_looked_at() {
        let records = [b"S".to_vec(), message(COPY_DATA, b"a record"), vec![0, 1, 2]].concat();
        let rows = Rows::default();
        rows.begin(RawTuples::new());
        let mut handed = Vec::new();
        tap(records.clone(), vec![3], &rows, true).read_to_end(&mut handed).await.unwrap();
        assert_eq!(handed, records);
        // A server without TLS says so and goes on in messages.
        let (all, others, tuples) = copy(&[b"one".to_vec()]);
        rows.want(ALL);
        handed.clear();
        let answered = [b"N".to_vec(), all].concat();
        tap(answered, vec![3], &rows, true).read_to_end(&mut handed).await.unwrap();
        assert_eq!(handed, [b"N".to_vec(), others].concat());
        assert_eq!(&rows.take().0.bytes[..], &tuples[..]);
    }
}
