//! Rows behind a savepoint, so that those which the server refuses can be found by halves.

use std::sync::Arc;

use arrow_array::RecordBatch;
use rowferry_codec::mysql_text::{TextEncoder, TextForm};
use rowferry_core::{ConnectorError, ErrorClass, Result, Tried};

use super::{MysqlWriter, Way};
use crate::{columns, error};

impl MysqlWriter {
    /// See [`rowferry_core::ChunkWriter::try_write`].
    pub(super) async fn try_rows(&mut self, batch: RecordBatch) -> Result<Tried> {
        self.change_to_trials()?;
        let rows = batch.num_rows() as u64;
        self.say("savepoint tried").await?;
        match self.insert_alone(batch).await {
            Ok(()) => {
                self.say("release savepoint tried").await?;
                self.rows += rows;
                Ok(Tried::Written)
            }
            Err(refusal) if refusal.class == ErrorClass::Data => {
                self.say("rollback to savepoint tried").await?;
                self.say("release savepoint tried").await?;
                Ok(Tried::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }

    /// A load ignores what it does not like, so rows are tried by INSERT only.
    fn change_to_trials(&mut self) -> Result<()> {
        match self.way {
            Way::Trial => return Ok(()),
            Way::Load(None) => {}
            Way::Insert if self.rows == 0 => {}
            Way::Load(Some(_)) | Way::Insert => {
                return Err(ConnectorError::bug("rows were tried after others had been written"));
            }
        }
        let columns = columns::text_columns(&self.prepared, self.sink.server.flavor)?;
        self.encoder = Arc::new(TextEncoder::new(columns, TextForm::Insert));
        self.way = Way::Trial;
        Ok(())
    }

    /// These rows, all the way into the table.
    async fn insert_alone(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows() as u64;
        self.insert(batch).await?;
        let (attempt, prepared) = (self.attempt(), self.prepared.clone());
        let session = self.session()?;
        let Some(merge) = &session.merge else { return Ok(()) };
        merge.run(&mut session.conn, &prepared, rows, &attempt).await?;
        merge.empty(&mut session.conn).await.map_err(|error| error::of(error, attempt))
    }

    async fn say(&mut self, statement: &str) -> Result<()> {
        let attempt = self.attempt();
        let conn = &mut self.session()?.conn;
        conn.query_drop(statement).await.map_err(|error| error::of(error, attempt))
    }
}
