//! Cells of any class: one byte of class, then the value. See
//! [`rowferry_core::CanonicalType::Variant`].

use std::fmt::Write as _;

use crate::{Rule, text_form};

const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// A cell.
#[derive(Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// Reads a cell.
///
/// # Errors
///
/// [`Rule::Class`] for a class that is none, or text that is not UTF-8.
pub(crate) fn cell(bytes: &[u8]) -> Result<Cell<'_>, Rule> {
    let (class, rest) = bytes.split_first().ok_or(Rule::Class)?;
    let word = || rest.first_chunk::<8>().copied().ok_or(Rule::Class);
    Ok(match *class {
        INTEGER => Cell::Integer(i64::from_be_bytes(word()?)),
        REAL => Cell::Real(f64::from_be_bytes(word()?)),
        TEXT => Cell::Text(std::str::from_utf8(rest).map_err(|_not_utf8| Rule::Class)?),
        BLOB => Cell::Blob(rest),
        _ => return Err(Rule::Class),
    })
}

/// Appends numbers in their text form and texts as they are; a blob has no text.
pub(crate) fn text(bytes: &[u8], out: &mut String) -> Result<(), Rule> {
    match cell(bytes)? {
        Cell::Integer(value) => write!(out, "{value}").unwrap_or_default(),
        Cell::Real(value) => {
            text_form::float(out, value.is_nan(), value.is_infinite(), value > 0.0, value);
        }
        Cell::Text(value) => out.push_str(value),
        Cell::Blob(_) => return Err(Rule::Class),
    }
    Ok(())
}
