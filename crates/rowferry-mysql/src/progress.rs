//! The two progress tables in the target: one row per stream, one row per durable chunk.
//!
//! Their texts have a binary collation, so that no two streams or keys are ever taken for one.

use mysql_async::{Row, params};
use rowferry_core::{
    ChunkNo, ChunkTotals, ConnectorError, Digest, ErrorClass, Fingerprint, KeyTuple, Phase,
    Receipt, Result, StreamState, TableRef,
};

use crate::config::Server;
use crate::conn::{Conn, field};
use crate::error;
use crate::types::Flavor;
use crate::{quarantine, sql};

/// Layout of the two tables; raised when an older release could not read them.
const FORMAT_VERSION: i32 = 1;
/// `ER_LOCK_DEADLOCK`.
const DEADLOCK: u16 = 1213;
/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

const STREAM_COLUMNS: &str = "stream_id, job, source_table, target_table, run, epoch, run_key, \
    phase, plan_fingerprint, staging_name, watermark, `rows`, \
    date_format(started_at, '%Y-%m-%dT%H:%i:%sZ') as started, \
    date_format(touched_at, '%Y-%m-%dT%H:%i:%sZ') as updated, \
    timestampdiff(second, touched_at, utc_timestamp(6)) as age, owner";

/// Tries of a CREATE: several tables of a first run meet here, and MySQL calls that a deadlock.
const CREATE_TRIES: u32 = 5;

/// Runs a CREATE TABLE IF NOT EXISTS until it is not the victim of others that run the same one.
async fn create_once(conn: &mut Conn, statement: &str) -> mysql_async::Result<()> {
    let mut tries = 1;
    loop {
        match conn.query_drop(statement).await {
            Err(error) if error::is_code(&error, DEADLOCK) && tries < CREATE_TRIES => tries += 1,
            done => return done,
        }
    }
}

/// Where the progress tables are.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// Quoted name of the stream table.
    pub(crate) stream: String,
    /// Quoted name of the chunk table.
    pub(crate) chunk: String,
    /// Quoted name of the table of rows set aside.
    pub(crate) quarantine: String,
    collation: &'static str,
    share: &'static str,
}

impl Progress {
    /// The tables in `schema`, else in the connection's own database.
    pub(crate) fn new(server: &Server, schema: Option<&str>) -> Self {
        let schema = schema.unwrap_or(&server.database);
        let name = |name: &str| sql::table(&TableRef::new(schema, name));
        Self {
            stream: name("_rowferry_stream"),
            chunk: name("_rowferry_chunk"),
            quarantine: name("_rowferry_quarantine"),
            collation: server.flavor.binary_collation(),
            share: match server.flavor {
                Flavor::MySql => "for share",
                Flavor::MariaDb => "lock in share mode",
            },
        }
    }

    /// Creates the tables where they are missing. Two processes may do so at once.
    pub(crate) async fn create(&self, conn: &mut Conn) -> Result<()> {
        if !self.exists(conn).await? {
            for statement in [self.chunk_ddl(), self.stream_ddl()] {
                create_once(conn, &statement).await.map_err(|error| {
                    error::of(error, "could not create the progress tables").with_next(
                        "Grant CREATE on this database, or name another `progress_schema`.",
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Makes the table of rows set aside, where there is none. It commits, so `conn` must not be
    /// in a transaction that matters.
    pub(crate) async fn create_quarantine(&self, conn: &mut Conn) -> Result<()> {
        if self.has_quarantine(conn).await? {
            return Ok(());
        }
        create_once(conn, &quarantine::ddl(&self.quarantine, self.collation)).await.map_err(
            |error| {
                error::of(error, "could not create the table of rows set aside").with_next(
                    "Grant CREATE on the database of the progress tables, or make \
                     _rowferry_quarantine there.",
                )
            },
        )
    }

    /// Whether there is a table of rows set aside that this login may read.
    pub(crate) async fn has_quarantine(&self, conn: &mut Conn) -> Result<bool> {
        match conn.query_drop(format!("select 1 from {} limit 0", self.quarantine)).await {
            Ok(()) => Ok(true),
            Err(error) if error::is_server_answer(&error) => Ok(false),
            Err(error) => Err(error::of(error, "could not look for rows set aside")),
        }
    }

    /// Whether the tables are there. A login that may use them need not be allowed to create them.
    ///
    /// # Errors
    ///
    /// Class `Conflict` when a later version has written to them.
    async fn exists(&self, conn: &mut Conn) -> Result<bool> {
        let query = format!(
            "select format_version, tool_version from {} order by format_version desc limit 1",
            self.stream
        );
        let found: Option<(i32, String)> = match conn.query_first(query).await {
            Err(error) if error::is_code(&error, NO_SUCH_TABLE) => return Ok(false),
            Err(error) => return Err(error::of(error, "could not read the progress tables")),
            Ok(found) => found,
        };
        match found {
            Some((format, by)) if format > FORMAT_VERSION => Err(ConnectorError::new(
                ErrorClass::Conflict,
                "newer-state",
                format!("the progress tables have format {format} of rowferry {by}, this one knows {FORMAT_VERSION}"),
            )
            .with_next("Run that rowferry or a newer one; nothing was changed.")),
            _ => Ok(true),
        }
    }

    fn stream_ddl(&self) -> String {
        format!(
            "create table if not exists {} (\
             stream_id char(32) not null primary key, format_version int not null, \
             tool_version varchar(40) not null, job varchar(255) not null, \
             source_id varchar(700) not null, source_table varchar(300) not null, \
             target_table varchar(300) not null, run bigint not null, run_key varchar(500) null, \
             epoch bigint not null, owner varchar(300) not null, phase varchar(20) not null, \
             plan_fingerprint longtext not null, staging_name varchar(300) null, \
             watermark longtext null, `rows` bigint unsigned not null, digest varchar(80) null, \
             started_at datetime(6) not null, updated_at datetime(6) not null) \
             engine = InnoDB character set utf8mb4 collate {}",
            self.stream, self.collation
        )
    }

    fn chunk_ddl(&self) -> String {
        format!(
            "create table if not exists {} (\
             stream_id char(32) not null, run bigint not null, chunk_no bigint not null, \
             `lower` longtext null, `upper` longtext null, last_key longtext null, \
             rows_read bigint unsigned not null, rows_written bigint unsigned not null, \
             rows_rejected bigint unsigned not null, duplicates bigint unsigned not null, \
             bytes bigint unsigned not null, digest varchar(80) null, digest_kind varchar(20) null, \
             epoch bigint not null, committed_at datetime(6) not null, \
             primary key (stream_id, run, chunk_no)) \
             engine = InnoDB character set utf8mb4 collate {}",
            self.chunk, self.collation
        )
    }

    /// Streams that match `filter` (SQL after `where`), in the order of job and table. Empty when
    /// the tables do not exist.
    pub(crate) async fn states(&self, conn: &mut Conn, filter: &str) -> Result<Vec<StreamState>> {
        if !self.exists(conn).await? {
            return Ok(Vec::new());
        }
        let query = format!(
            "select {STREAM_COLUMNS}, (select count(*) from {} c where c.stream_id = s.stream_id \
             and c.run = s.run) as chunks, (select cast(sum(c.rows_written) as unsigned) from {} c \
             where c.stream_id = s.stream_id and c.run = s.run) as rows_chunks \
             from (select t.*, greatest(t.updated_at, coalesce((select max(c.committed_at) \
             from {} c where c.stream_id = t.stream_id and c.run = t.run), t.updated_at)) \
             as touched_at from {} t) s where {filter} order by job, target_table, stream_id",
            self.chunk, self.chunk, self.chunk, self.stream
        );
        let rows: Vec<Row> = match conn.query(query).await {
            Err(error) if error::is_code(&error, NO_SUCH_TABLE) => return Ok(Vec::new()),
            other => {
                other.map_err(|error| error::of(error, "could not read the progress tables"))?
            }
        };
        rows.into_iter().map(|row| state(row).ok_or_else(|| unreadable("a stream row"))).collect()
    }

    /// Receipts of a run, in the order of their numbers.
    pub(crate) async fn receipts(
        &self,
        conn: &mut Conn,
        stream_id: &str,
        run: i64,
        chunk: Option<ChunkNo>,
    ) -> Result<Vec<Receipt>> {
        let only = chunk.map(|no| format!(" and chunk_no = {}", no.0)).unwrap_or_default();
        let query = format!(
            "select chunk_no, `lower`, `upper`, last_key, rows_read, rows_written, rows_rejected, \
             duplicates, bytes, digest, digest_kind from {} where stream_id = {} and run = {run}\
             {only} order by chunk_no",
            self.chunk,
            sql::text(stream_id)
        );
        let rows: Vec<Row> = conn
            .query(query)
            .await
            .map_err(|error| error::of(error, "could not read the receipts"))?;
        rows.into_iter().map(|row| receipt(row).ok_or_else(|| unreadable("a receipt"))).collect()
    }

    /// Writes a receipt inside the chunk's transaction: exactly one row, without a warning.
    pub(crate) async fn record(
        &self,
        conn: &mut Conn,
        stream_id: &str,
        run: i64,
        epoch: i64,
        receipt: &Receipt,
    ) -> Result<(), mysql_async::Error> {
        let totals = &receipt.totals;
        let json = |tuple: &Option<KeyTuple>| tuple.as_ref().map(KeyTuple::to_json);
        conn.exec_drop(
            format!(
                "insert into {} (stream_id, run, chunk_no, `lower`, `upper`, last_key, rows_read, \
                 rows_written, rows_rejected, duplicates, bytes, digest, digest_kind, epoch, \
                 committed_at) values (:stream_id, :run, :no, :lo, :up, :last_key, :rows_read, \
                 :rows_written, :rows_rejected, :duplicates, :bytes, :digest, :digest_kind, :epoch, \
                 utc_timestamp(6))",
                self.chunk
            ),
            params! {
                "stream_id" => stream_id,
                "run" => run,
                "no" => receipt.no.0,
                "lo" => json(&receipt.lower),
                "up" => json(&receipt.upper),
                "last_key" => json(&totals.last_key),
                "rows_read" => totals.rows_read,
                "rows_written" => totals.rows_written,
                "rows_rejected" => totals.rows_rejected,
                "duplicates" => totals.duplicates,
                "bytes" => totals.bytes,
                "digest" => totals.digest.as_ref().map(digest_text),
                "digest_kind" => totals.digest.as_ref().map(|digest| digest.kind.clone()),
                "epoch" => epoch,
            },
        )
        .await
    }

    /// The run and epoch of a stream under a shared lock, held until the transaction ends.
    pub(crate) async fn epoch_shared(
        &self,
        conn: &mut Conn,
        stream_id: &str,
    ) -> Result<Option<(i64, i64)>, mysql_async::Error> {
        let lock = self.share;
        conn.query_first(self.epoch_query(stream_id, lock)).await
    }

    /// The run and epoch of a stream under an exclusive lock.
    pub(crate) async fn epoch_exclusive(
        &self,
        conn: &mut Conn,
        stream_id: &str,
    ) -> Result<Option<(i64, i64)>, mysql_async::Error> {
        conn.query_first(self.epoch_query(stream_id, "for update")).await
    }

    fn epoch_query(&self, stream_id: &str, lock: &str) -> String {
        let id = sql::text(stream_id);
        format!("select run, epoch from {} where stream_id = {id} {lock}", self.stream)
    }

    /// The row's version columns for a new or taken-over stream.
    pub(crate) const fn format_version() -> i32 {
        FORMAT_VERSION
    }
}

/// The error of a process whose epoch is no longer the row's.
pub(crate) fn fenced(target: &TableRef) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Fenced,
        "fenced",
        format!("another process has taken over the copy into {target}"),
    )
    .with_next("Nothing is lost: the other process goes on from the last durable chunk.")
}

fn unreadable(what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorClass::Conflict,
        "state-unreadable",
        format!("{what} in the progress tables cannot be read"),
    )
    .with_next(
        "Remove the stream's rows from _rowferry_stream and _rowferry_chunk by hand, then run again.",
    )
}

fn digest_text(digest: &Digest) -> String {
    format!("{}:{:032x}", digest.count, digest.sum)
}

fn digest_of(text: &str, kind: String) -> Option<Digest> {
    let (count, sum) = text.split_once(':')?;
    Some(Digest { kind, count: count.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? })
}

fn state(mut row: Row) -> Option<StreamState> {
    let rows: u64 = field(&mut row, "rows")?;
    let rows_chunks: Option<u64> = field(&mut row, "rows_chunks")?;
    let phase = Phase::from_word(&field::<String>(&mut row, "phase")?)?;
    Some(StreamState {
        stream_id: field(&mut row, "stream_id")?,
        job: field(&mut row, "job")?,
        source_table: field(&mut row, "source_table")?,
        target_table: field(&mut row, "target_table")?,
        run: field(&mut row, "run")?,
        epoch: field(&mut row, "epoch")?,
        run_key: field(&mut row, "run_key")?,
        fingerprint: fingerprint(&field::<String>(&mut row, "plan_fingerprint")?)?,
        staging: field::<Option<String>>(&mut row, "staging_name")?
            .map(|name| TableRef::parse(&name)),
        watermark: field(&mut row, "watermark")?,
        rows: if phase == Phase::Done { rows } else { rows_chunks.unwrap_or(0) },
        chunks: field(&mut row, "chunks")?,
        started_at: field(&mut row, "started")?,
        updated_at: field(&mut row, "updated")?,
        age_seconds: field(&mut row, "age")?,
        owner: field(&mut row, "owner")?,
        phase,
    })
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    serde_json::from_str(text).ok()
}

fn receipt(mut row: Row) -> Option<Receipt> {
    // A bound that is there but cannot be read must not become an open end.
    let mut bound = |name: &str| -> Option<Option<KeyTuple>> {
        match field::<Option<String>>(&mut row, name)? {
            None => Some(None),
            Some(text) => KeyTuple::from_json(&text).map(Some),
        }
    };
    let (lower, upper, last_key) = (bound("lower")?, bound("upper")?, bound("last_key")?);
    let digest: Option<String> = field(&mut row, "digest")?;
    let kind: Option<String> = field(&mut row, "digest_kind")?;
    let totals = ChunkTotals {
        rows_read: field(&mut row, "rows_read")?,
        rows_written: field(&mut row, "rows_written")?,
        rows_rejected: field(&mut row, "rows_rejected")?,
        duplicates: field(&mut row, "duplicates")?,
        bytes: field(&mut row, "bytes")?,
        last_key,
        digest: digest.zip(kind).and_then(|(text, kind)| digest_of(&text, kind)),
    };
    Some(Receipt { no: ChunkNo(field(&mut row, "chunk_no")?), lower, upper, totals })
}
