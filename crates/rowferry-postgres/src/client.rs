//! The driver's client, none of whose calls waits for ever.
//!
//! The driver itself waits as long as the connection looks alive, and a connection whose packets are
//! dropped on the way looks alive for hours. Here each call that hears nothing for the progress
//! timeout ends its session. Where a statement may take as long as it likes (it builds an index, it
//! moves a table's rows), the server is asked meanwhile, over another connection, whether it still
//! works for this one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rowferry_runtime::{Silent, within};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CopyInSink, CopyOutStream, Error, Statement};

use crate::config::Purpose;
use crate::row::Row;
use crate::session::Connector;
use crate::valve::Valve;

/// A row from this size on is the last one that is read until the next is asked for. It is what one
/// read of the driver may take from the socket anyway.
const LARGE_ROW: usize = 4 << 20;

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

    /// Whether the connection had ended before.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Driver(error) => error.is_closed(),
            Self::Silent(_) => false,
        }
    }
}

/// A connection's client.
pub(crate) struct Client {
    inner: tokio_postgres::Client,
    watch: Watch,
    valve: Valve,
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
    /// A client whose connection is driven through `valve`.
    pub(crate) fn new(inner: tokio_postgres::Client, limit: Duration, valve: Valve) -> Self {
        let watch = Watch { limit, lost: Arc::default() };
        Self { inner, watch, valve, server: None }
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
        let rows = self.within(self.inner.query_typed(query, values)).await?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    pub(crate) async fn query_typed_one(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Row, CallError> {
        self.within(self.inner.query_typed_one(query, values)).await.map(Row::from)
    }

    pub(crate) async fn query_typed_opt(
        &self,
        query: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Row>, CallError> {
        let row = self.within(self.inner.query_typed_opt(query, values)).await?;
        Ok(row.map(Row::from))
    }

    pub(crate) async fn prepare(&self, query: &str) -> Result<Statement, CallError> {
        self.within(self.inner.prepare(query)).await
    }

    pub(crate) async fn copy_in(&self, statement: &Statement) -> Result<CopyIn, CallError> {
        let sink = self.within(self.inner.copy_in::<_, Bytes>(statement)).await?;
        Ok(CopyIn { sink: Box::pin(sink), watch: self.watch.clone() })
    }

    pub(crate) async fn copy_out(&self, statement: &str) -> Result<CopyOut, CallError> {
        let stream = self.within(self.inner.copy_out(statement)).await?;
        let (watch, valve) = (self.watch.clone(), self.valve.clone());
        Ok(CopyOut { stream: Box::pin(stream), watch, valve })
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

/// A COPY out of a table.
pub(crate) struct CopyOut {
    stream: Pin<Box<CopyOutStream>>,
    watch: Watch,
    valve: Valve,
}

impl CopyOut {
    /// The next row; `None` is the end of the copy as the server told it.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, CallError>> {
        self.valve.open();
        let next = match within(self.watch.limit, self.stream.next()).await {
            Ok(next) => next.map(|row| row.map_err(CallError::Driver)),
            Err(_silent) => Some(Err(self.watch.lose())),
        };
        if let Some(Ok(row)) = &next
            && row.len() >= LARGE_ROW
        {
            self.valve.shut();
        }
        next
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        self.valve.open();
    }
}
