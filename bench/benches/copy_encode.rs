//! Batches into COPY tuples.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn copy_encode(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::CopyEncode]);
}

criterion_group!(benches, copy_encode);
criterion_main!(benches);
