//! What SQLite does to a value on its way into a column, and which values it leaves as they are:
//! <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.

use rowferry_core::NativeType;
use rusqlite::types::ValueRef;

/// The pull of a column towards a storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    Integer,
    Text,
    None,
    Real,
    Numeric,
}

impl Affinity {
    /// Of a declared type, by SQLite's own rules in their order.
    pub(crate) fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |word: &str| upper.contains(word);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if upper.trim().is_empty() || has("BLOB") {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Of a column: `ANY` of a strict table is described as stored like `BLOB`.
    pub(crate) fn of_native(native: &NativeType) -> Self {
        Self::of(native.stored())
    }

    /// Whether a cell keeps its class and value in a column of this affinity. In doubt it says no:
    /// a refused row is seen, a changed one is not.
    pub(crate) fn keeps(self, cell: ValueRef<'_>) -> bool {
        match (self, cell) {
            (Self::None, _)
            | (_, ValueRef::Null | ValueRef::Blob(_))
            | (Self::Text, ValueRef::Text(_))
            | (Self::Integer | Self::Numeric, ValueRef::Integer(_))
            | (Self::Real, ValueRef::Real(_)) => true,
            (Self::Text, ValueRef::Integer(_) | ValueRef::Real(_))
            | (Self::Real, ValueRef::Integer(_)) => false,
            (Self::Integer | Self::Numeric, ValueRef::Real(value)) => !becomes_integer(value),
            (Self::Integer | Self::Numeric | Self::Real, ValueRef::Text(bytes)) => {
                !looks_numeric(bytes)
            }
        }
    }
}

/// Whether numeric affinity stores a double as an integer: a whole number strictly within i64.
fn becomes_integer(value: f64) -> bool {
    // −2^63 is a double, 2^63 − 1 is not; SQLite leaves both ends of its range alone.
    const END: f64 = 9_223_372_036_854_775_808.0;
    value.fract() == 0.0 && value > -END && value < END
}

/// Whether numeric affinity takes text for a number: digits with sign, point and exponent, and
/// blanks around them. It looks no further than U+0000, and then the rest is gone.
pub(crate) fn looks_numeric(bytes: &[u8]) -> bool {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    // SQLite's blanks: space, tab, line feed, vertical tab, form feed, carriage return.
    let text = text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::Value;

    use super::*;

    const DECLARED: [&str; 5] = ["INTEGER", "TEXT", "", "REAL", "NUMERIC"];

    /// What SQLite makes of a value in a column of each affinity.
    fn stored(value: &Value) -> Vec<Value> {
        let connection = Connection::open_in_memory().unwrap();
        let columns: Vec<String> =
            DECLARED.iter().enumerate().map(|(i, declared)| format!("c{i} {declared}")).collect();
        connection.execute_batch(&format!("create table t ({})", columns.join(", "))).unwrap();
        connection.execute("insert into t values (?1, ?1, ?1, ?1, ?1)", [value]).unwrap();
        connection
            .query_row("select * from t", [], |row| {
                (0..DECLARED.len()).map(|index| row.get(index)).collect()
            })
            .unwrap()
    }

    fn check(value: &Value) {
        for (declared, stored) in DECLARED.iter().zip(stored(value)) {
            if Affinity::of(declared).keeps(value.into()) {
                assert_eq!(&stored, value, "{declared:?}");
            } else {
                assert_ne!(&stored, value, "{declared:?}");
            }
        }
    }

    #[test]
    fn names_decide_in_sqlites_order() {
        for (declared, affinity) in [
            ("CHARINT", Affinity::Integer),
            ("INTERVAL", Affinity::Integer),
            ("POINT", Affinity::Integer),
            ("NVARCHAR(10)", Affinity::Text),
            ("", Affinity::None),
            ("BLOB", Affinity::None),
            ("DOUBLE PRECISION", Affinity::Real),
            ("STRING", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
            ("PERIOD_TEXT", Affinity::Text),
            ("BIT_TEXT(70)", Affinity::Text),
        ] {
            assert_eq!(Affinity::of(declared), affinity, "{declared}");
        }
    }

    #[test]
    fn what_is_kept_is_what_sqlite_keeps() {
        for real in [0.5, 1.0, -3e18, 9.3e18, -9_223_372_036_854_775_808.0, 1e300, f64::INFINITY] {
            check(&Value::Real(real));
        }
        for integer in [0, 1, -5, i64::MAX, i64::MIN] {
            check(&Value::Integer(integer));
        }
        for text in [
            "",
            "1",
            " 1 ",
            "1.0",
            "1e3",
            "0x10",
            "inf",
            "nan",
            "1e",
            "+7",
            ".5",
            "5.",
            "1 2",
            "x",
            "007",
            "\u{b}1",
            "1\u{0}",
            "1\u{0}x",
            "\u{0}1",
            "1_000",
            "99999999999999999999",
        ] {
            check(&Value::Text(text.to_owned()));
        }
        check(&Value::Blob(b"12".to_vec()));
    }

    proptest! {
        #[test]
        fn kept_text_is_unchanged(text in "[-+0-9.eE xinfa\t\x00]{0,6}") {
            let value = Value::Text(text);
            for (declared, stored) in DECLARED.iter().zip(stored(&value)) {
                if Affinity::of(declared).keeps((&value).into()) {
                    prop_assert_eq!(&stored, &value, "{}", declared);
                }
            }
        }
    }
}
