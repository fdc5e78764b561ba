//! From an endpoint to rustls' own configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rowferry_core::{ConnectorError, Endpoint, Result, TlsMode};
use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::identity;
use crate::verify::{Chain, EncryptOnly};

/// What is needed to open encrypted connections to one server.
#[derive(Clone)]
pub struct TlsClient {
    config: ClientConfig,
    verifies: bool,
}

impl TlsClient {
    /// The settings that `endpoint` asks for.
    ///
    /// # Errors
    ///
    /// Class `Setup` when a file of roots or of the client's own certificate cannot be used.
    pub fn of(endpoint: &Endpoint) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                ConnectorError::bug("could not set up the TLS versions").with_source(error)
            })?;
        let (builder, verifies) = match endpoint.tls {
            TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => {
                let verifier = EncryptOnly::new(provider, Possession::default());
                (versions.dangerous().with_custom_certificate_verifier(Arc::new(verifier)), false)
            }
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                let named = endpoint.tls == TlsMode::VerifyFull;
                let chain = Chain::new(identity::roots(endpoint)?, provider, named)?;
                (versions.dangerous().with_custom_certificate_verifier(Arc::new(chain)), true)
            }
        };
        let mut config = match identity::of(endpoint)? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| identity::not_a_pair(endpoint, &error))?,
            None => builder.with_no_client_auth(),
        };
        // A resumed session shows no certificate that could be bound to or looked at again.
        config.resumption = Resumption::disabled();
        Ok(Self { config, verifies })
    }

    /// The configuration for any number of connections.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::new(self.config.clone())
    }

    /// The configuration for one connection, and whether its server will have proven that it owns
    /// the certificate that it showed.
    pub fn config_of_one(&self) -> (Arc<ClientConfig>, Possession) {
        let possession = Possession::default();
        let mut config = self.config.clone();
        if self.verifies {
            possession.prove();
        } else {
            let provider = Arc::clone(config.crypto_provider());
            let verifier = EncryptOnly::new(provider, possession.clone());
            config.dangerous().set_certificate_verifier(Arc::new(verifier));
        }
        (Arc::new(config), possession)
    }
}

/// Whether a server has proven that the key of its certificate is its own.
///
/// Without the proof a password must not be bound to the certificate: anybody can show a copy of
/// one.
#[derive(Clone, Debug, Default)]
pub struct Possession(Arc<AtomicBool>);

impl Possession {
    pub(crate) fn prove(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the proof was seen; asked after the handshake.
    pub fn is_proven(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
