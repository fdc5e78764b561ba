//! Where the connector meets the codec: columns of the catalogue, errors with a class, buffers.

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use rowferry_codec::pgcopy::{
    CodecError, ColumnCodec, DecodePlan, Encoder, HEADER, TRAILER, Tuples,
};
use rowferry_core::{
    CanonicalType, Column, ColumnPlan, ConnectorError, ErrorClass, Result, TableRef,
};

use crate::types::Words;
use crate::ways::{self, Way};

/// Bytes of one buffer on its way to the server: large enough that per-message costs vanish, small
/// enough to stay in the cache between the encoder and the socket.
const BUFFER_BYTES: usize = 4 << 20;

/// A column of the codec; `way` is `None` where nothing leads from one side to the other.
fn codec(
    column: &Column,
    canonical: Option<&CanonicalType>,
    way: Option<Way>,
) -> Result<ColumnCodec> {
    match (canonical, way) {
        (Some(canonical), Some(way)) => Ok(ColumnCodec {
            name: column.name.clone(),
            canonical: canonical.clone(),
            pg: way.pg_type(),
        }),
        _ => Err(ConnectorError::new(
            ErrorClass::Setup,
            "type-mismatch",
            format!(
                "column {:?}: no exact way between {} and {}",
                column.name,
                canonical.map_or_else(|| "no meaning".to_owned(), CanonicalType::name),
                column.native.declared
            ),
        )
        .with_column(&column.name)
        .with_next("Cast the column to text, or leave it out with `exclude`.")),
    }
}

/// Tuples into batches.
#[derive(Clone)]
pub(crate) struct ChunkDecoder {
    plan: DecodePlan,
    /// Places of the key columns, and how their fields alone are decoded.
    key: Option<(Vec<usize>, DecodePlan)>,
    table: TableRef,
}

impl ChunkDecoder {
    /// `key` are the columns that name a row; without all of them rows have no name.
    pub(crate) fn new(table: &TableRef, columns: &[Column], key: &[String]) -> Result<Self> {
        let columns: Vec<ColumnCodec> = columns
            .iter()
            .map(|column| codec(column, column.canonical.as_ref(), ways::reading(column)))
            .collect::<Result<_>>()?;
        let plan = DecodePlan::new(&columns).map_err(failed("read", table))?;
        let places: Option<Vec<usize>> =
            key.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect();
        let key = places.filter(|places| !places.is_empty()).and_then(|places| {
            let columns: Vec<ColumnCodec> =
                places.iter().filter_map(|place| columns.get(*place).cloned()).collect();
            Some((places, DecodePlan::new(&columns).ok()?))
        });
        Ok(Self { plan, key, table: table.clone() })
    }

    pub(crate) fn decode(&self, tuples: &Tuples) -> Result<RecordBatch> {
        self.plan.decode(&tuples.bytes, tuples.rows).map_err(|error| {
            let key = error.place().and_then(|(_, row)| self.key_of(&tuples.bytes, row));
            let error = failed("read", &self.table)(error);
            match key {
                Some(key) => error.with_key(key),
                None => error,
            }
        })
    }

    /// The key of one row, whose other columns nobody can decode.
    fn key_of(&self, bytes: &[u8], row: usize) -> Option<RecordBatch> {
        let (places, plan) = self.key.as_ref()?;
        let mut rest = bytes;
        for _ in 0..row {
            fields(&mut rest)?;
        }
        let fields = fields(&mut rest)?;
        let mut tuple = u16::try_from(places.len()).ok()?.to_be_bytes().to_vec();
        for place in places {
            tuple.extend_from_slice(fields.get(*place)?);
        }
        plan.decode(&tuple, 1).ok()
    }
}

/// The fields of the tuple at the start of `rest`, each with its length, which are taken off.
fn fields<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let (count, mut behind) = rest.split_first_chunk::<2>()?;
    let fields = (0..u16::from_be_bytes(*count)).map(|_| {
        let length = i32::from_be_bytes(*behind.first_chunk::<4>()?);
        // −1 is NULL.
        let (field, after) = behind.split_at_checked(4 + usize::try_from(length.max(0)).ok()?)?;
        behind = after;
        Some(field)
    });
    let fields = fields.collect();
    *rest = behind;
    fields
}

/// Batches into tuples, for one target table.
#[derive(Clone)]
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
    table: TableRef,
}

impl ChunkEncoder {
    pub(crate) fn new(table: &TableRef, columns: &[&ColumnPlan], words: &Words) -> Result<Self> {
        let columns: Vec<ColumnCodec> = columns
            .iter()
            .map(|column| codec(&column.target, column.written(), ways::writing(words, column)))
            .collect::<Result<_>>()?;
        let encoder = Encoder::new(&columns).map_err(failed("write", table))?;
        Ok(Self { encoder, table: table.clone() })
    }

    /// The rows of `batch` in buffers of about [`BUFFER_BYTES`].
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        let rows = batch.num_rows();
        let size = batch.get_array_memory_size().max(1);
        let pieces = size.div_ceil(BUFFER_BYTES).clamp(1, rows.max(1));
        let step = rows.div_ceil(pieces).max(1);
        (0..rows)
            .step_by(step)
            .map(|from| {
                let mut buffer = BytesMut::new();
                let piece = batch.slice(from, step.min(rows - from));
                self.encoder.encode(&piece, &mut buffer).map_err(failed("write", &self.table))?;
                Ok(buffer.freeze())
            })
            .collect()
    }

    pub(crate) fn header() -> Bytes {
        Bytes::from_static(HEADER)
    }

    pub(crate) fn trailer() -> Bytes {
        Bytes::from_static(TRAILER)
    }
}

/// Gives a codec error its class. The codec never puts values into its messages.
pub(crate) fn failed(word: &str, table: &TableRef) -> impl FnOnce(CodecError) -> ConnectorError {
    let attempt = format!("could not {word} table {table}");
    let writing = word == "write";
    move |error| {
        let (class, code) = match &error {
            // The engine may read the column again, by a wider meaning.
            CodecError::Value { unrepresentable: true, .. } => {
                (ErrorClass::Data, "unrepresentable")
            }
            CodecError::Value { .. } => (ErrorClass::Data, "value-refused"),
            CodecError::NoEncoding { .. } | CodecError::NoDecoding { .. } => {
                (ErrorClass::Setup, "type-mismatch")
            }
            CodecError::Stream { .. } => (ErrorClass::Transient, "malformed-stream"),
            CodecError::Batch(_) => (ErrorClass::Bug, "bug"),
        };
        let next = error.next();
        let ours = ConnectorError::new(class, code, format!("{attempt}: {error}"));
        match error.place() {
            // Which casts help with a value that cannot be written is known to the plan.
            Some((column, _)) if code == "value-refused" && writing => ours.with_column(column),
            Some((column, _)) => ours.with_column(column).with_next(next),
            None => ours.with_next(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::Int32Type;
    use rowferry_core::NativeType;

    use super::*;

    #[test]
    fn a_value_that_cannot_be_read_comes_with_its_key() {
        let column = |name: &str, meaning, declared: &str| {
            Column::new(name, Some(meaning), NativeType::new("postgres", declared))
        };
        let moment = CanonicalType::Timestamp { digits: 6 };
        let columns = [
            column("at", moment, "timestamp without time zone"),
            column("id", CanonicalType::Int32, "integer"),
        ];
        let tuple = |at: i64, id: i32| {
            let fields = [[0, 0, 0, 8].as_slice(), &at.to_be_bytes()].concat();
            let key = [[0, 0, 0, 4].as_slice(), &id.to_be_bytes()].concat();
            [[0, 2].as_slice(), &fields, &key].concat()
        };
        // One microsecond before `infinity`: beyond what is left of 64 bits since 1970.
        let bytes = [tuple(0, 7), tuple(i64::MAX - 1, 4711)].concat();
        let tuples = Tuples { rows: 2, bytes: bytes.into() };
        let key_of = |key: &[&str]| {
            let key: Vec<String> = key.iter().map(ToString::to_string).collect();
            let decoder = ChunkDecoder::new(&TableRef::bare("t"), &columns, &key).ok()?;
            let key = decoder.decode(&tuples).err()?.take_key()?;
            let ids = key.columns().first()?.as_primitive_opt::<Int32Type>()?;
            ids.values().first().copied()
        };
        assert_eq!(key_of(&["id"]), Some(4711));
        assert_eq!(key_of(&["gone"]), None);
        assert_eq!(key_of(&[]), None);
    }
}
