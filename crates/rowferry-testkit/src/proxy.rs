//! A TCP relay that fails when asked to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Bytes are taken and never delivered, and nothing is closed.
    Blackhole,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
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
            // Whichever direction ends takes the other one with it.
            tokio::select! {
                () = relay(from_client, to_server, cut.clone(), |bytes, cut| {
                    let all = counts.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
                    matches!(cut, Cut::AfterSent(limit) if all >= limit)
                }) => {}
                () = relay(from_server, to_client, cut, |bytes, cut| {
                    let all = counts.answered.fetch_add(bytes, Ordering::Relaxed) + bytes;
                    matches!(cut, Cut::AfterAnswered(limit) if all >= limit)
                }) => {}
            }
        }));
    }
}

/// Relays one direction until it ends or is cut. `is_over` counts bytes and says whether they were
/// the last; those are not delivered any more.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Cut>,
    is_over: impl Fn(u64, Cut) -> bool,
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
        if is_over(length as u64, now) || now == Cut::Now {
            return;
        }
        let Some(bytes) = buffer.get(..length) else { return };
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
