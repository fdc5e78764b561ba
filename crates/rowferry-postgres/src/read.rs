//! Reading a chunk: one `copy (select …) to stdout (format binary)`.
//!
//! The server sends one message per row; rows are gathered until a payload is full and are then
//! decoded on the compute pool, or passed on as they are. A read is complete only when the
//! trailer of the format came, and after it the end of the copy, and after that the server's word
//! that the statement is done. A stream that ends in any other way is an error.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_codec::pgcopy::RawTuples;
use rowferry_core::{
    Chunk, ChunkReader, ConnectorError, Digest, ErrorClass, KeyRange, KeyTuple, Payload, ReadSpec,
    Result, TableRef, WireFormat,
};
use rowferry_runtime::{ComputePool, Stage};

use crate::client::CopyOut;
use crate::digest;
use crate::error::{failed, pool_failed};
use crate::session::Session;
use crate::snapshot::View;
use crate::sql;
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
    tuples: RawTuples,
    limits: Limits,
    wire: Option<WireFormat>,
    last_key: Option<KeyTuple>,
    complete: bool,
    digest: Digest,
}

struct Open {
    stream: CopyOut,
    session: Session,
}

/// When a payload is full.
#[derive(Clone, Copy)]
struct Limits {
    bytes: usize,
    rows: usize,
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
        let stream = session
            .client
            .copy_out(sql::copy_out(chunk, spec).as_str())
            .await
            .map_err(failed(attempt.clone()))?;
        let saturated = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let limits =
            Limits { bytes: saturated(spec.batch_bytes), rows: saturated(spec.batch_rows) };
        Ok(Self {
            view,
            compute,
            attempt,
            open: Some(Open { stream, session }),
            table: chunk.table.clone(),
            tuples: RawTuples::new(),
            decoder,
            limits,
            wire: spec.wire,
            last_key,
            complete: false,
            digest: digest::empty(),
        })
    }

    /// Gathers rows until a payload is full or the copy is complete; says whether it goes on.
    async fn gather(&mut self, open: &mut Open) -> Result<bool> {
        while let Some(message) = open.stream.next().await {
            // Once per row: the words of an error are made only when there is one.
            let message = message.map_err(|error| failed(self.attempt.as_str())(error))?;
            if let Err(error) = self.tuples.push(&message) {
                return Err(wire::failed("read", &self.table)(error));
            }
            if self.tuples.bytes() >= self.limits.bytes || self.tuples.rows() >= self.limits.rows {
                return Ok(true);
            }
        }
        if !self.tuples.is_finished() {
            return Err(self.cut_short());
        }
        // Behind the end of the copy stands the answer to the statement. The driver knows no such
        // thing and calls it unexpected; the server's own error or a lost connection look different.
        match open.stream.next().await {
            Some(Err(error)) if error.as_db_error().is_some() || error.is_closed() => {
                Err(failed(self.attempt.clone())(error))
            }
            Some(_) => Ok(false),
            None => Err(self.cut_short()),
        }
    }

    fn cut_short(&self) -> ConnectorError {
        ConnectorError::new(ErrorClass::Transient, "read-cut-short", self.attempt.clone())
            .with_server("the copy ended without its trailer")
    }

    async fn payload(&mut self) -> Result<Payload> {
        let largest_row = self.tuples.largest() as u64;
        let taken = self.tuples.take();
        match self.wire {
            Some(format @ WireFormat::PgCopyBinary) => {
                let (mut digest, bytes) = (self.digest.clone(), taken.bytes.clone());
                self.digest = self
                    .compute
                    .run(Stage::Decode, move || digest::add(&mut digest, &bytes).map(|()| digest))
                    .await
                    .map_err(pool_failed("could not digest rows"))?
                    .ok_or_else(|| ConnectorError::bug("rows were cut inside a tuple"))?;
                let rows = taken.rows as u64;
                Ok(Payload::Wire { format, rows, largest_row, bytes: taken.bytes })
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
        if self.gather(&mut open).await? {
            let payload = self.payload().await?;
            self.open = Some(open);
            return Ok(Some(payload));
        }
        open.session.set_busy(false);
        self.view.leave(open.session).await?;
        self.complete = true;
        if self.tuples.rows() == 0 {
            return Ok(None);
        }
        self.payload().await.map(Some)
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last_key.clone()
    }

    fn digest(&self) -> Option<Digest> {
        self.wire.map(|_| self.digest.clone())
    }
}
