//! One builder per column: the fields of a block of rows into Arrow buffers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeBinaryArray, PrimitiveArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;

use super::{CodecError, rule::Rule};
use crate::joined::variable_array;
use crate::validity::{Validity, WORD_ROWS};

/// Row within the block or batch, and the rule that its value breaks.
pub(super) type Broken = (usize, Rule);

/// Where the fields of a block of rows start: positions of their length words, column by column.
pub(super) struct Heads {
    /// What is expected of each column's fields.
    widths: Vec<Width>,
    rows: usize,
    stride: usize,
    places: Vec<u32>,
}

/// A length word that a column often has, and the bytes from it to the next field.
///
/// Where a field starts depends on the lengths of all before it, and each of these must be loaded
/// first. A width that is known breaks the chain: the processor goes on with it while the comparison
/// is still under way.
#[derive(Clone, Copy)]
struct Width {
    word: [u8; 4],
    step: usize,
}

impl Width {
    fn of(bytes: Option<u32>) -> Self {
        match bytes {
            Some(bytes) => Self { word: bytes.to_be_bytes(), step: 4 + bytes as usize },
            // Only a NULL is known to be nothing but its length word.
            None => Self { word: (-1_i32).to_be_bytes(), step: 4 },
        }
    }
}

/// Keeps the columns' strides off powers of two, which would share a few sets of the cache.
const STRIDE_PAD: usize = 16;

impl Heads {
    /// `widths` of the columns' fields, where all but NULLs have one.
    pub(super) fn new(widths: impl Iterator<Item = Option<u32>>, block_rows: usize) -> Self {
        let widths: Vec<Width> = widths.map(Width::of).collect();
        let stride = block_rows + STRIDE_PAD;
        let places = vec![0; widths.len() * stride];
        Self { widths, rows: 0, stride, places }
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
        const NEGATIVE: CodecError = CodecError::Stream { rule: "a negative field length" };
        self.rows = rows;
        for row in 0..rows {
            // Not `ok_or`, which makes and drops an error for each field.
            let Some(count) = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
                return Err(CUT);
            };
            if usize::try_from(i16::from_be_bytes(*count)) != Ok(self.widths.len()) {
                return Err(CodecError::Stream { rule: "another number of fields than columns" });
            }
            at += 2;
            let slots = self.places.get_mut(row..).unwrap_or_default();
            for (slot, width) in slots.iter_mut().step_by(self.stride).zip(&self.widths) {
                let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
                    return Err(CUT);
                };
                // The caller holds the bytes below 2 GiB.
                *slot = u32::try_from(at).unwrap_or(u32::MAX);
                if *length == width.word {
                    at += width.step;
                    continue;
                }
                let length = i32::from_be_bytes(*length);
                at += 4;
                if length > 0 {
                    at += usize::try_from(length).unwrap_or(0);
                } else if length < -1 {
                    return Err(NEGATIVE);
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

/// Values of a fixed Arrow width; `P` reads one.
struct Plain<A: ArrowPrimitiveType, P> {
    values: Vec<A::Native>,
    valid: Validity,
    data_type: DataType,
    read: P,
}

impl<A: ArrowPrimitiveType, P> ColumnBuilder for Plain<A, P>
where
    P: Fn(&[u8], u32) -> Result<Option<A::Native>, Rule>,
{
    fn append(&mut self, bytes: &[u8], heads: &[u32]) -> Result<(), Broken> {
        for (word, heads) in heads.chunks(WORD_ROWS).enumerate() {
            let mut valid = 0_u64;
            let start = self.values.len();
            self.values.resize(start + heads.len(), A::default_value());
            let slots = self.values.get_mut(start..).unwrap_or_default();
            for (row, (head, slot)) in heads.iter().zip(slots).enumerate() {
                let value = (self.read)(bytes, *head);
                if let Some(value) = value.map_err(|rule| (word * WORD_ROWS + row, rule))? {
                    *slot = value;
                    valid |= 1 << row;
                }
            }
            self.valid.append(valid, heads.len());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, Broken> {
        let values = ScalarBuffer::from(self.values);
        let array = PrimitiveArray::<A>::new(values, self.valid.finish());
        Ok(Arc::new(array.with_data_type(self.data_type)))
    }
}

/// The field of exactly `N` bytes whose length word stands at `head`; `None` = NULL.
#[inline]
fn fixed_field<const N: usize>(bytes: &[u8], head: u32) -> Result<Option<[u8; N]>, Rule> {
    let Some((length, rest)) = bytes.get(head as usize..).and_then(<[u8]>::split_first_chunk)
    else {
        return Err(Rule::LENGTH);
    };
    let length = i32::from_be_bytes(*length);
    if usize::try_from(length) == Ok(N)
        && let Some(value) = rest.first_chunk::<N>()
    {
        return Ok(Some(*value));
    }
    if length == -1 { Ok(None) } else { Err(Rule::LENGTH) }
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
    valid: Validity,
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
            self.valid.append(u64::from(field.is_some()), 1);
            // Numerics can be longer as text than on the wire.
            let end = i32::try_from(self.values.len()).map_err(|_long| (row, Rule::LENGTH))?;
            self.offsets.push(end);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, Broken> {
        variable_array(self.values, self.offsets, self.valid.finish(), self.is_text)
            .map_err(|row| (row, Rule::UTF8))
    }
}

pub(super) fn exactly<const N: usize>(field: &[u8]) -> Result<[u8; N], Rule> {
    field.try_into().map_err(|_length| Rule::LENGTH)
}

/// A column of values that `parse` reads from fields of any length.
pub(super) fn plain<A: ArrowPrimitiveType>(
    rows: usize,
    data_type: DataType,
    parse: impl Fn(&[u8]) -> Result<A::Native, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    reading::<A>(rows, data_type, move |bytes, head| field(bytes, head).map(&parse).transpose())
}

/// A column of values that `parse` reads from fields of `N` bytes.
pub(super) fn fixed<A: ArrowPrimitiveType, const N: usize>(
    rows: usize,
    data_type: DataType,
    parse: impl Fn([u8; N]) -> Result<A::Native, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    reading::<A>(rows, data_type, move |bytes, head| {
        fixed_field(bytes, head)?.map(&parse).transpose()
    })
}

fn reading<A: ArrowPrimitiveType>(
    rows: usize,
    data_type: DataType,
    read: impl Fn(&[u8], u32) -> Result<Option<A::Native>, Rule> + 'static,
) -> Box<dyn ColumnBuilder> {
    let (values, valid) = (Vec::with_capacity(rows), Validity::new(rows));
    Box::new(Plain::<A, _> { values, valid, data_type, read })
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
    let (values, valid) = (Vec::with_capacity(bytes), Validity::new(rows));
    Box::new(Variable { values, offsets, valid, is_text, append })
}
