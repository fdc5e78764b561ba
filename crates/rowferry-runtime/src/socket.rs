//! The socket to a server: over the network, or in a folder of this machine.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::low_water::LowWater;

/// Unanswered bytes end the connection after this time, so that a black hole is noticed.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_mins(1);
/// Keepalive probes start after this idle time, …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// … follow at this distance …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// … and this many of them may stay unanswered.
const KEEPALIVE_RETRIES: u32 = 3;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// Over the network, or what takes its place.
    Tcp {
        /// Name or number.
        host: String,
        /// Port.
        port: u16,
    },
    /// On this machine.
    #[cfg(unix)]
    Unix {
        /// The socket itself.
        file: PathBuf,
    },
}

impl Address {
    /// The name that a certificate must have; empty for a socket of this machine.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            #[cfg(unix)]
            Self::Unix { .. } => "",
        }
    }

    /// Connects to the first address of the host that answers.
    ///
    /// # Errors
    ///
    /// What the system says of the last address.
    pub async fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let socket = SockRef::from(&stream);
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_RETRIES);
                socket.set_tcp_keepalive(&keepalive)?;
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
                Ok(Socket::Tcp(LowWater::new(stream)))
            }
            #[cfg(unix)]
            Self::Unix { file } => UnixStream::connect(file).await.map(Socket::Unix),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// Over the network.
    Tcp(LowWater),
    /// On this machine.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
