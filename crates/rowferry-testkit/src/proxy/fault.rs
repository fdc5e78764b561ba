//! What a proxy does to the connections that lead through it.

use std::time::Duration;

/// One fault: what becomes of the bytes of one way, from where on, and on which connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFault {
    /// The way that is hit. The other one goes on.
    pub way: Way,
    /// Where it begins.
    pub at: At,
    /// Whom it hits.
    pub on: On,
    /// What happens.
    pub what: What,
}

/// A way through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Answered,
}

impl Way {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Sent, Self::Answered];
}

/// Where a fault begins. Everything is counted from 1 since the proxy was started, over all of its
/// connections together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// As soon as it is set.
    Now,
    /// So long after it was set.
    After(Duration),
    /// At this byte of its way: those before it arrive.
    Byte(u64),
    /// At the first byte of this message of its way. Messages are those of PostgreSQL and the
    /// packets of MySQL, as long as they are not encrypted.
    Message(u64),
    /// At this COMMIT of a client. A fault of the way [`Way::Answered`] begins with the answer to it.
    Commit(u64),
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The connection on which it begins, and no other one.
    One,
    /// From then on all connections, also those to come.
    All,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The connection is closed at both ends, and new ones on arrival where it hits all.
    Close,
    /// The receiver finds a clean end of the stream; what is still sent to it is thrown away.
    HalfClose,
    /// The connection is closed, and these bytes are delivered so much later all the same.
    Hold(Duration),
    /// Bytes arrive so much later.
    Delay(Duration),
    /// So many bytes arrive in a second.
    Slow(u64),
    /// Bits of one byte are flipped, so many bytes behind the place where the fault begins.
    Corrupt {
        /// Bytes to pass before.
        offset: u64,
        /// The bits.
        mask: u8,
    },
    /// Nothing arrives and nothing is closed. What is held back arrives when the fault is lifted.
    Blackhole,
}

impl WireFault {
    /// The connection that sends or answers this byte is closed before it.
    pub const fn cut(way: Way, byte: u64) -> Self {
        Self { way, at: At::Byte(byte), on: On::One, what: What::Close }
    }

    /// The answer to this COMMIT is thrown away and its connection closed.
    pub const fn swallowed_answer(commit: u64) -> Self {
        Self { way: Way::Answered, at: At::Commit(commit), on: On::One, what: What::Close }
    }

    /// This COMMIT reaches the server so much later, while its client finds the connection closed at
    /// once.
    pub const fn held_commit(commit: u64, pause: Duration) -> Self {
        Self { way: Way::Sent, at: At::Commit(commit), on: On::One, what: What::Hold(pause) }
    }
}
