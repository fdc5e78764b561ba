//! A TCP stream that is looked at when there is something to see.
//!
//! A server sends rows in pieces of 8 or 16 KiB, and a reader that keeps up is woken for each of them:
//! of a copy of rows that pass undecoded a third was waking and waiting. So once much has come without
//! another question, the system is told to speak only of many bytes at once (its low-water mark), and
//! after a moment without as many whatever is there is taken.

use std::future::Future as _;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Bytes since the last question from which an answer is rows of a large table: a chunk has twenty
/// times as many, and what is read beside them, even thousands of columns, far fewer.
const MANY_BYTES: usize = 1 << 20;
/// The mark. A server of this machine or its rack sends as much within a millisecond; at half of it a
/// copy of three million rows was woken 9,500 times, at this 7,100 times, without a mark 35,800 times.
const MARK_BYTES: u32 = 128 << 10;
/// Size of the option.
#[cfg(target_os = "linux")]
const BYTES_OF_MARK: libc::socklen_t = 4;
/// The moment: the smallest that the timer knows, which may take it for two.
const MOMENT: Duration = Duration::from_millis(1);

/// A connected stream.
#[derive(Debug)]
pub struct LowWater {
    stream: TcpStream,
    /// Bytes that have come since something was sent.
    unasked: usize,
    is_marked: bool,
    waiting: Waiting,
    timer: Pin<Box<Sleep>>,
}

/// What is waited for.
#[derive(Debug)]
enum Waiting {
    Nothing,
    /// For many bytes, or the end of the moment.
    Many,
    /// For any byte.
    Any,
}

impl LowWater {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let timer = Box::pin(sleep(MOMENT));
        Self { stream, unasked: 0, is_marked: false, waiting: Waiting::Nothing, timer }
    }

    /// Takes what is there, however little; the stream has already noted whom to wake for more.
    fn take_any(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // First, so that no byte comes unseen in between.
        self.mark(false);
        // Fewer bytes than the mark were there a moment ago: zeros for all of a large buffer would cost
        // more than they hold.
        let room = buffer.remaining().min(MARK_BYTES as usize);
        match (&*SockRef::from(&self.stream)).read(buffer.initialize_unfilled_to(room)) {
            Ok(size) => {
                buffer.advance(size);
                self.took(size);
                if size > 0 && size == room {
                    // There may be more, and the moment is over for that too.
                    self.waiting = Waiting::Many;
                }
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waiting = Waiting::Any;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    const fn took(&mut self, size: usize) {
        self.unasked = self.unasked.saturating_add(size);
        self.waiting = Waiting::Nothing;
    }

    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "no library has a safe call for this option")]
    fn mark(&mut self, marked: bool) {
        use std::os::fd::AsRawFd as _;

        if self.is_marked == marked {
            return;
        }
        self.is_marked = marked;
        let bytes = if marked { MARK_BYTES } else { 1_u32 };
        // SAFETY: the socket is open as long as its stream, and the option is read as one integer, which
        // `bytes` is. The system takes every mark, and caps it.
        unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                std::ptr::from_ref(&bytes).cast(),
                BYTES_OF_MARK,
            );
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn mark(&mut self, marked: bool) {
        self.is_marked = marked;
    }
}

impl AsyncRead for LowWater {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            this.took(buffer.filled().len() - before);
            return read;
        }
        if this.unasked < MANY_BYTES || !cfg!(target_os = "linux") {
            return Poll::Pending;
        }
        match this.waiting {
            Waiting::Any => return Poll::Pending,
            Waiting::Many => {}
            Waiting::Nothing => {
                this.mark(true);
                this.timer.as_mut().reset(Instant::now() + MOMENT);
                this.waiting = Waiting::Many;
            }
        }
        match this.timer.as_mut().poll(context) {
            Poll::Ready(()) => this.take_any(buffer),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for LowWater {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.mark(false);
        this.unasked = 0;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What is sent in pieces of these sizes, each of which waits until the last one has arrived.
    async fn arrives(pieces: &'static [usize]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, wait) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for size in pieces {
                // So that somebody waits for it.
                std::thread::sleep(5 * MOMENT);
                stream.write_all(&vec![b'r'; *size]).unwrap();
                wait.recv_timeout(Duration::from_secs(20)).expect("it arrives alone");
            }
            // A question and its answer.
            stream.read_exact(&mut [0; 3]).unwrap();
            stream.write_all(b"answer").unwrap();
        });
        let mut stream = LowWater::new(TcpStream::connect(address).await.unwrap());
        for size in pieces {
            let mut piece = vec![0; *size];
            stream.read_exact(&mut piece).await.unwrap();
            assert!(piece.iter().all(|byte| *byte == b'r'));
            arrived.send(()).unwrap();
        }
        stream.write_all(b"ask").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
        server.join().unwrap();
    }

    #[tokio::test]
    async fn little_arrives_behind_much() {
        arrives(&[MANY_BYTES, 1, 1, 8 << 10, 1, MANY_BYTES - 1, 3]).await;
    }

    #[tokio::test]
    async fn much_arrives_behind_little() {
        arrives(&[1, MANY_BYTES / 2, MANY_BYTES, 127 << 10, 128 << 10, 129 << 10, 1]).await;
    }

    #[tokio::test]
    async fn a_small_buffer_waits_once_for_all_that_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, wait) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&vec![0; MANY_BYTES]).unwrap();
            wait.recv().unwrap();
            // Below the mark.
            stream.write_all(&vec![0; 100 << 10]).unwrap();
            wait.recv().unwrap();
        });
        let mut stream = LowWater::new(TcpStream::connect(address).await.unwrap());
        stream.read_exact(&mut vec![0; MANY_BYTES]).await.unwrap();
        taken.send(()).unwrap();
        let mut moments = 0;
        for _ in 0..25 {
            let mut piece = vec![0; 4 << 10];
            let mut read = std::pin::pin!(stream.read_exact(&mut piece));
            let at_once =
                std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_ready()));
            if !at_once.await {
                moments += 1;
                read.await.unwrap();
            }
        }
        // Once before the first byte, and perhaps where the pieces of the network meet.
        assert!(moments <= 5, "{moments} moments for 25 pieces");
        taken.send(()).unwrap();
        server.join().unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_stream_is_seen_below_the_mark() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&vec![0; MANY_BYTES + 5]).unwrap();
        });
        let mut stream = LowWater::new(TcpStream::connect(address).await.unwrap());
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), MANY_BYTES + 5);
        server.join().unwrap();
    }
}
