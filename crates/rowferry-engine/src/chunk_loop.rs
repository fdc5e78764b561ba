//! Runs the chunks of one table: cuts one ahead, keeps as many in flight as there are slots, tries
//! transient failures again, and stops politely.
//!
//! Slots are those of the whole run. A chunk whose rows are all handed over gives its slot on while it
//! commits, so that the time of a commit, and of the way to a distant server, is not lost. A chunk
//! that failed gives its own back until it is tried again, so that a table whose target is locked for
//! long keeps no other one waiting; and its table starts hardly more chunks than there are slots.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rowferry_core::{
    Chunk, ConnectorError, Cutter, ErrorClass, KeyColumns, KeyRange, KeyTuple, Result,
};
use rowferry_runtime::{FailPoint, spawn};
use tokio::sync::OwnedSemaphorePermit;

use crate::copy_chunk::{ChunkCopier, Copied, CopyError, Manner};
use crate::lane::Lane;
use crate::tally::Tally;
use crate::{RunContext, TableFailure};
use rowferry_runtime::Patience;
use rowferry_runtime::Views;

type Running = Pin<Box<dyn Future<Output = (Chunk, Result<Copied>)> + Send>>;

/// The chunks of one table on their way.
pub(crate) struct ChunkLoop {
    pub(crate) copier: Arc<ChunkCopier>,
    pub(crate) views: Arc<Views>,
    /// Read views of the table before the first of `views`.
    pub(crate) views_before: u64,
    pub(crate) cutter: Cutter,
    pub(crate) key: Option<KeyColumns>,
    pub(crate) patience: Patience,
    pub(crate) context: RunContext,
    pub(crate) run: i64,
    pub(crate) last_key: Option<KeyTuple>,
}

impl ChunkLoop {
    /// Runs until every chunk is durable; the greatest key that was read, where one is known.
    ///
    /// # Errors
    ///
    /// The first lasting failure, after the chunks in flight have ended; `Stopped` when the run
    /// was asked to stop.
    pub(crate) async fn run(mut self, tally: &mut Tally) -> Result<Option<KeyTuple>, TableFailure> {
        let mut running: FuturesUnordered<Running> = FuturesUnordered::new();
        let mut waiting: Option<Chunk> = None;
        let mut exhausted = false;
        let mut failure: Option<ConnectorError> = None;
        let stop = self.context.stop.clone();
        let most = self.context.workers + RunContext::commits_beside(self.context.workers);
        loop {
            let closing = failure.is_some() || stop.is_cancelled();
            if waiting.is_none() && !exhausted && !closing {
                match self.next_chunk(tally).await {
                    Ok(Some(chunk)) => waiting = Some(chunk),
                    Ok(None) => exhausted = true,
                    Err(error) => {
                        failure = Some(error);
                        continue;
                    }
                }
            }
            if running.is_empty() && (closing || waiting.is_none()) {
                break;
            }
            let slots = Arc::clone(&self.context.slots);
            tokio::select! {
                biased;
                Some((chunk, result)) = running.next(), if !running.is_empty() => {
                    if let Err(error) = self.settle(&chunk, result, tally).await {
                        failure.get_or_insert(error);
                    }
                }
                () = stop.cancelled(), if !closing => {}
                slot = slots.acquire_owned(), if waiting.is_some() && !closing && running.len() < most => {
                    if let (Some(chunk), Ok(slot)) = (waiting.take(), slot) {
                        running.push(self.start(chunk, slot));
                    }
                }
            }
        }
        tally.warnings.extend(self.copier.take_notes());
        match failure {
            Some(error) => Err(error.into()),
            None if exhausted && waiting.is_none() => Ok(self.last_key),
            None => Err(TableFailure::Stopped),
        }
    }

    /// Cuts the next chunk; a lost view is opened again.
    async fn next_chunk(&mut self, tally: &mut Tally) -> Result<Option<Chunk>> {
        let mut backoff = self.context.jitter.backoff();
        loop {
            let error = match self.cutter.next().await {
                Ok(chunk) => return Ok(chunk),
                Err(error) => error,
            };
            let Some(key) = self.key.clone() else { return Err(error) };
            let pause = backoff.next_pause();
            if !error.class.is_retryable() || !self.patience.allows(pause) {
                return Err(error);
            }
            tracing::warn!(error = %error, "cutting failed, trying again");
            let slept = self.context.unless_stopped(tokio::time::sleep(pause)).await;
            if slept.is_none() {
                return Err(error);
            }
            let (number, _) = self.views.current().await;
            if let Ok((number, view)) = self.views.replace(number).await {
                tally.snapshots = self.views_before + number;
                if let Ok(probe) = view.probe(&self.copier.plan.source, &key).await {
                    self.cutter.set_probe(probe);
                }
            }
        }
    }

    /// Starts copying `chunk` in a task of its own.
    fn start(&self, chunk: Chunk, slot: OwnedSemaphorePermit) -> Running {
        let attempts = Attempts {
            copier: Arc::clone(&self.copier),
            views: Arc::clone(&self.views),
            patience: self.patience.clone(),
            context: self.context.clone(),
            has_key: self.key.is_some(),
        };
        let span = tracing::info_span!("chunk", table = %chunk.table, chunk = chunk.no.0);
        let copied = chunk.clone();
        let task = spawn(
            "copy chunk",
            tracing::Instrument::instrument(
                async move { attempts.copy(&copied, slot).await },
                span,
            ),
        );
        Box::pin(async move {
            let result = match task.join().await {
                Ok(result) => result,
                Err(panic) => Err(ConnectorError::bug("copying a chunk failed").with_source(panic)),
            };
            (chunk, result)
        })
    }

    /// Counts a durable chunk and tells the observer; target first, then ledger.
    async fn settle(
        &mut self,
        chunk: &Chunk,
        result: Result<Copied>,
        tally: &mut Tally,
    ) -> Result<()> {
        let Copied { receipt, changes } = result?;
        self.patience.renew();
        // Only a key that the view really read counts: bounds are computed, or were looked up by a
        // session that saw later rows.
        if matches!(&chunk.range, KeyRange::Span { upper: None, .. }) {
            self.last_key.clone_from(&receipt.totals.last_key);
        }
        self.cutter.observe(chunk, receipt.totals.rows_read, receipt.totals.bytes);
        tally.durable(&receipt, changes);
        tally.snapshots = self.views_before + self.views.current().await.0;
        self.context.observer.chunk_durable(&self.copier.plan, self.run, &receipt).await?;
        FailPoint::LedgerDone.reach();
        let more = receipt.totals.rows_rejected;
        let before = self.copier.rejected.fetch_add(more, Ordering::Relaxed);
        self.copier.check_rejects(before + more)
    }
}

/// All attempts at one chunk.
struct Attempts {
    copier: Arc<ChunkCopier>,
    views: Arc<Views>,
    patience: Patience,
    context: RunContext,
    has_key: bool,
}

impl Attempts {
    /// Copies `chunk`, holding a slot during each attempt.
    async fn copy(&self, chunk: &Chunk, slot: OwnedSemaphorePermit) -> Result<Copied> {
        let mut slot = Some(slot);
        let mut backoff = self.context.jitter.backoff();
        let (mut number, mut view) = self.views.current().await;
        let mut manner = Manner::default();
        loop {
            let lane = self.copier.lane();
            let failed = match self.copier.copy(chunk, &lane, &view, manner, &mut slot).await {
                Ok(copied) => return Ok(copied),
                Err(failed) => failed,
            };
            manner.settle = true;
            if self.copier.widen(&failed, &lane) || self.copier.decode(&failed, &lane) {
                continue;
            }
            if failed.error().retry_now {
                tracing::info!(error = %failed.error(), "the writer changed its way, reading again");
                continue;
            }
            if !manner.sift && self.copier.may_sift(&failed) {
                manner.sift = true;
                tracing::info!(error = %failed.error(), "the target refuses rows, looking for them");
                continue;
            }
            let lost_view = matches!(&failed, CopyError::Read(_));
            let pause = backoff.next_pause();
            if !self.worth_another(&failed, lost_view, pause) {
                if let Some(fenced) = self.overtaken(&failed, chunk, &lane).await {
                    return Err(fenced);
                }
                let error = failed.into_error();
                return Err(if lost_view { lane.rules.explain(error, None) } else { error });
            }
            tracing::warn!(error = %failed.error(), pause_ms = pause.as_millis(), "chunk failed, trying again");
            drop(slot.take());
            let slots = Arc::clone(&self.context.slots);
            let pausing = async {
                tokio::time::sleep(pause).await;
                // Never closed.
                slots.acquire_owned().await.ok()
            };
            match self.context.unless_stopped(pausing).await {
                Some(got) => slot = got,
                None => return Err(failed.into_error()),
            }
            if lost_view {
                match self.views.replace(number).await {
                    Ok((next, opened)) => (number, view) = (next, opened),
                    // The next attempt fails in the old view and asks again.
                    Err(error) => tracing::warn!(error = %error, "could not open a new read view"),
                }
            }
        }
    }

    /// To a process that was frozen and overtaken, rows of its successor look like doubled keys: what
    /// happened to it is said instead.
    async fn overtaken(
        &self,
        failed: &CopyError,
        chunk: &Chunk,
        lane: &Lane,
    ) -> Option<ConnectorError> {
        let CopyError::Write(error) = failed else { return None };
        if error.class != ErrorClass::Data {
            return None;
        }
        let begun = self.copier.ends.sink.begin(chunk, &lane.prepared, true).await;
        begun.err().filter(|error| error.class == ErrorClass::Fenced)
    }

    /// Blocks and whole reads hold in one view only, so without a key a lost view ends the table.
    fn worth_another(
        &self,
        failed: &CopyError,
        lost_view: bool,
        pause: std::time::Duration,
    ) -> bool {
        let class = failed.error().class;
        class.is_retryable()
            && self.patience.allows(pause)
            && !self.context.stop.is_cancelled()
            && (self.has_key || !lost_view || class == ErrorClass::Unknown)
    }
}
