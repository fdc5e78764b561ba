//! Stretches of key order.
//!
//! The server compares keys; the client only carries boundary values that it got from that server.
//! Nothing here orders two text, uuid or decimal keys, and nothing may.

use serde::{Deserialize, Serialize};

use crate::{CanonicalType, Column, NativeType};

/// One component of a boundary, in the form in which its server rendered it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyValue {
    /// Integer of any width and sign. Written as text, since JSON numbers end at 2^53.
    #[serde(rename = "i", with = "int_text")]
    Int(i128),
    /// The server's own exact text of the value.
    #[serde(rename = "t")]
    Text(String),
    /// Bytes, written as lower-case hex.
    #[serde(rename = "b", with = "hex_text")]
    Bytes(Vec<u8>),
}

/// A boundary: one value for each key column, in key order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyTuple(pub Vec<KeyValue>);

impl KeyTuple {
    /// The single integer of a one-column integer key.
    pub fn as_int(&self) -> Option<i128> {
        match self.0.as_slice() {
            [KeyValue::Int(value)] => Some(*value),
            _ => None,
        }
    }

    /// Canonical JSON text, as receipts store it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text that [`Self::to_json`] wrote.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// One column of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Column name.
    pub name: String,
    /// Type in the source's words, for rendering boundaries as typed literals.
    pub native: NativeType,
    /// Whether NULL occurs: spans then say `is not null`, and a null-keys chunk covers the rest.
    pub nullable: bool,
    /// Integer type, so bounds may be computed.
    pub integer: bool,
    /// Collation with its version, for the fingerprint.
    pub collation: Option<String>,
}

impl KeyColumn {
    /// `column` as a part of a key.
    pub fn of(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            native: column.native.clone(),
            nullable: column.nullable,
            integer: column.canonical.as_ref().is_some_and(CanonicalType::is_integer),
            collation: column.collation.clone(),
        }
    }
}

/// Columns in whose order a table is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyColumns(pub Vec<KeyColumn>);

impl KeyColumns {
    /// Names in key order.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|column| column.name.clone()).collect()
    }

    /// Whether some column allows NULL.
    pub fn is_nullable(&self) -> bool {
        self.0.iter().any(|column| column.nullable)
    }

    /// Whether bounds may be computed by arithmetic: one integer column.
    pub fn is_integer(&self) -> bool {
        matches!(self.0.as_slice(), [column] if column.integer)
    }
}

/// A stretch of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRange {
    /// All rows in one read.
    Whole,
    /// `lower < key <= upper` in the server's order, and every nullable key column is not null.
    Span {
        /// Key columns.
        key: KeyColumns,
        /// Exclusive lower bound; `None` = from the start.
        lower: Option<KeyTuple>,
        /// Inclusive upper bound; `None` = to the end.
        upper: Option<KeyTuple>,
    },
    /// Rows in which some key column is null.
    NullKeys {
        /// Key columns.
        key: KeyColumns,
    },
    /// Physical blocks `from <= block < to`; holds in one snapshot only.
    Blocks {
        /// First block.
        from: u64,
        /// Block after the last; `None` = to the end.
        to: Option<u64>,
    },
}

mod int_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<i128, D::Error> {
        String::deserialize(input)?.parse().map_err(de::Error::custom)
    }
}

mod hex_text {
    use std::fmt::Write as _;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        });
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(input)?;
        if !text.len().is_multiple_of(2) {
            return Err(de::Error::custom("odd number of hex digits"));
        }
        text.as_bytes()
            .chunks(2)
            .map(|pair| {
                std::str::from_utf8(pair)
                    .ok()
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .ok_or_else(|| de::Error::custom("not a hex digit"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key_value() -> impl Strategy<Value = KeyValue> {
        prop_oneof![
            any::<i128>().prop_map(KeyValue::Int),
            ".*".prop_map(KeyValue::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(KeyValue::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn tuples_survive_json(values in proptest::collection::vec(key_value(), 1..4)) {
            let tuple = KeyTuple(values);
            prop_assert_eq!(KeyTuple::from_json(&tuple.to_json()), Some(tuple));
        }
    }
}
