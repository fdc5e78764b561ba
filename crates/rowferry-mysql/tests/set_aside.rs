//! Rows that are set aside are written with their chunk, once, and never without it.

use rowferry_core::{Begun, ChunkTotals, ClaimStart, RejectedRow, Sink as _};

use crate::copy::{Copy, Wanted, block_on, endpoint, whole};
use crate::servers;

fn row(key: &str, column: &str) -> RejectedRow {
    RejectedRow {
        key: key.to_owned(),
        column: Some(column.to_owned()),
        code: "value-not-representable".to_owned(),
        rule: "at most 20 characters".to_owned(),
    }
}

#[test]
fn rows_set_aside_are_there_with_their_chunk_and_told_once() {
    for server in servers::all() {
        let database = server.database("set_aside");
        server.sql(&database, "create table t (id int primary key, s int, x int)");
        let count = || {
            server.sql(
                &database,
                "select run, chunk_no, `key`, `column`, code, rule, seen_at is not null \
                 from _rowferry_quarantine order by `key`, `column`",
            )
        };
        let at = endpoint(server, &database);
        block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            for run in [1, 2] {
                let (lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
                let chunk = whole(&copy, 7);
                for commit in [false, true] {
                    let begun = copy.sink.begin(&chunk, &prepared, true).await.unwrap();
                    let Begun::Writer(mut writer) = begun else { panic!("nothing is durable yet") };
                    let long = format!("{{\"id\":\"{}\"}}", "ä".repeat(2_000));
                    writer.reject(&[row("{\"id\":1}", "a"), row(&long, "a")]).await.unwrap();
                    writer.reject(&[row("{\"id\":1}", "b")]).await.unwrap();
                    if commit {
                        let totals = ChunkTotals {
                            rows_read: 2,
                            rows_rejected: 2,
                            ..ChunkTotals::default()
                        };
                        let _receipt = writer.commit(totals).await.unwrap();
                    } else {
                        drop(writer);
                        assert_eq!(count().lines().count(), if run == 1 { 0 } else { 3 });
                    }
                }
                let found = count();
                assert_eq!(found.lines().count(), 3, "{found}");
                let rest = "7\t{\"id\":1}\tb\tvalue-not-representable\tat most 20 characters\t1";
                assert!(found.contains(&format!("{run}\t{rest}")), "{found}");
                drop(lock);
            }
            let stream = copy.plan.stream.stream_id.clone();
            copy.sink.forget(None, &stream).await.unwrap();
        });
        assert_eq!(count(), "");
    }
}
