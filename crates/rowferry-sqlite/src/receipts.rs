//! Receipts: one row per durable chunk, written in the transaction of its rows.

use rowferry_core::{
    ChunkNo, ChunkTotals, ConnectorError, Digest, KeyTuple, Prepared, Receipt, Result,
};
use rusqlite::{Connection, Row, named_params, params};

use crate::count::Count;
use crate::error::{conflict, failed};
use crate::progress::{FORMAT_VERSION, NOW, exists};

/// Writes the receipt of a chunk; exactly one row, or the chunk is durable already.
pub(crate) fn insert_receipt(
    connection: &Connection,
    prepared: &Prepared,
    receipt: &Receipt,
) -> Result<()> {
    let totals = &receipt.totals;
    let digest = totals.digest.as_ref();
    let key = |tuple: &Option<KeyTuple>| tuple.as_ref().map(KeyTuple::to_json);
    let text = format!(
        "insert into _rowferry_chunk (stream_id, run, chunk_no, format_version, tool_version, \
         lower, upper, last_key, rows_read, rows_written, rows_rejected, duplicates, bytes, \
         digest, digest_kind, digest_rows, epoch, committed_at) values (:id, :run, :no, \
         {FORMAT_VERSION}, :tool, :lower, :upper, :last, :read, :written, :rejected, \
         :duplicates, :bytes, :digest, :kind, :digest_rows, :epoch, {NOW})"
    );
    let inserted = connection
        .prepare_cached(&text)
        .and_then(|mut statement| {
            statement.execute(named_params! {
                ":id": prepared.stream.stream_id, ":run": prepared.run, ":no": receipt.no.0,
                ":tool": prepared.stream.tool_version, ":lower": key(&receipt.lower),
                ":upper": key(&receipt.upper), ":last": key(&totals.last_key),
                ":read": Count(totals.rows_read), ":written": Count(totals.rows_written),
                ":rejected": Count(totals.rows_rejected),
                ":duplicates": Count(totals.duplicates), ":bytes": Count(totals.bytes),
                ":digest": digest.map(|digest| format!("{:032x}", digest.sum)),
                ":kind": digest.map(|digest| digest.kind.as_str()),
                ":digest_rows": digest.map(|digest| Count(digest.count)),
                ":epoch": prepared.epoch,
            })
        })
        .map_err(|error| failed(format!("could not write receipt {}", receipt.no.0), error))?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(ConnectorError::bug(format!("receipt {} was not written once", receipt.no.0)))
    }
}

/// The receipts of a run in key order.
pub(crate) fn receipts(connection: &Connection, id: &str, run: i64) -> Result<Vec<Receipt>> {
    read_receipts(connection, id, run, None)
}

/// The receipt of one chunk of the run, if it is durable.
pub(crate) fn receipt(
    connection: &Connection,
    id: &str,
    run: i64,
    no: ChunkNo,
) -> Result<Option<Receipt>> {
    if !exists(connection).map_err(|error| failed("could not look for a receipt", error))? {
        return Ok(None);
    }
    Ok(read_receipts(connection, id, run, Some(no))?.pop())
}

fn read_receipts(
    connection: &Connection,
    id: &str,
    run: i64,
    no: Option<ChunkNo>,
) -> Result<Vec<Receipt>> {
    let refused = |error| failed("could not read the receipts of the stream", error);
    let mut statement = connection
        .prepare_cached(
            "select chunk_no, lower, upper, last_key, rows_read, rows_written, rows_rejected, \
             duplicates, bytes, digest, digest_kind, digest_rows from _rowferry_chunk \
             where stream_id = ?1 and run = ?2 and (?3 is null or chunk_no = ?3) order by chunk_no",
        )
        .map_err(refused)?;
    let mut rows = statement.query(params![id, run, no.map(|no| no.0)]).map_err(refused)?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next().map_err(refused)? {
        receipts.push(receipt_of(row)?);
    }
    Ok(receipts)
}

fn receipt_of(row: &Row<'_>) -> Result<Receipt> {
    let refused = |error| failed("could not read a receipt of the stream", error);
    let key = |index: usize| -> Result<Option<KeyTuple>> {
        let text: Option<String> = row.get(index).map_err(refused)?;
        text.map(|text| {
            KeyTuple::from_json(&text).ok_or_else(|| {
                conflict("state-damaged", "a receipt in the target holds an unreadable bound")
                    .with_next("Run again with `--restart`.")
            })
        })
        .transpose()
    };
    let count = |index: usize| row.get(index).map(|Count(count)| count).map_err(refused);
    let sum: Option<String> = row.get(9).map_err(refused)?;
    let kind: Option<String> = row.get(10).map_err(refused)?;
    let digest_rows: Option<Count> = row.get(11).map_err(refused)?;
    let sum = sum.and_then(|sum| u128::from_str_radix(&sum, 16).ok());
    let digest = match (kind, digest_rows, sum) {
        (Some(kind), Some(Count(count)), Some(sum)) => Some(Digest { kind, count, sum }),
        _ => None,
    };
    Ok(Receipt {
        no: ChunkNo(row.get(0).map_err(refused)?),
        lower: key(1)?,
        upper: key(2)?,
        totals: ChunkTotals {
            rows_read: count(4)?,
            rows_written: count(5)?,
            rows_rejected: count(6)?,
            duplicates: count(7)?,
            bytes: count(8)?,
            last_key: key(3)?,
            digest,
        },
    })
}

/// Rows written by the receipts of a run.
pub(crate) fn rows_written(connection: &Connection, id: &str, run: i64) -> rusqlite::Result<u64> {
    connection.query_row(
        "select coalesce(sum(rows_written), 0) from _rowferry_chunk \
         where stream_id = ?1 and run = ?2",
        params![id, run],
        |row| row.get::<_, Count>(0).map(|Count(rows)| rows),
    )
}

/// One digest of all receipts as `kind:count:sum`, where all are of one kind.
pub(crate) fn folded_digest(receipts: &[Receipt]) -> Option<String> {
    let mut digests = receipts.iter().map(|receipt| receipt.totals.digest.as_ref());
    let mut folded = digests.next()??.clone();
    for digest in digests {
        let digest = digest.filter(|digest| digest.kind == folded.kind)?;
        folded.count += digest.count;
        folded.sum = folded.sum.wrapping_add(digest.sum);
    }
    Some(format!("{}:{}:{:032x}", folded.kind, folded.count, folded.sum))
}
