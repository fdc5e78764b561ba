//! The socket of a link, plain or encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mysql_async::{Error, IoError};
use rowferry_core::{Endpoint, TlsMode};
use rowferry_runtime::{Address, Socket};
use rowferry_tls::TlsClient;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::packets::garbled;

/// Where the server of an endpoint listens.
pub(super) fn address(endpoint: &Endpoint) -> Address {
    #[cfg(unix)]
    if let Some(file) = &endpoint.socket {
        return Address::Unix { file: file.clone() };
    }
    let port = if endpoint.port == 0 { crate::config::PORT } else { endpoint.port };
    Address::Tcp { host: endpoint.host.clone(), port }
}

/// How a stream is to be encrypted.
pub(super) struct Upgrade {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Upgrade {
    /// What `endpoint` asks for; `None` where nothing is encrypted.
    pub(super) fn of(endpoint: &Endpoint) -> Result<Option<Self>, Error> {
        // A socket does not leave the machine.
        if endpoint.tls == TlsMode::Disable || endpoint.socket.is_some() {
            return Ok(None);
        }
        let client = TlsClient::of(endpoint).map_err(|error| Error::Other(Box::new(error)))?;
        let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
        Ok(Some(Self { config: client.config(), name }))
    }
}

/// A stream of bytes to and from a server.
pub(super) enum Stream {
    Plain(Socket),
    Encrypted(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Whether nobody between here and the server can read along.
    pub(super) const fn is_private(&self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Plain(Socket::Unix(_)) => true,
            Self::Plain(_) => false,
            Self::Encrypted(_) => true,
        }
    }

    pub(super) async fn encrypt(self, upgrade: Upgrade) -> Result<Self, Error> {
        let Self::Plain(socket) = self else { return Err(garbled("encrypted twice")) };
        let Upgrade { config, name } = upgrade;
        let stream = TlsConnector::from(config).connect(name, socket).await;
        Ok(Self::Encrypted(Box::new(stream.map_err(IoError::Io)?)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
