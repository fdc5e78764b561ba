//! COPY messages into tuples, and tuples into batches.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn copy_decode(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::CopyCollect, Family::CopyDecode]);
}

criterion_group!(benches, copy_decode);
criterion_main!(benches);
