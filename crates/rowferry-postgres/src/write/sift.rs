//! Rows behind a savepoint, so that those which the server refuses can be found by halves.

use arrow_array::RecordBatch;
use rowferry_core::{ConnectorError, ErrorClass, Payload, Result, Tried};

use super::writing::{Form, Path};
use super::{BEGIN, ChunkEncoder, Copying, Open, PgChunkWriter};
use crate::error::failed;
use crate::session::Session;

impl PgChunkWriter {
    /// See [`rowferry_core::ChunkWriter::try_write`].
    pub(super) async fn try_rows(&mut self, batch: RecordBatch) -> Result<Tried> {
        let Open { mut writing, copying, begun } = self.take_open()?;
        if copying.is_some() {
            return Err(ConnectorError::bug("rows were tried after others had been written"));
        }
        let path = writing.path(&self.prepared, Form::Batches, self.pool.money_digits).await?;
        writing.session.set_busy(true);
        if !begun {
            self.say(&writing.session, BEGIN).await?;
        }
        self.say(&writing.session, "savepoint tried").await?;
        let rows = batch.num_rows() as u64;
        let tried = match self.copy_alone(&writing.session, &path, batch).await {
            Ok(()) => {
                self.say(&writing.session, "release savepoint tried").await?;
                self.rows += rows;
                Tried::Written
            }
            Err(error) if error.class == ErrorClass::Data => {
                let back = "rollback to savepoint tried; release savepoint tried";
                self.say(&writing.session, back).await?;
                Tried::Refused(error)
            }
            Err(error) => return Err(error),
        };
        self.open = Some(Open { writing, copying: None, begun: true });
        Ok(tried)
    }

    /// One COPY for these rows, all the way into the table.
    async fn copy_alone(&self, session: &Session, path: &Path, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows() as u64;
        // Before the COPY, which a value that cannot be encoded must not leave open.
        let pieces = self.pieces(path, Payload::Batch(batch)).await?;
        if let Some(moving) = &path.moving {
            self.say(session, &moving.empty).await?;
        }
        let copy = session.client.copy_in(&path.copy).await;
        let copy = copy.map_err(failed(self.attempt()))?;
        let mut copying = Copying { form: Form::Batches, copy, path: path.clone() };
        copying.copy.feed(ChunkEncoder::header()).await.map_err(failed(self.attempt()))?;
        for bytes in pieces {
            self.send(&mut copying, bytes).await?;
        }
        self.end_copy(session, copying, rows).await
    }

    async fn say(&self, session: &Session, statement: &str) -> Result<()> {
        session.client.batch_execute(statement).await.map_err(failed(self.attempt()))
    }
}
