//! Families of cases as groups of criterion, with rows and bytes per second.

use criterion::{Criterion, Throughput};
use rowferry_bench::{Family, Shape};

pub(crate) fn families(criterion: &mut Criterion, families: &[Family]) {
    // As the program does: else a third of the time goes into zeroed pages.
    rowferry_runtime::give_back_large_blocks();
    for family in families {
        let mut group = criterion.benchmark_group(family.word());
        for shape in Shape::ALL {
            let mut case = family.case(shape).expect("the case can be made");
            group.throughput(Throughput::ElementsAndBytes {
                elements: case.rows as u64,
                bytes: case.bytes as u64,
            });
            group.bench_function(shape.word(), |bencher| {
                bencher.iter(|| case.counted_work().expect("the work succeeds"));
            });
        }
        group.finish();
    }
}
