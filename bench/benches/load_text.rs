//! Batches into what MySQL and MariaDB read.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn load_text(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::LoadText, Family::InsertText]);
}

criterion_group!(benches, load_text);
criterion_main!(benches);
