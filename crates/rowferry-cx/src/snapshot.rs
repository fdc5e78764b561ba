//! A read view whose chunks are read by ConnectorX.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    Chunk, ChunkReader, ConnectorError, Consistency, Horizon, KeyColumns, KeyProbe, KeyRange,
    KeyTuple, ReadSpec, Result, Snapshot, TableSchema,
};

use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::read::ConnectorxReader;
use crate::request::{Request, VERSION};
use crate::source::Way;

/// The view of our own connection, into which ConnectorX is let.
pub(crate) struct ConnectorxSnapshot {
    pub(crate) view: Arc<dyn Snapshot>,
    pub(crate) way: Arc<Way>,
}

impl ConnectorxSnapshot {
    fn ask(&self, chunk: &Chunk, spec: &ReadSpec, arrival: &Arrival) -> Result<Answer> {
        let script = self.view.script().ok_or_else(no_script)?;
        let request = Request {
            version: VERSION,
            url: self.way.url.clone(),
            before: script.before(),
            query: script.query(chunk, spec, &arrival.expressions())?,
            batch_rows: spec.batch_rows,
            batch_bytes: spec.batch_bytes,
            attended: true,
        };
        Answer::new(self.way.program.start()?, &request, attempt(chunk))
    }
}

pub(crate) fn no_script() -> ConnectorError {
    ConnectorError::bug("other programs cannot read what this view sees")
}

fn attempt(chunk: &Chunk) -> String {
    format!("could not read chunk {} of table {} by ConnectorX", chunk.no.0, chunk.table)
}

/// What is to be read of `chunk` when the greatest key of its open end is known: rows behind it came
/// after the look-up and belong to the next run. `None` when there was no row.
fn bounded(chunk: &Chunk, greatest: Option<&KeyTuple>) -> Option<Chunk> {
    let mut bounded = chunk.clone();
    if let KeyRange::Span { upper: upper @ None, .. } = &mut bounded.range {
        *upper = Some(greatest?.clone());
    }
    Some(bounded)
}

#[async_trait]
impl Snapshot for ConnectorxSnapshot {
    fn consistency(&self) -> Consistency {
        self.view.consistency()
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        self.view.horizon().await
    }

    async fn opened_at(&self) -> Result<Option<u64>> {
        self.view.opened_at().await
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        self.view.probe(table, key).await
    }

    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>> {
        self.view.blocks(table).await
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let arrival = Arrival::new(&chunk.table, &spec.columns)?;
        let last_key = self.view.script().ok_or_else(no_script)?.last_key(chunk).await?;
        let answer = match bounded(chunk, last_key.as_ref()) {
            Some(chunk) => Some(self.ask(&chunk, spec, &arrival)?),
            None => None,
        };
        let reader = ConnectorxReader::start(
            Arc::clone(&self.view),
            self.way.compute.clone(),
            self.way.limits,
            arrival,
            answer,
            last_key,
            attempt(chunk),
        );
        Ok(Box::new(reader.await?))
    }
}

#[cfg(test)]
mod tests {
    use rowferry_core::{ChunkNo, KeyValue, TableRef};

    use super::*;

    #[test]
    fn an_open_end_is_closed_at_the_greatest_key() {
        let chunk = |range| Chunk {
            no: ChunkNo(1),
            table: TableRef::bare("t"),
            range,
            rows_estimated: None,
        };
        let span = |upper| KeyRange::Span { key: KeyColumns(Vec::new()), lower: None, upper };
        let key = KeyTuple(vec![KeyValue::Int(7)]);
        let end = |range, greatest| bounded(&chunk(range), greatest).map(|chunk| chunk.range);
        assert_eq!(end(span(None), Some(&key)), Some(span(Some(key.clone()))));
        assert_eq!(end(span(None), None), None);
        assert_eq!(end(span(Some(key.clone())), None), Some(span(Some(key.clone()))));
        assert_eq!(end(KeyRange::Whole, None), Some(KeyRange::Whole));
    }
}
