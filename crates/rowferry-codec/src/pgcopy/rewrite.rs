//! Putting the target's type numbers into raw tuples.
//!
//! A tuple can pass from server to server as it is, but for one thing: arrays repeat the number
//! (OID) of their element type and composites those of their fields, and a type that a user made
//! has another number on each server. Numbers all have four bytes, so they are written in place:
//!
//! ```text
//! array       i32 dimensions, i32 flags, u32 ELEMENT OID, per dimension (i32 size, i32 lower bound),
//!             elements
//! composite   i32 fields, per field: u32 OID, value
//! range       u8 flags, the bounds that the flags promise
//! multirange  i32 count, ranges
//! ```
//!
//! where elements, values, bounds and ranges are an i32 length (−1 = NULL) and bytes.

use bytes::{Bytes, BytesMut};

use super::{CodecError, Tuples, lists::DIMENSIONS_MAX, rule::Rule};

/// Where a type repeats numbers of types, and which they are on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeShape {
    /// Nowhere, or only such as are the same on every server: all built-in types, enums, and
    /// arrays of those that are built in.
    Plain,
    /// An array.
    Array {
        /// Number of the element type on the target.
        element_oid: u32,
        /// Shape of the elements.
        element: Box<TypeShape>,
    },
    /// A composite type.
    Composite {
        /// Number on the target and shape, per field that is not dropped, in order.
        fields: Vec<(u32, TypeShape)>,
    },
    /// A range, with the shape of its subtype.
    Range(Box<TypeShape>),
    /// A multirange, with the shape of its range.
    Multirange(Box<TypeShape>),
}

impl TypeShape {
    /// Whether values of this shape hold no number that would have to be written.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Array { .. } | Self::Composite { .. } => false,
            Self::Range(inner) | Self::Multirange(inner) => inner.is_plain(),
        }
    }
}

/// Rewrites the tuples of one table. Cheap to keep; made for a compute pool.
#[derive(Clone, Debug)]
pub struct Rewrite {
    columns: Vec<(String, TypeShape)>,
}

impl Rewrite {
    /// A rewrite of tuples with these columns, by name and shape on the target.
    pub fn new(columns: Vec<(String, TypeShape)>) -> Self {
        Self { columns }
    }

    /// Whether any column holds numbers; if not, tuples can stay as they are.
    pub fn is_needed(&self) -> bool {
        self.columns.iter().any(|(_, shape)| !shape.is_plain())
    }

    /// Rewrites whole tuples; their bytes are copied only if someone else holds them too.
    ///
    /// # Errors
    ///
    /// Those of [`Self::rewrite`].
    pub fn apply(&self, tuples: Tuples) -> Result<Tuples, CodecError> {
        if !self.is_needed() {
            return Ok(tuples);
        }
        let Tuples { rows, bytes } = tuples;
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        self.rewrite(&mut bytes, rows)?;
        Ok(Tuples { rows, bytes: Bytes::from(bytes) })
    }

    /// Rewrites `rows` tuples that fill `bytes`, in place.
    ///
    /// # Errors
    ///
    /// [`CodecError::Value`] for a value without the structure of its shape (a composite type of
    /// another number of fields), [`CodecError::Stream`] when the bytes are not exactly these
    /// tuples. The bytes before the error are then rewritten already.
    pub fn rewrite(&self, bytes: &mut [u8], rows: usize) -> Result<(), CodecError> {
        const CUT: CodecError = CodecError::Stream { rule: "a tuple is cut off" };
        let mut rest = bytes;
        for row in 0..rows {
            let (count, fields) = rest.split_first_chunk_mut::<2>().ok_or(CUT)?;
            if usize::try_from(i16::from_be_bytes(*count)) != Ok(self.columns.len()) {
                return Err(CodecError::Stream { rule: "another number of fields than columns" });
            }
            rest = fields;
            for (name, shape) in &self.columns {
                let (field, behind) = split_value(rest).ok_or(CUT)?;
                if let Some(field) = field
                    && !shape.is_plain()
                {
                    walk(shape, field).ok_or(CodecError::value(name, row, Rule::SHAPE))?;
                }
                rest = behind;
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::Stream { rule: "bytes behind the last tuple" })
        }
    }
}

/// Flags of a range (`RANGE_*`).
const EMPTY: u8 = 0x01;
const NO_LOWER: u8 = 0x08 | 0x20;
const NO_UPPER: u8 = 0x10 | 0x40;

/// A length word and as many bytes: the value (`None` = NULL), and what comes behind.
fn split_value(bytes: &mut [u8]) -> Option<(Option<&mut [u8]>, &mut [u8])> {
    let (length, rest) = bytes.split_first_chunk_mut::<4>()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, rest)),
        length => {
            let (value, rest) = rest.split_at_mut_checked(usize::try_from(length).ok()?)?;
            Some((Some(value), rest))
        }
    }
}

/// Takes a count or a number of dimensions off the front.
fn split_count(bytes: &mut [u8]) -> Option<(usize, &mut [u8])> {
    let (count, rest) = bytes.split_first_chunk_mut::<4>()?;
    Some((usize::try_from(i32::from_be_bytes(*count)).ok()?, rest))
}

/// Writes the numbers of one value; `None` = the value does not have this shape.
fn walk(shape: &TypeShape, value: &mut [u8]) -> Option<()> {
    match shape {
        TypeShape::Plain => Some(()),
        TypeShape::Array { element_oid, element } => walk_array(*element_oid, element, value),
        TypeShape::Composite { fields } => walk_composite(fields, value),
        TypeShape::Range(subtype) => walk_range(subtype, value),
        TypeShape::Multirange(range) => {
            let (count, rest) = split_count(value)?;
            walk_values(range, count, rest)
        }
    }
}

/// Exactly `count` values of one shape.
fn walk_values(shape: &TypeShape, count: usize, mut rest: &mut [u8]) -> Option<()> {
    for _ in 0..count {
        let (value, behind) = split_value(rest)?;
        if let Some(value) = value {
            walk(shape, value)?;
        }
        rest = behind;
    }
    rest.is_empty().then_some(())
}

fn walk_array(element_oid: u32, element: &TypeShape, value: &mut [u8]) -> Option<()> {
    let (dimensions, rest) = split_count(value)?;
    let (_flags, rest) = rest.split_first_chunk_mut::<4>()?;
    let (oid, mut rest) = rest.split_first_chunk_mut::<4>()?;
    if dimensions > DIMENSIONS_MAX {
        return None;
    }
    *oid = element_oid.to_be_bytes();
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let (size, behind) = split_count(rest)?;
        let (_lower, behind) = behind.split_first_chunk_mut::<4>()?;
        count = count.checked_mul(size)?;
        rest = behind;
    }
    walk_values(element, count, rest)
}

fn walk_composite(fields: &[(u32, TypeShape)], value: &mut [u8]) -> Option<()> {
    let (count, mut rest) = split_count(value)?;
    if count != fields.len() {
        return None;
    }
    for (number, shape) in fields {
        let (oid, behind) = rest.split_first_chunk_mut::<4>()?;
        *oid = number.to_be_bytes();
        let (field, behind) = split_value(behind)?;
        if let Some(field) = field {
            walk(shape, field)?;
        }
        rest = behind;
    }
    rest.is_empty().then_some(())
}

fn walk_range(subtype: &TypeShape, value: &mut [u8]) -> Option<()> {
    let (flags, rest) = value.split_first_mut()?;
    let bounds = match *flags {
        flags if flags & EMPTY != 0 => 0,
        flags => usize::from(flags & NO_LOWER == 0) + usize::from(flags & NO_UPPER == 0),
    };
    walk_values(subtype, bounds, rest)
}
