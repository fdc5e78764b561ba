//! A relay that keeps what clients say, to be looked at as somebody on the wire would.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running relay to a loopback port. Its threads end with their connections.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    /// Relays a free loopback port to `upstream`.
    pub fn start(upstream: u16) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else {
                    continue;
                };
                let number = {
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(Vec::new());
                    all.len() - 1
                };
                let all = Arc::clone(&all);
                let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { continue };
                thread::spawn(move || {
                    relay(from, to, |bytes| {
                        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(one) = all.get_mut(number) {
                            one.extend_from_slice(bytes);
                        }
                    });
                });
                thread::spawn(move || relay(server, client, |_bytes| {}));
            }
        });
        Self { port, heard }
    }

    /// The port to connect to on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What was said on each connection since the last call.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, mut hear: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..length) else { break };
        hear(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // Best effort: one of both ends is gone.
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
