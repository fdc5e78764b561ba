//! Bytes per second and core of the codecs and kernels on rows shaped like TPC-H lineitem. No server.
//!
//! `cargo run --release -p rowferry-bench --bin codec`

use std::{error::Error, hint::black_box, sync::Arc, time::Instant};

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::Schema;
use bytes::BytesMut;
use rowferry_codec::pgcopy::{ColumnCodec, DecodePlan, Encoder, HEADER, PgType, RawTuples};
use rowferry_core::CanonicalType as C;
use rowferry_kernels::{digest_rows, key_hash};

/// Rows of a batch: about 4 MiB on the wire.
const ROWS: usize = 20_000;
/// Repetitions; the best one counts, since anything slower was disturbed.
const ROUNDS: usize = 25;

#[expect(clippy::print_stdout, reason = "a bench prints its numbers")]
fn main() -> Result<(), Box<dyn Error>> {
    let columns = columns();
    let batch = lineitem(&columns)?;
    let arrow = batch.get_array_memory_size();
    let encoder = Encoder::new(&columns)?;
    let mut out = BytesMut::new();
    let encode = best(|| {
        out.clear();
        encoder.encode(&batch, &mut out)
    })?;
    let wire = out.clone().freeze();
    let plan = DecodePlan::new(&columns)?;
    assert_eq!(plan.decode(&wire, ROWS)?, batch, "a bench of a wrong codec says nothing");
    let decode = best(|| plan.decode(black_box(&wire), ROWS))?;
    let messages = messages(&wire);
    let collect = best(|| {
        let mut tuples = RawTuples::new();
        tuples.push(HEADER)?;
        messages.iter().try_for_each(|message| tuples.push(message))?;
        Ok::<_, Box<dyn Error>>(tuples.take())
    })?;
    let digest = best(|| digest_rows(&batch))?;
    let hash = best(|| key_hash(&batch, &[0]))?;
    println!("{:>6} bytes of wire and {} of Arrow per row", wire.len() / ROWS, arrow / ROWS);
    for (name, seconds, bytes) in [
        ("collect", collect, wire.len()),
        ("decode", decode, wire.len()),
        ("encode", encode, wire.len()),
        ("digest", digest, arrow),
        ("key hash", hash, ROWS * size_of::<i64>()),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
        let (rate, row) = (bytes as f64 / seconds / 1e9, seconds * 1e9 / ROWS as f64);
        println!("{name:>10} {rate:6.2} GB/s {row:7.1} ns per row");
    }
    Ok(())
}

/// Seconds of the fastest round.
fn best<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<f64, E> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        drop(black_box(work()?));
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn columns() -> Vec<ColumnCodec> {
    let column = |name: &str, canonical, pg| ColumnCodec { name: name.to_owned(), canonical, pg };
    let money = |name| {
        let pg = PgType::Numeric { precision_scale: Some((15, 2)) };
        column(name, C::Decimal { precision: 15, scale: 2 }, pg)
    };
    let fixed = |name, chars| {
        let canonical = C::Text { chars: Some(chars), fixed: true };
        column(name, canonical, PgType::Bpchar { chars: Some(chars) })
    };
    vec![
        column("id", C::Int64, PgType::Int8),
        column("orderkey", C::Int64, PgType::Int8),
        column("partkey", C::Int64, PgType::Int8),
        column("suppkey", C::Int64, PgType::Int8),
        column("linenumber", C::Int32, PgType::Int4),
        money("quantity"),
        money("extendedprice"),
        money("discount"),
        money("tax"),
        fixed("returnflag", 1),
        fixed("linestatus", 1),
        column("shipdate", C::Date, PgType::Date),
        column("commitdate", C::Date, PgType::Date),
        column("receiptdate", C::Date, PgType::Date),
        fixed("shipinstruct", 25),
        fixed("shipmode", 10),
        column(
            "comment",
            C::Text { chars: Some(44), fixed: false },
            PgType::Varchar { chars: Some(44) },
        ),
    ]
}

fn lineitem(columns: &[ColumnCodec]) -> Result<RecordBatch, Box<dyn Error>> {
    // Knuth's multiplicative generator: the same rows on every machine.
    let mut state = 1_u64;
    let mut below = |limit: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut longs = |limit| -> Result<ArrayRef, Box<dyn Error>> {
        let values: Vec<i64> =
            (0..ROWS).map(|_| i64::try_from(below(limit))).collect::<Result<_, _>>()?;
        Ok(Arc::new(Int64Array::from(values)))
    };
    let (id, order) = (longs(6_000_000)?, longs(6_000_000)?);
    let (part, supplier) = (longs(200_000)?, longs(10_000)?);
    let lines: Vec<i32> = (0..ROWS).map(|_| i32::try_from(below(7))).collect::<Result<_, _>>()?;
    let mut money = |limit, unit: i128| -> Result<ArrayRef, Box<dyn Error>> {
        let values: Vec<i128> = (0..ROWS).map(|_| i128::from(below(limit)) * unit).collect();
        Ok(Arc::new(Decimal128Array::from(values).with_precision_and_scale(15, 2)?))
    };
    let (quantity, price) = (money(50, 100)?, money(10_000_000, 1)?);
    let (discount, tax) = (money(11, 1)?, money(9, 1)?);
    let mut dates = || -> Result<ArrayRef, Box<dyn Error>> {
        let values: Vec<i32> =
            (0..ROWS).map(|_| i32::try_from(8_000 + below(2_500))).collect::<Result<_, _>>()?;
        Ok(Arc::new(Date32Array::from(values)))
    };
    let (ship, commit, receipt) = (dates()?, dates()?, dates()?);
    let mut words = |words: &[&str]| -> ArrayRef {
        let pick = |_| words.get(usize::try_from(below(words.len() as u64)).unwrap_or(0)).copied();
        Arc::new((0..ROWS).map(pick).collect::<StringArray>())
    };
    let (flag, status) = (words(&["A", "N", "R"]), words(&["O", "F"]));
    let instruct = words(&["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]);
    let mode = words(&["AIR", "TRUCK", "MAIL", "SHIP", "REG AIR"]);
    let comment = words(&[
        "egular courts above the",
        "ly final dependencies: slyly bold ",
        "riously. regular, express dep",
        "lites. fluffily even de",
        "pending foxes. slyly re",
    ]);
    let line: ArrayRef = Arc::new(Int32Array::from(lines));
    let arrays = vec![
        id, order, part, supplier, line, quantity, price, discount, tax, flag, status, ship,
        commit, receipt, instruct, mode, comment,
    ];
    let fields: Vec<_> =
        columns.iter().map(|column| column.canonical.field(&column.name)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// One message per tuple, as the server sends them.
fn messages(wire: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::with_capacity(ROWS);
    let mut rest = wire;
    while let Some(length) = tuple_length(rest) {
        let (message, behind) = rest.split_at(length);
        messages.push(message);
        rest = behind;
    }
    messages
}

fn tuple_length(bytes: &[u8]) -> Option<usize> {
    let count = i16::from_be_bytes(*bytes.first_chunk()?);
    let mut at = 2;
    for _ in 0..count {
        let length = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        at += 4 + usize::try_from(length).unwrap_or(0);
    }
    Some(at)
}
