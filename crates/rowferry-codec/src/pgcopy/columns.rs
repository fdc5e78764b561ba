//! One builder per column: the fields of a block of rows into Arrow buffers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray,
    StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::{CodecError, rule::Rule};

/// Row within the block or batch, and the rule that its value breaks.
pub(super) type Broken = (usize, Rule);

/// Where the fields of a block of rows start: positions of their length words, column by column.
pub(super) struct Heads {
    columns: usize,
    rows: usize,
    stride: usize,
    places: Vec<u32>,
}

/// Keeps the columns' strides off powers of two, which would share a few sets of the cache.
const STRIDE_PAD: usize = 16;

impl Heads {
    pub(super) fn new(columns: usize, block_rows: usize) -> Self {
        let stride = block_rows + STRIDE_PAD;
        Self { columns, rows: 0, stride, places: vec![0; columns * stride] }
    }

    /// Notes the fields of `rows` tuples from `at` on, and returns where they end. After it, each
    /// field lies within `bytes`.
    pub(super) fn walk(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        rows: usize,
    ) -> Result<usize, CodecError> {
        const CUT: CodecError = CodecError::Stream { rule: "a tuple is cut off" };
        self.rows = rows;
        for row in 0..rows {
            let count = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(CUT)?;
            if usize::try_from(i16::from_be_bytes(*count)) != Ok(self.columns) {
                return Err(CodecError::Stream { rule: "another number of fields than columns" });
            }
            at += 2;
            let slots = self.places.get_mut(row..).unwrap_or_default();
            for slot in slots.iter_mut().step_by(self.stride).take(self.columns) {
                let length = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(CUT)?;
                // The caller holds the bytes below 2 GiB.
                *slot = u32::try_from(at).unwrap_or(u32::MAX);
                let length = i32::from_be_bytes(*length);
                at += 4;
                if length > 0 {
                    at += usize::try_from(length).unwrap_or(0);
                } else if length < -1 {
                    return Err(CodecError::Stream { rule: "a negative field length" });
                }
            }
        }
        if at > bytes.len() { Err(CUT) } else { Ok(at) }
    }

    /// Positions of one column's fields.
    pub(super) fn column(&self, index: usize) -> &[u32] {
        let start = index * self.stride;
        self.places.get(start..start + self.rows).unwrap_or_default()
    }
}

/// The field whose length word stands at `head`; `None` = NULL.
#[inline]
pub(super) fn field(bytes: &[u8], head: u32) -> Option<&[u8]> {
    let (length, rest) = bytes.get(head as usize..)?.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// Gathers the values of one column.
pub(super) trait ColumnBuilder {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken>;
    fn finish(self: Box<Self>) -> Result<ArrayRef, Broken>;
}

/// Values of a fixed Arrow width.
struct Plain<A: ArrowPrimitiveType, F> {
    values: Vec<A::Native>,
    nulls: NullBufferBuilder,
    data_type: DataType,
    parse: F,
}

impl<A: ArrowPrimitiveType, F: Fn(&[u8]) -> Result<A::Native, Rule>> ColumnBuilder for Plain<A, F> {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            if let Some(field) = field(bytes, *head) {
                self.values.push((self.parse)(field).map_err(|rule| (row, rule))?);
                self.nulls.append_non_null();
            } else {
                self.values.push(A::default_value());
                self.nulls.append_null();
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let values = ScalarBuffer::from(self.values);
        let array = PrimitiveArray::<A>::new(values, self.nulls.finish());
        Ok(Arc::new(array.with_data_type(self.data_type)))
    }
}

/// Booleans, bit-packed.
struct Bools {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder for Bools {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            match field(bytes, *head) {
                Some(&[value]) => {
                    self.values.append(value != 0);
                    self.nulls.append_non_null();
                }
                Some(_) => return Err((row, Rule::LENGTH)),
                None => {
                    self.values.append(false);
                    self.nulls.append_null();
                }
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        Ok(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish())))
    }
}

/// Sixteen bytes each, as they are.
struct Sixteens {
    values: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder for Sixteens {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            let field = field(bytes, *head);
            let value = match field {
                Some(field) => {
                    <[u8; 16]>::try_from(field).map_err(|_length| (row, Rule::LENGTH))?
                }
                None => [0; 16],
            };
            self.values.extend_from_slice(&value);
            self.nulls.append(field.is_some());
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let values = Buffer::from_vec(self.values);
        let array = FixedSizeBinaryArray::try_new(16, values, self.nulls.finish());
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|_shape| (0, Rule::LENGTH))
    }
}

/// Values of any length; `F` appends the value of a field.
struct Variable<F> {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    is_text: bool,
    append: F,
}

impl<F: Fn(&[u8], &mut Vec<u8>) -> Result<(), Rule>> ColumnBuilder for Variable<F> {
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (row, head) in heads.iter().enumerate() {
            let field = field(bytes, *head);
            if let Some(field) = field {
                (self.append)(field, &mut self.values).map_err(|rule| (row, rule))?;
            }
            self.nulls.append(field.is_some());
            // Numerics can be longer as text than on the wire.
            let end = i32::try_from(self.values.len()).map_err(|_long| (row, Rule::LENGTH))?;
            self.offsets.push(end);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef, Broken> {
        let nulls = self.nulls.finish();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let values = Buffer::from_vec(self.values);
        if !self.is_text {
            return Ok(Arc::new(BinaryArray::new(offsets, values, nulls)));
        }
        // One validation over all values, and of the places where they meet.
        if let Ok(array) = StringArray::try_new(offsets.clone(), values.clone(), nulls) {
            return Ok(Arc::new(array));
        }
        let place = |end: &i32| usize::try_from(*end).unwrap_or(0);
        let broken = offsets.iter().zip(offsets.iter().skip(1)).position(|(start, end)| {
            let value = values.get(place(start)..place(end)).unwrap_or_default();
            simdutf8::basic::from_utf8(value).is_err()
        });
        Err((broken.unwrap_or(0), Rule::UTF8))
    }
}

pub(super) fn exactly<const N: usize>(field: &[u8]) -> Result<[u8; N], Rule> {
    field.try_into().map_err(|_length| Rule::LENGTH)
}

pub(super) fn plain<A: ArrowPrimitiveType>(
    rows: usize,
    data_type: DataType,
    parse: impl Fn(&[u8]) -> Result<A::Native, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    let values = Vec::with_capacity(rows);
    Box::new(Plain::<A, _> { values, nulls: NullBufferBuilder::new(rows), data_type, parse })
}

pub(super) fn bools(rows: usize) -> Box<dyn ColumnBuilder> {
    let (values, nulls) = (BooleanBufferBuilder::new(rows), NullBufferBuilder::new(rows));
    Box::new(Bools { values, nulls })
}

pub(super) fn sixteens(rows: usize) -> Box<dyn ColumnBuilder> {
    let (values, nulls) = (Vec::with_capacity(rows * 16), NullBufferBuilder::new(rows));
    Box::new(Sixteens { values, nulls })
}

/// `bytes` is the room that the values have at first.
pub(super) fn variable(
    rows: usize,
    bytes: usize,
    is_text: bool,
    append: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let values = Vec::with_capacity(bytes);
    let nulls = NullBufferBuilder::new(rows);
    Box::new(Variable { values, offsets, nulls, is_text, append })
}
