//! The two progress tables: `_rowferry_stream`, one row per stream, and `_rowferry_chunk`, one row
//! per durable chunk. They live in the target, so that they commit with the rows.

use std::time::Duration;

use rowferry_core::{
    Chunk, ChunkNo, ChunkTotals, ConnectorError, Digest, ErrorClass, Fingerprint, KeyTuple, Phase,
    Receipt, Result, StreamState, TableRef,
};
use tokio_postgres::types::{ToSql, Type};

use crate::client::Client;
use crate::error::failed;
use crate::row::Row;
use crate::{prepare, sql};

/// Layout of the two tables. Raised when it changes; an older tool then refuses.
pub(crate) const FORMAT_VERSION: i32 = 1;

/// Tries to create the tables while another process creates them too.
const CREATE_TRIES: u32 = 5;
/// Pause between these tries. Guessed: a create takes some milliseconds.
const CREATE_PAUSE: Duration = Duration::from_millis(100);

/// The progress tables of one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    schema: String,
}

impl Progress {
    pub(crate) fn new(schema: impl Into<String>) -> Self {
        Self { schema: schema.into() }
    }

    /// Quoted `_rowferry_stream`.
    pub(crate) fn stream(&self) -> String {
        sql::table(&TableRef::new(&self.schema, "_rowferry_stream"))
    }

    /// Quoted `_rowferry_chunk`.
    pub(crate) fn chunk(&self) -> String {
        sql::table(&TableRef::new(&self.schema, "_rowferry_chunk"))
    }

    /// Quoted `_rowferry_quarantine`.
    pub(crate) fn quarantine(&self) -> String {
        sql::table(&self.quarantine_name())
    }

    /// Both tables that every run writes.
    pub(crate) fn tables(&self) -> [TableRef; 2] {
        ["_rowferry_stream", "_rowferry_chunk"].map(|name| TableRef::new(&self.schema, name))
    }

    fn quarantine_name(&self) -> TableRef {
        TableRef::new(&self.schema, "_rowferry_quarantine")
    }

    /// Whether rows were ever set aside here.
    pub(crate) async fn has_quarantine(&self, client: &Client) -> Result<bool> {
        prepare::exists(client, &self.quarantine_name()).await
    }

    /// Whether both tables exist and have a layout that this version knows.
    pub(crate) async fn exists(&self, client: &Client) -> Result<bool> {
        const TABLES: &str = "select count(*) from pg_catalog.pg_class c \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relkind = 'r' \
                 and c.relname in ('_rowferry_stream', '_rowferry_chunk')";
        let count: i64 = client
            .query_typed_one(TABLES, &[(&self.schema, Type::TEXT)])
            .await
            .map_err(failed("could not look for the progress tables"))?
            .get(0)?;
        Ok(count == 2)
    }

    /// Makes the tables where they are missing. Two processes may do so at once: the loser's
    /// `create if not exists` fails on the catalogue's own unique index and is tried again.
    pub(crate) async fn create(&self, client: &Client) -> Result<()> {
        let mut tries = 0;
        while !self.exists(client).await? {
            tries += 1;
            match client.batch_execute(&self.ddl()).await {
                Ok(()) => {}
                Err(_) if tries < CREATE_TRIES => tokio::time::sleep(CREATE_PAUSE).await,
                Err(error) => {
                    let attempt =
                        format!("could not create the progress tables in schema {}", self.schema);
                    return Err(failed(attempt)(error));
                }
            }
        }
        Ok(())
    }

    fn ddl(&self) -> String {
        // Binary collation: names and hashes compare as bytes on every server.
        format!(
            "create table if not exists {stream} ( \
                 stream_id text collate \"C\" primary key, \
                 job text collate \"C\" not null, \
                 source_id text collate \"C\" not null, \
                 source_table text collate \"C\" not null, \
                 target_table text collate \"C\" not null, \
                 run bigint not null, \
                 run_key text collate \"C\", \
                 epoch bigint not null, \
                 owner text collate \"C\" not null, \
                 phase text collate \"C\" not null, \
                 plan_fingerprint text collate \"C\" not null, \
                 staging_name text collate \"C\", \
                 watermark text collate \"C\", \
                 rows bigint not null default 0, \
                 digest text collate \"C\", \
                 shared_target boolean not null default false, \
                 started_at timestamptz not null default now(), \
                 updated_at timestamptz not null default now(), \
                 format_version integer not null, \
                 tool_version text collate \"C\" not null); \
             create table if not exists {chunk} ( \
                 stream_id text collate \"C\" not null, \
                 run bigint not null, \
                 chunk_no bigint not null, \
                 \"lower\" text collate \"C\", \
                 \"upper\" text collate \"C\", \
                 last_key text collate \"C\", \
                 rows_read bigint not null, \
                 rows_written bigint not null, \
                 rows_rejected bigint not null, \
                 duplicates bigint not null, \
                 bytes bigint not null, \
                 digest text collate \"C\", \
                 digest_kind text collate \"C\", \
                 epoch bigint not null, \
                 committed_at timestamptz not null default now(), \
                 format_version integer not null, \
                 tool_version text collate \"C\" not null, \
                 primary key (stream_id, run, chunk_no))",
            stream = self.stream(),
            chunk = self.chunk(),
        )
    }

    /// Refuses tables that a later version has written to, before anything else is asked of them.
    async fn check_format(&self, client: &Client) -> Result<()> {
        let query = format!(
            "select format_version, tool_version from {} order by format_version desc limit 1",
            self.stream()
        );
        let newest = client
            .query_typed_opt(&query, &[])
            .await
            .map_err(failed("could not read the progress of streams"))?;
        let format = |row: Row| Ok((row.get::<i32>(0)?, row.get::<String>(1)?));
        match newest.map(format).transpose()? {
            Some((format, by)) if format > FORMAT_VERSION => Err(ConnectorError::new(
                ErrorClass::Conflict,
                "newer-state",
                format!("the progress tables have format {format} of rowferry {by}, this one knows {FORMAT_VERSION}"),
            )
            .with_next("Run that rowferry or a newer one; nothing was changed.")),
            _ => Ok(()),
        }
    }

    /// The stream rows that `condition` (over alias `s`) selects.
    pub(crate) async fn states(
        &self,
        client: &Client,
        condition: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<StreamState>> {
        let query = format!(
            "select s.stream_id, s.job, s.source_table, s.target_table, s.run, s.epoch, s.run_key, \
                 s.phase, s.plan_fingerprint, s.staging_name, s.watermark, \
                 case when s.phase = 'done' then s.rows else c.rows end, c.chunks, \
                 to_char(s.started_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                 to_char(c.latest at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                 extract(epoch from clock_timestamp() - c.latest)::int8, s.owner \
             from {} s cross join lateral ( \
                 select coalesce(sum(k.rows_written), 0)::int8 as rows, count(*) as chunks, \
                     greatest(max(k.committed_at), s.updated_at) as latest \
                 from {} k where k.stream_id = s.stream_id and k.run = s.run) c \
             where {condition} order by s.job, s.source_table, s.target_table",
            self.stream(),
            self.chunk(),
        );
        let rows = async {
            let rows = client.query_typed(&query, parameters).await;
            rows.map_err(failed("could not read the progress of streams"))
        };
        // In one round trip. Tables of a later version may fail both: the first one says why.
        let (known, rows) = tokio::join!(self.check_format(client), rows);
        known?;
        rows?.iter().map(state).collect()
    }

    /// The receipts of one run, in the order of their numbers.
    pub(crate) async fn receipts(
        &self,
        client: &Client,
        stream_id: &str,
        run: i64,
    ) -> Result<Vec<Receipt>> {
        let query = format!(
            "select {RECEIPT} from {} where stream_id = $1 and run = $2 order by chunk_no",
            self.chunk()
        );
        let rows = client
            .query_typed(&query, &[(&stream_id, Type::TEXT), (&run, Type::INT8)])
            .await
            .map_err(failed("could not read the receipts"))?;
        rows.iter().map(receipt).collect()
    }

    /// The receipt of one chunk, if there is one.
    pub(crate) async fn receipt(
        &self,
        client: &Client,
        stream_id: &str,
        run: i64,
        no: ChunkNo,
    ) -> Result<Option<Receipt>> {
        let query = format!(
            "select {RECEIPT} from {} where stream_id = $1 and run = $2 and chunk_no = $3",
            self.chunk()
        );
        let row = client
            .query_typed_opt(
                &query,
                &[(&stream_id, Type::TEXT), (&run, Type::INT8), (&no.0, Type::INT8)],
            )
            .await
            .map_err(failed("could not look for the receipt of a chunk"))?;
        row.as_ref().map(receipt).transpose()
    }

    /// Writes the receipt, then reads the epoch under a shared lock that holds until the commit.
    ///
    /// Both are one statement, so one round trip: the receipt must count one row and the epoch
    /// must be ours before COMMIT may be sent.
    pub(crate) async fn write_receipt(
        &self,
        client: &Client,
        run: &RunOf<'_>,
        chunk: &Chunk,
        totals: &ChunkTotals,
    ) -> Result<()> {
        let query = format!(
            "with receipt as (insert into {} (stream_id, run, chunk_no, \"lower\", \"upper\", \
                 last_key, rows_read, rows_written, rows_rejected, duplicates, bytes, digest, \
                 digest_kind, epoch, format_version, tool_version) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                 returning 1) \
             select s.epoch, s.run, (select count(*) from receipt) \
             from {} s where s.stream_id = $1 for share of s",
            self.chunk(),
            self.stream(),
        );
        let bounds = Receipt::of(chunk, ChunkTotals::default());
        let json = |tuple: &Option<KeyTuple>| tuple.as_ref().map(KeyTuple::to_json);
        let (lower, upper, last) =
            (json(&bounds.lower), json(&bounds.upper), json(&totals.last_key));
        let counts = [
            count(totals.rows_read)?,
            count(totals.rows_written)?,
            count(totals.rows_rejected)?,
            count(totals.duplicates)?,
            count(totals.bytes)?,
        ];
        let [read, written, rejected, duplicates, bytes] = &counts;
        let digest = totals.digest.as_ref().map(digest_text);
        let kind = totals.digest.as_ref().map(|digest| digest.kind.as_str());
        let parameters: [(&(dyn ToSql + Sync), Type); 16] = [
            (&run.stream_id, Type::TEXT),
            (&run.run, Type::INT8),
            (&chunk.no.0, Type::INT8),
            (&lower, Type::TEXT),
            (&upper, Type::TEXT),
            (&last, Type::TEXT),
            (read, Type::INT8),
            (written, Type::INT8),
            (rejected, Type::INT8),
            (duplicates, Type::INT8),
            (bytes, Type::INT8),
            (&digest, Type::TEXT),
            (&kind, Type::TEXT),
            (&run.epoch, Type::INT8),
            (&FORMAT_VERSION, Type::INT4),
            (&run.tool_version, Type::TEXT),
        ];
        let row = client
            .query_typed_opt(&query, &parameters)
            .await
            .map_err(failed(format!("could not write the receipt of chunk {}", chunk.no.0)))?;
        let Some(row) = row else { return Err(fenced(run.stream_id)) };
        let (epoch, current, written): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if (epoch, current) != (run.epoch, run.run) {
            return Err(fenced(run.stream_id));
        }
        if written != 1 {
            return Err(ConnectorError::bug(format!(
                "{written} receipts were written for chunk {}",
                chunk.no.0
            )));
        }
        Ok(())
    }

    /// Begins a transaction and does what [`Self::fence`] does, both in one round trip.
    pub(crate) async fn begin_fenced(&self, client: &Client, run: &RunOf<'_>) -> Result<Phase> {
        let begin = client.batch_execute("begin");
        let (begun, phase) = tokio::join!(begin, self.fence(client, run));
        begun.map_err(failed("could not begin a transaction"))?;
        phase
    }

    /// Locks the stream row for the rest of the transaction and returns its phase, if the epoch
    /// and the run are still ours.
    pub(crate) async fn fence(&self, client: &Client, run: &RunOf<'_>) -> Result<Phase> {
        let query = format!(
            "select epoch, run, phase from {} where stream_id = $1 for update",
            self.stream()
        );
        let row = client
            .query_typed_opt(&query, &[(&run.stream_id, Type::TEXT)])
            .await
            .map_err(failed("could not lock the progress of the stream"))?;
        let Some(row) = row else { return Err(fenced(run.stream_id)) };
        if (row.get::<i64>(0)?, row.get::<i64>(1)?) != (run.epoch, run.run) {
            return Err(fenced(run.stream_id));
        }
        phase(row.get(2)?)
    }
}

/// Which run of which stream a statement belongs to.
pub(crate) struct RunOf<'a> {
    pub(crate) stream_id: &'a str,
    pub(crate) run: i64,
    pub(crate) epoch: i64,
    pub(crate) tool_version: &'a str,
}

impl<'a> RunOf<'a> {
    pub(crate) fn prepared(prepared: &'a rowferry_core::Prepared) -> Self {
        Self {
            stream_id: &prepared.stream.stream_id,
            run: prepared.run,
            epoch: prepared.epoch,
            tool_version: &prepared.stream.tool_version,
        }
    }
}

/// Another process raised the epoch.
pub(crate) fn fenced(stream_id: &str) -> ConnectorError {
    let short = stream_id.get(..12).unwrap_or(stream_id);
    ConnectorError::new(
        ErrorClass::Fenced,
        "fenced",
        format!("another process has taken over stream {short}"),
    )
    .with_next("Let the other process finish; nothing of this one was left half done.")
}

const RECEIPT: &str = "chunk_no, \"lower\", \"upper\", last_key, rows_read, rows_written, \
     rows_rejected, duplicates, bytes, digest, digest_kind";

fn receipt(row: &Row) -> Result<Receipt> {
    let key = |index: usize| -> Result<Option<KeyTuple>> {
        let text: Option<String> = row.get(index)?;
        text.map(|text| KeyTuple::from_json(&text).ok_or_else(|| unreadable("a receipt's key")))
            .transpose()
    };
    let number = |index: usize| {
        u64::try_from(row.get::<i64>(index)?)
            .map_err(|error| unreadable("a receipt's count").with_source(error))
    };
    let digest = match (row.get::<Option<String>>(9)?, row.get::<Option<String>>(10)?) {
        (Some(text), Some(kind)) => {
            Some(digest(&text, kind).ok_or_else(|| unreadable("a receipt's digest"))?)
        }
        _ => None,
    };
    Ok(Receipt {
        no: ChunkNo(row.get(0)?),
        lower: key(1)?,
        upper: key(2)?,
        totals: ChunkTotals {
            rows_read: number(4)?,
            rows_written: number(5)?,
            rows_rejected: number(6)?,
            duplicates: number(7)?,
            bytes: number(8)?,
            last_key: key(3)?,
            digest,
        },
    })
}

fn state(row: &Row) -> Result<StreamState> {
    let fingerprint: String = row.get(8)?;
    let staging: Option<String> = row.get(9)?;
    let unsigned = |index: usize| {
        u64::try_from(row.get::<i64>(index)?)
            .map_err(|error| unreadable("a count").with_source(error))
    };
    Ok(StreamState {
        stream_id: row.get(0)?,
        job: row.get(1)?,
        source_table: row.get(2)?,
        target_table: row.get(3)?,
        run: row.get(4)?,
        epoch: row.get(5)?,
        run_key: row.get(6)?,
        phase: phase(row.get(7)?)?,
        fingerprint: serde_json::from_str::<Fingerprint>(&fingerprint)
            .map_err(|error| unreadable("the plan's fingerprint").with_source(error))?,
        staging: staging.as_deref().map(table_from_json).transpose()?,
        watermark: row.get(10)?,
        rows: unsigned(11)?,
        chunks: unsigned(12)?,
        started_at: row.get(13)?,
        updated_at: row.get(14)?,
        age_seconds: row.get(15)?,
        owner: row.get(16)?,
    })
}

/// A table as stored in `staging_name`: JSON, since both parts may hold any character.
pub(crate) fn table_json(table: &TableRef) -> String {
    serde_json::to_string(table).unwrap_or_default()
}

fn table_from_json(text: &str) -> Result<TableRef> {
    serde_json::from_str(text)
        .map_err(|error| unreadable("the name of the staging table").with_source(error))
}

fn phase(word: &str) -> Result<Phase> {
    Phase::from_word(word).ok_or_else(|| unreadable("the phase of a stream"))
}

fn unreadable(what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        "unreadable-state",
        format!("could not read {what} in the progress tables"),
    )
    .with_next(
        "Remove the stream's rows from _rowferry_stream and _rowferry_chunk by hand, then run again.",
    )
}

fn count(value: u64) -> Result<i64> {
    i64::try_from(value)
        .map_err(|error| ConnectorError::bug("a count is larger than any table").with_source(error))
}

/// `count:sum`, the sum as 32 hex digits.
fn digest_text(digest: &Digest) -> String {
    format!("{}:{:032x}", digest.count, digest.sum)
}

fn digest(text: &str, kind: String) -> Option<Digest> {
    let (count, sum) = text.split_once(':')?;
    Some(Digest { kind, count: count.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_their_text() {
        let one = Digest { kind: "rows-v1".into(), count: 7, sum: u128::MAX - 5 };
        assert_eq!(digest(&digest_text(&one), one.kind.clone()), Some(one));
    }
}
