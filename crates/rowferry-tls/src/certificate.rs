//! What the name of a certificate's signature says: the hash that a password is bound to.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

/// DER of 1.2.840.113549.1.1, the signatures of PKCS #1; one number follows.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// DER of 1.2.840.10045.4, the signatures of ECDSA; one or two numbers follow.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The binding `tls-server-end-point` of RFC 5929: the certificate under the hash of its own
/// signature, where MD5 and SHA-1 give way to SHA-256. `None` when that hash is another one or no
/// part of the signature's name (Ed25519, RSA-PSS): the RFC leaves those open.
pub fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = hash_of(signature_algorithm(certificate)?)?;
    Some(digest(hash, certificate).as_ref().to_vec())
}

/// The object identifier of `Certificate ::= SEQUENCE { tbs, SEQUENCE { algorithm, … }, … }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (tag, fields, _) = element(certificate)?;
    let (_, _, behind_tbs) = (tag == SEQUENCE).then(|| element(fields))??;
    let (tag, algorithm, _) = element(behind_tbs)?;
    let (tag, identifier, _) = (tag == SEQUENCE).then(|| element(algorithm))??;
    (tag == OBJECT_IDENTIFIER).then_some(identifier)
}

fn hash_of(algorithm: &[u8]) -> Option<&'static Algorithm> {
    if let Some(number) = algorithm.strip_prefix(PKCS1) {
        return match number {
            [4 | 5 | 11] => Some(&SHA256),
            [12] => Some(&SHA384),
            [13] => Some(&SHA512),
            _ => None,
        };
    }
    match algorithm.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(&SHA256),
        [3, 3] => Some(&SHA384),
        [3, 4] => Some(&SHA512),
        _ => None,
    }
}

/// Tag, content and rest of the first element of DER.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // At most four bytes of length: 4 GiB.
        let count = usize::from(first & 0x7f);
        let (bytes, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &[u8], tbs_bytes: usize) -> Vec<u8> {
        let tagged = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let tbs = tagged(SEQUENCE, &vec![0; tbs_bytes]);
        let algorithm = tagged(SEQUENCE, &tagged(OBJECT_IDENTIFIER, algorithm));
        tagged(SEQUENCE, &[tbs, algorithm, tagged(0x03, &[0, 1, 2])].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature_but_never_weaker_than_sha256() {
        let bytes = |prefix: &[u8], tail: &[u8]| {
            end_point_hash(&certificate(&[prefix, tail].concat(), 700)).map(|hash| hash.len())
        };
        for (prefix, tail, expected) in [
            (PKCS1, &[4][..], Some(32)),
            (PKCS1, &[5], Some(32)),
            (PKCS1, &[11], Some(32)),
            (PKCS1, &[12], Some(48)),
            (PKCS1, &[13], Some(64)),
            (PKCS1, &[10], None),
            (ECDSA, &[1], Some(32)),
            (ECDSA, &[3, 2], Some(32)),
            (ECDSA, &[3, 3], Some(48)),
            (ECDSA, &[3, 4], Some(64)),
            (&[0x2b, 0x65, 0x70], &[], None),
        ] {
            assert_eq!(bytes(prefix, tail), expected, "{prefix:x?} {tail:?}");
        }
    }

    #[test]
    fn a_cut_certificate_has_no_hash_and_no_panic() {
        let whole = certificate(&[PKCS1, &[11]].concat(), 300);
        for end in 0..whole.len() {
            let cut = whole.get(..end).unwrap();
            assert_eq!(end_point_hash(cut), None, "{end}");
        }
        assert_eq!(end_point_hash(&[SEQUENCE, 0x85, 1, 1, 1, 1, 1]), None);
        assert_eq!(end_point_hash(&[SEQUENCE, 0x80]), None);
    }
}
