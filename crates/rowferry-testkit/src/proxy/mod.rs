//! A TCP relay that fails when asked to.
//!
//! A [`WireFault`] says what becomes of the bytes of one way: closed, half-closed, held, delayed,
//! slowed down, flipped or swallowed, from a byte, a message, a COMMIT or a moment on.

mod fault;
mod frames;
mod lane;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub use fault::{At, On, Way, What, WireFault};
use lane::{Lane, Shared};
use state::{Armed, Orders, State};

/// A running proxy. Dropping it closes all of its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    upstream: Arc<Mutex<SocketAddr>>,
    listener: JoinHandle<()>,
    runtime: tokio::runtime::Handle,
}

impl Proxy {
    /// Relays a free loopback port to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = State::new();
        let upstream = Arc::new(Mutex::new(upstream));
        let listener = spawn(accept(listener, Arc::clone(&upstream), Arc::clone(&state)));
        Self { port, state, upstream, listener, runtime: tokio::runtime::Handle::current() }
    }

    /// The port to connect to on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on, fail like this, and no longer as asked before. Open connections obey too.
    pub fn set(&self, faults: impl IntoIterator<Item = WireFault>) {
        let faults: Arc<[Armed]> = faults.into_iter().map(Armed::new).collect();
        let mut number = 0;
        self.state.orders.send_modify(|orders| {
            number = orders.number + 1;
            *orders = Orders { number, faults: Arc::clone(&faults) };
        });
        for fault in faults.iter().map(|armed| armed.fault) {
            if let At::After(pause) = fault.at {
                let state = Arc::clone(&self.state);
                drop(self.runtime.spawn(async move {
                    tokio::time::sleep(pause).await;
                    state.ripen(number, fault);
                }));
            }
        }
    }

    /// Relays connections that come from now on to another server, as after a failover.
    pub fn point_at(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// From now on, do not fail.
    pub fn heal(&self) {
        self.set([]);
    }

    /// Bytes that clients have sent.
    pub fn sent(&self) -> u64 {
        self.state.bytes(Way::Sent)
    }

    /// Bytes that the server has answered.
    pub fn answered(&self) -> u64 {
        self.state.bytes(Way::Answered)
    }

    /// Messages of one way.
    pub fn messages(&self, way: Way) -> u64 {
        self.state.messages(way)
    }

    /// COMMITs that clients have sent.
    pub fn commits(&self) -> u64 {
        self.state.commits()
    }

    /// For each connection that a client gave up while it lay in a black hole: how long after the
    /// last byte that moved on it.
    pub fn given_up(&self) -> Vec<std::time::Duration> {
        self.state.given_up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Way::BOTH.map(|way| WireFault {
            way,
            at: At::Now,
            on: On::All,
            what: What::Close,
        }));
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Mutex<SocketAddr>>, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let upstream = *upstream.lock().unwrap_or_else(PoisonError::into_inner);
        let state = Arc::clone(&state);
        drop(spawn(async move {
            if state.closes_all() {
                return;
            }
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            // A proxy that gathers small writes would be slower than the network it stands for.
            drop((client.set_nodelay(true), server.set_nodelay(true)));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let shared = Arc::new(Shared::default());
            // Whichever way ends takes the other one with it.
            tokio::select! {
                () = Lane::new(Way::Sent, &state, &shared, to_server).run(from_client) => {}
                () = Lane::new(Way::Answered, &state, &shared, to_client).run(from_server) => {}
            }
        }));
    }
}

/// A proxy lives outside the product, so its tasks need none of the product's bookkeeping.
#[expect(clippy::disallowed_methods, reason = "test equipment; no span to carry")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
