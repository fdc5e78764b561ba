//! What a target column can hold of the values that travel to it.

use serde::{Deserialize, Serialize};

/// Bounds of a target column, in the units of the Arrow array that travels. A value beyond them
/// is a row error, unless the column's [`crate::Policy`] says what becomes of it. NULL is always
/// inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueLimits {
    /// Whatever the type can say.
    #[default]
    Any,
    /// Integers, booleans as 0 and 1.
    Integer {
        /// Least.
        min: i128,
        /// Greatest.
        max: i128,
    },
    /// Floats.
    Float {
        /// Whether NaN can be stored.
        nan: bool,
        /// Whether the infinities can be stored.
        infinite: bool,
    },
    /// Decimals, also as text.
    Decimal {
        /// Total digits.
        precision: u32,
        /// Digits after the point.
        scale: u32,
        /// Whether NaN can be stored.
        nan: bool,
        /// Whether the infinities can be stored.
        infinite: bool,
    },
    /// Characters.
    Text {
        /// Most characters (code points).
        chars: Option<u64>,
        /// Most bytes in UTF-8.
        bytes: Option<u64>,
        /// Whether U+0000 can be stored.
        nul: bool,
        /// Only U+0000 to U+FFFF (`utf8mb3`).
        bmp_only: bool,
        /// Blanks at the end are dropped by the server, so values must not have them.
        no_trailing_blank: bool,
    },
    /// Texts that are JSON.
    Json {
        /// Whether the escape `\u0000` and halves of surrogate pairs may stand in strings.
        nul: bool,
    },
    /// One of these words.
    Labels(Vec<String>),
    /// Bytes.
    Bytes {
        /// Most bytes.
        max: u64,
        /// Every value must have exactly `max` bytes.
        exact: bool,
    },
    /// Dates (days), times, durations and timestamps (microseconds).
    Temporal {
        /// Earliest finite value.
        min: i64,
        /// Latest finite value.
        max: i64,
        /// Whether `infinity` and `-infinity` can be stored.
        infinite: bool,
        /// Whether MySQL's zero date can be stored.
        zero: bool,
        /// Fraction digits, 0 to 6.
        digits: u8,
    },
}
