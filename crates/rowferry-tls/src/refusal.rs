//! Why a connection was not encrypted as asked, and what would change that.

use std::error::Error as StdError;

use rowferry_core::{ConnectorError, ErrorClass};
use rustls::{AlertDescription, CertificateError, Error};

const MODE: &str = "tls (sslmode, ssl-mode)";
const ROOTS: &str = "tls_root (sslrootcert, ssl-ca)";
const OWN: &str = "tls_cert and tls_key (sslcert, sslkey; ssl-cert, ssl-key)";

/// The error of a server that offers no TLS where it was asked for.
pub fn not_offered(attempt: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Refused, "tls-refused", attempt)
        .with_server("the server offers no TLS")
        .with_next(format!(
            "Turn TLS on at the server, or set {MODE} to prefer or disable where the wire may be \
             read by others."
        ))
}

/// The error of a handshake that one of both ends refused.
pub fn refused(attempt: impl Into<String>, error: &Error) -> ConnectorError {
    ConnectorError::new(ErrorClass::Refused, "tls-refused", attempt)
        .with_server(words(error))
        .with_next(next(error))
}

/// The error of rustls that lies below another one, if there is one.
pub fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an `io::Error` is the source of what it holds, not what it holds.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// Whether one of both ends said no. What is left are broken wires, which say nothing of trust.
///
/// With TLS 1.3 a server looks at the client's certificate after the handshake, so its refusal comes
/// as the answer to the first bytes.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add to its errors")]
pub fn is_refusal(error: &Error) -> bool {
    use AlertDescription as Alert;
    match error {
        Error::AlertReceived(alert) => matches!(
            alert,
            Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::HandshakeFailure
                | Alert::InsufficientSecurity
                | Alert::ProtocolVersion
                | Alert::UnknownCA
                | Alert::UnrecognisedName
                | Alert::UnsupportedCertificate
        ),
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::PeerIncompatible(_)
        | Error::UnsupportedNameType => true,
        _ => false,
    }
}

/// The library's words, or plainer ones where it names only its own types.
fn words(error: &Error) -> String {
    let Error::InvalidCertificate(why) = error else { return error.to_string() };
    match webpki_error(why) {
        Some(webpki::Error::UnsupportedCertVersion) => {
            "the server's certificate is of X.509 version 1 or 2, which cannot be verified"
                .to_owned()
        }
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the server's certificate is that of an authority (CA:TRUE) and is none of the roots"
                .to_owned()
        }
        Some(_) | None if has_no_names(why) => {
            "the server's certificate has no subject alternative name; its common name is not \
             looked at"
                .to_owned()
        }
        Some(_) | None => error.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add to its errors")]
fn next(error: &Error) -> String {
    match error {
        Error::AlertReceived(_) | Error::NoCertificatesPresented => {
            format!("The server refused our certificate, or wants one: name it with {OWN}.")
        }
        Error::InvalidCertificate(why) => of_certificate(why),
        _ => format!(
            "The server must speak TLS 1.2 or 1.3 with a current cipher; {MODE} of this connection \
             says whether it is needed."
        ),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add to its errors")]
fn of_certificate(why: &CertificateError) -> String {
    // RFC 2818 put the subject alternative name in the place of the common name in 2000.
    const MAKE: &str = "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 365 \
         -extfile <(printf 'subjectAltName=DNS:HOST') -out server.pem";
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            if has_no_names(why) {
                format!("Give it one: {MAKE}; or set {MODE} to verify-ca.")
            } else {
                format!("Connect by a name of the certificate, or set {MODE} to verify-ca.")
            }
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "Name the server's authority with {ROOTS}; {MODE} set to require encrypts without \
             verifying."
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "Renew the server's certificate; {MODE} set to require encrypts without verifying."
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("Look at the clocks of both machines; {MODE} set to require does not verify.")
        }
        _ => match webpki_error(why) {
            Some(webpki::Error::UnsupportedCertVersion) => format!(
                "Make one of version 3: {MAKE}; or set {MODE} to require, which encrypts without \
                 verifying."
            ),
            _ => format!(
                "Give the server a certificate that can be verified; {MODE} set to require \
                 encrypts without verifying."
            ),
        },
    }
}

fn has_no_names(why: &CertificateError) -> bool {
    matches!(why, CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add to its errors")]
fn webpki_error(why: &CertificateError) -> Option<&webpki::Error> {
    match why {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_cause_is_found_below_errors_of_io() {
        let inner = Error::AlertReceived(AlertDescription::UnknownCA);
        let io = io::Error::new(io::ErrorKind::InvalidData, inner.clone());
        assert_eq!(cause(&io), Some(&inner));
        assert_eq!(cause(&io::Error::other(io)), Some(&inner));
        assert_eq!(cause(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }

    #[test]
    fn a_broken_wire_is_no_refusal() {
        assert!(is_refusal(&Error::AlertReceived(AlertDescription::CertificateRequired)));
        assert!(is_refusal(&CertificateError::UnknownIssuer.into()));
        assert!(!is_refusal(&Error::DecryptError));
        assert!(!is_refusal(&Error::AlertReceived(AlertDescription::BadRecordMac)));
        assert!(!is_refusal(&Error::AlertReceived(AlertDescription::InternalError)));
    }
}
