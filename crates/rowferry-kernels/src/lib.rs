//! Batch to batch: normalize, key hash, dedupe, digest. Pure, no async.
