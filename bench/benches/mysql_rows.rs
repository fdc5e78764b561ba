//! Rows of MySQL into batches.

mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use rowferry_bench::Family;

fn mysql_rows(criterion: &mut Criterion) {
    timing::families(criterion, &[Family::MysqlRows]);
}

criterion_group!(benches, mysql_rows);
criterion_main!(benches);
