//! Packets: three bytes of length, one of number, content.
//!
//! A content of the greatest length goes on in the next packet. Numbers count from 0 within a
//! command, so a packet that was lost or made up shows.

use std::ops::Range;
use std::time::Duration;

use mysql_async::{DriverError, Error};
use rowferry_runtime::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stream::{Stream, Upgrade};
use crate::conn::timed_out;

const HEAD_BYTES: usize = 4;
/// The content of a packet that is not the last of its row.
const CONTENT_MAX: usize = 0xff_ffff;
/// Room for one read. A socket's buffer of the kernel has between 128 KiB and 6 MiB; larger reads
/// than this gained nothing.
const READ_BYTES: usize = 256 << 10;
/// Blocks of rows have 2 MiB; a larger one is that of a large row, and the next may be small.
const EXPECTED_MAX: usize = 4 << 20;

/// A stream of packets.
pub(super) struct Packets {
    stream: Stream,
    /// Bytes that came.
    buffer: Vec<u8>,
    /// Where the first packet starts that nobody has asked for.
    at: usize,
    /// Bytes that were taken last.
    taken: usize,
    /// The number that the next packet has.
    number: u8,
    limit: Duration,
    /// A packet is half sent.
    torn: bool,
}

impl Packets {
    /// `limit` is how long the server may be silent; zero means for ever.
    pub(super) fn new(stream: Stream, limit: Duration) -> Self {
        Self { stream, buffer: Vec::new(), at: 0, taken: 0, number: 0, limit, torn: false }
    }

    /// Whether a call was given up while a packet was half sent.
    pub(super) const fn is_torn(&self) -> bool {
        self.torn
    }

    pub(super) const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends a command, which starts the numbers anew.
    pub(super) async fn send(&mut self, command: u8, content: &[u8]) -> Result<(), Error> {
        if self.at < self.buffer.len() {
            return Err(garbled("more packets than were asked for"));
        }
        self.number = 0;
        self.write(&[command], content).await
    }

    /// Sends the next packet of a conversation.
    pub(super) async fn reply(&mut self, content: &[u8]) -> Result<(), Error> {
        self.write(&[], content).await
    }

    async fn write(&mut self, head: &[u8], content: &[u8]) -> Result<(), Error> {
        let length = head.len() + content.len();
        if length >= CONTENT_MAX {
            return Err(DriverError::PacketTooLarge.into());
        }
        let [a, b, c, ..] = length.to_le_bytes();
        let packet = [&[a, b, c, self.number], head, content].concat();
        self.number = self.number.wrapping_add(1);
        self.torn = true;
        let sent = async {
            self.stream.write_all(&packet).await?;
            self.stream.flush().await
        };
        within(self.limit, sent).await.map_err(timed_out)??;
        self.torn = false;
        Ok(())
    }

    /// Turns the stream into an encrypted one.
    pub(super) async fn encrypt(self, upgrade: Upgrade) -> Result<Self, Error> {
        // What came before the handshake could be anybody's.
        if self.at < self.buffer.len() {
            return Err(garbled("bytes before the encryption began"));
        }
        let stream = self.stream.encrypt(upgrade).await?;
        Ok(Self { stream, ..self })
    }

    /// Where the content of the next packet stands until [`Self::take`]. May be dropped and called
    /// again.
    pub(super) async fn next(&mut self) -> Result<Range<usize>, Error> {
        loop {
            if let Some(packet) = self.parse()? {
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    pub(super) fn content(&self, packet: &Range<usize>) -> &[u8] {
        self.buffer.get(packet.clone()).unwrap_or_default()
    }

    /// Bytes of the packets that were asked for since the last [`Self::take`].
    pub(super) const fn passed(&self) -> usize {
        self.at
    }

    /// Takes the packets that were asked for; what came behind them stays.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let rest = self.buffer.get(self.at..).unwrap_or_default().to_vec();
        let mut taken = std::mem::replace(&mut self.buffer, rest);
        taken.truncate(self.at);
        self.taken = std::mem::take(&mut self.at);
        taken
    }

    /// The next packet, if all of it is there.
    fn parse(&mut self) -> Result<Option<Range<usize>>, Error> {
        let start = self.at;
        let mut end = start;
        let mut number = self.number;
        let mut pieces = 0;
        loop {
            let head = self.buffer.get(end..).and_then(<[u8]>::first_chunk::<HEAD_BYTES>);
            let Some([a, b, c, is]) = head else { return Ok(None) };
            if *is != number {
                return Err(garbled("a packet out of turn"));
            }
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            number = number.wrapping_add(1);
            end += HEAD_BYTES + length;
            pieces += 1;
            if length < CONTENT_MAX {
                break;
            }
        }
        if end > self.buffer.len() {
            return Ok(None);
        }
        self.number = number;
        let content = start + HEAD_BYTES..end - self.join(start, pieces);
        self.at = content.end;
        Ok(Some(content))
    }

    /// Closes the gaps between the pieces of a content; returns their bytes.
    fn join(&mut self, start: usize, pieces: usize) -> usize {
        let last = self.buffer.len();
        for piece in 1..pieces {
            let from = start + HEAD_BYTES + piece * (HEAD_BYTES + CONTENT_MAX);
            let to = start + HEAD_BYTES + piece * CONTENT_MAX;
            // What stands behind the last piece moves with it.
            let end = if piece + 1 == pieces { last } else { from + CONTENT_MAX };
            self.buffer.copy_within(from..end, to);
        }
        let gap = pieces.saturating_sub(1) * HEAD_BYTES;
        self.buffer.truncate(last - gap);
        gap
    }

    async fn fill(&mut self) -> Result<(), Error> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES {
            // Blocks of rows are about as large as the one before.
            let rest = self.taken.min(EXPECTED_MAX).saturating_sub(self.buffer.len());
            self.buffer.reserve(rest + READ_BYTES);
        }
        let read = within(self.limit, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(timed_out)?? {
            0 => Err(DriverError::ConnectionClosed.into()),
            _ => Ok(()),
        }
    }
}

/// Bytes that cannot be what a server sends.
pub(super) fn garbled(words: &'static str) -> Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, words).into()
}
