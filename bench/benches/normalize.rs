//! Columns against their limits, and to text.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn normalize(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::Normalize, Family::ToText]);
}

criterion_group!(benches, normalize);
criterion_main!(benches);
