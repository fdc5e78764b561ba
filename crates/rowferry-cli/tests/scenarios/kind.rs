//! What the values of a column mean: how each database's own client is asked for them, and the one
//! form to which their texts are brought.

use rowferry_testkit::Engine;

use crate::json_form;

/// The meaning of a column, so that two engines' texts of it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Flag,
    Float,
    Decimal,
    Text,
    /// Text whose blanks at the end do not count.
    Char,
    Bytes,
    Date,
    Time,
    /// Signed length, compared in microseconds.
    Duration,
    Stamp,
    Instant,
    /// A number that counts time in SQLite, an instant there: seconds since 1970, or Julian days
    /// where it has a fraction.
    Epoch,
    Uuid,
    /// By value: order of members, spaces and spelling of numbers do not count.
    Json,
    /// An array here, JSON text there: every element as text.
    List,
    /// Some of the labels: an array here, text with commas there.
    Set,
    /// Money of the C locale or a decimal.
    Money,
    Bits,
    /// The owner's text form.
    Own,
    /// A cell of SQLite with its class.
    Cell,
}

impl Kind {
    /// The kind of that name in a fixture.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "int" => Self::Int,
            "flag" => Self::Flag,
            "float" => Self::Float,
            "decimal" => Self::Decimal,
            "text" => Self::Text,
            "char" => Self::Char,
            "bytes" => Self::Bytes,
            "date" => Self::Date,
            "time" => Self::Time,
            "duration" => Self::Duration,
            "stamp" => Self::Stamp,
            "instant" => Self::Instant,
            "epoch" => Self::Epoch,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "list" => Self::List,
            "set" => Self::Set,
            "money" => Self::Money,
            "bits" => Self::Bits,
            "own" => Self::Own,
            "cell" => Self::Cell,
            _ => return None,
        })
    }

    /// The expression that gives a value's text. What may hold tabs and line ends travels as hex.
    pub(crate) fn expression(self, engine: Engine, column: &str) -> String {
        match engine {
            Engine::Postgres => match self {
                Self::Text | Self::Char | Self::Json | Self::Own | Self::Cell => {
                    format!("encode(convert_to({column}::text, 'UTF8'), 'hex')")
                }
                Self::Bytes => format!("encode({column}, 'hex')"),
                Self::Flag => format!("{column}::integer"),
                Self::Instant | Self::Epoch => format!("timezone('UTC', {column})"),
                Self::Float => format!("{column}::float8"),
                Self::Bits => format!(
                    "case when pg_typeof({column})::text like 'bit%' then 'b' else '' end || {column}::text"
                ),
                Self::List | Self::Set => {
                    format!("encode(convert_to(to_jsonb({column})::text, 'UTF8'), 'hex')")
                }
                Self::Int
                | Self::Decimal
                | Self::Money
                | Self::Date
                | Self::Time
                | Self::Duration
                | Self::Stamp
                | Self::Uuid => format!("{column}::text"),
            },
            Engine::Mariadb | Engine::Mysql => match self {
                Self::Text
                | Self::Char
                | Self::Json
                | Self::Own
                | Self::List
                | Self::Set
                | Self::Cell => {
                    format!("lower(hex(convert({column} using utf8mb4)))")
                }
                Self::Bytes => format!("lower(hex({column}))"),
                Self::Flag | Self::Bits => format!("{column} + 0"),
                Self::Uuid => format!("if(length({column}) = 16, hex({column}), {column})"),
                // A float prints six digits, its product all; a sum would lose the sign of zero.
                Self::Float => format!("{column} * 1e0"),
                Self::Int
                | Self::Decimal
                | Self::Money
                | Self::Date
                | Self::Time
                | Self::Duration
                | Self::Stamp
                | Self::Instant
                | Self::Epoch => column.to_owned(),
            },
            Engine::Sqlite => self.of_cells(column),
        }
    }

    /// [`Self::expression`] for SQLite, whose cells have a class of their own.
    fn of_cells(self, column: &str) -> String {
        let text = match self {
            Self::Text
            | Self::Char
            | Self::Bytes
            | Self::Json
            | Self::Own
            | Self::List
            | Self::Set => format!("lower(hex({column}))"),
            Self::Epoch => format!(
                "case typeof({column}) when 'real' \
                 then strftime('%Y-%m-%d %H:%M:%f', {column}) \
                 else strftime('%Y-%m-%d %H:%M:%f', {column}, 'unixepoch') end"
            ),
            // SQLite 3.40 prints the largest doubles wrong in the last digit; bits cannot be.
            Self::Float => format!("'x' || hex(ieee754_to_blob({column}))"),
            Self::Decimal | Self::Money => format!(
                "case typeof({column}) when 'real' then 'x' || hex(ieee754_to_blob({column})) \
                 else {column} end"
            ),
            Self::Uuid | Self::Bits => format!(
                "case typeof({column}) when 'blob' then 'x' || hex({column}) else {column} end"
            ),
            Self::Cell => format!(
                "typeof({column}) || ' ' || case typeof({column}) when 'real' \
                 then hex(ieee754_to_blob({column})) else hex({column}) end"
            ),
            Self::Int
            | Self::Flag
            | Self::Date
            | Self::Time
            | Self::Duration
            | Self::Stamp
            | Self::Instant => column.to_owned(),
        };
        format!("case when {column} is null then null else {text} end")
    }

    /// The one form of a text that [`Self::expression`] gave.
    pub(crate) fn normal(self, field: &str) -> String {
        if field == "\\N" || field == "NULL" {
            return "null".to_owned();
        }
        match self {
            Self::Flag | Self::Text | Self::Bytes | Self::Date | Self::Own | Self::Cell => {
                field.to_owned()
            }
            // Also 0000, a year.
            Self::Int => field.parse::<i128>().map_or_else(|_| field.to_owned(), |n| n.to_string()),
            Self::Char => without_blanks(field).to_owned(),
            Self::Float => match (field.strip_prefix('x'), field.parse::<f64>()) {
                (Some(bits), _) => bits.to_lowercase(),
                (None, Ok(value)) => format!("{:016x}", value.to_bits()),
                (None, Err(_)) => field.to_owned(),
            },
            Self::Decimal | Self::Money => decimal(field),
            Self::Time => short_fraction(field).to_owned(),
            Self::Duration => duration(field),
            Self::Stamp | Self::Instant | Self::Epoch => stamp(field),
            Self::Uuid => field.trim_start_matches(['\\', 'x']).replace('-', "").to_lowercase(),
            Self::Json => json_form::of_hex(field, false),
            Self::List => json_form::of_hex(field, true),
            Self::Set => json_form::labels_of_hex(field),
            Self::Bits => bits(field),
        }
    }
}

fn without_blanks(hex: &str) -> &str {
    let mut rest = hex;
    while let Some(shorter) = rest.strip_suffix("20").filter(|_| rest.len().is_multiple_of(2)) {
        rest = shorter;
    }
    rest
}

fn decimal(field: &str) -> String {
    let field = match field.strip_prefix('x').and_then(|bits| u64::from_str_radix(bits, 16).ok()) {
        Some(bits) => f64::from_bits(bits).to_string(),
        None => field.to_owned(),
    };
    let short = short_fraction(&field);
    match short.strip_prefix('-') {
        Some(digits) if digits.trim_matches('0').is_empty() => "0".to_owned(),
        _ => short.to_owned(),
    }
}

fn duration(field: &str) -> String {
    let (sign, rest) = field.strip_prefix('-').map_or(("", field), |rest| ("-", rest));
    let mut parts = rest.split(':');
    let mut next = || parts.next().unwrap_or_default();
    let (hours, minutes, seconds) = (next(), next(), next());
    let number = |text: &str| text.parse::<u64>();
    match (number(hours), number(minutes)) {
        (Ok(hours), Ok(minutes)) => {
            let sum = hours * 3_600 + minutes * 60;
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            let sum = sum + whole.parse::<u64>().unwrap_or(0);
            let fraction = fraction.trim_end_matches('0');
            let sign = if sum == 0 && fraction.is_empty() { "" } else { sign };
            format!("{sign}{sum}.{fraction}s")
        }
        _ => field.to_owned(),
    }
}

fn stamp(field: &str) -> String {
    let (text, era) = field.strip_suffix(" BC").map_or((field, ""), |text| (text, " BC"));
    let text = text.replacen('T', " ", 1);
    let text = text.trim_end_matches('Z').trim_end_matches("+00:00").trim_end_matches("+00");
    format!("{}{era}", short_fraction(text.trim_end()))
}

fn bits(field: &str) -> String {
    let number = if let Some(bits) = field.strip_prefix('b') {
        u64::from_str_radix(bits, 2).ok()
    } else if let Some(bytes) = field.trim_start_matches('\\').strip_prefix('x') {
        u64::from_str_radix(bytes, 16).ok()
    } else {
        field.parse().ok()
    };
    number.map_or_else(|| field.to_owned(), |number| number.to_string())
}

/// `1.500` and `1.5` are the same number.
fn short_fraction(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[test]
fn texts_of_one_value_become_one_form_and_texts_of_two_do_not() {
    let same = |kind: Kind, left: &str, right: &str| {
        assert_eq!(kind.normal(left), kind.normal(right), "{kind:?}");
    };
    let apart = |kind: Kind, left: &str, right: &str| {
        assert_ne!(kind.normal(left), kind.normal(right), "{kind:?}");
    };
    same(Kind::Decimal, "1.100", "1.1");
    same(Kind::Decimal, "0.00", "-0");
    same(Kind::Decimal, "x3FF8000000000000", "1.5");
    apart(Kind::Decimal, "100", "1");
    same(Kind::Float, "0.1", "x3FB999999999999A");
    apart(Kind::Float, "1234567890123456", "x1234567890123456");
    apart(Kind::Float, "0.1", "0.10000001");
    same(Kind::Duration, "-1:02:03.50", "-01:02:03.5");
    apart(Kind::Duration, "1:02:03", "-1:02:03");
    same(Kind::Stamp, "2024-01-01T00:00:00.500000Z", "2024-01-01 00:00:00.5");
    apart(Kind::Stamp, "0044-01-01 00:00:00 BC", "0044-01-01 00:00:00");
    same(Kind::Bits, "b101", "5");
    apart(Kind::Bits, "b101", "101");
    same(Kind::Char, "612020", "61");
    apart(Kind::Char, "6102", "61");
    apart(Kind::Text, "6120", "61");
}
