//! A small shop with every kind of column and key. Long for a table of recipes; one line per column.

use rowferry_core::{CanonicalType as T, JsonFlavor};

use crate::dice::mix;
use crate::numbering::{LINES, Numbering, text_key, uuid_key};
use crate::request::SHOP_ROWS;
use crate::table::{Fill, Table};
use crate::values::{
    CITIES, DAY_2020, MICROS_OF_DAY, NAMES, STATES, THINGS, below, decimal, fraction, half_steps,
    int, moment, money, pick, put, recipe, text,
};

/// Six tables with so many rows together.
pub(crate) fn tables(rows: u64) -> Vec<Table> {
    let share = |of_shop: u64| {
        let share = u128::from(of_shop) * u128::from(rows) / u128::from(SHOP_ROWS);
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    vec![
        addresses(share(20_000)),
        customers(share(10_000)),
        events(share(65_000)),
        order_items(share(150_000)),
        orders(share(50_000)),
        products(share(5_000)),
    ]
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
