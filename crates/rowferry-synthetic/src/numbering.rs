//! Keys of generated rows: each kind rises with the row number and can be turned back into it.

use rowferry_core::{KeyTuple, KeyValue};

use crate::dice::mix;

/// Lines of one order.
pub(crate) const LINES: u64 = 3;

/// How the rows of a table are numbered. The order of the keys is the order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// No key.
    None,
    /// `column` = row × step + 1.
    Int { column: &'static str, step: u64 },
    /// `column` = row + 1, NULL in one row of `null_every`; unique, no primary key.
    NullableInt { column: &'static str, null_every: u64 },
    /// `column` = `P0000000042`: as many digits as 64 bits need, so that text order is row order.
    Text { column: &'static str },
    /// `column` starts with the row number.
    Uuid { column: &'static str },
    /// `order`, `line`: [`LINES`] rows for each order.
    Composite { order: &'static str, line: &'static str },
}

impl Numbering {
    pub(crate) fn key_columns(self) -> Vec<String> {
        match self {
            Self::None => vec![],
            Self::Int { column, .. }
            | Self::NullableInt { column, .. }
            | Self::Text { column }
            | Self::Uuid { column } => vec![column.to_owned()],
            Self::Composite { order, line } => vec![order.to_owned(), line.to_owned()],
        }
    }

    pub(crate) const fn null_every(self) -> u64 {
        match self {
            Self::NullableInt { null_every, .. } => null_every,
            Self::None
            | Self::Int { .. }
            | Self::Text { .. }
            | Self::Uuid { .. }
            | Self::Composite { .. } => 0,
        }
    }

    /// Whether the key of `row` is null.
    pub(crate) const fn is_null(self, row: u64) -> bool {
        is_null(self.null_every(), row)
    }

    /// The key of `row`; `None` without a key or where it is null.
    pub(crate) fn key_of(self, row: u64) -> Option<KeyTuple> {
        if self.is_null(row) {
            return None;
        }
        let int = |value: u64| KeyValue::Int(i128::from(value));
        Some(KeyTuple(match self {
            Self::None => return None,
            Self::Int { step, .. } => vec![int(row * step + 1)],
            Self::NullableInt { .. } => vec![int(row + 1)],
            Self::Text { .. } => vec![KeyValue::Text(text_key(row))],
            Self::Uuid { .. } => vec![KeyValue::Bytes(uuid_key(row).to_vec())],
            Self::Composite { .. } => vec![int(row / LINES + 1), int(row % LINES + 1)],
        }))
    }

    /// The first row whose key is greater than `key`; `None` when `key` is not of this kind.
    pub(crate) fn first_after(self, key: &KeyTuple) -> Option<u64> {
        match (self, key.0.as_slice()) {
            (Self::Int { step, .. }, [KeyValue::Int(value)]) => {
                // row × step + 1 > value
                Some(clamp(*value).div_ceil(step))
            }
            (Self::NullableInt { .. }, [KeyValue::Int(value)]) => Some(clamp(*value)),
            (Self::Text { .. }, [KeyValue::Text(text)]) => {
                text.strip_prefix('P')?.parse::<u64>().ok()?.checked_add(1)
            }
            (Self::Uuid { .. }, [KeyValue::Bytes(bytes)]) => {
                let row = bytes.first_chunk::<8>().copied().map(u64::from_be_bytes)? >> 16;
                row.checked_add(1)
            }
            (Self::Composite { .. }, [KeyValue::Int(order), KeyValue::Int(line)]) => {
                let order = clamp(*order);
                let Some(before) = order.checked_sub(1) else { return Some(0) };
                Some(before.saturating_mul(LINES).saturating_add(clamp(*line).min(LINES)))
            }
            _ => None,
        }
    }
}

/// Whether one row of `every` is null, and `row` is such a row.
pub(crate) const fn is_null(every: u64, row: u64) -> bool {
    every > 0 && row % every == every - 1
}

/// A bound computed by arithmetic may lie beyond every row, on either side.
fn clamp(value: i128) -> u64 {
    if value < 0 { 0 } else { u64::try_from(value).unwrap_or(u64::MAX) }
}

pub(crate) fn text_key(row: u64) -> String {
    format!("P{row:010}")
}

/// Version 8 of RFC 9562: 48 bits of row number first, then bits of our own.
pub(crate) fn uuid_key(row: u64) -> [u8; 16] {
    let high = (row << 16) | 0x8000 | (mix(row) & 0x0fff);
    let low = (mix(!row) >> 2) | (1 << 63);
    let mut bytes = [0; 16];
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&high.to_be_bytes());
    second.copy_from_slice(&low.to_be_bytes());
    bytes
}
