//! The tables: a small shop with every kind of column and key, and one plain table for benches.
//! Long for a table of recipes; one line per column.

use std::fmt::Write as _;

use rowferry_core::{CanonicalType as T, JsonFlavor};

use crate::dice::mix;
use crate::numbering::{LINES, Numbering, text_key, uuid_key};
use crate::request::{Request, SHOP_ROWS, Set};
use crate::table::{Fill, Recipe, Table};

/// 2020-01-01 in days since 1970, and in microseconds.
const DAY_2020: i64 = 18_262;
const MICROS_OF_DAY: i64 = 86_400_000_000;
const MICROS_2020: i64 = DAY_2020 * MICROS_OF_DAY;
/// Five years, the span of the shop's history.
const MICROS_OF_HISTORY: u64 = 5 * 365 * 86_400_000_000;

const NAMES: [&str; 8] = ["Ada", "Boris", "Chloë", "Dương", "Émile", "Fatıma", "Grzegorz", "春香"];
const CITIES: [&str; 8] =
    ["Lisboa", "Zürich", "Kraków", "København", "Αθήνα", "東京", "Québec", "O'Fallon"];
const THINGS: [&str; 6] = ["lamp", "kettle", "chair", "notebook \"A5\"", "tea, green", "scarf"];
const STATES: [&str; 4] = ["new", "paid", "sent", "returned"];

/// The tables of a request.
pub(crate) fn tables(request: &Request) -> Vec<Table> {
    let share = |of_shop: u64| {
        let rows = u128::from(of_shop) * u128::from(request.rows) / u128::from(SHOP_ROWS);
        u64::try_from(rows).unwrap_or(u64::MAX)
    };
    match request.set {
        Set::Rows => vec![plain(request.rows)],
        Set::Shop => vec![
            addresses(share(20_000)),
            customers(share(10_000)),
            events(share(65_000)),
            order_items(share(150_000)),
            orders(share(50_000)),
            products(share(5_000)),
        ],
    }
}

const fn recipe(name: &'static str, canonical: T, null_every: u64, fill: Fill) -> Recipe {
    Recipe { name, canonical, null_every, fill }
}

const fn text(chars: u32) -> T {
    T::Text { chars: Some(chars), fixed: false }
}

const fn decimal(precision: u8, scale: u8) -> T {
    T::Decimal { precision, scale }
}

fn customers(rows: u64) -> Table {
    let labels = ["active", "blocked", "closed"].map(str::to_owned).to_vec();
    let recipes = vec![
        recipe("id", T::Uuid, 0, Fill::Uuid(|row, _| uuid_key(row))),
        recipe(
            "name",
            text(80),
            0,
            Fill::Text(|row, r, out| {
                put(out, format_args!("{} no. {row}", pick(&NAMES, r)));
            }),
        ),
        recipe(
            "email",
            text(120),
            20,
            Fill::Text(|row, _, out| {
                put(out, format_args!("customer{row}@example.org"));
            }),
        ),
        recipe(
            "status",
            T::Enum { labels },
            0,
            Fill::Text(|_, r, out| {
                out.push_str(pick(&["active", "blocked", "closed"], r));
            }),
        ),
        recipe("credit", decimal(12, 2), 9, Fill::Decimal(|_, r| money(r))),
        recipe("newsletter", T::Boolean, 11, Fill::Bool(|_, r| r % 2 == 0)),
        recipe("born", T::Date, 7, Fill::Int(|_, r| DAY_2020 - below(r, 30_000))),
        recipe("rating", T::Float32, 5, Fill::Float(|_, r| half_steps(r, 11))),
        recipe("created_at", T::Instant { digits: 6 }, 0, Fill::Int(|_, r| moment(r))),
        recipe("settings", T::Json { flavor: JsonFlavor::Text }, 4, Fill::Text(json)),
    ];
    Table { name: "customers", rows, numbering: Numbering::Uuid { column: "id" }, recipes }
}

fn addresses(rows: u64) -> Table {
    let recipes = vec![
        recipe("old_number", T::Int64, 50, Fill::Int(|row, _| int(row + 1))),
        recipe(
            "street",
            text(100),
            0,
            Fill::Text(|_, r, out| {
                put(out, format_args!("{} {}\tb", pick(&CITIES, r >> 8), r % 300));
            }),
        ),
        recipe("city", text(60), 30, Fill::Text(|_, r, out| out.push_str(pick(&CITIES, r)))),
        recipe(
            "country",
            T::Text { chars: Some(2), fixed: true },
            0,
            Fill::Text(|_, r, out| {
                out.push_str(pick(&["PT", "CH", "PL", "DK", "GR", "JP"], r));
            }),
        ),
        recipe("latitude", T::Float64, 13, Fill::Float(|_, r| fraction(r) * 180.0 - 90.0)),
        recipe("floor", T::Int8, 3, Fill::Int(|_, r| below(r, 256) - 128)),
    ];
    let numbering = Numbering::NullableInt { column: "old_number", null_every: 50 };
    Table { name: "addresses", rows, numbering, recipes }
}

fn products(rows: u64) -> Table {
    let recipes = vec![
        recipe("sku", text(24), 0, Fill::Text(|row, _, out| out.push_str(&text_key(row)))),
        recipe(
            "name",
            text(100),
            0,
            Fill::Text(|_, r, out| {
                put(out, format_args!("{} {:04x}", pick(&THINGS, r), r >> 48));
            }),
        ),
        recipe("price", decimal(10, 2), 0, Fill::Decimal(|_, r| money(r).abs())),
        recipe("weight", T::Float64, 6, Fill::Float(|_, r| fraction(r) * 50.0)),
        recipe("stock", T::UInt32, 0, Fill::Int(|_, r| below(r, 1 << 32))),
        recipe("rack", T::UInt8, 8, Fill::Int(|_, r| below(r, 1 << 8))),
        recipe("picture", T::Binary { bytes: None, fixed: false }, 3, Fill::Bytes(bytes)),
        recipe("added", T::Date, 0, Fill::Int(|_, r| DAY_2020 + below(r, 1_800))),
        recipe(
            "opens",
            T::Time { digits: 6 },
            10,
            Fill::Int(|_, r| below(r, MICROS_OF_DAY.unsigned_abs())),
        ),
    ];
    Table { name: "products", rows, numbering: Numbering::Text { column: "sku" }, recipes }
}

fn orders(rows: u64) -> Table {
    let recipes = vec![
        recipe("id", T::Int64, 0, Fill::Int(|row, _| int(row * 2 + 1))),
        recipe("customer_id", T::Uuid, 0, Fill::Uuid(|_, r| uuid_key(r % 1_000))),
        recipe("placed_at", T::Timestamp { digits: 6 }, 0, Fill::Int(|_, r| moment(r))),
        recipe("status", text(10), 0, Fill::Text(|_, r, out| out.push_str(pick(&STATES, r)))),
        recipe("total", decimal(38, 4), 0, Fill::Decimal(|_, r| money(r) * 100 + 7)),
        recipe(
            "note",
            text(200),
            2,
            Fill::Text(|_, r, out| {
                put(out, format_args!("line one\nline two \\ {}", r % 97));
            }),
        ),
        recipe("flags", T::UInt16, 0, Fill::Int(|_, r| below(r, 1 << 16))),
        recipe("priority", T::Int16, 12, Fill::Int(|_, r| below(r, 1 << 16) - (1 << 15))),
    ];
    let numbering = Numbering::Int { column: "id", step: 2 };
    Table { name: "orders", rows, numbering, recipes }
}

fn order_items(rows: u64) -> Table {
    let recipes = vec![
        recipe("order_id", T::Int64, 0, Fill::Int(|row, _| int(row / LINES + 1))),
        recipe("line", T::Int16, 0, Fill::Int(|row, _| int(row % LINES + 1))),
        recipe("sku", text(24), 0, Fill::Text(|_, r, out| out.push_str(&text_key(r % 5_000)))),
        recipe("quantity", T::Int32, 0, Fill::Int(|_, r| below(r, 1 << 32) - (1 << 31))),
        recipe("price", decimal(12, 2), 0, Fill::Decimal(|_, r| money(r))),
        recipe("discount", T::Float32, 4, Fill::Float(|_, r| half_steps(r, 100))),
        recipe("weighed", T::UInt64, 15, Fill::Unsigned(|_, r| r)),
    ];
    let numbering = Numbering::Composite { order: "order_id", line: "line" };
    Table { name: "order_items", rows, numbering, recipes }
}

fn events(rows: u64) -> Table {
    let recipes = vec![
        recipe("happened_at", T::Instant { digits: 6 }, 0, Fill::Int(|_, r| moment(r))),
        recipe(
            "kind",
            text(20),
            0,
            Fill::Text(|_, r, out| {
                out.push_str(pick(&["view", "click", "buy"], r));
            }),
        ),
        recipe("session", T::Uuid, 6, Fill::Uuid(|_, r| uuid_key(r & 0xffff))),
        recipe("payload", T::Json { flavor: JsonFlavor::Text }, 5, Fill::Text(json)),
        recipe("raw", T::Binary { bytes: None, fixed: false }, 2, Fill::Bytes(bytes)),
        recipe("took", T::Int64, 0, Fill::Int(|_, r| r.cast_signed())),
    ];
    Table { name: "events", rows, numbering: Numbering::None, recipes }
}

fn plain(rows: u64) -> Table {
    let recipes = vec![
        recipe("id", T::Int64, 0, Fill::Int(|row, _| int(row + 1))),
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
    Table { name: "rows", rows, numbering: Numbering::Int { column: "id", step: 1 }, recipes }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

fn pick<'a>(words: &[&'a str], r: u64) -> &'a str {
    let count = words.len() as u64;
    usize::try_from(r % count.max(1)).ok().and_then(|index| words.get(index)).copied().unwrap_or("")
}

fn json(row: u64, r: u64, out: &mut String) {
    put(
        out,
        format_args!("{{\"n\": {row}, \"tags\": [\"a\", \"ü\"], \"deep\": {{\"x\": {}}}}}", r % 10),
    );
}

fn bytes(_: u64, r: u64, out: &mut Vec<u8>) {
    // 0 to 31 bytes, zero bytes among them.
    for index in 0..r % 32 {
        out.push(mix(r ^ index).to_le_bytes()[0]);
    }
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number below `limit`, evenly enough for test rows.
fn below(r: u64, limit: u64) -> i64 {
    int(r % limit.max(1))
}

/// Cents between −999,999.99 and 999,999.99.
fn money(r: u64) -> i128 {
    i128::from(r % 200_000_000) - 99_999_999
}

fn moment(r: u64) -> i64 {
    MICROS_2020 + below(r, MICROS_OF_HISTORY)
}

/// Evenly in `0 <= x < 1`, from 53 bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
fn fraction(r: u64) -> f64 {
    (r >> 11) as f64 / (1_u64 << 53) as f64
}

/// Multiples of a half, exact in both float widths.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn half_steps(r: u64, steps: u64) -> f64 {
    (r % steps) as f64 / 2.0
}
