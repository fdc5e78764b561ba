//! Single tables for benches, each with a dense integer key: of all kinds of columns, or of one shape
//! that is hard in one way.

use rowferry_core::CanonicalType as T;

use crate::dice::mix;
use crate::numbering::Numbering;
use crate::table::{Fill, Nulls, Recipe, Table};
use crate::values::{
    DAY_2020, NAMES, STATES, THINGS, below, decimal, fraction, int, moment, money, pick, put,
    recipe, text,
};

/// Columns of the wide table, with its key.
const WIDE_COLUMNS: usize = 100;

/// Characters of a long text.
const LONG_TEXT: usize = 2_000;

/// Of ten cells of the sparse table, nine are NULL.
const SPARSE: u64 = 10;

fn table(name: &'static str, rows: u64, recipes: Vec<Recipe>) -> Table {
    Table { name, rows, numbering: Numbering::Int { column: "id", step: 1 }, recipes }
}

fn id() -> Recipe {
    recipe("id", T::Int64, 0, Fill::Int(|row, _| int(row + 1)))
}

/// Some columns of several kinds.
pub(crate) fn rows(rows: u64) -> Table {
    let recipes = vec![
        id(),
        recipe("part", T::Int32, 0, Fill::Int(|_, r| below(r, 200_000))),
        recipe("quantity", decimal(12, 2), 0, Fill::Decimal(|_, r| money(r))),
        recipe("price", decimal(12, 2), 0, Fill::Decimal(|_, r| money(mix(r)))),
        recipe("ratio", T::Float64, 10, Fill::Float(|_, r| fraction(r))),
        recipe("flag", T::Boolean, 0, Fill::Bool(|_, r| r % 3 == 0)),
        recipe("shipped", T::Date, 0, Fill::Int(|_, r| DAY_2020 + below(r, 2_500))),
        recipe("seen_at", T::Timestamp { digits: 6 }, 0, Fill::Int(|_, r| moment(r))),
        recipe("status", text(10), 0, Fill::Text(|_, r, out| out.push_str(pick(&STATES, r)))),
        recipe(
            "comment",
            text(44),
            8,
            Fill::Text(|_, r, out| {
                put(
                    out,
                    format_args!(
                        "{} for {} {:08x}",
                        pick(&THINGS, r),
                        pick(&NAMES, r >> 9),
                        r >> 32
                    ),
                );
            }),
        ),
    ];
    table("rows", rows, recipes)
}

/// The columns of TPC-H's lineitem behind a key; its values are of the same kinds and widths, not
/// those of the benchmark.
pub(crate) fn lineitem(rows: u64) -> Table {
    let fixed = |chars| T::Text { chars: Some(chars), fixed: true };
    let day = |_, r| DAY_2020 + below(r, 2_500);
    let recipes = vec![
        id(),
        recipe("l_orderkey", T::Int64, 0, Fill::Int(|row, _| int(row / 4 + 1))),
        recipe("l_partkey", T::Int64, 0, Fill::Int(|_, r| below(r, 200_000))),
        recipe("l_suppkey", T::Int64, 0, Fill::Int(|_, r| below(r, 10_000))),
        recipe("l_linenumber", T::Int32, 0, Fill::Int(|row, _| int(row % 4 + 1))),
        recipe("l_quantity", decimal(15, 2), 0, Fill::Decimal(|_, r| i128::from(r % 50) * 100)),
        recipe("l_extendedprice", decimal(15, 2), 0, Fill::Decimal(|_, r| money(r).abs() / 10)),
        recipe("l_discount", decimal(15, 2), 0, Fill::Decimal(|_, r| i128::from(r % 11))),
        recipe("l_tax", decimal(15, 2), 0, Fill::Decimal(|_, r| i128::from(r % 9))),
        recipe(
            "l_returnflag",
            fixed(1),
            0,
            Fill::Text(|_, r, o| o.push_str(pick(&["A", "N", "R"], r))),
        ),
        recipe("l_linestatus", fixed(1), 0, Fill::Text(|_, r, o| o.push_str(pick(&["F", "O"], r)))),
        recipe("l_shipdate", T::Date, 0, Fill::Int(day)),
        recipe("l_commitdate", T::Date, 0, Fill::Int(day)),
        recipe("l_receiptdate", T::Date, 0, Fill::Int(day)),
        recipe(
            "l_shipinstruct",
            fixed(25),
            0,
            Fill::Text(|_, r, out| {
                out.push_str(pick(&["COLLECT COD", "DELIVER IN PERSON", "NONE"], r));
            }),
        ),
        recipe(
            "l_shipmode",
            fixed(10),
            0,
            Fill::Text(|_, r, out| out.push_str(pick(&["AIR", "FOB", "MAIL", "RAIL", "SHIP"], r))),
        ),
        recipe("l_comment", text(44), 0, Fill::Text(comment)),
    ];
    table("lineitem", rows, recipes)
}

/// Four integers.
pub(crate) fn narrow(rows: u64) -> Table {
    let number = |_, r| below(r, 1 << 31);
    let columns = ["a", "b", "c"].map(|name| recipe(name, T::Int32, 0, Fill::Int(number)));
    table("narrow", rows, std::iter::once(id()).chain(columns).collect())
}

/// A hundred columns of five kinds.
pub(crate) fn wide(rows: u64) -> Table {
    let column = |at: usize| {
        let (canonical, fill) = match at % 5 {
            0 => (T::Int64, Fill::Int(|_, r| r.cast_signed())),
            1 => (T::Float64, Fill::Float(|_, r| fraction(r))),
            2 => (decimal(12, 2), Fill::Decimal(|_, r| money(r))),
            3 => (T::Timestamp { digits: 6 }, Fill::Int(|_, r| moment(r))),
            _ => (text(10), Fill::Text(|_, r, out| out.push_str(pick(&STATES, r)))),
        };
        Recipe { name: format!("c{at}").into(), canonical, nulls: Nulls::Never, fill }
    };
    table("wide", rows, std::iter::once(id()).chain((1..WIDE_COLUMNS).map(column)).collect())
}

/// Texts of two thousand characters.
pub(crate) fn texts(rows: u64) -> Table {
    let long = |row, r, out: &mut String| {
        let end = out.len() + LONG_TEXT;
        let mut word = r;
        while out.len() < end {
            comment(row, word, out);
            out.push(' ');
            word = mix(word);
        }
        while out.len() > end {
            out.pop();
        }
    };
    let body = T::Text { chars: None, fixed: false };
    table("texts", rows, vec![id(), recipe("body", body, 0, Fill::Text(long))])
}

/// Twenty columns with a value in every tenth cell.
pub(crate) fn sparse(rows: u64) -> Table {
    let column = |at: usize| {
        let (canonical, fill) = match at % 3 {
            0 => (T::Int64, Fill::Int(|_, r| int(r >> 1))),
            1 => (T::Date, Fill::Int(|_, r| DAY_2020 + below(r, 2_500))),
            _ => (text(44), Fill::Text(comment)),
        };
        Recipe { name: format!("c{at}").into(), canonical, nulls: Nulls::AllButOneIn(SPARSE), fill }
    };
    table("sparse", rows, std::iter::once(id()).chain((1..21).map(column)).collect())
}

fn comment(_: u64, r: u64, out: &mut String) {
    put(out, format_args!("{} for {} {:08x}", pick(&THINGS, r), pick(&NAMES, r >> 9), r >> 32));
}
