//! Arrays of one dimension, both ways.
//!
//! ```text
//! i32 dimensions (0 = no elements), i32 has nulls, u32 element OID, i32 size, i32 lower bound,
//! elements: i32 length (-1 = NULL), bytes
//! ```
//!
//! An element lies in an array just as a field lies in a tuple, so all elements of a block of rows
//! are one more column for the element type's own builder or writer: a list costs one more walk
//! over lengths and no second table of types.

use std::{ops::Range, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, StringArray, UInt8Array, cast::AsArray,
};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, FieldRef};
use rowferry_core::CanonicalType;

use super::{
    ColumnCodec, PgType,
    cells::{Cells, LENGTH_BYTES, scatter_staged},
    columns::{Broken, ColumnBuilder, field},
    rule::Rule,
};

/// Most dimensions of an array (`MAXDIM`).
pub(super) const DIMENSIONS_MAX: usize = 6;

/// Bytes of the head of an array with no dimension: dimensions, flag, element type.
const HEAD_BYTES: u32 = 12;

/// Gathers arrays as lists.
pub(super) struct Lists {
    /// Number of the element type; 0 = not known.
    oid: u32,
    elements: Box<dyn ColumnBuilder>,
    field: FieldRef,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    /// Positions of the length words of a block's elements.
    heads: Vec<u32>,
}

impl Lists {
    pub(super) fn new(
        oid: u32,
        elements: Box<dyn ColumnBuilder>,
        field: FieldRef,
        rows: usize,
    ) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        let nulls = NullBufferBuilder::new(rows);
        Self { oid, elements, field, offsets, nulls, heads: Vec::new() }
    }
}

impl ColumnBuilder for Lists {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        self.heads.clear();
        let first = self.offsets.last().copied().unwrap_or(0);
        let done = self.offsets.len();
        for (row, head) in heads.iter().enumerate() {
            let array = field(bytes, *head);
            if let Some(array) = array {
                // Behind the length word.
                let start = head.saturating_add(4);
                note_elements(array, start, self.oid, &mut self.heads)
                    .map_err(|rule| (row, rule))?;
            }
            self.nulls.append(array.is_some());
            let end = i32::try_from(self.heads.len()).ok().and_then(|end| first.checked_add(end));
            self.offsets.push(end.ok_or((row, Rule::LENGTH))?);
        }
        self.elements.append(bytes, &self.heads).map_err(|(element, rule)| {
            let ends = self.offsets.get(done..).unwrap_or_default();
            (row_of(element, first, ends), rule)
        })
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let elements = self.elements.finish().map_err(|(element, rule)| {
            let ends = self.offsets.get(1..).unwrap_or_default();
            (row_of(element, 0, ends), rule)
        })?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let array = ListArray::try_new(self.field, offsets, elements, self.nulls.finish());
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|_shape| (0, Rule::ARRAY_FORM))
    }
}

/// The row that holds an element, counted from the element `first`.
fn row_of(element: usize, first: i32, ends: &[i32]) -> usize {
    ends.partition_point(|end| usize::try_from(end - first).is_ok_and(|end| end <= element))
}

/// Notes where the elements of an array start that itself starts at `start`. After it, each
/// element lies within the array.
fn note_elements(array: &[u8], start: u32, oid: u32, heads: &mut Vec<u32>) -> Result<(), Rule> {
    let mut rest = array;
    let mut word = || {
        let (word, behind) = rest.split_first_chunk::<4>().ok_or(Rule::ARRAY_FORM)?;
        rest = behind;
        Ok(i32::from_be_bytes(*word))
    };
    let dimensions = word()?;
    let _has_nulls = word()?;
    let element_oid = word()?.cast_unsigned();
    if oid != 0 && element_oid != oid {
        return Err(Rule::ELEMENT_TYPE);
    }
    let (size, mut at) = match usize::try_from(dimensions) {
        Ok(0) => (0, start.saturating_add(HEAD_BYTES)),
        Ok(1) => {
            let (size, lower) = (word()?, word()?);
            if lower != 1 {
                return Err(Rule::LIST_SHAPE);
            }
            // One size and one lower bound.
            (size, start.saturating_add(HEAD_BYTES + 8))
        }
        Ok(2..=DIMENSIONS_MAX) => return Err(Rule::LIST_SHAPE),
        _ => return Err(Rule::ARRAY_FORM),
    };
    for _ in 0..usize::try_from(size).map_err(|_negative| Rule::ARRAY_FORM)? {
        heads.push(at);
        let (length, behind) = rest.split_first_chunk::<4>().ok_or(Rule::ARRAY_FORM)?;
        let length = match i32::from_be_bytes(*length) {
            -1 => 0,
            length => u32::try_from(length).map_err(|_negative| Rule::ARRAY_FORM)?,
        };
        rest = behind.get(length as usize..).ok_or(Rule::ARRAY_FORM)?;
        at = at.saturating_add(4).saturating_add(length);
    }
    if rest.is_empty() { Ok(()) } else { Err(Rule::ARRAY_FORM) }
}

/// Writes lists as arrays; a block of them is kept.
pub(super) struct ListCells<'a> {
    list: &'a ListArray,
    oid: u32,
    elements: Box<dyn Cells + 'a>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Sizes, then places of one array's elements.
    places: Vec<usize>,
}

impl<'a> ListCells<'a> {
    pub(super) fn new(list: &'a ListArray, oid: u32, elements: Box<dyn Cells + 'a>) -> Self {
        let (bytes, ends, places) = (Vec::new(), Vec::new(), Vec::new());
        Self { list, oid, elements, bytes, ends, places }
    }

    fn append(&mut self, row: usize) -> Result<(), Rule> {
        let offset = |row: usize| {
            let offset = self.list.value_offsets().get(row).copied();
            usize::try_from(offset.unwrap_or(0)).unwrap_or(0)
        };
        let elements = offset(row)..offset(row + 1);
        let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        let nulls = self.list.values().nulls();
        let has_nulls =
            nulls.is_some_and(|nulls| nulls.slice(elements.start, elements.len()).null_count() > 0);
        let head = [u32::from(count > 0), u32::from(has_nulls), self.oid, count, 1];
        let words = if count > 0 { head.len() } else { 3 };
        self.bytes.extend(head.iter().take(words).flat_map(|word| word.to_be_bytes()));
        self.places.clear();
        self.places.resize(elements.len(), 0);
        self.elements
            .measure(elements.clone(), &mut self.places)
            .map_err(|(_element, rule)| rule)?;
        let mut end = self.bytes.len();
        for place in &mut self.places {
            let start = end;
            end += *place;
            *place = start;
        }
        self.bytes.resize(end, 0);
        self.elements
            .scatter(elements, &mut self.places, &mut self.bytes)
            .map_err(|(_element, rule)| rule)
    }
}

impl Cells for ListCells<'_> {
    fn width(&self) -> Option<usize> {
        None
    }

    fn measure(&mut self, rows: Range<usize>, sizes: &mut [usize]) -> Result<(), Broken> {
        self.bytes.clear();
        self.ends.clear();
        for (row, size) in rows.zip(sizes) {
            let start = self.bytes.len();
            if !self.list.is_null(row) {
                self.append(row).map_err(|rule| (row, rule))?;
            }
            self.ends.push(self.bytes.len());
            *size += LENGTH_BYTES + self.bytes.len() - start;
        }
        Ok(())
    }

    fn scatter(
        &self,
        rows: Range<usize>,
        places: &mut [usize],
        out: &mut [u8],
    ) -> Result<(), Broken> {
        let nulls = self.list.nulls();
        scatter_staged(nulls, &self.bytes, &self.ends, rows.zip(places), out);
        Ok(())
    }
}

/// The array that is written: booleans as numbers, and sets as lists where the target has an array.
pub(super) fn prepared(array: &ArrayRef, column: &ColumnCodec) -> ArrayRef {
    match (&column.canonical, &column.pg) {
        (CanonicalType::Set { .. }, PgType::Array { .. }) => {
            Arc::new(sets_as_lists(array.as_string::<i32>()))
        }
        _ => bools_as_numbers(array),
    }
}

/// Booleans as numbers 0 and 1, in lists too; other arrays as they are.
fn bools_as_numbers(array: &ArrayRef) -> ArrayRef {
    if let Some(bools) = array.as_any().downcast_ref::<BooleanArray>() {
        let values = bools.values().iter().map(u8::from).collect();
        return Arc::new(UInt8Array::new(values, bools.nulls().cloned()));
    }
    if let Some(list) = array.as_list_opt::<i32>() {
        let values = bools_as_numbers(list.values());
        let field = Arc::new(Field::new("item", values.data_type().clone(), true));
        let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
        if let Ok(list) = ListArray::try_new(field, offsets, values, nulls) {
            return Arc::new(list);
        }
    }
    Arc::clone(array)
}

/// Sets as lists of their labels; empty text is the empty set.
fn sets_as_lists(sets: &StringArray) -> ListArray {
    let mut offsets = vec![0];
    let mut labels: Vec<&str> = Vec::new();
    for set in sets {
        labels.extend(set.into_iter().filter(|set| !set.is_empty()).flat_map(|set| set.split(',')));
        // A set has at most 64 labels, and a batch far fewer rows than would overflow.
        offsets.push(i32::try_from(labels.len()).unwrap_or(i32::MAX));
    }
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let labels = Arc::new(StringArray::from_iter_values(labels));
    ListArray::new(field, offsets, labels, sets.nulls().cloned())
}
