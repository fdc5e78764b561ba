//! Digests of rows, hashes of keys, rows with the same key.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn row_hashes(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::RowDigest, Family::KeyHash, Family::Dedupe]);
}

criterion_group!(benches, row_hashes);
criterion_main!(benches);
