//! Rows and keys by their canonical bytes.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use arrow_array::{Array, RecordBatch};
use rowferry_kernels::{Keep, dedupe, digest_rows, key_hash};

use crate::case::Work;

pub(crate) fn digest(batch: RecordBatch) -> Result<Work> {
    let bytes = arrow_bytes(&batch)?;
    let work = move || {
        black_box(digest_rows(black_box(&batch))?);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

pub(crate) fn key_hashes(batch: RecordBatch) -> Result<Work> {
    let bytes = key_bytes(&batch)?;
    let work = move || {
        black_box(key_hash(black_box(&batch), &[0])?);
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

pub(crate) fn duplicates(batch: RecordBatch) -> Result<Work> {
    let bytes = key_bytes(&batch)?;
    let work = move || {
        let (_, dropped) = dedupe(black_box(&batch), &[0], Keep::First)?;
        ensure!(dropped == 0, "every row has its own key");
        Ok(())
    };
    Ok((bytes, Box::new(work)))
}

/// Bytes of all values, offsets and null bits; spare room of the buffers left out.
pub(crate) fn arrow_bytes(batch: &RecordBatch) -> Result<usize> {
    let sizes = batch.columns().iter().map(|array| array.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}

fn key_bytes(batch: &RecordBatch) -> Result<usize> {
    let key = batch.columns().first().context("a batch has columns")?;
    Ok(key.to_data().get_slice_memory_size()?)
}
