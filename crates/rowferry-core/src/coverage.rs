//! What the receipts of a run cover, and the holes between them.
//!
//! Chunk numbers rise in key order, so a receipt's neighbours are known without comparing keys: a
//! hole lies wherever one receipt's upper bound is not, byte for byte, the next one's lower bound.

use serde::{Deserialize, Serialize};

use crate::{ChunkNo, KeyTuple, Receipt};

/// Distance between the numbers of neighbouring chunks of a first cut. 2^20 leaves room to cut the
/// same hole again a thousandfold, twice, before numbers run out; 2^43 chunks fit an `i64`.
pub const CHUNK_NO_STEP: i64 = 1 << 20;

/// Number of the chunk that holds the rows with a null key: before every span.
pub(crate) const NULL_KEYS_NO: ChunkNo = ChunkNo(0);

/// A stretch of key order that no receipt covers: `lower < key <= upper`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// Exclusive lower bound.
    pub lower: Option<KeyTuple>,
    /// Inclusive upper bound.
    pub upper: Option<KeyTuple>,
    /// Number of the receipt before the hole.
    pub after: ChunkNo,
    /// Number of the receipt behind the hole; `None` = nothing follows.
    pub before: Option<ChunkNo>,
}

/// The durable chunks of the current run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Exclusive lower bound of the scope: rows at or below it are not part of this run.
    pub scope_lower: Option<KeyTuple>,
    /// Whether the rows with null keys are durable.
    pub null_keys_done: bool,
    spans: Vec<Receipt>,
}

impl Coverage {
    /// The coverage that `receipts` of one run prove, within rows above `scope_lower`.
    pub fn new(scope_lower: Option<KeyTuple>, receipts: &[Receipt]) -> Self {
        let mut spans: Vec<Receipt> =
            receipts.iter().filter(|receipt| receipt.no != NULL_KEYS_NO).cloned().collect();
        spans.sort_by_key(|receipt| receipt.no);
        let null_keys_done = receipts.iter().any(|receipt| receipt.no == NULL_KEYS_NO);
        Self { scope_lower, null_keys_done, spans }
    }

    /// The holes in key order.
    ///
    /// The last one always reaches to the end of key order: behind a finished unbounded span it
    /// starts at the greatest key that the span read, because rows may have been appended since.
    pub fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        let mut lower = self.scope_lower.clone();
        let mut after = NULL_KEYS_NO;
        for receipt in &self.spans {
            if receipt.lower != lower {
                holes.push(Hole {
                    lower: lower.clone(),
                    upper: receipt.lower.clone(),
                    after,
                    before: Some(receipt.no),
                });
            }
            lower = receipt
                .upper
                .clone()
                .or_else(|| receipt.totals.last_key.clone())
                .or_else(|| receipt.lower.clone());
            after = receipt.no;
        }
        holes.push(Hole { lower, upper: None, after, before: None });
        holes
    }

    /// Whether nothing is durable yet.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && !self.null_keys_done
    }
}
