//! The driver's client, none of whose calls waits for ever.
//!
//! The driver itself waits as long as the connection looks alive, and a connection whose packets are
//! dropped on the way looks alive for hours. Here each call that hears nothing for the progress
//! timeout ends its session. Where a statement may take as long as it likes (it builds an index, it
//! moves a table's rows), the server is asked meanwhile, over another connection, whether it still
//! works for this one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, Stream as _, StreamExt as _};
use rowferry_codec::pgcopy::{CodecError, RawTuples, Sum, Tuples};
use rowferry_core::ScriptAnswer;
use rowferry_runtime::{Silent, within};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CopyInSink, CopyOutStream, Error, SimpleQueryMessage, Statement};

use crate::config::Purpose;
use crate::repeated::{Next, Repeated};
use crate::row::Row;
use crate::session::Connector;
use crate::tap::{Limits, Rows};

/// An answer may be on its way while the server says that it has nothing more to do.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    Driver(Error),
    /// Nothing was heard for the progress timeout.
    Silent(Silent),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl CallError {
    /// What the server said.
    pub(crate) fn as_db_error(&self) -> Option<&DbError> {
        match self {
            Self::Driver(error) => error.as_db_error(),
            Self::Silent(_) => None,
        }
    }

    /// The server's code.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.as_db_error().map(DbError::code)
    }
}

/// A connection's client.
pub(crate) struct Client {
    inner: tokio_postgres::Client,
    watch: Watch,
    rows: Rows,
    /// Of a session that may prepare what it is asked again and again. Not where chunks are written:
    /// there, statements are sent together, and preparing one would change their order.
    repeated: Option<Repeated>,
    /// Of a session whose statements may take as long as the server works on them.
    server: Option<(Arc<Connector>, i32)>,
}

/// How long a connection may be silent, and whether it was for longer.
#[derive(Clone)]
struct Watch {
    limit: Duration,
    lost: Arc<AtomicBool>,
}

impl Watch {
    async fn hear<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, CallError>> {
        let heard = within(self.limit, answer).await.ok()?;
        Some(heard.map_err(CallError::Driver))
    }

    fn lose(&self) -> CallError {
        self.lost.store(true, Ordering::Relaxed);
        CallError::Silent(Silent(self.limit))
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Client {
    /// A client whose connection leaves the rows of a copy in `rows`.
    pub(crate) fn new(
        inner: tokio_postgres::Client,
        limit: Duration,
        rows: Rows,
        purpose: Purpose,
    ) -> Self {
        let watch = Watch { limit, lost: Arc::default() };
        let repeated = (purpose != Purpose::Chunk).then(Repeated::default);
        Self { inner, watch, rows, repeated, server: None }
    }

    /// From now on, a silent server is asked whether it still works for its process `pid`.
    pub(crate) fn ask(&mut self, connector: Arc<Connector>, pid: i32) {
        self.server = Some((connector, pid));
    }

    /// Whether the connection is gone, or was given up.
    pub(crate) fn is_closed(&self) -> bool {
        self.watch.is_lost() || self.inner.is_closed()
    }

    /// Whether the connection was given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.watch.is_lost()
    }

    pub(crate) async fn batch_execute(&self, statements: &str) -> Result<(), CallError> {
        self.within(self.inner.batch_execute(statements)).await
    }

    /// Runs what a person wrote, and keeps `rows_max` of its rows.
    pub(crate) async fn script(
        &self,
        statement: &str,
        rows_max: usize,
    ) -> Result<ScriptAnswer, CallError> {
        self.within(script(&self.inner, statement, rows_max)).await
    }

    pub(crate) async fn execute_typed(
        &self,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, CallError> {
        self.within(self.inner.execute_typed(statement, values)).await
    }

    pub(crate) async fn query_typed(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, CallError> {
        let rows = match self.prepared(query, values).await? {
            Some(statement) => self.within(self.inner.query(&statement, &untyped(values))).await?,
            None => self.within(self.inner.query_typed(query, values)).await?,
        };
        Ok(rows.into_iter().map(Row::from).collect())
    }

    pub(crate) async fn query_typed_one(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Row, CallError> {
        let row = match self.prepared(query, values).await? {
            Some(statement) => {
                self.within(self.inner.query_one(&statement, &untyped(values))).await?
            }
            None => self.within(self.inner.query_typed_one(query, values)).await?,
        };
        Ok(Row::from(row))
    }

    pub(crate) async fn query_typed_opt(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Row>, CallError> {
        let row = match self.prepared(query, values).await? {
            Some(statement) => {
                self.within(self.inner.query_opt(&statement, &untyped(values))).await?
            }
            None => self.within(self.inner.query_typed_opt(query, values)).await?,
        };
        Ok(row.map(Row::from))
    }

    /// The statement that `query` was prepared as, where it has come often enough.
    async fn prepared(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Statement>, CallError> {
        let Some(repeated) = &self.repeated else { return Ok(None) };
        match repeated.next(query) {
            Next::Once => Ok(None),
            Next::Run(statement) => Ok(Some(statement)),
            Next::Prepare => {
                let types: Vec<Type> = values.iter().map(|(_, r#type)| r#type.clone()).collect();
                let statement = self.within(self.inner.prepare_typed(query, &types)).await?;
                repeated.keep(query, statement.clone());
                Ok(Some(statement))
            }
        }
    }

    pub(crate) async fn prepare(&self, query: &str) -> Result<Statement, CallError> {
        self.within(self.inner.prepare(query)).await
    }

    pub(crate) async fn copy_in(&self, statement: &Statement) -> Result<CopyIn, CallError> {
        let sink = self.within(self.inner.copy_in::<_, Bytes>(statement)).await?;
        Ok(CopyIn { sink: Box::pin(sink), watch: self.watch.clone() })
    }

    /// Starts a COPY whose rows are gathered in `tuples`.
    pub(crate) async fn copy_out(
        &self,
        statement: &str,
        tuples: RawTuples,
    ) -> Result<CopyOut, CallError> {
        self.rows.begin(tuples);
        let started = self.within(self.inner.copy_out(statement)).await;
        let (watch, rows) = (self.watch.clone(), self.rows.clone());
        match started {
            Ok(stream) => Ok(CopyOut { stream: Box::pin(stream), watch, rows, ended: false }),
            Err(error) => {
                self.rows.end(true);
                Err(error)
            }
        }
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, CallError> {
        // Boxed, since it would lie twice in the future of every caller.
        let mut call = Box::pin(call);
        loop {
            if let Some(answer) = self.watch.hear(call.as_mut()).await {
                return answer;
            }
            if self.is_worked_for().await {
                continue;
            }
            return match &self.server {
                Some(_) => within(LAST_WORD, call)
                    .await
                    .map_or_else(|_silent| Err(self.watch.lose()), |said| Ok(said?)),
                None => Err(self.watch.lose()),
            };
        }
    }

    /// Whether the server says that it runs a statement of this session. Boxed, since asking is a
    /// call like this one.
    fn is_worked_for(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        const WORKS: &str = "select exists (select from pg_catalog.pg_stat_activity \
             where pid = $1 and state = 'active')";
        Box::pin(async {
            let Some((connector, pid)) = &self.server else { return false };
            let Ok(session) = connector.open(Purpose::Read, None).await else { return false };
            let answer = session.client.query_typed_one(WORKS, &[(pid, Type::INT4)]).await;
            answer.is_ok_and(|row| row.get(0).unwrap_or(false))
        })
    }
}

fn untyped<'a>(values: &[(&'a (dyn ToSql + Sync), Type)]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|(value, _)| *value).collect()
}

async fn script(
    client: &tokio_postgres::Client,
    statement: &str,
    rows_max: usize,
) -> Result<ScriptAnswer, Error> {
    let mut messages = pin!(client.simple_query_raw(statement).await?);
    let mut answer = ScriptAnswer::default();
    while let Some(message) = messages.next().await {
        match message? {
            SimpleQueryMessage::RowDescription(columns) => {
                answer.start_rows(columns.iter().map(|column| column.name().to_owned()).collect());
            }
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|index| Ok(row.try_get(index)?.map(str::to_owned)));
                answer.take(values.collect::<Result<_, Error>>()?, rows_max);
            }
            SimpleQueryMessage::CommandComplete(rows) => answer.rows_changed += rows,
            // The driver's list is open.
            _ => {}
        }
    }
    Ok(answer)
}

/// A COPY into a table.
pub(crate) struct CopyIn {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    watch: Watch,
}

impl CopyIn {
    /// Hands bytes over, as soon as there is room for them.
    pub(crate) async fn feed(&mut self, bytes: Bytes) -> Result<(), CallError> {
        let fed = self.watch.hear(self.sink.feed(bytes)).await;
        fed.unwrap_or_else(|| Err(self.watch.lose()))
    }

    /// The server's answer to the whole.
    pub(crate) async fn finish(&mut self) -> Result<u64, CallError> {
        if self.watch.is_lost() {
            return Err(self.watch.lose());
        }
        let finished = self.watch.hear(self.sink.as_mut().finish()).await;
        finished.unwrap_or_else(|| Err(self.watch.lose()))
    }
}

/// A COPY out of a table. Its rows never get as far as the driver; see [`crate::tap`].
pub(crate) struct CopyOut {
    stream: Pin<Box<CopyOutStream>>,
    watch: Watch,
    rows: Rows,
    ended: bool,
}

/// Why rows could not be gathered.
#[derive(Debug)]
pub(crate) enum GatherError {
    Call(CallError),
    /// What came is no COPY.
    Codec(CodecError),
}

impl CopyOut {
    /// Gathers rows until there are enough of them; `false` = the server says that it has sent all.
    pub(crate) async fn gather(&mut self, limits: Limits) -> Result<bool, GatherError> {
        self.rows.want(limits);
        let Self { stream, watch, rows, .. } = self;
        let mut enough = poll_fn(|context| {
            if let Poll::Ready(gathered) = rows.poll_gathered(context) {
                return Poll::Ready(gathered.map(|()| true).map_err(GatherError::Codec));
            }
            stream.as_mut().poll_next(context).map(|end| match end {
                None => Ok(false),
                Some(Ok(_unknown)) => Err(GatherError::Codec(CodecError::Stream {
                    rule: "rows behind the end of the copy",
                })),
                Some(Err(error)) => Err(GatherError::Call(error.into())),
            })
        });
        let mut left = watch.limit;
        loop {
            if let Ok(enough) = within(left, &mut enough).await {
                self.ended = matches!(enough, Ok(false));
                return enough;
            }
            // Rows that came meanwhile count from when they came.
            left = watch.limit.saturating_sub(rows.silent_for());
            if left.is_zero() {
                return Err(GatherError::Call(watch.lose()));
            }
        }
    }

    /// The server's word behind the end of the copy. The driver knows no such thing and calls it
    /// unexpected; the server's own error or a lost connection look different.
    pub(crate) async fn answer(&mut self) -> Result<bool, CallError> {
        match within(self.watch.limit, self.stream.next()).await {
            Ok(Some(Err(error))) if error.as_db_error().is_some() || error.is_closed() => {
                Err(error.into())
            }
            Ok(answer) => Ok(answer.is_some()),
            Err(_silent) => Err(self.watch.lose()),
        }
    }

    /// Whether the trailer of the format was among the rows.
    pub(crate) fn is_complete(&self) -> bool {
        self.rows.are_complete()
    }

    /// All rows so far, where they are hashed.
    pub(crate) fn sum(&self) -> Sum {
        self.rows.sum()
    }

    /// The rows since the last call, and the bytes of the largest.
    pub(crate) fn take(&self) -> (Tuples, usize) {
        self.rows.take()
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        self.rows.end(self.ended);
    }
}
