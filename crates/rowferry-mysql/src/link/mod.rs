//! A connection of our own, for reading rows.
//!
//! The driver makes an owned value of every cell and forgets to look where a row ends. This
//! connection leaves the rows as they came, one behind the other, for a decoder that reads them
//! column by column; and it knows what the server still owes when a read is given up, so that a
//! session whose view cannot be replaced is used on. It says only what a reader says: settings,
//! questions without parameters, and one prepared query at a time, since only the binary protocol
//! carries floats to the last bit.
//!
//! ```text
//! login     who logs in, and how
//! stream    the socket, plain or encrypted
//! packets   packets in a buffer, in their order
//! mod       what the server owes, and its rows
//! ```

mod login;
mod packets;
mod stream;

use std::ops::Range;
use std::sync::Arc;

use futures_util::FutureExt as _;
use mysql_async::prelude::FromRow;
use mysql_async::{Column, DriverError, Error, Row, Value};
use mysql_common::constants::{CapabilityFlags, ColumnFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::ErrPacket;
use mysql_common::row::new_row;
use rowferry_codec::mysql_binary::{Rows, WireType};
use rowferry_core::Endpoint;

use crate::conn::converted;
use packets::{Packets, garbled};

/// Commands, by their numbers.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html>
const QUIT: u8 = 1;
const QUERY: u8 = 3;
const PREPARE: u8 = 22;
const EXECUTE: u8 = 23;
const CLOSE: u8 = 25;

/// First bytes of answers.
const OK: u8 = 0x00;
const FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// Packets that start as an end and are as long as this are rows of the text protocol.
const END_BYTES_MAX: usize = 0xff_ffff;

/// Bytes of rows that are kept before they are dropped, where nobody wants them.
const DROPPED_BYTES: usize = 1 << 20;

/// What the server still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// The number of a statement.
    Preparing,
    /// Packets that say what a prepared statement's columns will be.
    Described {
        packets: usize,
    },
    /// How many columns the result has.
    Executing,
    /// Packets that say what they are.
    Columns {
        packets: usize,
    },
    Rows,
    /// The rest of an answer whose reader went away.
    Unknown,
}

/// When a block of rows is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
}

/// A session that reads.
pub(crate) struct Link {
    packets: Packets,
    capabilities: CapabilityFlags,
    id: u32,
    due: Due,
    columns: Vec<Column>,
    /// The statement that was prepared last, as long as the server keeps it.
    statement: Option<u32>,
    /// Rows that are still in the packets' buffer.
    gathered: Vec<Range<u32>>,
    lost: bool,
}

impl Link {
    /// Connects and logs in; the caller sees to the time that it takes.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Self, Error> {
        let login::Session { packets, capabilities, id } = login::log_in(endpoint).await?;
        Ok(Self {
            packets,
            capabilities,
            id,
            due: Due::Nothing,
            columns: Vec::new(),
            statement: None,
            gathered: Vec::new(),
            lost: false,
        })
    }

    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    /// Whether the connection is gone, or nobody knows what it would answer.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.lost || self.due == Due::Unknown || self.packets.is_torn()
    }

    /// Runs a statement that has no rows.
    pub(crate) async fn query_drop(&mut self, statement: &str) -> Result<(), Error> {
        self.answer(statement).await.map(drop)
    }

    /// The first row of a query's answer.
    pub(crate) async fn query_first<T: FromRow>(
        &mut self,
        query: &str,
    ) -> Result<Option<T>, Error> {
        self.answer(query).await?.into_iter().next().map(converted).transpose()
    }

    /// All rows of a query's answer: for few of them.
    pub(crate) async fn query<T: FromRow>(&mut self, query: &str) -> Result<Vec<T>, Error> {
        self.answer(query).await?.into_iter().map(converted).collect()
    }

    /// Sends a query whose rows come with [`Self::rows`].
    pub(crate) async fn start(&mut self, query: &str) -> Result<(), Error> {
        self.forget_statement().await?;
        self.due = Due::Preparing;
        self.packets.send(PREPARE, query.as_bytes()).await?;
        while self.due != Due::Nothing {
            self.advance().await?;
        }
        let Some(statement) = self.statement else {
            return Err(self.lose(garbled("no statement")));
        };
        // No cursor, and once.
        let [a, b, c, d] = statement.to_le_bytes();
        self.due = Due::Executing;
        self.packets.send(EXECUTE, &[a, b, c, d, 0, 1, 0, 0, 0]).await?;
        while self.due != Due::Rows {
            self.advance().await?;
        }
        Ok(())
    }

    /// How the values of the query that was started stand in its rows; `None` for a type that is
    /// not known.
    pub(crate) fn wire_types(&self) -> Vec<Option<WireType>> {
        self.columns
            .iter()
            .map(|column| {
                let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
                WireType::of(column.column_type() as u8, unsigned)
            })
            .collect()
    }

    /// Gathers rows until `limits` are reached or there are no more; says whether more may follow.
    /// What was gathered before the future was dropped is gathered still.
    pub(crate) async fn rows(&mut self, limits: Limits) -> Result<bool, Error> {
        while self.due == Due::Rows {
            if self.gathered.len() >= limits.rows || self.packets.passed() >= limits.bytes {
                return Ok(true);
            }
            let packet = self.packets.next().await.map_err(|error| self.lose(error))?;
            let content = self.packets.content(&packet);
            match content.first() {
                Some(&OK) => match (u32::try_from(packet.start), u32::try_from(packet.end)) {
                    (Ok(start), Ok(end)) => self.gathered.push(start..end),
                    _ => return Err(self.lose(garbled("a row beyond 4 GiB"))),
                },
                Some(&END) if content.len() < END_BYTES_MAX => self.due = Due::Nothing,
                Some(&ERROR) => {
                    let error = self.server_error(content);
                    self.due = Due::Nothing;
                    return Err(error);
                }
                _ => return Err(self.lose(garbled("a packet that is no row"))),
            }
        }
        Ok(false)
    }

    /// The rows gathered so far.
    pub(crate) fn take(&mut self) -> Rows {
        Rows { packets: std::mem::take(&mut self.gathered), bytes: self.packets.take() }
    }

    /// Reads what the server still owes and looks at nothing of it.
    pub(crate) async fn drop_rows(&mut self) -> Result<(), Error> {
        let limits = Limits { bytes: DROPPED_BYTES, rows: usize::MAX };
        while self.due != Due::Nothing {
            if self.due == Due::Rows {
                self.rows(limits).await?;
                drop(self.take());
            } else {
                self.advance().await?;
            }
        }
        Ok(())
    }

    /// Reads the packet that is due next.
    async fn advance(&mut self) -> Result<(), Error> {
        let packet = self.packets.next().await.map_err(|error| self.lose(error))?;
        let content = self.packets.content(&packet);
        if content.first() == Some(&ERROR) {
            let error = self.server_error(content);
            self.due = Due::Nothing;
            return Err(error);
        }
        let ends = usize::from(!self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF));
        let next = match self.due {
            Due::Preparing => prepared(content).map(|(statement, columns)| {
                self.statement = Some(statement);
                if columns == 0 { Due::Nothing } else { Due::Described { packets: columns + ends } }
            }),
            Due::Described { packets: 0 | 1 } => Some(Due::Nothing),
            Due::Described { packets } => Some(Due::Described { packets: packets - 1 }),
            Due::Executing => {
                self.columns.clear();
                count(content).map(|columns| Due::Columns { packets: columns + ends })
            }
            Due::Columns { packets } => {
                let column = if packets > ends { column(content) } else { None };
                let known = packets <= ends || column.is_some();
                self.columns.extend(column);
                let rest = packets.saturating_sub(1);
                known.then_some(if rest == 0 { Due::Rows } else { Due::Columns { packets: rest } })
            }
            Due::Nothing | Due::Rows | Due::Unknown => None,
        };
        if next == Some(Due::Rows) {
            // Rows are counted from the buffer's start.
            drop(self.packets.take());
        }
        match next {
            Some(due) => self.due = due,
            None => return Err(self.lose(garbled("an answer in an unknown form"))),
        }
        Ok(())
    }

    /// The rows of a query in the text protocol.
    async fn answer(&mut self, query: &str) -> Result<Vec<Row>, Error> {
        self.forget_statement().await?;
        // Whoever drops this future leaves an answer that nobody can read.
        self.due = Due::Unknown;
        self.packets.send(QUERY, query.as_bytes()).await?;
        let rows = self.text_rows().await;
        match rows {
            Ok(_) | Err(Error::Server(_)) => self.due = Due::Nothing,
            Err(_) => self.lost = true,
        }
        rows
    }

    async fn text_rows(&mut self) -> Result<Vec<Row>, Error> {
        let ends = !self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let packet = self.packet().await?;
        match packet.first() {
            Some(&OK) => return Ok(Vec::new()),
            Some(&FILE) => return Err(DriverError::LocalInfile(no_file()).into()),
            _ => {}
        }
        let columns = count(&packet).ok_or_else(|| garbled("a result without columns"))?;
        let mut described = Vec::with_capacity(columns);
        for _ in 0..columns {
            let packet = self.packet().await?;
            described.push(column(&packet).ok_or_else(|| garbled("a column in no known form"))?);
        }
        if ends {
            self.packet().await?;
        }
        let described: Arc<[Column]> = described.into();
        let mut rows = Vec::new();
        loop {
            let packet = self.packet().await?;
            if packet.first() == Some(&END) && packet.len() < END_BYTES_MAX {
                return Ok(rows);
            }
            let values = texts(&packet, columns).ok_or_else(|| garbled("a row is cut off"))?;
            rows.push(new_row(values, Arc::clone(&described)));
        }
    }

    /// A packet of an answer that is not an error.
    async fn packet(&mut self) -> Result<Vec<u8>, Error> {
        let packet = self.packets.next().await?;
        let content = self.packets.content(&packet);
        if content.first() == Some(&ERROR) {
            return Err(self.server_error(content));
        }
        let content = content.to_vec();
        drop(self.packets.take());
        Ok(content)
    }

    /// Lets the server forget the statement of the read before; it answers nothing.
    async fn forget_statement(&mut self) -> Result<(), Error> {
        if self.is_disconnected() || self.due != Due::Nothing {
            return Err(DriverError::ConnectionClosed.into());
        }
        drop(self.packets.take());
        self.gathered.clear();
        if let Some(statement) = self.statement.take() {
            self.packets.send(CLOSE, &statement.to_le_bytes()).await?;
        }
        Ok(())
    }

    fn server_error(&self, content: &[u8]) -> Error {
        error_packet(content, self.capabilities)
    }

    fn lose(&mut self, error: Error) -> Error {
        self.lost = true;
        error
    }
}

impl Drop for Link {
    /// Says goodbye where that can be done at once; a server counts and logs those who do not.
    fn drop(&mut self) {
        if self.due == Due::Nothing && !self.is_disconnected() {
            drop(self.packets.send(QUIT, &[]).now_or_never());
        }
    }
}

/// What the server says in an error packet.
fn error_packet(content: &[u8], capabilities: CapabilityFlags) -> Error {
    match ParseBuf(content).parse::<ErrPacket<'_>>(capabilities) {
        Ok(ErrPacket::Error(error)) => mysql_async::ServerError::from(error).into(),
        Ok(ErrPacket::Progress(_)) | Err(_) => garbled("an error in no known form"),
    }
}

fn no_file() -> mysql_async::LocalInfileError {
    mysql_async::LocalInfileError::NoHandler
}

/// Number and columns of a prepared statement that takes no parameters.
fn prepared(content: &[u8]) -> Option<(u32, usize)> {
    let [0, a, b, c, d, columns_low, columns_high, 0, 0, ..] = content else { return None };
    let columns = u16::from_le_bytes([*columns_low, *columns_high]);
    Some((u32::from_le_bytes([*a, *b, *c, *d]), columns.into()))
}

/// The number of columns that a result starts with; a result without columns is none.
fn count(content: &[u8]) -> Option<usize> {
    match content {
        // Both servers end at 4,096 columns.
        [count @ 1..=250] => Some(usize::from(*count)),
        [252, low, high] => Some(usize::from(u16::from_le_bytes([*low, *high]))),
        _ => None,
    }
}

fn column(content: &[u8]) -> Option<Column> {
    let mut rest = ParseBuf(content);
    rest.parse::<Column>(()).ok()
}

/// Values of a row of the text protocol, which end where it ends.
fn texts(mut row: &[u8], columns: usize) -> Option<Vec<Value>> {
    let mut values = Vec::with_capacity(columns);
    for _ in 0..columns {
        let (first, rest) = row.split_first()?;
        if *first == FILE {
            values.push(Value::NULL);
            row = rest;
            continue;
        }
        let (length, head) = rowferry_codec::mysql_binary::length(row)?;
        let (value, rest) = row.get(head..)?.split_at_checked(length)?;
        values.push(Value::Bytes(value.to_vec()));
        row = rest;
    }
    row.is_empty().then_some(values)
}
