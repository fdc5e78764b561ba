//! A TCP relay that fails when asked to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// When connections through the proxy end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Never.
    Never,
    /// At once: open connections are closed, new ones are closed on arrival.
    Now,
    /// When the client has sent this many bytes since the proxy was started, all together.
    AfterSent(u64),
    /// When the server has answered this many bytes since the proxy was started, all together.
    AfterAnswered(u64),
    /// As `AfterSent`, for the one connection that sends that byte; others go on.
    OnceSent(u64),
    /// As `AfterAnswered`, for the one connection on which that byte is answered; others go on.
    OnceAnswered(u64),
    /// Bytes are taken and never delivered, and nothing is closed.
    Blackhole,
    /// The COMMIT of this number, counted from 1 since the proxy was started, reaches the server;
    /// its answer is thrown away and its connection closed.
    SwallowAnswer(u64),
    /// The COMMIT of this number is kept back for so long, while its client finds the connection
    /// closed at once; then it reaches the server.
    HoldCommit(u64, Duration),
}

/// A COMMIT as one simple query of PostgreSQL, and as one command of MySQL.
const COMMITS: [&[u8]; 2] = [b"Q\0\0\0\x0bcommit\0", b"\x07\0\0\0\x03commit"];

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
    commits: AtomicU64,
}

/// What becomes of some bytes.
enum Verdict {
    Deliver,
    /// They are thrown away and the connection ends.
    End,
    /// The connection ends, and they are delivered later.
    Later(Duration),
}

/// A running proxy. Dropping it closes all of its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    cut: watch::Sender<Cut>,
    counts: Arc<Counts>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// Relays a free loopback port to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (cut, watched) = watch::channel(Cut::Never);
        let counts = Arc::new(Counts::default());
        let listener = spawn(accept(listener, upstream, watched, Arc::clone(&counts)));
        Self { port, cut, counts, listener }
    }

    /// The port to connect to on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on, fail like this. Open connections obey too.
    pub fn set(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    /// Bytes that clients have sent.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// COMMITs that clients have sent.
    pub fn commits(&self) -> u64 {
        self.counts.commits.load(Ordering::Relaxed)
    }

    /// Bytes that the server has answered.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut.send_replace(Cut::Now);
        self.listener.abort();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    cut: watch::Receiver<Cut>,
    counts: Arc<Counts>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (cut, counts) = (cut.clone(), Arc::clone(&counts));
        drop(spawn(async move {
            if *cut.borrow() == Cut::Now {
                return;
            }
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let swallows = AtomicBool::new(false);
            // Whichever direction ends takes the other one with it.
            tokio::select! {
                () = relay(from_client, to_server, cut.clone(), |bytes, cut| {
                    counts.of_client(bytes, cut, &swallows)
                }) => {}
                () = relay(from_server, to_client, cut, |bytes, cut| {
                    counts.of_server(bytes, cut, &swallows)
                }) => {}
            }
        }));
    }
}

impl Counts {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not about bytes of clients")]
    fn of_client(&self, bytes: &[u8], cut: Cut, swallows: &AtomicBool) -> Verdict {
        let more = bytes.len() as u64;
        let all = self.sent.fetch_add(more, Ordering::Relaxed) + more;
        let is_commit =
            COMMITS.iter().any(|commit| bytes.windows(commit.len()).any(|found| found == *commit));
        let commits = self.commits.fetch_add(is_commit.into(), Ordering::Relaxed) + 1;
        match cut {
            Cut::AfterSent(limit) if all >= limit => Verdict::End,
            Cut::OnceSent(limit) if all >= limit && all - more < limit => Verdict::End,
            Cut::SwallowAnswer(number) if is_commit && number == commits => {
                swallows.store(true, Ordering::SeqCst);
                Verdict::Deliver
            }
            Cut::HoldCommit(number, pause) if is_commit && number == commits => {
                Verdict::Later(pause)
            }
            _ => Verdict::Deliver,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not about answers")]
    fn of_server(&self, bytes: &[u8], cut: Cut, swallows: &AtomicBool) -> Verdict {
        let more = bytes.len() as u64;
        let all = self.answered.fetch_add(more, Ordering::Relaxed) + more;
        let is_over = match cut {
            Cut::AfterAnswered(limit) => all >= limit,
            Cut::OnceAnswered(limit) => all >= limit && all - more < limit,
            _ => false,
        };
        if is_over || swallows.load(Ordering::SeqCst) { Verdict::End } else { Verdict::Deliver }
    }
}

/// Relays one direction until it ends or is cut. `judge` counts bytes and says what becomes of them.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Cut>,
    judge: impl Fn(&[u8], Cut) -> Verdict,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = cut.changed() => {
                if changed.is_err() || *cut.borrow() == Cut::Now { return }
                continue;
            }
        };
        let Ok(length @ 1..) = read else { return };
        let now = *cut.borrow();
        let Some(bytes) = buffer.get(..length) else { return };
        match judge(bytes, now) {
            Verdict::End => return,
            Verdict::Later(pause) => {
                let bytes = bytes.to_vec();
                // It owns the server's end, which stays open until then.
                drop(spawn(async move {
                    tokio::time::sleep(pause).await;
                    drop(to.write_all(&bytes).await);
                }));
                return;
            }
            Verdict::Deliver => {}
        }
        if now == Cut::Now {
            return;
        }
        if now != Cut::Blackhole && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// A proxy lives outside the product, so its tasks need none of the product's bookkeeping.
#[expect(clippy::disallowed_methods, reason = "test equipment; no span to carry")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
