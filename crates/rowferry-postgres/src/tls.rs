//! The set-up of `rowferry-tls` under tokio-postgres.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rowferry_core::{Endpoint, Result};
use rowferry_tls::{Possession, TlsClient, end_point_hash};
use rustls::ClientConfig;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::tap::{Rows, Tap};

/// Makes TLS streams.
#[derive(Clone)]
pub(crate) struct Tls {
    client: Arc<TlsClient>,
}

impl Tls {
    /// The settings that `endpoint` asks for.
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Self> {
        Ok(Self { client: Arc::new(TlsClient::of(endpoint)?) })
    }

    /// The handshake of one connection to `host`; its copies leave their rows in `rows`.
    pub(crate) fn handshake(&self, host: &str, rows: Rows) -> Handshake {
        let name = ServerName::try_from(host.to_owned());
        let (config, possession) = self.client.config_of_one();
        Handshake { config, name, possession, rows }
    }
}

/// One handshake about to happen.
pub(crate) struct Handshake {
    config: Arc<ClientConfig>,
    name: Result<ServerName<'static>, InvalidDnsNameError>,
    possession: Possession,
    rows: Rows,
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Tap<Encrypted<S>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = tokio_rustls::TlsConnector::from(self.config);
            let name = self.name.map_err(io::Error::other)?;
            let stream = Box::new(connector.connect(name, stream).await?);
            let encrypted = Encrypted { stream, possession: self.possession };
            Ok(Tap::new(encrypted, self.rows, false))
        })
    }
}

/// An encrypted stream.
pub(crate) struct Encrypted<S> {
    stream: Box<tokio_rustls::client::TlsStream<S>>,
    possession: Possession,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // To what a server showed and did not prove to own, nothing is bound.
        let certificates = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        match certificates.first().and_then(|own| end_point_hash(own)) {
            Some(hash) if self.possession.is_proven() => ChannelBinding::tls_server_end_point(hash),
            Some(_) | None => ChannelBinding::none(),
        }
    }
}
