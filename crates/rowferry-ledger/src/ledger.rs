//! The ledger as the engine sees it: short asynchronous calls to one thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rowferry_core::Position;
use rowferry_runtime::{FailPoint, Owner};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Store, statement_failed};
use crate::{ChunkRow, DriftRow, LedgerError, RunRow, StreamRow, TableRow};
use crate::{drift, position};

/// Runs kept. At one run every five minutes this is a month; a run is about a kilobyte per table.
const RUNS_KEPT: i64 = 10_000;

/// The ledger file, on a thread of its own. Cloning shares it.
#[derive(Clone)]
pub struct Ledger {
    owner: Owner<Store>,
    set_aside: Option<Arc<Path>>,
}

impl Ledger {
    /// Opens the ledger, or makes it and the folders above it.
    ///
    /// A damaged file is set aside under a new name and replaced, see [`Self::set_aside`].
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unwritable`] when the path cannot be written, [`LedgerError::Newer`] when a
    /// later version wrote the file.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let path = path.to_owned();
        let owner = Owner::spawn("ledger", move || Store::open(path))
            .await
            .map_err(LedgerError::Thread)??;
        let set_aside =
            owner.call(|store| store.set_aside.clone()).await.map_err(LedgerError::Thread)?;
        Ok(Self { owner, set_aside: set_aside.map(Arc::from) })
    }

    /// Where a damaged ledger was moved to when this one was opened.
    pub fn set_aside(&self) -> Option<PathBuf> {
        self.set_aside.as_deref().map(Path::to_owned)
    }

    /// Notes the start of a run, and forgets the oldest runs beyond ten thousand.
    pub async fn start_run(&self, run: &RunRow) -> Result<(), LedgerError> {
        let (run, text) = (run.clone(), json(run));
        self.change("note the start of a run", move |connection| {
            connection.execute(
                // By the order of their arrival: clocks are set back now and then.
                "delete from run where rowid in \
                 (select rowid from run order by rowid desc limit -1 offset ?1)",
                [RUNS_KEPT - 1],
            )?;
            write_run(connection, &run, &text)
        })
        .await
    }

    /// Notes the end of a run: the whole row again.
    pub async fn finish_run(&self, run: &RunRow) -> Result<(), LedgerError> {
        let (run, text) = (run.clone(), json(run));
        self.change("note the end of a run", move |connection| write_run(connection, &run, &text))
            .await
    }

    /// Notes how a table stands in a run; also the last known state of its stream. Chunks of the
    /// stream's earlier runs are forgotten.
    pub async fn upsert_table(&self, run_id: &str, table: &TableRow) -> Result<(), LedgerError> {
        let (run_id, text) = (run_id.to_owned(), json(table));
        let stream = StreamRow::of(&run_id, table);
        self.change("note a table", move |connection| {
            connection.execute(
                "insert into run_table (run_id, stream_id, row) values (?1, ?2, ?3) \
                 on conflict (run_id, stream_id) do update set row = excluded.row",
                params![run_id, stream.stream_id, text],
            )?;
            connection.execute(
                "insert into stream (stream_id, job, target, row) values (?1, ?2, ?3, ?4) \
                 on conflict (stream_id) do update set job = excluded.job, \
                 target = excluded.target, row = excluded.row",
                params![stream.stream_id, stream.job, stream.target, json(&stream)],
            )?;
            connection.execute(
                "delete from chunk where stream_id = ?1 and run_id <> ?2",
                params![stream.stream_id, run_id],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes a durable chunk. Noting it again is harmless.
    pub async fn record_chunk(
        &self,
        run_id: &str,
        stream_id: &str,
        chunk: &ChunkRow,
    ) -> Result<(), LedgerError> {
        let (run_id, stream_id) = (run_id.to_owned(), stream_id.to_owned());
        let (no, text) = (chunk.chunk_no, json(chunk));
        self.change("note a chunk", move |connection| {
            let is_new = connection
                .prepare_cached(
                    "insert into chunk (run_id, stream_id, chunk_no, row) values (?1, ?2, ?3, ?4) \
                     on conflict (run_id, stream_id, chunk_no) do nothing",
                )?
                .execute(params![run_id, stream_id, no, text])?
                == 1;
            if is_new {
                position::change(connection, &run_id, &stream_id, |position| {
                    position.chunks += 1;
                })?;
            }
            Ok(())
        })
        .await
    }

    /// What the target that calls itself `target_id` last said of a stream.
    pub async fn position(
        &self,
        stream_id: &str,
        target_id: &str,
    ) -> Result<Option<Position>, LedgerError> {
        let (stream_id, target_id) = (stream_id.to_owned(), target_id.to_owned());
        self.owner
            .call(move |store| {
                position::read(&store.connection, &stream_id, &target_id).map_err(|error| {
                    statement_failed("read the position of a stream", &store.path, error)
                })
            })
            .await
            .map_err(LedgerError::Thread)?
    }

    /// Takes the word of a target for the place of a stream: `chunks` are the durable ones of an
    /// unfinished run.
    pub async fn learn(
        &self,
        run_id: &str,
        stream_id: &str,
        target_id: &str,
        position: &Position,
        chunks: Vec<ChunkRow>,
    ) -> Result<(), LedgerError> {
        let (run_id, position) = (run_id.to_owned(), position.clone());
        let (stream_id, target_id) = (stream_id.to_owned(), target_id.to_owned());
        self.change("note the position of a stream", move |connection| {
            position::write(connection, &run_id, (&stream_id, &target_id), &position)?;
            if !position.done {
                connection.execute("delete from chunk where stream_id = ?1", [&stream_id])?;
            }
            for chunk in &chunks {
                connection
                    .prepare_cached(
                        "insert into chunk (run_id, stream_id, chunk_no, row) \
                         values (?1, ?2, ?3, ?4) on conflict (run_id, stream_id, chunk_no) \
                         do update set row = excluded.row",
                    )?
                    .execute(params![run_id, stream_id, chunk.chunk_no, json(chunk)])?;
            }
            Ok(())
        })
        .await
    }

    /// Notes that the run of a stream is finished in its target.
    pub async fn finish_stream(&self, run_id: &str, stream_id: &str) -> Result<(), LedgerError> {
        let (run_id, stream_id) = (run_id.to_owned(), stream_id.to_owned());
        self.change("note the end of a stream's run", move |connection| {
            position::change(connection, &run_id, &stream_id, |position| position.done = true)
        })
        .await
    }

    /// Forgets what a target said of a stream.
    pub async fn forget_position(
        &self,
        stream_id: &str,
        target_id: &str,
    ) -> Result<(), LedgerError> {
        let (stream_id, target_id) = (stream_id.to_owned(), target_id.to_owned());
        self.change("forget the position of a stream", move |connection| {
            position::forget(connection, &stream_id, Some(&target_id))
        })
        .await
    }

    /// The newest runs, newest first.
    pub async fn runs(&self, limit: u32) -> Result<Vec<RunRow>, LedgerError> {
        self.rows("read runs", "select row from run order by rowid desc limit ?1", limit).await
    }

    /// The tables of a run in the order of their target.
    pub async fn tables(&self, run_id: &str) -> Result<Vec<TableRow>, LedgerError> {
        let text = "select row from run_table where run_id = ?1 \
                    order by row ->> 'target', stream_id";
        self.rows("read the tables of a run", text, run_id.to_owned()).await
    }

    /// The chunks of the stream's current run in key order.
    pub async fn chunks(&self, stream_id: &str) -> Result<Vec<ChunkRow>, LedgerError> {
        let text = "select row from chunk where stream_id = ?1 order by run_id, chunk_no";
        self.rows("read the chunks of a stream", text, stream_id.to_owned()).await
    }

    /// Last known state of each stream, in the order of job and target.
    pub async fn streams(&self) -> Result<Vec<StreamRow>, LedgerError> {
        self.rows(
            "read streams",
            "select row from stream where ?1 order by job, target, stream_id",
            true,
        )
        .await
    }

    /// Notes what a comparison found.
    pub async fn record_drift(
        &self,
        run_id: &str,
        found: Vec<DriftRow>,
    ) -> Result<(), LedgerError> {
        let run_id = run_id.to_owned();
        self.change("note the drift of tables", move |connection| {
            found.iter().try_for_each(|row| drift::write(connection, &run_id, row))
        })
        .await
    }

    /// What a run of `drift` found, in its order.
    pub async fn drift(&self, run_id: &str) -> Result<Vec<DriftRow>, LedgerError> {
        self.rows("read the drift of tables", drift::OF_RUN, run_id.to_owned()).await
    }

    /// What was last found of each table, in the order of the jobs' names.
    pub async fn last_drift(&self) -> Result<Vec<DriftRow>, LedgerError> {
        self.rows("read the drift of tables", drift::LAST, true).await
    }

    /// Forgets a stream and its chunks. Runs that have ended keep their tables.
    pub async fn forget_stream(&self, stream_id: &str) -> Result<(), LedgerError> {
        let stream_id = stream_id.to_owned();
        self.change("forget a stream", move |connection| {
            connection.execute("delete from chunk where stream_id = ?1", [&stream_id])?;
            connection.execute("delete from stream where stream_id = ?1", [&stream_id])?;
            position::forget(connection, &stream_id, None)
        })
        .await
    }

    /// One transaction on the ledger's thread.
    async fn change<F>(&self, attempt: &'static str, work: F) -> Result<(), LedgerError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    {
        self.owner
            .call(move |store| {
                let run = |connection: &mut Connection| {
                    let transaction = connection
                        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                    work(&transaction)?;
                    FailPoint::LedgerBegun.reach();
                    transaction.commit()
                };
                run(&mut store.connection)
                    .map_err(|error| statement_failed(attempt, &store.path, error))
            })
            .await
            .map_err(LedgerError::Thread)?
    }

    /// Rows stored as JSON. One that cannot be read is left out: history must not stop a run.
    async fn rows<T, P>(
        &self,
        attempt: &'static str,
        text: &'static str,
        parameter: P,
    ) -> Result<Vec<T>, LedgerError>
    where
        T: DeserializeOwned + Send + 'static,
        P: rusqlite::ToSql + Send + 'static,
    {
        self.owner
            .call(move |store| {
                let read = || -> rusqlite::Result<Vec<String>> {
                    store
                        .connection
                        .prepare_cached(text)?
                        .query_map([parameter], |row| row.get(0))?
                        .collect()
                };
                let rows = read().map_err(|error| statement_failed(attempt, &store.path, error))?;
                Ok(rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect())
            })
            .await
            .map_err(LedgerError::Thread)?
    }
}

fn write_run(connection: &Connection, run: &RunRow, text: &str) -> rusqlite::Result<()> {
    connection.execute(
        "insert into run (run_id, job, started_at, row) values (?1, ?2, ?3, ?4) \
         on conflict (run_id) do update set row = excluded.row",
        params![run.run_id, run.job, run.started_at, text],
    )?;
    Ok(())
}

/// Plain structs of text and numbers always become JSON.
pub(crate) fn json<T: Serialize>(row: &T) -> String {
    serde_json::to_string(row).unwrap_or_default()
}
