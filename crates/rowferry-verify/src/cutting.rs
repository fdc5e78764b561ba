//! Chunks of one side, cut in a read view that is opened again when its server lost it.

use std::sync::Arc;

use rowferry_core::{Chunk, ChunkSpec, Coverage, Cutter, ErrorClass, KeyColumns, Result};

use crate::Side;
use crate::table::Table;

/// Hands out the chunks of one side.
pub(crate) struct Cutting {
    table: Arc<Table>,
    side: Side,
    cutter: Cutter,
    key: Option<KeyColumns>,
}

impl Cutting {
    /// Cuts by `key`; without one, or with one whose order the server cannot follow, by blocks.
    pub(crate) async fn new(
        table: &Arc<Table>,
        side: Side,
        key: Option<&KeyColumns>,
    ) -> Result<Self> {
        let schema = table.comparison.tables.of(side);
        let spec = ChunkSpec {
            rows: table.context.chunk_rows.max(1),
            bytes: table.context.chunk_bytes.max(1),
            row_bytes_estimated: schema.row_bytes_estimated(),
            with_null_keys: true,
        };
        let (_, view) = table.views.of(side).current().await;
        let probe = match key {
            Some(key) => match view.probe(schema, key).await {
                Ok(probe) => Some((key.clone(), probe)),
                Err(error) if error.class == ErrorClass::Setup => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let name = schema.table.clone();
        let (cutter, key) = if let Some((key, probe)) = probe {
            let done = Coverage::default();
            (Cutter::by_key(name, key.clone(), spec, &done, probe), Some(key))
        } else {
            let blocks = view.blocks(schema).await?;
            (Cutter::by_blocks(name, spec, blocks, schema.rows_estimated), None)
        };
        Ok(Self { table: Arc::clone(table), side, cutter, key })
    }

    /// Whether the chunks are ranges of the key.
    pub(crate) const fn is_by_key(&self) -> bool {
        self.key.is_some()
    }

    /// The next chunk in key order.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>> {
        let mut backoff = self.table.context.jitter.backoff();
        loop {
            let error = match self.cutter.next().await {
                Ok(chunk) => return Ok(chunk),
                Err(error) => error,
            };
            let pause = backoff.next_pause();
            let Some(key) = &self.key else { return Err(error) };
            if !error.class.is_retryable() || !self.table.patience.allows(pause) {
                return Err(error);
            }
            tracing::warn!(error = %error, "cutting failed, trying again");
            tokio::time::sleep(pause).await;
            let views = self.table.views.of(self.side);
            let (number, _) = views.current().await;
            if let Ok((_, view)) = views.replace(number).await {
                let schema = self.table.comparison.tables.of(self.side);
                if let Ok(probe) = view.probe(schema, key).await {
                    self.cutter.set_probe(probe);
                }
            }
        }
    }

    /// Takes note of the rows of a chunk.
    pub(crate) fn observe(&mut self, chunk: &Chunk, rows: u64) {
        let bytes = rows.saturating_mul(self.table.row_bytes());
        self.cutter.observe(chunk, rows, bytes);
    }
}
