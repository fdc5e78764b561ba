//! Something that ends the TLS of PostgreSQL's clients and starts another one to the server: it
//! reads all that both say.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use rowferry_core::{Endpoint, EndpointKind, TlsMode};
use rowferry_tls::TlsClient;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::Pair;

/// The request of a client for TLS, and the answer of a server that offers it.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const OFFERED: u8 = b'S';

/// A running impostor; it ends with the process.
#[derive(Clone, Copy, Debug)]
pub struct Impostor {
    port: u16,
}

impl Impostor {
    /// Stands before the PostgreSQL at `upstream` and shows this certificate. The key need not be
    /// that of the certificate: anybody can show a copy of one.
    pub fn start(upstream: u16, shown: &Pair) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let acceptor = TlsAcceptor::from(Arc::new(server_side(&provider, shown)));
        let upwards = Endpoint { tls: TlsMode::Require, ..Endpoint::empty(EndpointKind::Postgres) };
        let client = TlsClient::of(&upwards).expect("nothing is verified");
        let connector = TlsConnector::from(client.config());
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        listener.set_nonblocking(true).expect("a socket has modes");
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime starts").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((client, _)) = listener.accept().await {
                    let (acceptor, connector) = (acceptor.clone(), connector.clone());
                    drop(spawn(async move {
                        // One of both ends refuses; that is for the test to see at the client.
                        drop(between(client, upstream, &acceptor, &connector).await);
                    }));
                }
            });
        });
        Self { port }
    }

    /// The port to connect to on 127.0.0.1.
    pub const fn port(self) -> u16 {
        self.port
    }
}

async fn between(
    mut client: TcpStream,
    upstream: u16,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
) -> std::io::Result<()> {
    let mut bytes = [0; 8];
    client.read_exact(&mut bytes).await?;
    assert_eq!(bytes, REQUEST, "only clients that ask for TLS come here");
    client.write_all(&[OFFERED]).await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
    server.write_all(&REQUEST).await?;
    assert_eq!(server.read_u8().await?, OFFERED, "the server offers TLS");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut server = connector.connect(name, server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn server_side(provider: &Arc<CryptoProvider>, shown: &Pair) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(&shown.certificate).expect("own file");
    let chain = chain.collect::<Result<_, _>>().expect("own file");
    let key = PrivateKeyDer::from_pem_file(&shown.key).expect("own file");
    let key = provider.key_provider.load_private_key(key).expect("own key");
    ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))))
}

/// It lives outside the product, so its tasks need none of the product's bookkeeping.
#[expect(clippy::disallowed_methods, reason = "test equipment; no span to carry")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}
