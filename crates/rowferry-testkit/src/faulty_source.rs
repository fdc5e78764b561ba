//! A source whose chunks fail by script.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    CheckLine, Chunk, ChunkReader, Column, Consistency, Digest, Horizon, KeyColumns, KeyProbe,
    KeyTuple, Payload, ReadSpec, Result, Snapshot, Source, TableListing, TableRef, TableSchema,
    WireFormat,
};

use crate::faults::{Fault, Faults};

/// Wraps a source; every `read` takes the next fault of the script.
pub struct FaultySource {
    inner: Arc<dyn Source>,
    faults: Faults,
}

impl FaultySource {
    /// `inner` with faults.
    pub fn new(inner: Arc<dyn Source>, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl Source for FaultySource {
    fn engine(&self) -> &str {
        self.inner.engine()
    }

    async fn identity(&self) -> Result<String> {
        self.inner.identity().await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        self.inner.tables().await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        self.inner.describe(table).await
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let inner = self.inner.snapshot(table, consistency, readers).await?;
        Ok(Box::new(FaultySnapshot { inner, faults: self.faults.clone() }))
    }

    fn offers(&self, format: WireFormat, columns: &[Column]) -> bool {
        self.inner.offers(format, columns)
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.inner.check().await
    }
}

struct FaultySnapshot {
    inner: Box<dyn Snapshot>,
    faults: Faults,
}

#[async_trait]
impl Snapshot for FaultySnapshot {
    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        self.inner.horizon().await
    }

    async fn opened_at(&self) -> Result<Option<u64>> {
        self.inner.opened_at().await
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        self.inner.probe(table, key).await
    }

    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>> {
        self.inner.blocks(table).await
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let fault = self.faults.take();
        fault.at_begin()?;
        let inner = self.inner.read(chunk, spec).await?;
        Ok(Box::new(FaultyReader { inner, fault, payloads: 0 }))
    }
}

struct FaultyReader {
    inner: Box<dyn ChunkReader>,
    fault: Fault,
    payloads: u64,
}

#[async_trait]
impl ChunkReader for FaultyReader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        self.fault.before_payload(self.payloads).await?;
        self.payloads += 1;
        self.inner.next().await
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.inner.last_key()
    }

    fn digest(&self) -> Option<Digest> {
        self.inner.digest()
    }
}
