//! PEM files: whom to trust, and who we are.

use std::path::Path;

use rowferry_core::{ConnectorError, Endpoint, ErrorClass, Result};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A chain of certificates, the client's own first, and the key of that one.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The roots to trust: those of the file, else the system's.
pub(crate) fn roots(endpoint: &Endpoint) -> Result<Vec<CertificateDer<'static>>> {
    let roots = match endpoint.tls_root.as_deref() {
        Some(file) => certificates(file, "tls-roots", "the roots of trust")?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if roots.is_empty() { Err(no_roots()) } else { Ok(roots) }
}

pub(crate) fn no_roots() -> ConnectorError {
    ConnectorError::new(ErrorClass::Setup, "tls-roots", "found no certificate authority to trust")
        .with_next(
            "Name a PEM file of roots with tls_root (sslrootcert, ssl-ca), or install the \
             system's roots.",
        )
}

/// The certificate that the server may ask for.
pub(crate) fn of(endpoint: &Endpoint) -> Result<Option<Identity>> {
    let (certificate, key) = match (&endpoint.tls_cert, &endpoint.tls_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) | (None, Some(_)) => {
            return Err(wrong("a client certificate needs both its file and that of its key")
                .with_next(
                    "Name both: tls_cert and tls_key (sslcert, sslkey; ssl-cert, ssl-key).",
                ));
        }
    };
    let chain = certificates(certificate, "tls-identity", "the client certificate")?;
    if chain.is_empty() {
        return Err(wrong(format!("{} holds no certificate", certificate.display())));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        wrong(format!("could not read the key of the client certificate in {}", key.display()))
            .with_server(error.to_string())
            .with_next("It must be a PEM file with a key that needs no password.")
    })?;
    Ok(Some((chain, key)))
}

pub(crate) fn not_a_pair(endpoint: &Endpoint, error: &rustls::Error) -> ConnectorError {
    let shown = |path: &Option<std::path::PathBuf>| {
        path.as_deref().map_or_else(String::new, |path| path.display().to_string())
    };
    let (certificate, key) = (shown(&endpoint.tls_cert), shown(&endpoint.tls_key));
    wrong(format!("the key in {key} cannot be used with the certificate in {certificate}"))
        .with_server(error.to_string())
        .with_next("Name the key that the certificate was made for.")
}

fn wrong(message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Setup, "tls-identity", message)
}

fn certificates(
    file: &Path,
    code: &'static str,
    what: &str,
) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error: rustls_pki_types::pem::Error| {
        let message = format!("could not read {what} in {}", file.display());
        ConnectorError::new(ErrorClass::Setup, code, message)
            .with_server(error.to_string())
            .with_next("It must be a PEM file that this user may read.")
    };
    CertificateDer::pem_file_iter(file)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}
