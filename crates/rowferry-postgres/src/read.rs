//! Reading a chunk: one `copy (select …) to stdout (format binary)`.
//!
//! The server sends one message per row; rows are gathered until a payload is full and are then
//! decoded on the compute pool, or passed on as they are. A read is complete only when the
//! trailer of the format came, and after it the end of the copy, and after that the server's word
//! that the statement is done. A stream that ends in any other way is an error.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_codec::pgcopy::{RawTuples, Tuples};
use rowferry_core::{
    Chunk, ChunkReader, ConnectorError, Digest, ErrorClass, KeyRange, KeyTuple, Payload, ReadSpec,
    Result, TableRef, WireFormat,
};
use rowferry_runtime::{ComputePool, Stage};

use crate::client::{CopyOut, GatherError};
use crate::digest;
use crate::error::{failed, pool_failed};
use crate::session::Session;
use crate::snapshot::View;
use crate::sql;
use crate::tap::Limits;
use crate::wire::{self, ChunkDecoder};

/// One chunk being read.
pub(crate) struct PgChunkReader {
    view: Arc<View>,
    compute: ComputePool,
    attempt: String,
    open: Option<Open>,
    /// `None` when rows are passed on undecoded.
    decoder: Option<Arc<ChunkDecoder>>,
    table: TableRef,
    limits: Limits,
    wire: Option<WireFormat>,
    last_key: Option<KeyTuple>,
    complete: bool,
    digest: Option<Digest>,
}

struct Open {
    copy: CopyOut,
    session: Session,
}

impl PgChunkReader {
    pub(crate) async fn start(
        view: Arc<View>,
        compute: ComputePool,
        chunk: &Chunk,
        spec: &ReadSpec,
    ) -> Result<Self> {
        let attempt = format!("could not read chunk {} of table {}", chunk.no.0, chunk.table);
        let decoder = match spec.wire {
            Some(_) => None,
            None => Some(Arc::new(ChunkDecoder::new(&chunk.table, &spec.columns, view.key())?)),
        };
        let session = view.enter().await?;
        session.set_busy(true);
        let last_key = match (sql::last_key(&chunk.table, &chunk.range), &chunk.range) {
            (Some(query), KeyRange::Span { key, .. }) => {
                let row = session
                    .client
                    .query_typed_opt(&query, &[])
                    .await
                    .map_err(failed(attempt.clone()))?;
                row.map_or(Ok(None), |row| sql::key_tuple(key, &row))?
            }
            _ => None,
        };
        let tuples = match spec.wire {
            Some(_) => RawTuples::hashing(digest::of_tuple),
            None => RawTuples::new(),
        };
        let copy = session
            .client
            .copy_out(sql::copy_out(chunk, spec).as_str(), tuples)
            .await
            .map_err(failed(attempt.clone()))?;
        let saturated = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let limits =
            Limits { bytes: saturated(spec.batch_bytes), rows: saturated(spec.batch_rows) };
        Ok(Self {
            view,
            compute,
            attempt,
            open: Some(Open { copy, session }),
            table: chunk.table.clone(),
            decoder,
            limits,
            wire: spec.wire,
            last_key,
            complete: false,
            digest: None,
        })
    }

    /// Gathers rows until a payload is full or the copy is complete; says whether it goes on.
    async fn gather(&self, copy: &mut CopyOut) -> Result<bool> {
        let goes_on = copy.gather(self.limits).await.map_err(|error| match error {
            GatherError::Call(error) => failed(self.attempt.as_str())(error),
            GatherError::Codec(error) => wire::failed("read", &self.table)(error),
        })?;
        if goes_on {
            return Ok(true);
        }
        if !copy.is_complete() {
            return Err(self.cut_short());
        }
        if copy.answer().await.map_err(failed(self.attempt.as_str()))? {
            Ok(false)
        } else {
            Err(self.cut_short())
        }
    }

    fn cut_short(&self) -> ConnectorError {
        ConnectorError::new(ErrorClass::Transient, "read-cut-short", self.attempt.clone())
            .with_server("the copy ended without its trailer")
    }

    async fn payload(&mut self, taken: Tuples, largest: usize) -> Result<Payload> {
        match self.wire {
            Some(format @ WireFormat::PgCopyBinary) => {
                let rows = taken.rows as u64;
                Ok(Payload::Wire { format, rows, largest_row: largest as u64, bytes: taken.bytes })
            }
            Some(WireFormat::SqliteCells) => {
                Err(ConnectorError::bug("a wire format was asked for that was not offered"))
            }
            None => {
                let decoder = self
                    .decoder
                    .clone()
                    .ok_or_else(|| ConnectorError::bug("a read was started without a decoder"))?;
                let batch = self
                    .compute
                    .run(Stage::Decode, move || decoder.decode(&taken))
                    .await
                    .map_err(pool_failed("could not decode rows"))??;
                Ok(Payload::Batch(batch))
            }
        }
    }
}

#[async_trait]
impl ChunkReader for PgChunkReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        // Taken out, so that an error or a dropped future leaves a reader that cannot go on.
        let Some(mut open) = self.open.take() else {
            return if self.complete {
                Ok(None)
            } else {
                Err(ConnectorError::bug("a reader was used after it had failed"))
            };
        };
        let goes_on = self.gather(&mut open.copy).await?;
        let (taken, largest) = open.copy.take();
        if goes_on {
            let payload = self.payload(taken, largest).await?;
            self.open = Some(open);
            return Ok(Some(payload));
        }
        self.digest = self.wire.map(|_| digest::of(open.copy.sum()));
        // Before another chunk is read over this session.
        drop(open.copy);
        open.session.set_busy(false);
        self.view.leave(open.session).await?;
        self.complete = true;
        if taken.rows == 0 {
            return Ok(None);
        }
        self.payload(taken, largest).await.map(Some)
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone()
    }
}
