//! What happens to rows between reader and writer: fit, dedupe and digest, as kernels on the pool.

use std::sync::Arc;

use arrow_array::RecordBatch;
use rowferry_core::{
    ConnectorError, Digest, Duplicates, ErrorClass, Payload, RejectedRow, Result, TablePlan,
    WriteMode,
};
use rowferry_kernels::{Deduper, Keep, KernelError, digest_rows};
use rowferry_runtime::{ComputePool, Stage};

use crate::values::{Changes, ValueRules, kernel_failed};

/// The transforming state of one chunk.
pub(crate) struct Transform {
    table: String,
    rules: Arc<ValueRules>,
    dedupe: Option<(Deduper, Duplicates)>,
    /// Positions of the columns by which rows are found in the target; empty where none are.
    found_by: Vec<usize>,
    digest: Option<Digest>,
    rows: u64,
    changes: Changes,
}

/// Rows ready to be written.
pub(crate) struct Transformed {
    pub(crate) payload: Payload,
    pub(crate) duplicates: u64,
    pub(crate) rejected: Vec<RejectedRow>,
}

impl Transform {
    /// The transform of one chunk of `plan`'s table.
    pub(crate) fn new(plan: &TablePlan, rules: &Arc<ValueRules>) -> Self {
        let key: Vec<usize> = plan
            .key
            .iter()
            .filter_map(|name| plan.columns.iter().position(|column| column.target.name == *name))
            .collect();
        let found_by = if plan.write == WriteMode::Upsert { key.clone() } else { Vec::new() };
        let dedupe = plan.duplicates.map(|rule| {
            let keep = match rule {
                Duplicates::Last => Keep::Last,
                Duplicates::First | Duplicates::Fail => Keep::First,
            };
            (Deduper::new(key, keep), rule)
        });
        Self {
            table: plan.source.table.to_string(),
            rules: Arc::clone(rules),
            dedupe,
            found_by,
            digest: None,
            rows: 0,
            changes: Changes::new(),
        }
    }

    /// Transforms one payload. Wire payloads pass as they are: the plan never asks for a wire form
    /// where rows have to be looked at.
    pub(crate) async fn apply(
        &mut self,
        payload: Payload,
        compute: &ComputePool,
    ) -> Result<Transformed> {
        let Payload::Batch(batch) = payload else {
            return Ok(Transformed { payload, duplicates: 0, rejected: Vec::new() });
        };
        let (rules, first) = (Arc::clone(&self.rules), self.rows);
        self.rows += batch.num_rows() as u64;
        let dedupe = self.dedupe.take();
        // Rows that are set aside are gone before duplicates are looked for, so that a good row is
        // never displaced by a bad one.
        let worked = compute
            .run(Stage::Transform, move || -> Result<_> {
                let fitted = rules.fit(batch, first)?;
                let Some((mut deduper, rule)) = dedupe else {
                    let digest = digest_rows(&fitted.batch).map_err(kernel_failed)?;
                    return Ok((fitted, digest, None, 0));
                };
                let (batch, dropped) = deduper.push(&fitted.batch).map_err(kernel_failed)?;
                let digest = digest_rows(&batch).map_err(kernel_failed)?;
                let fitted = crate::values::Fitted { batch, ..fitted };
                Ok((fitted, digest, Some((deduper, rule)), dropped))
            })
            .await;
        let (fitted, digest, dedupe, duplicates) = worked.map_err(kernel_failed)??;
        self.check_keys(&fitted.batch)?;
        self.dedupe = dedupe;
        self.add(digest);
        for (change, count) in fitted.changes {
            *self.changes.entry(change).or_default() += count;
        }
        let rule = self.dedupe.as_ref().map(|(_, rule)| *rule);
        if duplicates > 0 && rule == Some(Duplicates::Fail) {
            return Err(self.duplicate_keys(duplicates));
        }
        Ok(Transformed {
            payload: Payload::Batch(fitted.batch),
            duplicates,
            rejected: fitted.rejected,
        })
    }

    /// The rows that were held back because a later one might have displaced them.
    pub(crate) async fn finish(&mut self, compute: &ComputePool) -> Result<Vec<Payload>> {
        let Some((mut deduper, _)) = self.dedupe.take() else { return Ok(Vec::new()) };
        let worked = compute
            .run(Stage::Transform, move || -> Result<_, KernelError> {
                let batches = deduper.finish()?;
                batches.into_iter().map(|batch| Ok((digest_rows(&batch)?, batch))).collect::<Result<
                    Vec<_>,
                    KernelError,
                >>(
                )
            })
            .await;
        let worked = worked.map_err(kernel_failed)?;
        let mut payloads = Vec::new();
        for (digest, batch) in worked.map_err(kernel_failed)? {
            self.add(digest);
            payloads.push(Payload::Batch(batch));
        }
        Ok(payloads)
    }

    /// Takes rows that were transformed and then refused out of the digest.
    pub(crate) fn take_back(&mut self, refused: Vec<RecordBatch>) -> Result<()> {
        for row in refused {
            let row = digest_rows(&row).map_err(kernel_failed)?;
            if let Some(digest) = &mut self.digest {
                digest.count -= row.count;
                digest.sum = digest.sum.wrapping_sub(row.sum);
            }
        }
        Ok(())
    }

    /// Digest of all batches so far; `None` when rows passed in wire form.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest.clone()
    }

    /// How often policies changed values.
    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    fn add(&mut self, more: Digest) {
        match &mut self.digest {
            None => self.digest = Some(more),
            Some(digest) => {
                digest.count += more.count;
                digest.sum = digest.sum.wrapping_add(more.sum);
            }
        }
    }

    /// A null equals no other null: a row with one in its key would be inserted by every run. A source
    /// that promises its key has none, so rows that pass in wire form need no look.
    fn check_keys(&self, batch: &RecordBatch) -> Result<()> {
        let nulls = |at: &&usize| batch.columns().get(**at).is_some_and(|c| c.null_count() > 0);
        let Some(at) = self.found_by.iter().find(nulls) else { return Ok(()) };
        let column = batch.schema().fields().get(*at).map(|field| field.name().clone());
        let column = column.unwrap_or_default();
        Err(ConnectorError::new(
            ErrorClass::Data,
            "null-key",
            format!(
                "table {} has rows with a null in key column {column:?}, by which an upsert could \
                 never find them again",
                self.table
            ),
        )
        .with_column(column)
        .with_next(
            "Name other columns in `key`, leave such rows out with `filters`, or use \
             `write: replace`.",
        ))
    }

    fn duplicate_keys(&self, count: u64) -> ConnectorError {
        ConnectorError::new(
            ErrorClass::Data,
            "duplicate-keys",
            format!("{count} rows of table {} have the key of another row", self.table),
        )
        .with_next(
            "Correct the source, choose a key that is unique, or set `on_duplicate: first` or \
             `last`.",
        )
    }
}
