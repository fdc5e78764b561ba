//! The rules that a single value can break. Words only: a value never enters a message.

/// A broken rule and the way out. Leaves return it; columns add their name and the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) words: &'static str,
    pub(super) next: &'static str,
    /// Whether a wider canonical type could hold the value.
    pub(super) unrepresentable: bool,
}

const WIDEN: &str = "Give the target column a wider type, or cast the source column.";
const DAMAGED: &str =
    "The bytes do not follow the COPY binary format; check proxies between here and the server.";
const AS_TEXT: &str = "Cast the column to text, or leave it out.";

impl Rule {
    const fn new(words: &'static str, next: &'static str) -> Self {
        Self { words, next, unrepresentable: false }
    }

    /// A sound value that the canonical type cannot hold.
    const fn unrepresentable(words: &'static str, next: &'static str) -> Self {
        Self { words, next, unrepresentable: true }
    }

    // Values that came from the server.
    pub(super) const LENGTH: Self = Self::new("the field's length does not fit its type", DAMAGED);
    pub(super) const UTF8: Self = Self::new("the text is not valid UTF-8", DAMAGED);
    pub(super) const JSONB_VERSION: Self =
        Self::new("the jsonb value has an unknown version", AS_TEXT);
    pub(super) const NUMERIC_FORM: Self = Self::new("the numeric value is malformed", DAMAGED);
    pub(super) const NOT_FINITE: Self = Self::unrepresentable(
        "NaN and infinity are not decimals",
        "Cast the column to text, or filter those rows.",
    );
    pub(super) const CALENDAR: Self = Self::unrepresentable(
        "the date or time is outside the range of a microsecond timestamp",
        AS_TEXT,
    );
    pub(super) const INTERVAL_PARTS: Self = Self::unrepresentable(
        "an interval with days or months is not a plain length of time",
        AS_TEXT,
    );

    pub(super) const LIST_SHAPE: Self = Self::unrepresentable(
        "an array of several dimensions, or with a lower bound other than 1, is no list",
        AS_TEXT,
    );
    pub(super) const ARRAY_FORM: Self = Self::new("the array is malformed", DAMAGED);
    pub(super) const ELEMENT_TYPE: Self = Self::new(
        "the array's elements are of another type than its column says",
        "Plan again: the column's type was changed on the server.",
    );
    pub(super) const BIT_FORM: Self = Self::new("the bit string is malformed", DAMAGED);
    pub(super) const SHAPE: Self = Self::new(
        "the value does not have the structure of its type",
        "Check that the type is defined alike on both servers, or cast the column to text.",
    );

    // Values on their way to the server.
    pub(super) const RANGE: Self = Self::new("the number is outside the target's range", WIDEN);
    pub(super) const SCALE: Self =
        Self::new("the number has more digits after the point than the target keeps", WIDEN);
    pub(super) const PRECISION: Self =
        Self::new("the number has more digits before the point than the target keeps", WIDEN);
    pub(super) const NO_INFINITY: Self = Self::new(
        "infinity does not fit a numeric with a declared precision",
        "Make the target column plain numeric.",
    );
    pub(super) const DECIMAL_TEXT: Self = Self::new(
        "the text is not a plain decimal number",
        "Correct the value at the source, or make the target column text.",
    );
    pub(super) const NOT_BOOL: Self =
        Self::new("a boolean takes only 0 and 1", "Make the target column an integer.");
    pub(super) const INEXACT: Self =
        Self::new("the number has no exact floating-point form", "Make the target column numeric.");
    pub(super) const NUL: Self = Self::new(
        "PostgreSQL text cannot hold the character U+0000",
        "Correct the value at the source, or make the target column bytea.",
    );
    pub(super) const CHARS: Self =
        Self::new("the text has more characters than the target keeps", WIDEN);
    pub(super) const BLANKS: Self = Self::new(
        "a char column would drop the trailing blanks",
        "Make the target column varchar or text.",
    );
    pub(super) const LABEL: Self = Self::new(
        "the text is not one of the target's labels",
        "Add the label to the target's enum type, or make the column text.",
    );
    pub(super) const ZERO_DATE: Self = Self::new(
        "the zero date 0000-00-00 does not exist in PostgreSQL",
        "Correct the value at the source, or cast the column to text.",
    );
    pub(super) const TARGET_CALENDAR: Self =
        Self::new("the date or time is outside PostgreSQL's range", AS_TEXT);
    pub(super) const TIME_OF_DAY: Self =
        Self::new("a time of day lies between 00:00 and 24:00", "Make the target column interval.");
    pub(super) const FRACTION: Self =
        Self::new("the time has more fraction digits than the target keeps", WIDEN);
    pub(super) const UUID: Self = Self::new(
        "the value is not a uuid in lower case with hyphens",
        "Correct the value at the source, or make the target column text.",
    );
    pub(super) const BITS: Self =
        Self::new("the number needs more bits than the target has", WIDEN);
    pub(super) const BIT_COUNT: Self =
        Self::new("the bit string has another length than the target's", WIDEN);
    pub(super) const BIT_TEXT: Self = Self::new(
        "the text is not made of the digits 0 and 1",
        "Correct the value at the source, or make the target column text.",
    );
    pub(super) const TIME_TZ: Self = Self::new(
        "the text is not a time with an offset, like 12:34:56.789+02",
        "Correct the value at the source, or make the target column text.",
    );
    pub(super) const ONE_BYTE: Self =
        Self::new("a \"char\" holds exactly one byte", "Make the target column bytea.");
}
