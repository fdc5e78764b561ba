//! What each target last said of its streams: enough to notice that a target was put back.
//!
//! A row is JSON with a checksum beside it. SQLite notices a damaged page only where its structure
//! breaks; a position with one wrong bit would accuse a target that is fine. A row that does not
//! keep its sum is taken for unknown, and the target's word fills it again.

use rowferry_core::Position;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

/// A position with the run of this ledger that heard it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    run_id: String,
    position: Position,
}

pub(crate) const CREATE: &str = "
create table if not exists position (
  stream_id text not null,
  target_id text not null,
  row text not null,
  sum integer not null,
  primary key (stream_id, target_id)
) without rowid;
";

/// The position of a stream in a target; `None` when it is not known.
pub(crate) fn read(
    connection: &Connection,
    stream_id: &str,
    target_id: &str,
) -> rusqlite::Result<Option<Position>> {
    Ok(heard(connection, stream_id, target_id)?.map(|heard| heard.position))
}

/// Takes the word of the target.
pub(crate) fn write(
    connection: &Connection,
    run_id: &str,
    (stream_id, target_id): (&str, &str),
    position: &Position,
) -> rusqlite::Result<()> {
    let heard = Heard { run_id: run_id.to_owned(), position: position.clone() };
    // A plain struct of text and numbers always becomes JSON.
    let text = serde_json::to_string(&heard).unwrap_or_default();
    connection
        .prepare_cached(
            "insert into position (stream_id, target_id, row, sum) values (?1, ?2, ?3, ?4) \
             on conflict (stream_id, target_id) do update set row = excluded.row, \
             sum = excluded.sum",
        )?
        .execute(params![stream_id, target_id, text, sum(stream_id, target_id, &text)])?;
    Ok(())
}

/// Changes the position that run `run_id` of this ledger has heard.
pub(crate) fn change(
    connection: &Connection,
    run_id: &str,
    stream_id: &str,
    change: impl Fn(&mut Position),
) -> rusqlite::Result<()> {
    let targets: Vec<String> = connection
        .prepare_cached("select target_id from position where stream_id = ?1")?
        .query_map([stream_id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for target_id in targets {
        if let Some(mut heard) = heard(connection, stream_id, &target_id)?
            && heard.run_id == run_id
        {
            change(&mut heard.position);
            write(connection, run_id, (stream_id, &target_id), &heard.position)?;
        }
    }
    Ok(())
}

/// Forgets a stream in one target, or in all.
pub(crate) fn forget(
    connection: &Connection,
    stream_id: &str,
    target_id: Option<&str>,
) -> rusqlite::Result<()> {
    connection.execute(
        "delete from position where stream_id = ?1 and (?2 is null or target_id = ?2)",
        params![stream_id, target_id],
    )?;
    Ok(())
}

fn heard(
    connection: &Connection,
    stream_id: &str,
    target_id: &str,
) -> rusqlite::Result<Option<Heard>> {
    let row: Option<(String, i64)> = connection
        .prepare_cached("select row, sum from position where stream_id = ?1 and target_id = ?2")?
        .query_row([stream_id, target_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row
        .filter(|(text, stored)| *stored == sum(stream_id, target_id, text))
        .and_then(|(text, _)| serde_json::from_str(&text).ok()))
}

/// FNV-1a of all three: the same in every build, unlike the standard library's hasher.
fn sum(stream_id: &str, target_id: &str, text: &str) -> i64 {
    let bytes = [stream_id, "\0", target_id, "\0", text];
    let hash =
        bytes.iter().flat_map(|part| part.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    i64::from_ne_bytes(hash.to_ne_bytes())
}
