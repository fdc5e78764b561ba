//! A source that does not enforce its key.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Chunk, ChunkReader, Column, Consistency, Digest, Duplicates, Horizon, KeyColumns,
    KeyProbe, KeyTuple, Payload, ReadSpec, Result, Snapshot, Source, TableListing, TableRef,
    TableSchema, WireFormat, WriteMode,
};
use rowferry_synthetic::GenerateSource;

use crate::world::{World, failure, table};

const FIRST: &str = "rows?rows=450&seed=1";
const LAST: &str = "rows?rows=450&seed=2";

/// Every key twice: with the values of one seed, then with those of another.
struct Doubled {
    first: GenerateSource,
    last: GenerateSource,
}

impl Doubled {
    fn world(rule: Option<Duplicates>, write: WriteMode) -> World {
        let source = Self {
            first: GenerateSource::open(FIRST).unwrap(),
            last: GenerateSource::open(LAST).unwrap(),
        };
        World::reading(Arc::new(source), &["rows"]).with_entries(|entry| {
            entry.key = vec!["id".to_owned()];
            entry.write = Some(write);
            entry.on_duplicate = rule;
        })
    }
}

#[async_trait]
impl Source for Doubled {
    fn engine(&self) -> &str {
        self.first.engine()
    }

    async fn identity(&self) -> Result<String> {
        Ok("doubled".to_owned())
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        self.first.tables().await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        Ok(TableSchema { keys: Vec::new(), ..self.first.describe(table).await? })
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(DoubledView {
            first: self.first.snapshot(table, consistency, readers).await?,
            last: self.last.snapshot(table, consistency, readers).await?,
        }))
    }

    fn offers(&self, _: WireFormat, _: &[Column]) -> bool {
        false
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        Ok(Vec::new())
    }
}

struct DoubledView {
    first: Box<dyn Snapshot>,
    last: Box<dyn Snapshot>,
}

#[async_trait]
impl Snapshot for DoubledView {
    fn consistency(&self) -> Consistency {
        self.first.consistency()
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        self.first.horizon().await
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        self.first.probe(table, key).await
    }

    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>> {
        self.first.blocks(table).await
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let first = self.first.read(chunk, spec).await?;
        Ok(Box::new(DoubledReader { first, last: self.last.read(chunk, spec).await? }))
    }
}

struct DoubledReader {
    first: Box<dyn ChunkReader>,
    last: Box<dyn ChunkReader>,
}

#[async_trait]
impl ChunkReader for DoubledReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        match self.first.next().await? {
            Some(payload) => Ok(Some(payload)),
            None => self.last.next().await,
        }
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.last.last_key()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }
}

#[tokio::test]
async fn of_two_rows_with_one_key_the_one_that_was_asked_for_stays() {
    for (rule, kept) in [(Duplicates::First, FIRST), (Duplicates::Last, LAST)] {
        for write in [WriteMode::Replace, WriteMode::Append, WriteMode::Upsert] {
            let world = Doubled::world(Some(rule), write);
            let report = world.run().await;
            assert_eq!(report.exit_code, 0, "{rule:?} {write:?}: {report:#?}");
            let copied = table(&report, "rows");
            let counts = (copied.rows_read, copied.rows_written, copied.duplicates);
            assert_eq!(counts, (900, 450, 450), "{rule:?} {write:?}");
            world.assert_copied(&GenerateSource::open(kept).unwrap(), "rows").await;
        }
    }
}

#[tokio::test]
async fn equal_keys_stop_a_merge_that_was_not_told_what_to_do() {
    for (rule, write) in [(None, WriteMode::Upsert), (Some(Duplicates::Fail), WriteMode::Replace)] {
        let world = Doubled::world(rule, write);
        let report = world.run().await;
        assert_eq!(failure(&report, "rows"), ("duplicate-keys", 65), "{report:#?}");
        assert_eq!(world.target.rows(&TableRef::bare("rows")), 0);
    }
}

#[tokio::test]
async fn a_replace_without_a_rule_carries_every_row() {
    let world = Doubled::world(None, WriteMode::Replace);
    let report = world.run().await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(world.target.rows(&TableRef::bare("rows")), 900);
}
