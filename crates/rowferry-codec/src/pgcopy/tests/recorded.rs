//! The values that a real server wrote, and what each of them is on both sides of the codec.

use rowferry_core::{CanonicalType as C, JsonFlavor};

use super::{super::TypeShape as T, PgType as P};

const VALUES: &str = include_str!("../../../../../fixtures/wire/postgres/values.toml");

/// The lines under `[name]`.
fn section(name: &str) -> &'static str {
    let start = VALUES.split(&format!("\n[{name}]\n")).nth(1);
    start.unwrap_or_else(|| panic!("{name} is not recorded")).split("\n\n").next().unwrap()
}

/// The tuple of one column.
pub(super) fn bytes(name: &str) -> Vec<u8> {
    let hex = section(name).split("hex = \"").nth(1).unwrap().split('"').next().unwrap();
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What the server made of the value as text.
pub(super) fn text(name: &str) -> &'static str {
    let rest = section(name).split_once("text = '''").unwrap().1;
    rest.rsplit_once("'''\nhex").unwrap().0
}

/// The number of a type of the schemas `here` and `there`.
pub(super) fn oid(schema: &str, name: &str) -> u32 {
    text(&format!("{schema}_oid_{name}")).parse().unwrap()
}

/// Names of all values.
pub(super) fn names() -> Vec<&'static str> {
    VALUES.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']')).collect()
}

pub(super) const TEXT: C = C::Text { chars: None, fixed: false };
pub(super) const BINARY: C = C::Binary { bytes: None, fixed: false };
pub(super) const LABELS: [&str; 3] = ["sad", "ok", "very, \"happy\""];

pub(super) fn numeric(precision: u16, scale: i16) -> P {
    P::Numeric { precision_scale: Some((precision, scale)) }
}

pub(super) fn list(element: C) -> C {
    C::List { element: Box::new(element) }
}

pub(super) fn array(element: P, oid: u32) -> P {
    P::Array { element: Box::new(element), oid }
}

pub(super) fn labels() -> Vec<String> {
    LABELS.iter().map(|label| (*label).to_owned()).collect()
}

/// The values with a meaning of their own: name, canonical type, type on the server.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn meaningful() -> Vec<(&'static str, C, P)> {
    let decimal = |precision, scale| C::Decimal { precision, scale };
    let any = || P::Numeric { precision_scale: None };
    let char1 = || C::Binary { bytes: Some(1), fixed: true };
    let bits = |bits, varying| C::BitString { bits, varying };
    let enumeration = || C::Enum { labels: labels() };
    let mood = || P::Enum { labels: labels() };
    let mut table = vec![
        ("bool", C::Boolean, P::Bool),
        ("bool_false", C::Boolean, P::Bool),
        ("int2", C::Int16, P::Int2),
        ("int4", C::Int32, P::Int4),
        ("int8", C::Int64, P::Int8),
        ("oid", C::UInt32, P::Oid),
        ("xid", C::UInt32, P::Xid),
        ("cid", C::UInt32, P::Xid),
        ("xid8", C::UInt64, P::Xid8),
        ("pg_lsn", C::UInt64, P::Lsn),
        ("float4", C::Float32, P::Float4),
        ("float4_third", C::Float32, P::Float4),
        ("float8", C::Float64, P::Float8),
        ("float8_tenth", C::Float64, P::Float8),
        ("float8_infinity", C::Float64, P::Float8),
        ("float8_least", C::Float64, P::Float8),
        ("money", decimal(19, 2), P::Money { digits: 2 }),
        ("money_least", decimal(19, 2), P::Money { digits: 2 }),
        ("numeric_money", decimal(15, 2), numeric(15, 2)),
        ("numeric_zero", decimal(15, 2), numeric(15, 2)),
        ("numeric_small", decimal(15, 10), numeric(15, 10)),
        ("numeric_38", decimal(38, 3), numeric(38, 3)),
        ("numeric_wide", decimal(50, 7), numeric(50, 7)),
        // What a decimal becomes once a NaN came.
        ("numeric_money", C::DecimalText, numeric(15, 2)),
        ("numeric_wide", C::DecimalText, numeric(50, 7)),
        ("numeric_nan_typed", C::DecimalText, numeric(15, 2)),
        ("numeric_negative_scale", C::DecimalText, numeric(5, -3)),
        ("numeric_wide_scale", C::DecimalText, numeric(3, 5)),
        ("numeric_power", C::DecimalText, any()),
        ("numeric_tiny", C::DecimalText, any()),
        ("numeric_scale", C::DecimalText, any()),
        ("numeric_nan", C::DecimalText, any()),
        ("numeric_infinity", C::DecimalText, any()),
        ("numeric_long", C::DecimalText, any()),
        ("bit3", C::Bits { bits: 3 }, P::Bit { bits: 3 }),
        ("bit12", C::Bits { bits: 12 }, P::Bit { bits: 12 }),
        ("bit64", C::Bits { bits: 64 }, P::Bit { bits: 64 }),
        ("bit65", bits(Some(65), false), P::Bit { bits: 65 }),
        ("bit12", bits(None, true), P::Bit { bits: 12 }),
        ("varbit", bits(None, true), P::VarBit { bits: None }),
        ("varbit_empty", bits(None, true), P::VarBit { bits: None }),
        ("varbit_bounded", bits(Some(9), true), P::VarBit { bits: Some(9) }),
        ("text", TEXT, P::Text),
        ("text_empty", TEXT, P::Text),
        ("varchar", C::Text { chars: Some(3), fixed: false }, P::Varchar { chars: Some(3) }),
        ("bpchar", C::Text { chars: Some(5), fixed: true }, P::Bpchar { chars: Some(5) }),
        ("name", TEXT, P::Text),
        ("citext", TEXT, P::Text),
        ("unknown", TEXT, P::Text),
        ("xml", C::Opaque { type_name: "xml".to_owned(), chars: None }, P::Text),
        ("char", char1(), P::Char1),
        ("char_zero", char1(), P::Char1),
        ("char_high", char1(), P::Char1),
        ("enum", enumeration(), mood()),
        ("enum", TEXT, mood()),
        ("bytea", BINARY, P::Bytea),
        ("json", C::Json { flavor: JsonFlavor::Text }, P::Json),
        ("jsonb", C::Json { flavor: JsonFlavor::PgJsonb }, P::Jsonb),
        ("uuid", C::Uuid, P::Uuid),
        ("uuid", TEXT, P::Uuid),
    ];
    let date = ["date", "date_bc", "date_infinity", "date_first", "date_last"];
    table.extend(date.map(|name| (name, C::Date, P::Date)));
    let timestamp = |name| (name, C::Timestamp { digits: 6 }, P::Timestamp { digits: 6 });
    table.extend(
        ["timestamp", "timestamp_infinity", "timestamp_bc", "timestamp_first", "timestamp_wide"]
            .map(timestamp),
    );
    let instant = |name| (name, C::Instant { digits: 6 }, P::TimestampTz { digits: 6 });
    table.extend(["timestamptz", "timestamptz_minus_infinity"].map(instant));
    let time = |name| (name, C::Time { digits: 6 }, P::Time { digits: 6 });
    table.extend(["time", "time_digits", "time_last"].map(time));
    let timetz = [
        "timetz",
        "timetz_minutes",
        "timetz_seconds",
        "timetz_day",
        "timetz_utc",
        "timetz_below_an_hour",
    ];
    table.extend(timetz.map(|name| (name, C::TimeTz, P::TimeTz { digits: 6 })));
    let interval =
        ["interval", "interval_parts", "interval_signs", "interval_zero", "interval_widest"];
    table.extend(interval.map(|name| (name, C::Interval, P::Interval { digits: 6 })));
    table.push(("interval_digits", C::Interval, P::Interval { digits: 2 }));
    table.push(("interval", C::Duration { digits: 6 }, P::Interval { digits: 6 }));
    table.extend(lists());
    table
}

fn lists() -> Vec<(&'static str, C, P)> {
    let ints = || (list(C::Int32), array(P::Int4, 23));
    let moods = || {
        let mood = P::Enum { labels: labels() };
        (list(C::Enum { labels: labels() }), array(mood, oid("here", "mood")))
    };
    let bpchar = || {
        let element = C::Text { chars: Some(3), fixed: true };
        (list(element), array(P::Bpchar { chars: Some(3) }, 1042))
    };
    [
        ("int4_list", ints()),
        ("int4_list_empty", ints()),
        ("int4_list_nulls", ints()),
        ("bool_list", (list(C::Boolean), array(P::Bool, 16))),
        ("text_list", (list(TEXT), array(P::Text, 25))),
        ("numeric_list", (list(C::Decimal { precision: 5, scale: 2 }), array(numeric(5, 2), 1700))),
        ("uuid_list", (list(C::Uuid), array(P::Uuid, 2950))),
        (
            "timestamptz_list",
            (list(C::Instant { digits: 6 }), array(P::TimestampTz { digits: 6 }, 1184)),
        ),
        ("enum_list", moods()),
        ("here_mood_list", moods()),
        ("here_mood_list_empty", moods()),
        ("bit_list", (list(C::Bits { bits: 3 }), array(P::Bit { bits: 3 }, 1560))),
        ("bpchar_list", bpchar()),
        ("interval_list", (list(C::Interval), array(P::Interval { digits: 6 }, 1186))),
        ("date_list", (list(C::Date), array(P::Date, 1082))),
    ]
    .map(|(name, (canonical, pg))| (name, canonical, pg))
    .into()
}

/// The values that repeat numbers of user types, by name without schema, with their shapes in one.
pub(super) fn shapes(schema: &str) -> Vec<(&'static str, T)> {
    let oid = |name| oid(schema, name);
    let array = |name, element| T::Array { element_oid: oid(name), element: Box::new(element) };
    let range = |subtype| T::Range(Box::new(subtype));
    let multirange = |range| T::Multirange(Box::new(range));
    let moods = || array("mood", T::Plain);
    let pair =
        || T::Composite { fields: vec![(23, T::Plain), (oid("mood"), T::Plain), (25, T::Plain)] };
    let nest = || T::Composite {
        fields: vec![
            (oid("pair_list"), array("pair", pair())),
            (oid("pair"), pair()),
            (oid("mood_list"), moods()),
            (oid("positive"), T::Plain),
        ],
    };
    vec![
        ("mood_list", moods()),
        ("mood_list_empty", moods()),
        ("mood_array_2d", moods()),
        ("pair", pair()),
        ("pair_nulls", pair()),
        ("pair_array", array("pair", pair())),
        ("nest", nest()),
        ("nest_empty", nest()),
        ("mood_range", range(T::Plain)),
        ("pair_range", range(pair())),
        ("pair_range_open", range(pair())),
        ("pair_range_empty", range(pair())),
        ("moods_range", range(moods())),
        ("moods_multirange", multirange(range(moods()))),
        ("pair_multirange_array", array("pair_multirange", multirange(range(pair())))),
        ("positive_list", array("positive", T::Plain)),
    ]
}
