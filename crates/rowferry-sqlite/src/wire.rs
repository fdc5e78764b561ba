//! Rows as SQLite stores them, for the way from file to file: no cell is decoded, so a column may
//! hold any mixture of classes, text that is not UTF-8, and anything a later version invents a
//! meaning for.
//!
//! ```text
//! row    u16 number of cells, then the cells
//! cell   0                          null
//!        1 i64    2 f64             integer, real
//!        3 u32 bytes  4 u32 bytes   text, blob
//! ```
//!
//! All numbers are big-endian.

use rowferry_core::{ConnectorError, Digest, Result};
use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::xxh3_128;

/// What is hashed: the bytes of each row. Never compared with a digest of decoded rows.
const KIND: &str = "sqlite-cells-v1";

/// Class bytes, here and in [`rowferry_core::CanonicalType::Variant`].
pub(crate) const INTEGER: u8 = 1;
pub(crate) const REAL: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const BLOB: u8 = 4;
const NULL: u8 = 0;

/// Starts a row of so many cells.
pub(crate) fn push_row(out: &mut Vec<u8>, cells: usize) {
    // SQLite's own limit is 32,767 columns.
    out.extend(u16::try_from(cells).unwrap_or(u16::MAX).to_be_bytes());
}

/// Appends one cell.
pub(crate) fn push_cell(out: &mut Vec<u8>, cell: ValueRef<'_>) {
    let mut bytes = |class: u8, bytes: &[u8]| {
        out.push(class);
        // SQLite's own limit is 2^31 − 1 bytes.
        out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match cell {
        ValueRef::Text(text) => bytes(TEXT, text),
        ValueRef::Blob(blob) => bytes(BLOB, blob),
        ValueRef::Null => out.push(NULL),
        ValueRef::Integer(value) => {
            out.push(INTEGER);
            out.extend(value.to_be_bytes());
        }
        ValueRef::Real(value) => {
            out.push(REAL);
            out.extend(value.to_be_bytes());
        }
    }
}

/// Takes the next row's cells into `cells`; `false` at the end.
pub(crate) fn next_row<'a>(rest: &mut &'a [u8], cells: &mut Vec<ValueRef<'a>>) -> Result<bool> {
    cells.clear();
    if rest.is_empty() {
        return Ok(false);
    }
    let count = take(rest).map(u16::from_be_bytes).ok_or_else(cut)?;
    for _ in 0..count {
        cells.push(cell(rest).ok_or_else(cut)?);
    }
    Ok(true)
}

fn cell<'a>(rest: &mut &'a [u8]) -> Option<ValueRef<'a>> {
    let [class] = take(rest)?;
    Some(match class {
        NULL => ValueRef::Null,
        INTEGER => ValueRef::Integer(i64::from_be_bytes(take(rest)?)),
        REAL => ValueRef::Real(f64::from_be_bytes(take(rest)?)),
        TEXT | BLOB => {
            let length = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
            let (bytes, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            if class == TEXT { ValueRef::Text(bytes) } else { ValueRef::Blob(bytes) }
        }
        _ => return None,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

fn cut() -> ConnectorError {
    ConnectorError::bug("rows in wire form were cut inside a cell")
}

/// A cell as a [`rowferry_core::CanonicalType::Variant`] holds it: class, then the bare value.
pub(crate) fn variant(cell: ValueRef<'_>, out: &mut Vec<u8>) {
    match cell {
        ValueRef::Null => {}
        ValueRef::Integer(value) => {
            out.push(INTEGER);
            out.extend(value.to_be_bytes());
        }
        ValueRef::Real(value) => {
            out.push(REAL);
            out.extend(value.to_be_bytes());
        }
        ValueRef::Text(bytes) => {
            out.push(TEXT);
            out.extend_from_slice(bytes);
        }
        ValueRef::Blob(bytes) => {
            out.push(BLOB);
            out.extend_from_slice(bytes);
        }
    }
}

/// The cell of a variant; `None` for bytes that are none.
pub(crate) fn cell_of_variant(bytes: &[u8]) -> Option<ValueRef<'_>> {
    let (class, rest) = bytes.split_first()?;
    Some(match *class {
        INTEGER => ValueRef::Integer(i64::from_be_bytes(rest.try_into().ok()?)),
        REAL => ValueRef::Real(f64::from_be_bytes(rest.try_into().ok()?)),
        TEXT => ValueRef::Text(rest),
        BLOB => ValueRef::Blob(rest),
        _ => return None,
    })
}

/// A digest of no rows.
pub(crate) fn no_rows() -> Digest {
    Digest { kind: KIND.to_owned(), count: 0, sum: 0 }
}

/// Adds one row's bytes: the order of rows does not matter.
pub(crate) fn digest(digest: &mut Digest, row: &[u8]) {
    digest.count += 1;
    digest.sum = digest.sum.wrapping_add(xxh3_128(row));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec(prop::collection::vec(value(), 0..4), 0..4)) {
            let mut bytes = Vec::new();
            for row in &rows {
                push_row(&mut bytes, row.len());
                for value in row {
                    push_cell(&mut bytes, value.into());
                }
            }
            let (mut rest, mut cells) = (bytes.as_slice(), Vec::new());
            for row in &rows {
                prop_assert!(next_row(&mut rest, &mut cells).unwrap());
                let expected: Vec<ValueRef<'_>> = row.iter().map(Into::into).collect();
                prop_assert_eq!(&cells, &expected);
            }
            prop_assert!(!next_row(&mut rest, &mut cells).unwrap());
        }

        #[test]
        fn variants_come_back(value in value()) {
            let mut bytes = Vec::new();
            variant((&value).into(), &mut bytes);
            let expected = Some((&value).into()).filter(|cell| *cell != ValueRef::Null);
            prop_assert_eq!(cell_of_variant(&bytes), expected);
        }

        #[test]
        fn other_bytes_are_errors_and_no_panic(bytes: Vec<u8>) {
            let (mut rest, mut cells) = (bytes.as_slice(), Vec::new());
            while next_row(&mut rest, &mut cells).unwrap_or(false) {}
            let _cell = cell_of_variant(&bytes);
        }
    }
}
