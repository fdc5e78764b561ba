//! The batches as an IPC stream that says itself whether it is whole.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use crate::request::{Request, VERSION};

/// Key of the schema's metadata under which the version of the stream stands.
const VERSION_KEY: &str = "rowferry.connectorx";
/// Key under which the number of all rows stands: an IPC stream that is cut between two batches looks
/// like a whole one.
const ROWS_KEY: &str = "rowferry.rows";

/// Writes all rows, in batches as small as the request wants them.
pub(crate) fn write(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    request: &Request,
    to: impl Write,
) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let promise = HashMap::from([
        (VERSION_KEY.to_owned(), VERSION.to_string()),
        (ROWS_KEY.to_owned(), rows.to_string()),
    ]);
    let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), promise));
    let mut writer = StreamWriter::try_new(to, &schema)?;
    for batch in batches {
        let batch = batch.clone().with_schema(Arc::clone(&schema))?;
        let step = step(&batch, request);
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = step.min(batch.num_rows() - from);
            writer.write(&batch.slice(from, rows))?;
            from += rows;
        }
    }
    writer.finish()?;
    Ok(())
}

/// Rows of `batch` that keep to both limits, if all were of the same size.
fn step(batch: &RecordBatch, request: &Request) -> usize {
    // Not the memory of the arrays: ConnectorX makes room for 65,536 rows before it has one.
    let bytes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    let bytes: usize = bytes.filter_map(Result::ok).sum();
    let row_bytes = bytes / batch.num_rows().max(1);
    let by_bytes = request.batch_bytes / row_bytes.max(1);
    by_bytes.min(request.batch_rows).max(1)
}
