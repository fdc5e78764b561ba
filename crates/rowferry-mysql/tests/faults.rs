//! What the network and the server's rights can do to a copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rowferry_core::{
    Begun, ChunkTotals, ClaimStart, Consistency, Endpoint, ErrorClass, LoadInto, ReplaceMode,
    Sink as _, Source as _, TableRef, TlsMode, WriteMode,
};
use rowferry_mysql::{MysqlSink, MysqlSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::copy::{Copy, Wanted, block_on, endpoint, pool, whole};
use crate::servers::{self, Server};

const ROWS: &str = "create table t (id int primary key auto_increment, s varchar(20), x int,
 key by_s (s)); insert into t (s, x) values ('a', 1), ('b', 2), ('c', 3)";

/// Passes bytes on until it is armed: then the COMMIT goes through and its answer is swallowed.
async fn swallowing_proxy(port: u16, armed: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().port();
    let serve = async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let armed = Arc::clone(&armed);
            let pass = async move {
                let (mut client_in, mut client_out) = client.into_split();
                let (mut server_in, mut server_out) = server.into_split();
                let swallow = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&swallow);
                let up = async move {
                    let mut bytes = vec![0; 65_536];
                    loop {
                        let count = client_in.read(&mut bytes).await.unwrap_or(0);
                        if count == 0 {
                            break;
                        }
                        let sent = &bytes[..count];
                        if armed.load(Ordering::SeqCst) && sent.ends_with(b"\x03commit") {
                            seen.store(true, Ordering::SeqCst);
                        }
                        if server_out.write_all(sent).await.is_err() {
                            break;
                        }
                    }
                };
                let down = async move {
                    let mut bytes = vec![0; 65_536];
                    loop {
                        let count = server_in.read(&mut bytes).await.unwrap_or(0);
                        if count == 0 || swallow.load(Ordering::SeqCst) {
                            break;
                        }
                        if client_out.write_all(&bytes[..count]).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! { () = up => {}, () = down => {} }
            };
            std::mem::forget(rowferry_runtime::spawn("pass bytes", pass));
        }
    };
    std::mem::forget(rowferry_runtime::spawn("proxy", serve));
    at
}

#[test]
fn a_lost_answer_to_commit_never_doubles_a_chunk() {
    for server in servers::all() {
        let database = server.database("lost_answer");
        server.sql(&database, ROWS);
        block_on(async {
            let armed = Arc::new(AtomicBool::new(false));
            let direct = endpoint(server, &database);
            let mut through = direct.clone();
            through.port = swallowing_proxy(direct.port, Arc::clone(&armed)).await;
            let mut wanted = Wanted::full("t", "u", &["id"]);
            (wanted.write, wanted.load) = (WriteMode::Append, LoadInto::Target);
            let copy = Copy::plan(&direct, &through, &wanted).await.unwrap();
            let (_lock, _, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            let chunk = whole(&copy, 1 << 20);
            let Begun::Writer(mut writer) =
                copy.sink.begin(&chunk, &prepared, false).await.unwrap()
            else {
                panic!("nothing is durable yet");
            };
            let table = &copy.plan.source;
            let snapshot = copy.source.snapshot(table, Consistency::Chunk, 1).await.unwrap();
            let mut reader = snapshot.read(&chunk, &copy.spec()).await.unwrap();
            writer.write(reader.next().await.unwrap().unwrap()).await.unwrap();
            armed.store(true, Ordering::SeqCst);
            let totals = ChunkTotals { rows_read: 3, rows_written: 3, ..ChunkTotals::default() };
            let error = writer.commit(totals).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Unknown, "{error}");
            armed.store(false, Ordering::SeqCst);
            let settled = copy.sink.begin(&chunk, &prepared, true).await.unwrap();
            assert!(matches!(settled, Begun::AlreadyDurable(_)), "the chunk would be doubled");
        });
        assert_eq!(server.sql(&database, "select count(*) from u"), "3\n");
    }
}

#[test]
fn a_dropped_reader_gives_its_part_of_the_view_back() {
    for server in servers::all() {
        let database = server.database("view");
        server.sql(&database, ROWS);
        for _ in 0..14 {
            server.sql(&database, "insert into t (s, x) select s, x from t");
        }
        block_on(async {
            let at = endpoint(server, &database);
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let table = &copy.plan.source;
            let snapshot = copy.source.snapshot(table, Consistency::Table, 2).await.unwrap();
            assert_eq!(snapshot.consistency(), Consistency::Table);
            assert!(snapshot.horizon().await.unwrap().is_some());
            let before = server.sql(&database, "select count(*) from t").trim().parse::<u64>();
            server.sql(&database, "delete from t where id % 2 = 0");
            let chunk = whole(&copy, 1);
            for _ in 0..3 {
                let mut first = snapshot.read(&chunk, &copy.spec()).await.unwrap();
                let mut second = snapshot.read(&chunk, &copy.spec()).await.unwrap();
                assert!(first.next().await.unwrap().is_some());
                assert!(second.next().await.unwrap().is_some());
            }
            for _ in 0..2 {
                let mut reader = snapshot.read(&chunk, &copy.spec()).await.unwrap();
                let mut rows = 0;
                while let Some(payload) = reader.next().await.unwrap() {
                    rows += payload.rows();
                }
                assert_eq!(Ok(rows), before, "the view has moved");
            }
        });
    }
}

#[test]
fn truncating_and_appending_from_staging_happen_once() {
    for server in servers::all() {
        let database = server.database("pour");
        server.sql(&database, ROWS);
        server.sql(
            &database,
            "create table u like t; insert into u values (9, 'z', 9);
             create table v (id int, s varchar(20), x int); insert into v values (9, 'z', 9)",
        );
        let at = endpoint(server, &database);
        block_on(async {
            let mut copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            copy.plan.replace = ReplaceMode::Truncate;
            copy.run().await.unwrap();
            let mut wanted = Wanted::full("t", "v", &[]);
            (wanted.write, wanted.load) = (WriteMode::Append, LoadInto::StagingAppend);
            let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
            let (mut lock, claim, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            copy.load(&claim, &prepared).await.unwrap();
            lock.seal(&prepared).await.unwrap();
            for _ in 0..2 {
                lock.publish(&prepared, None).await.unwrap();
            }
        });
        assert_eq!(
            server.sql(&database, "select * from u order by id"),
            "1\ta\t1\n2\tb\t2\n3\tc\t3\n"
        );
        assert_eq!(server.sql(&database, "select count(*) from v"), "4\n");
        assert_eq!(server.sql(&database, "show tables like '\\_rowferry\\__\\_%'"), "");
    }
}

#[test]
fn staging_that_lost_rows_is_not_poured() {
    for server in servers::all() {
        let database = server.database("short");
        server.sql(&database, ROWS);
        server.sql(&database, "create table u like t; insert into u values (9, 'z', 9)");
        let at = endpoint(server, &database);
        block_on(async {
            let mut copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            copy.plan.replace = ReplaceMode::Truncate;
            let (mut lock, claim, prepared) = copy.claim(ClaimStart::NewRun).await.unwrap();
            copy.load(&claim, &prepared).await.unwrap();
            lock.seal(&prepared).await.unwrap();
            server.sql(&database, &format!("delete from `{}` limit 1", prepared.load_table.name));
            let error = lock.publish(&prepared, None).await.unwrap_err();
            assert_eq!((error.class, error.code), (ErrorClass::Conflict, "rows-missing"));
        });
        assert_eq!(server.sql(&database, "select * from u"), "9\tz\t9\n");
    }
}

#[test]
fn a_lock_whose_session_was_ended_is_known_to_be_lost() {
    for server in servers::all() {
        let database = server.database("lost_lock");
        server.sql(&database, ROWS);
        let at = endpoint(server, &database);
        block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let mut lock = copy.sink.lock(&copy.plan.stream).await.unwrap();
            lock.heartbeat().await.unwrap();
            let holder = format!(
                "select is_used_lock(concat('rowferry.t.', left(sha2('{database}.u', 256), 40)))"
            );
            let id = server.sql(&database, &holder);
            server.sql(&database, &format!("kill {id}"));
            for _ in 0..2 {
                let error = lock.heartbeat().await.unwrap_err();
                assert_eq!((error.class, error.code), (ErrorClass::Transient, "lock-lost"));
            }
            // Another run may have it now.
            let other = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            other.sink.lock(&other.plan.stream).await.unwrap();
        });
    }
}

#[test]
fn a_new_target_gets_key_index_and_numbering() {
    for server in servers::all() {
        let database = server.database("shape");
        server.sql(&database, ROWS);
        let at = endpoint(server, &database);
        block_on(async {
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            copy.run().await.unwrap();
            let plan = copy.sink.describe(&TableRef::bare("u")).await.unwrap().unwrap();
            assert_eq!(plan.schema.keys, copy.plan.source.keys);
            assert_eq!(plan.schema.indexes, copy.plan.source.indexes);
        });
        server.sql(&database, "insert into u (s) values ('next')");
        assert_eq!(server.sql(&database, "select id from u where s = 'next'"), "4\n");
    }
}

#[test]
fn a_login_with_few_rights_copies_with_what_it_may() {
    for server in servers::all() {
        let database = server.database("rights");
        server.sql(&database, ROWS);
        server.sql(
            &database,
            "drop user if exists few@'%'; create user few@'%' identified by 'secret';
             grant select on rights.t to few@'%'; flush privileges",
        );
        let mut at = endpoint(server, &database);
        "few".clone_into(&mut at.user);
        at.password = Some(rowferry_core::Secret::new("secret"));
        block_on(async {
            let source = MysqlSource::connect(&at, pool()).await.unwrap();
            let table = source.describe(&TableRef::bare("t")).await.unwrap();
            let auto = source.snapshot(&table, Consistency::Auto, 2).await.unwrap();
            assert_eq!(auto.consistency(), Consistency::Chunk);
            assert_eq!(auto.horizon().await.unwrap(), None);
            let asked = source.snapshot(&table, Consistency::Table, 2).await.unwrap();
            assert_eq!(asked.consistency(), Consistency::Table);
            let error = source.describe(&TableRef::bare("tt")).await.unwrap_err();
            // Whether there is such a table is not told to a login without rights on it.
            assert_eq!((error.class, error.code), (ErrorClass::Refused, "permission-denied"));
            let root = endpoint(server, &database);
            let copy = Copy::plan(&root, &root, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let sink = MysqlSink::connect(&at, pool()).await.unwrap();
            let mut lock = sink.lock(&copy.plan.stream).await.unwrap();
            let error = lock.claim(ClaimStart::NewRun).await.unwrap_err();
            assert_eq!((error.class, error.code), (ErrorClass::Refused, "permission-denied"));
            assert!(!format!("{error} {error:?}").contains("secret"));
            for line in sink.check().await.unwrap() {
                assert!(!line.found.contains("IDENTIFIED"), "{line:?}");
            }
        });
    }
}

fn with_tls(server: &Server, database: &str, tls: TlsMode) -> Endpoint {
    let mut at = endpoint(server, database);
    at.tls = tls;
    at
}

#[test]
fn each_level_of_tls_does_what_it_says() {
    for server in servers::all() {
        let database = server.database("tls");
        // MySQL makes itself a certificate that nobody trusts; MariaDB 10.11 has none.
        let offered = server.sql(&database, "show variables like 'ssl_cert'").contains(".pem");
        block_on(async {
            for (tls, works) in [
                (TlsMode::Disable, true),
                (TlsMode::Prefer, true),
                (TlsMode::Require, offered),
                (TlsMode::VerifyCa, false),
                (TlsMode::VerifyFull, false),
            ] {
                let at = with_tls(server, &database, tls);
                match MysqlSource::connect(&at, pool()).await {
                    Ok(_) => assert!(works, "{tls:?} on {}", server.name),
                    Err(error) => {
                        assert!(!works, "{tls:?} on {}: {error}", server.name);
                        assert_eq!((error.class, error.code), (ErrorClass::Refused, "tls-refused"));
                    }
                }
            }
        });
    }
}
