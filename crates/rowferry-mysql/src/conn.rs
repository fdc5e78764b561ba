//! The driver's connection, none of whose calls waits for ever.
//!
//! The driver itself waits as long as the connection looks alive, and a connection whose packets are
//! dropped on the way looks alive for hours. Here each call that hears nothing for the progress
//! timeout gives its connection up. Where a statement may take as long as it likes (it builds an
//! index, it moves a table's rows), the server is asked meanwhile, over another connection, whether
//! it still works for this one. A load counts from the last piece that the server has taken, and not
//! at all while it is us who have nothing to send.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use mysql_async::prelude::{AsQuery, FromRow, FromValue, Queryable as _, StatementLike};
use mysql_async::{Error, Opts, Params, Row, Value};
use rowferry_core::{ScriptAnswer, TimeLimits};
use rowferry_runtime::{Silent, within};
use tokio::sync::mpsc;

use crate::link::Link;

/// An answer may be on its way while the server says that it has nothing more to do.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often a load is looked at within the time that it may be silent.
const LOOKS: u32 = 20;

/// A connection.
pub(crate) struct Conn {
    inner: mysql_async::Conn,
    watch: Watch,
}

/// A session that can be asked, be it the driver's or a [`Link`].
pub(crate) trait Ask {
    /// All rows of a query.
    fn ask<T: FromRow + Send + 'static>(
        &mut self,
        query: &str,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send;
}

impl Ask for Conn {
    async fn ask<T: FromRow + Send + 'static>(&mut self, query: &str) -> Result<Vec<T>, Error> {
        self.query(query).await
    }
}

impl Ask for Link {
    async fn ask<T: FromRow + Send + 'static>(&mut self, query: &str) -> Result<Vec<T>, Error> {
        self.query(query).await
    }
}

/// How long a connection may be silent, and whether it was for longer.
struct Watch {
    limits: TimeLimits,
    id: u32,
    /// The server of a connection whose statements may take as long as it works on them.
    server: Option<Opts>,
    /// A call heard nothing in time: what the server still sends is the answer to nothing.
    lost: bool,
}

impl Conn {
    /// Connects; the caller sees to the time that it takes.
    pub(crate) async fn new(opts: Opts, limits: TimeLimits) -> Result<Self, Error> {
        let inner = mysql_async::Conn::new(opts).await?;
        let watch = Watch { limits, id: inner.id(), server: None, lost: false };
        Ok(Self { inner, watch })
    }

    /// From now on, a silent server is asked whether it still works for this connection.
    pub(crate) fn ask(&mut self, server: Opts) {
        self.watch.server = Some(server);
    }

    pub(crate) fn id(&self) -> u32 {
        self.inner.id()
    }

    pub(crate) fn affected_rows(&self) -> u64 {
        self.inner.affected_rows()
    }

    pub(crate) fn get_warnings(&self) -> u16 {
        self.inner.get_warnings()
    }

    /// Whether the connection is gone, or was given up.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.watch.lost || self.inner.is_disconnected()
    }

    pub(crate) async fn disconnect(self) -> Result<(), Error> {
        if self.watch.lost {
            self.cut();
            return Ok(());
        }
        let limit = self.watch.limits.progress;
        within(limit, self.inner.disconnect()).await.unwrap_or_else(|silent| Err(timed_out(silent)))
    }

    /// Closes the socket at once, without reading what the server still sends: an open transaction
    /// is rolled back and a running query ends when the server notices.
    pub(crate) fn cut(mut self) {
        // The driver drops a connection quietly only while a call on it is unfinished; otherwise it
        // would read the rest of the result in the background.
        drop(self.inner.ping().now_or_never());
        drop(self.inner);
    }

    pub(crate) async fn query_drop(&mut self, query: impl AsQuery) -> Result<(), Error> {
        self.watch.hear(self.inner.query_drop(query)).await
    }

    /// Runs what a person wrote, and keeps `rows_max` of its rows.
    pub(crate) async fn script(
        &mut self,
        statement: &str,
        rows_max: usize,
    ) -> Result<ScriptAnswer, Error> {
        self.watch.hear(script(&mut self.inner, statement, rows_max)).await
    }

    pub(crate) async fn query_first<T, Q>(&mut self, query: Q) -> Result<Option<T>, Error>
    where
        T: FromRow + Send + 'static,
        Q: AsQuery,
    {
        let row: Option<Row> = self.watch.hear(self.inner.query_first(query)).await?;
        row.map(converted).transpose()
    }

    pub(crate) async fn query<T, Q>(&mut self, query: Q) -> Result<Vec<T>, Error>
    where
        T: FromRow + Send + 'static,
        Q: AsQuery,
    {
        let rows: Vec<Row> = self.watch.hear(self.inner.query(query)).await?;
        rows.into_iter().map(converted).collect()
    }

    pub(crate) async fn exec_drop<S, P>(&mut self, statement: S, values: P) -> Result<(), Error>
    where
        S: StatementLike,
        P: Into<Params> + Send,
    {
        self.watch.hear(self.inner.exec_drop(statement, values)).await
    }

    pub(crate) async fn exec_first<T, S, P>(
        &mut self,
        statement: S,
        values: P,
    ) -> Result<Option<T>, Error>
    where
        T: FromRow + Send + 'static,
        S: StatementLike,
        P: Into<Params> + Send,
    {
        let row: Option<Row> = self.watch.hear(self.inner.exec_first(statement, values)).await?;
        row.map(converted).transpose()
    }

    pub(crate) async fn exec<T, S, P>(&mut self, statement: S, values: P) -> Result<Vec<T>, Error>
    where
        T: FromRow + Send + 'static,
        S: StatementLike,
        P: Into<Params> + Send,
    {
        let rows: Vec<Row> = self.watch.hear(self.inner.exec(statement, values)).await?;
        rows.into_iter().map(converted).collect()
    }

    /// Runs a `LOAD DATA LOCAL` whose bytes are these pieces, blind to the file name that the server
    /// asks for. It may take as long as one statement may.
    pub(crate) async fn load(
        &mut self,
        statement: String,
        pieces: mpsc::Receiver<Bytes>,
    ) -> Result<(), Error> {
        let pulse = Arc::new(Pulse::default());
        let beating = Arc::clone(&pulse);
        // Set for this statement only.
        self.inner.set_infile_handler(async move {
            let pieces = stream::unfold((pieces, beating), async |(mut pieces, pulse)| {
                pulse.rest();
                let piece = pieces.recv().await;
                pulse.beat();
                piece.map(|piece| (Ok(piece), (pieces, pulse)))
            });
            Ok(pieces.boxed())
        });
        let TimeLimits { progress, statement: whole, .. } = self.watch.limits;
        let loading = pulse.watch(progress, self.inner.query_drop(statement));
        let loaded = within(whole, loading).await;
        loaded.unwrap_or_else(Err).unwrap_or_else(|silent| Err(self.watch.lose(silent)))
    }
}

async fn script(
    conn: &mut mysql_async::Conn,
    statement: &str,
    rows_max: usize,
) -> Result<ScriptAnswer, Error> {
    let mut answer = ScriptAnswer::default();
    let mut result = conn.query_iter(statement).await?;
    loop {
        if let Some(columns) = result.columns().filter(|columns| !columns.is_empty()) {
            answer.start_rows(columns.iter().map(|column| column.name_str().into()).collect());
        }
        while let Some(row) = result.next().await? {
            let values = row.unwrap().into_iter().map(text_of);
            answer.take(values.collect::<Result<_, Error>>()?, rows_max);
        }
        answer.rows_changed += result.affected_rows();
        if result.is_empty() {
            return Ok(answer);
        }
    }
}

/// A value of the text protocol.
fn text_of(value: Value) -> Result<Option<String>, Error> {
    let text = match value {
        Value::NULL => return Ok(None),
        Value::Bytes(bytes) => String::from_utf8(bytes).ok(),
        // Of the binary protocol only.
        Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..) => None,
    };
    let words = "a value of an answer is no text";
    let text = text.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, words));
    Ok(Some(text?))
}

impl Watch {
    fn lose(&mut self, silent: Silent) -> Error {
        self.lost = true;
        timed_out(silent)
    }

    async fn hear<T>(&mut self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // Boxed, since it would lie twice in the future of every caller.
        let mut call = Box::pin(call);
        let silent = loop {
            match within(self.limits.progress, call.as_mut()).await {
                Ok(answer) => return answer,
                Err(_silent) if self.is_worked_for().await => {}
                Err(silent) => break silent,
            }
        };
        if self.server.is_some()
            && let Ok(answer) = within(LAST_WORD, call).await
        {
            return answer;
        }
        Err(self.lose(silent))
    }

    /// Whether the server says that it runs a statement of this connection.
    async fn is_worked_for(&self) -> bool {
        let Some(opts) = &self.server else { return false };
        let question = async {
            let mut conn = mysql_async::Conn::new(opts.clone()).await?;
            let query = "select command from information_schema.processlist where id = ?";
            let row: Option<Row> = conn.exec_first(query, (self.id,)).await?;
            conn.disconnect().await?;
            row.map(converted::<String>).transpose()
        };
        let TimeLimits { connect, progress, .. } = self.limits;
        let limit = if connect.is_zero() { progress } else { connect };
        let answer = within(limit, question).await;
        matches!(answer, Ok(Ok(Some(command))) if !command.eq_ignore_ascii_case("sleep"))
    }
}

/// When the server last took a piece of a load.
struct Pulse(Mutex<Option<Instant>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new(Some(Instant::now())))
    }
}

impl Pulse {
    fn set(&self, beat: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = beat;
    }

    fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// We have nothing to send: the server owes us nothing.
    fn rest(&self) {
        self.set(None);
    }

    fn silence(&self) -> Duration {
        let beat = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beat.map_or(Duration::ZERO, |beat| beat.elapsed())
    }

    async fn watch<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<T, Silent> {
        let mut answer = pin!(answer);
        loop {
            if let Ok(answer) = within(limit / LOOKS, answer.as_mut()).await {
                return Ok(answer);
            }
            if self.silence() >= limit {
                return Err(Silent(limit));
            }
        }
    }
}

/// A row as the types that its query has; the driver's own way panics where they are others, which
/// a wire may make of them that damages what it carries.
pub(crate) fn converted<T: FromRow>(row: Row) -> Result<T, Error> {
    mysql_async::from_row_opt(row).map_err(|_row_with_values| {
        let words = "the server answered with other columns than were asked for";
        std::io::Error::new(std::io::ErrorKind::InvalidData, words).into()
    })
}

/// A value out of a row; `None` where there is none such, or it has another type.
pub(crate) fn field<T: FromValue>(
    row: &mut Row,
    column: impl mysql_async::prelude::ColumnIndex,
) -> Option<T> {
    row.take_opt(column)?.ok()
}

pub(crate) fn timed_out(silent: Silent) -> Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, silent.to_string()).into()
}
