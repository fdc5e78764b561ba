//! A source some of whose rows are not what their neighbours are.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, cast::AsArray, types};
use async_trait::async_trait;
use rowferry_core::{
    CanonicalType, CheckLine, Chunk, ChunkReader, Column, ConnectorError, Consistency, Digest,
    ErrorClass, Horizon, KeyColumns, KeyProbe, KeyTuple, Payload, ReadSpec, Result, Snapshot,
    Source, TableListing, TableRef, TableSchema, WireFormat,
};
use rowferry_synthetic::GenerateSource;

/// Rows of `generate:rows`: every `nan_every`th `ratio` is NaN, and from row `wide_from` on
/// `quantity` holds `NaN`, which a decimal of fixed scale cannot.
#[derive(Clone)]
pub(crate) struct Spoiled {
    inner: Arc<GenerateSource>,
    nan_every: i64,
    wide_from: i64,
}

impl Spoiled {
    pub(crate) fn rows(count: u64) -> Self {
        let inner = GenerateSource::open(&format!("rows?rows={count}")).unwrap();
        Self { inner: Arc::new(inner), nan_every: i64::MAX, wide_from: i64::MAX }
    }

    pub(crate) fn with_nan_every(self, nan_every: i64) -> Self {
        Self { nan_every, ..self }
    }

    pub(crate) fn with_wide_from(self, wide_from: i64) -> Self {
        Self { wide_from, ..self }
    }

    fn spoil(&self, batch: &RecordBatch, spec: &ReadSpec) -> Result<RecordBatch> {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<types::Int64Type>().clone();
        let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
        let mut fields = Vec::new();
        for (array, column) in arrays.iter_mut().zip(&spec.columns) {
            let canonical = column.canonical.clone().unwrap();
            fields.push(canonical.field(&column.name));
            if column.name == "ratio" {
                let spoiled = ids.values().iter().map(|id| {
                    let row = usize::try_from(id - ids.value(0)).unwrap();
                    let value = array.as_primitive::<types::Float64Type>();
                    let bad = id % self.nan_every == 0;
                    if bad { Some(f64::NAN) } else { value.is_valid(row).then(|| value.value(row)) }
                });
                *array = Arc::new(spoiled.collect::<Float64Array>());
            } else if column.name == "quantity" {
                let wide = ids.values().iter().any(|id| *id >= self.wide_from);
                if canonical == CanonicalType::DecimalText {
                    let words = ids.values().iter().map(|id| {
                        if *id >= self.wide_from { "NaN".to_owned() } else { id.to_string() }
                    });
                    *array = Arc::new(words.map(Some).collect::<StringArray>());
                } else if wide {
                    let message = "a value of column quantity is NaN";
                    return Err(ConnectorError::new(ErrorClass::Data, "unrepresentable", message)
                        .with_column("quantity"));
                }
            }
        }
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        Ok(RecordBatch::try_new(schema, arrays).unwrap())
    }
}

#[async_trait]
impl Source for Spoiled {
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
        Ok(Box::new(View { inner, spoiled: self.clone() }))
    }

    fn offers(&self, _: WireFormat, _: &[Column]) -> bool {
        false
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        self.inner.check().await
    }
}

struct View {
    inner: Box<dyn Snapshot>,
    spoiled: Spoiled,
}

#[async_trait]
impl Snapshot for View {
    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    async fn horizon(&self) -> Result<Option<Horizon>> {
        self.inner.horizon().await
    }

    async fn probe(&self, table: &TableSchema, key: &KeyColumns) -> Result<Box<dyn KeyProbe>> {
        self.inner.probe(table, key).await
    }

    async fn blocks(&self, table: &TableSchema) -> Result<Option<u64>> {
        self.inner.blocks(table).await
    }

    async fn read(&self, chunk: &Chunk, spec: &ReadSpec) -> Result<Box<dyn ChunkReader>> {
        let inner = self.inner.read(chunk, spec).await?;
        Ok(Box::new(Reader { inner, spoiled: self.spoiled.clone(), spec: spec.clone() }))
    }
}

struct Reader {
    inner: Box<dyn ChunkReader>,
    spoiled: Spoiled,
    spec: ReadSpec,
}

#[async_trait]
impl ChunkReader for Reader {
    async fn next(&mut self) -> Result<Option<Payload>> {
        match self.inner.next().await? {
            Some(Payload::Batch(batch)) if batch.num_rows() > 0 => {
                Ok(Some(Payload::Batch(self.spoiled.spoil(&batch, &self.spec)?)))
            }
            other => Ok(other),
        }
    }

    fn last_key(&self) -> Option<KeyTuple> {
        self.inner.last_key()
    }

    fn digest(&self) -> Option<Digest> {
        self.inner.digest()
    }
}
