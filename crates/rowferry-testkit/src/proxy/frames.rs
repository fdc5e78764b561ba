//! Where the messages of a stream begin.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::Way;

/// What both ways of a connection know of it.
#[derive(Debug, Default)]
pub(super) struct Talk {
    protocol: OnceLock<Protocol>,
    /// The client of PostgreSQL asked for encryption; one byte answers that.
    asks: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// The client speaks first.
    Postgres,
    /// The server speaks first.
    Mysql,
}

/// A COMMIT as one simple query of PostgreSQL, and as one command of MySQL.
const COMMITS: [&[u8]; 2] = [b"Q\0\0\0\x0bcommit\0", b"\x07\0\0\0\x03commit"];

/// The codes of a first message that asks for TLS or GSSAPI, in place of a version.
const ASKS: [[u8; 4]; 2] = [80_877_103_u32.to_be_bytes(), 80_877_104_u32.to_be_bytes()];

/// Offsets of COMMITs within `bytes`.
pub(super) fn commits(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len())
        .filter(|from| {
            let rest = bytes.get(*from..).unwrap_or_default();
            COMMITS.iter().any(|commit| rest.starts_with(commit))
        })
        .collect()
}

/// Cuts one way of a connection into messages.
#[derive(Debug)]
pub(super) struct Frames {
    way: Way,
    header: Vec<u8>,
    /// Bytes of the current message that are still to come.
    rest: usize,
    /// The next message of PostgreSQL has no type byte.
    untyped: bool,
}

impl Frames {
    pub(super) const fn new(way: Way) -> Self {
        Self { way, header: Vec::new(), rest: 0, untyped: matches!(way, Way::Sent) }
    }

    /// Offsets within `bytes` at which messages begin.
    pub(super) fn starts(&mut self, bytes: &[u8], talk: &Talk) -> Vec<usize> {
        let protocol = *talk.protocol.get_or_init(|| match self.way {
            Way::Sent => Protocol::Postgres,
            Way::Answered => Protocol::Mysql,
        });
        let mut starts = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len() - at);
                self.rest -= passed;
                at += passed;
                continue;
            }
            if self.header.is_empty() {
                starts.push(at);
            }
            self.header.push(*byte);
            at += 1;
            if let Some(rest) = self.rest_behind_header(protocol, talk) {
                self.rest = rest;
                self.header.clear();
            }
        }
        starts
    }

    /// The length of what follows, when the header is whole.
    fn rest_behind_header(&mut self, protocol: Protocol, talk: &Talk) -> Option<usize> {
        match (protocol, self.header.as_slice()) {
            (Protocol::Mysql, [a, b, c, _number]) => {
                Some(usize::try_from(u32::from_le_bytes([*a, *b, *c, 0])).unwrap_or(usize::MAX))
            }
            (Protocol::Postgres, [_answer]) if self.way == Way::Answered => {
                talk.asks.swap(false, Ordering::SeqCst).then_some(0)
            }
            // The code is looked at with the length.
            (Protocol::Postgres, [length @ .., a, b, c, d])
                if self.untyped && length.len() == 4 =>
            {
                let asks = ASKS.contains(&[*a, *b, *c, *d]);
                talk.asks.store(asks, Ordering::SeqCst);
                self.untyped = asks;
                Some(big_endian(length).saturating_sub(8))
            }
            (Protocol::Postgres, [_type, length @ ..]) if !self.untyped && length.len() == 4 => {
                Some(big_endian(length).saturating_sub(4))
            }
            (Protocol::Postgres | Protocol::Mysql, _) => None,
        }
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
