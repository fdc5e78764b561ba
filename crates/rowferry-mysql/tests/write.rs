//! Keys, replays, upserts, and everything that interrupts a chunk.

use rowferry_core::{
    Begun, ChunkTotals, ClaimStart, Consistency, ErrorClass, LoadInto, Sink as _, Source as _,
    WriteMode,
};

use crate::copy::{Copy, Wanted, block_on, endpoint, whole};
use crate::servers::{self, Server};

fn rows(server: &Server, database: &str, table: &str) -> String {
    server.sql(database, &format!("select * from {table} order by 1, 2, 3"))
}

const KEYED: &str = "create table t (a varchar(20) collate utf8mb4_general_ci not null,
 b int null, c decimal(10,2) not null, unique key (a, b));
 insert into t select concat('k', seq % 50), if(seq % 7 = 0, null, seq), seq / 4 from
 (select a.n + 10 * b.n + 100 * c.n + 1000 * d.n as seq from
  (select 0 n union all select 1 union all select 2 union all select 3 union all select 4
   union all select 5 union all select 6 union all select 7 union all select 8 union all select 9) a,
  (select 0 n union all select 1 union all select 2 union all select 3 union all select 4
   union all select 5 union all select 6 union all select 7 union all select 8 union all select 9) b,
  (select 0 n union all select 1 union all select 2 union all select 3 union all select 4
   union all select 5 union all select 6 union all select 7 union all select 8 union all select 9) c,
  (select 0 n union all select 1 union all select 2 union all select 3 union all select 4) d) s";

#[test]
fn composite_and_nullable_keys_are_covered_once() {
    for server in servers::all() {
        let database = server.database("some_keys");
        server.sql(&database, KEYED);
        let at = endpoint(server, &database);
        for (target, cut_by) in [("ab", &["a", "b"][..]), ("c", &["c"][..]), ("none", &[][..])] {
            block_on(async {
                let mut wanted = Wanted::full("t", target, &[]);
                wanted.cut_by = cut_by;
                let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
                let chunks = copy.run().await.unwrap();
                assert_eq!(chunks > 3, !cut_by.is_empty(), "{chunks} chunks by {cut_by:?}");
            });
            assert_eq!(rows(server, &database, target), rows(server, &database, "t"));
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_named_by_the_strict_insert() {
    for server in servers::all() {
        let database = server.database("bad_value");
        server.sql(
            &database,
            "create table t (id int primary key, s varchar(20) character set utf8mb4);
             insert into t values (1, 'ok'), (2, '😀');
             create table l (id int primary key, s varchar(20) character set latin1)",
        );
        let at = endpoint(server, &database);
        let error = block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "l", &["id"])).await.unwrap();
            copy.run().await.unwrap_err()
        });
        assert_eq!(error.class, ErrorClass::Data, "{error}");
        assert!(error.to_string().contains("column \"s\""), "{error}");
        assert!(!error.to_string().contains('😀'), "{error}");
        assert_eq!(rows(server, &database, "(select id, s, 0 from l) x"), "");
    }
}

#[test]
fn an_append_onto_existing_keys_fails_and_leaves_nothing() {
    for server in servers::all() {
        let database = server.database("append");
        server.sql(
            &database,
            "create table t (id int primary key, s int, x int);
             insert into t values (1, 1, 1), (2, 2, 2);
             create table u like t; insert into u values (2, 0, 0)",
        );
        let at = endpoint(server, &database);
        let error = block_on(async {
            let mut wanted = Wanted::full("t", "u", &["id"]);
            (wanted.write, wanted.load) = (WriteMode::Append, LoadInto::Target);
            let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
            copy.run().await.unwrap_err()
        });
        assert_eq!((error.class, error.code), (ErrorClass::Data, "duplicate-key"), "{error}");
        assert_eq!(rows(server, &database, "u"), "2\t0\t0\n");
    }
}

#[test]
fn upserts_meet_the_right_rows_both_ways() {
    for server in servers::all() {
        for (name, unique) in [("by_primary", ""), ("by_delete", ", unique key (s)")] {
            let database = server.database(name);
            server.sql(
                &database,
                &format!(
                    "create table t (id int primary key, s int, x int);
                     insert into t values (1, 10, 1), (2, 20, 2), (3, 30, 3);
                     create table u (id int primary key, s int, x int{unique});
                     insert into u values (2, 99, 0), (4, 40, 4)"
                ),
            );
            let at = endpoint(server, &database);
            for _ in 0..2 {
                block_on(async {
                    let mut wanted = Wanted::full("t", "u", &["id"]);
                    (wanted.write, wanted.load) = (WriteMode::Upsert, LoadInto::Target);
                    let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
                    copy.run().await.unwrap();
                });
                let expected = "1\t10\t1\n2\t20\t2\n3\t30\t3\n4\t40\t4\n";
                assert_eq!(rows(server, &database, "u"), expected);
            }
        }
    }
}

#[test]
fn a_dropped_writer_leaves_nothing_and_a_durable_chunk_is_found() {
    for server in servers::all() {
        let database = server.database("settle");
        server.sql(
            &database,
            "create table t (id int primary key, s int, x int);
             insert into t values (1, 10, 1), (2, 20, 2)",
        );
        let at = endpoint(server, &database);
        block_on(async {
            let mut wanted = Wanted::full("t", "u", &["id"]);
            wanted.consistency = Consistency::Chunk;
            let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
            let (mut lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            let chunk = whole(&copy, 1 << 20);
            let snapshot =
                copy.source.snapshot(&copy.plan.source, Consistency::Chunk, 1).await.unwrap();
            for finish in [false, true] {
                let Begun::Writer(mut writer) =
                    copy.sink.begin(&chunk, &prepared, true).await.unwrap()
                else {
                    panic!("nothing is durable yet");
                };
                let mut reader = snapshot.read(&chunk, &copy.spec()).await.unwrap();
                let payload = reader.next().await.unwrap().unwrap();
                assert!(reader.next().await.unwrap().is_none());
                writer.write(payload).await.unwrap();
                if finish {
                    let totals =
                        ChunkTotals { rows_read: 2, rows_written: 2, ..ChunkTotals::default() };
                    let _receipt = writer.commit(totals).await.unwrap();
                }
            }
            let again = copy.sink.begin(&chunk, &prepared, true).await.unwrap();
            let Begun::AlreadyDurable(receipt) = again else { panic!("the receipt was not found") };
            assert_eq!(receipt.totals.rows_written, 2);
            assert_eq!(lock.seal(&prepared).await.unwrap().rows, Some(2));
        });
    }
}

#[test]
fn a_claim_ends_the_writers_of_the_owner_before() {
    for server in servers::all() {
        let database = server.database("fence");
        server.sql(
            &database,
            "create table t (id int primary key, s int, x int); insert into t values (1, 10, 1)",
        );
        let at = endpoint(server, &database);
        block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let other = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let (mut lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            lock.heartbeat().await.unwrap();
            let busy = other.sink.lock(&other.plan.stream).await.err().unwrap();
            assert_eq!((busy.class, busy.code), (ErrorClass::Busy, "locked"));
            let chunk = whole(&copy, 1 << 20);
            let Begun::Writer(mut writer) =
                copy.sink.begin(&chunk, &prepared, false).await.unwrap()
            else {
                panic!("nothing is durable yet");
            };
            let snapshot =
                copy.source.snapshot(&copy.plan.source, Consistency::Chunk, 1).await.unwrap();
            let mut reader = snapshot.read(&chunk, &copy.spec()).await.unwrap();
            writer.write(reader.next().await.unwrap().unwrap()).await.unwrap();
            // The lock is lost while the writer is frozen; another process takes over.
            drop(lock);
            let (_lock, claim, taken) = other.claim(ClaimStart::Continue).await.unwrap();
            assert_eq!(claim.epoch, prepared.epoch + 1);
            let totals = ChunkTotals { rows_read: 1, rows_written: 1, ..ChunkTotals::default() };
            writer.commit(totals).await.unwrap_err();
            let late = copy.sink.begin(&chunk, &prepared, true).await.err().unwrap();
            assert_eq!(late.class, ErrorClass::Fenced, "{late}");
            let _ = taken;
        });
        assert_eq!(server.sql(&database, "select count(*) from _rowferry_chunk"), "0\n");
    }
}

#[test]
fn an_interrupted_swap_is_finished_by_the_next_run() {
    for server in servers::all() {
        let database = server.database("swap");
        server.sql(
            &database,
            "create table t (id int primary key, s int, x int, key by_s (s));
             insert into t values (1, 10, 1); create table u like t; insert into u values (9, 9, 9)",
        );
        let at = endpoint(server, &database);
        block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let (mut lock, claim, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            copy.load(&claim, &prepared).await.unwrap();
            lock.seal(&prepared).await.unwrap();
            // Killed between the rename and the phase.
            server.sql(
                &database,
                &format!(
                    "rename table u to _rowferry_o_{0}_r1, `{1}` to u",
                    &prepared.stream.stream_id[..12],
                    prepared.load_table.name
                ),
            );
            drop(lock);
            let (mut lock, _, prepared) = copy.claim(ClaimStart::Continue).await.unwrap();
            assert!(!prepared.staging_lost);
            assert_eq!(lock.seal(&prepared).await.unwrap().rows, Some(1));
            lock.publish(&prepared, Some("{}")).await.unwrap();
            let state = lock.state().await.unwrap().unwrap();
            assert_eq!((state.phase, state.rows), (rowferry_core::Phase::Done, 1));
            assert_eq!(state.watermark.as_deref(), Some("{}"));
        });
        assert_eq!(rows(server, &database, "u"), "1\t10\t1\n");
        let left = server.sql(&database, "show tables like '\\_rowferry\\__\\_%'");
        assert_eq!(left, "", "tables of the run are left");
    }
}

#[test]
fn wrong_passwords_and_missing_databases_have_their_classes() {
    for server in servers::all() {
        let database = server.database("login");
        block_on(async {
            let mut at = endpoint(server, &database);
            at.password = Some(rowferry_core::Secret::new("no"));
            let error =
                rowferry_mysql::MysqlSource::connect(&at, crate::copy::pool()).await.unwrap_err();
            assert_eq!((error.class, error.code), (ErrorClass::Refused, "wrong-password"));
            let at = endpoint(server, "nowhere");
            let error =
                rowferry_mysql::MysqlSource::connect(&at, crate::copy::pool()).await.unwrap_err();
            assert_eq!((error.class, error.code), (ErrorClass::Setup, "unknown-database"));
            let mut at = endpoint(server, &database);
            at.port = 1;
            let error =
                rowferry_mysql::MysqlSource::connect(&at, crate::copy::pool()).await.unwrap_err();
            assert_eq!((error.class, error.code), (ErrorClass::Transient, "unreachable"));
        });
    }
}
