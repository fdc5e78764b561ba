//! Exactly once: lost answers, lost owners, dropped writers, lost views.

use std::time::Duration;

use rowferry_core::{Begun, ChunkTotals, ClaimStart, ErrorClass, Phase, Sink as _, WriteMode};

use crate::ferry::{Ferry, Wish, read_spec};
use crate::server::{self, Server};

fn source(server: &Server) {
    server.psql(
        "create table src (id int primary key, v text);
         insert into src select i, repeat('v', i % 100) from generate_series(1, 1000) i;",
    );
}

const WIRE: Wish = Wish {
    from: "src",
    to: "dst",
    cut_by: &[],
    load: rowferry_core::LoadInto::StagingReplace,
    write: WriteMode::Replace,
    replace: rowferry_core::ReplaceMode::Swap,
    keep_old: false,
    wire: true,
    chunk_rows: 200,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_waits_and_a_zombie_is_fenced() {
    let Some(server) = server::start() else { return };
    source(&server);
    let (first, second) = (Ferry::new(&server).await, Ferry::new(&server).await);
    let plan = first.plan(&WIRE).await;
    let (lock, claim, prepared) = first.claim(&plan, ClaimStart::NewRun).await.unwrap();
    let held = second.sink.lock(&plan.stream).await.err().unwrap();
    assert_eq!((held.class, held.code), (ErrorClass::Busy, "locked"));

    let snapshot = first.snapshot(&plan).await;
    let chunks = first.cut(&plan, snapshot.as_ref(), &claim, 200).await.unwrap();
    assert!(chunks.len() >= 5);
    first.carry(&plan, &prepared, snapshot.as_ref(), &chunks[0], true).await.unwrap().unwrap();
    // The first owner stops in the middle of its second chunk, and loses its lock.
    let Begun::Writer(mut writer) = first.sink.begin(&chunks[1], &prepared, false).await.unwrap()
    else {
        panic!("nothing was written yet");
    };
    let mut reader = snapshot.read(&chunks[1], &read_spec(&plan, true)).await.unwrap();
    let payload = reader.next().await.unwrap().unwrap();
    let rows = payload.rows();
    writer.write(payload).await.unwrap();
    drop(lock);

    let (mut lock, claim, taken) = second.claim(&plan, ClaimStart::Continue).await.unwrap();
    assert_eq!((claim.receipts.len(), claim.phase, claim.epoch), (1, Phase::Loading, 2));
    assert!(!taken.staging_lost);
    // The zombie wakes: its session is gone, and a new one is fenced.
    let totals = ChunkTotals { rows_read: rows, rows_written: rows, ..ChunkTotals::default() };
    assert!(writer.commit(totals).await.is_err());
    let late =
        first.carry(&plan, &prepared, snapshot.as_ref(), &chunks[1], true).await.unwrap_err();
    assert_eq!(late.class, ErrorClass::Fenced);
    let late = first.sink.begin(&chunks[1], &prepared, true).await.err().unwrap();
    assert_eq!(late.class, ErrorClass::Fenced);

    // The second owner cuts what is left and finishes.
    let view = second.snapshot(&plan).await;
    let rest = second.cut(&plan, view.as_ref(), &claim, 200).await.unwrap();
    assert!(!rest.is_empty());
    for chunk in &rest {
        second.carry(&plan, &taken, view.as_ref(), chunk, true).await.unwrap().unwrap();
    }
    assert_eq!(lock.seal(&taken).await.unwrap().rows, Some(1000));
    lock.publish(&taken, Some("{}")).await.unwrap();
    let state = lock.state().await.unwrap().unwrap();
    assert_eq!((state.phase, state.rows, state.run, state.epoch), (Phase::Done, 1000, 1, 2));
    assert_eq!(state.watermark.as_deref(), Some("{}"));
    lock.heartbeat().await.unwrap();
    assert_eq!(
        server.psql("select count(*) from ((table src except table dst) union all (table dst except table src)) d;"),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_settled_by_the_receipt() {
    let Some(server) = server::start() else { return };
    source(&server);
    let ferry = Ferry::new(&server).await;
    let plan = ferry.plan(&WIRE).await;
    let (_lock, claim, prepared) = ferry.claim(&plan, ClaimStart::NewRun).await.unwrap();
    let snapshot = ferry.snapshot(&plan).await;
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 200).await.unwrap();
    let totals =
        ferry.carry(&plan, &prepared, snapshot.as_ref(), &chunks[0], true).await.unwrap().unwrap();
    // The commit got through, its answer did not: the retry finds the receipt and writes nothing.
    match ferry.sink.begin(&chunks[0], &prepared, true).await.unwrap() {
        Begun::AlreadyDurable(receipt) => {
            assert_eq!(receipt, rowferry_core::Receipt::of(&chunks[0], totals));
        }
        Begun::Writer(_) => panic!("the receipt was not found"),
    }
    // The commit did not get through: the retry writes.
    assert!(matches!(
        ferry.sink.begin(&chunks[1], &prepared, true).await.unwrap(),
        Begun::Writer(_)
    ));
    // Without settling, the receipt's own key stops a second copy.
    let doubled =
        ferry.carry(&plan, &prepared, snapshot.as_ref(), &chunks[0], true).await.unwrap_err();
    assert_eq!(doubled.class, ErrorClass::Data);
    let staging = prepared.load_table.to_string();
    assert_eq!(server.psql(&format!("select count(*) from {staging};")), "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_writer_leaves_no_row_and_no_session() {
    let Some(server) = server::start() else { return };
    source(&server);
    let ferry = Ferry::new(&server).await;
    let plan = ferry.plan(&WIRE).await;
    let (_lock, claim, prepared) = ferry.claim(&plan, ClaimStart::NewRun).await.unwrap();
    let snapshot = ferry.snapshot(&plan).await;
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 200).await.unwrap();
    let Begun::Writer(mut writer) = ferry.sink.begin(&chunks[0], &prepared, false).await.unwrap()
    else {
        panic!("nothing was written yet");
    };
    let mut reader = snapshot.read(&chunks[0], &read_spec(&plan, true)).await.unwrap();
    writer.write(reader.next().await.unwrap().unwrap()).await.unwrap();
    drop((writer, reader));
    let active = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and query ~* '^copy';";
    for _ in 0..100 {
        if server.psql(active) == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.psql(active), "0");
    let staging = prepared.load_table.to_string();
    assert_eq!(server.psql(&format!("select count(*) from {staging};")), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_off_never_looks_complete() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (id int primary key, v text);
         insert into src select i, repeat('v', 2000) from generate_series(1, 20000) i;",
    );
    let ferry = Ferry::new(&server).await;
    let plan = ferry.plan(&WIRE).await;
    let snapshot = ferry.snapshot(&plan).await;
    let claim = rowferry_core::Claim { run: 1, epoch: 1, phase: Phase::Loading, receipts: vec![] };
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 1_000_000).await.unwrap();
    let mut reader = snapshot.read(&chunks[0], &read_spec(&plan, true)).await.unwrap();
    reader.next().await.unwrap().unwrap();
    server.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ~* '^copy';");
    let error = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut-off read looked complete"),
            Err(error) => break error,
        }
    };
    assert!(error.class.is_retryable(), "{error}");
    assert!(reader.next().await.is_err());

    // The same for the whole view.
    server.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = snapshot.read(&chunks[0], &read_spec(&plan, true)).await.err().unwrap();
    assert_eq!((error.class, error.code), (ErrorClass::Transient, "snapshot-lost"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_does_not_move_and_chunk_views_do() {
    use rowferry_core::{Consistency, Source as _};
    let Some(server) = server::start() else { return };
    source(&server);
    let ferry = Ferry::new(&server).await;
    let plan = ferry.plan(&WIRE).await;
    let table = ferry.source.snapshot(&plan.source, Consistency::Table, 2).await.unwrap();
    let chunk = ferry.source.snapshot(&plan.source, Consistency::Chunk, 2).await.unwrap();
    let horizon = table.horizon().await.unwrap().unwrap();
    // Other tests write to the same server, so something may be open.
    assert!(0 < horizon.oldest_open && horizon.oldest_open <= horizon.next, "{horizon:?}");
    server.psql("insert into src values (5000, 'late');");
    let claim = rowferry_core::Claim { run: 1, epoch: 1, phase: Phase::Loading, receipts: vec![] };
    for (view, rows, last) in [(&table, 1000, 1000), (&chunk, 1001, 5000)] {
        let chunks = ferry.cut(&plan, view.as_ref(), &claim, 200).await.unwrap();
        let (mut count, mut key) = (0, None);
        for chunk in &chunks {
            let mut reader = view.read(chunk, &read_spec(&plan, true)).await.unwrap();
            while let Some(payload) = reader.next().await.unwrap() {
                count += payload.rows();
            }
            key = reader.last_key();
        }
        assert_eq!(count, rows);
        assert_eq!(key.unwrap().as_int(), Some(last));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_may_create_the_progress_tables_at_once() {
    let Some(server) = server::start() else { return };
    let names = ["s0", "s1", "s2", "s3", "s4", "s5"];
    for name in names {
        server.psql(&format!("create table {name} (id int primary key);"));
    }
    let ferry = Ferry::new(&server).await;
    let runs = names.map(|name| {
        let to: &'static str = Box::leak(format!("d{name}").into_boxed_str());
        let wish = Wish { from: name, to, ..WIRE };
        let ferry = &ferry;
        async move { ferry.copy(&wish).await.map(drop) }
    });
    for result in futures_util::future::join_all(runs).await {
        result.unwrap();
    }
    let streams = ferry.sink.streams(None).await.unwrap();
    assert_eq!(streams.len(), 6);
    ferry.sink.forget(None, &streams[0].stream_id).await.unwrap();
    assert_eq!(ferry.sink.streams(None).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_their_class_and_no_secret() {
    use rowferry_core::{Secret, Source as _, TableRef, TlsMode};
    use rowferry_postgres::PostgresSource;
    let Some(server) = server::start() else { return };
    server.psql("create table orders (id int);");
    let compute = rowferry_runtime::ComputePool::new(1).unwrap();
    let good = server.endpoint();
    let connect = |endpoint| {
        let compute = compute.clone();
        async move { PostgresSource::connect(&endpoint, compute).await.err().unwrap() }
    };
    let mut endpoint = good.clone();
    endpoint.database = "nowhere".into();
    assert_eq!(connect(endpoint).await.code, "unknown-database");
    let mut endpoint = good.clone();
    endpoint.port = 1;
    endpoint.password = Some(Secret::new("hunter2"));
    let error = connect(endpoint).await;
    assert_eq!((error.class, error.code), (ErrorClass::Transient, "unreachable"));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    for tls in [TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let mut endpoint = good.clone();
        endpoint.tls = tls;
        let error = connect(endpoint).await;
        assert_eq!((error.class, error.code), (ErrorClass::Refused, "tls-refused"), "{tls:?}");
    }
    let mut endpoint = good.clone();
    endpoint.tls = TlsMode::Prefer;
    let source = PostgresSource::connect(&endpoint, compute.clone()).await.unwrap();
    let error = source.describe(&TableRef::bare("ordres")).await.unwrap_err();
    assert_eq!(error.code, "unknown-table");
    assert_eq!(error.next.as_deref(), Some("Did you mean public.orders?"));
    assert!(source.check().await.unwrap().iter().all(|line| !line.fatal));
    assert_eq!(source.tables().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_flight_is_waited_for() {
    let Some(server) = server::start() else { return };
    source(&server);
    // The commit itself takes two seconds: a deferred trigger sleeps in it.
    server.psql(
        "create table slow (id int primary key, v text);
         create function doze() returns trigger language plpgsql as
             $$ begin if new.id = 1 then perform pg_sleep(2); end if; return null; end $$;
         create constraint trigger slow_doze after insert on slow deferrable initially deferred
             for each row execute function doze();",
    );
    let ferry = Ferry::new(&server).await;
    let wish = Wish { wire: true, ..Wish::into_target("src", "slow", WriteMode::Append) };
    let plan = ferry.plan(&wish).await;
    let (_lock, claim, prepared) = ferry.claim(&plan, ClaimStart::NewRun).await.unwrap();
    let snapshot = ferry.snapshot(&plan).await;
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 200).await.unwrap();
    let carried = ferry.carry(&plan, &prepared, snapshot.as_ref(), &chunks[0], true);
    // Given up in the middle of COMMIT, as a lost connection would.
    assert!(tokio::time::timeout(Duration::from_millis(700), carried).await.is_err());
    let durable = match ferry.sink.begin(&chunks[0], &prepared, true).await.unwrap() {
        Begun::AlreadyDurable(receipt) => receipt.totals.rows_written == 200,
        Begun::Writer(_) => false,
    };
    // Whatever became of it, the answer is final: all of the chunk's rows, or none.
    assert_eq!(server.psql("select count(*) from slow;"), if durable { "200" } else { "0" });
    if !durable {
        server.psql("drop trigger slow_doze on slow;");
        ferry.carry(&plan, &prepared, snapshot.as_ref(), &chunks[0], true).await.unwrap().unwrap();
        assert_eq!(server.psql("select count(*) from slow;"), "200");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_set_aside_commit_with_their_chunk() {
    use rowferry_core::RejectedRow;
    let Some(server) = server::start() else { return };
    source(&server);
    let ferry = Ferry::new(&server).await;
    let plan = ferry.plan(&WIRE).await;
    let (lock, claim, prepared) = ferry.claim(&plan, ClaimStart::NewRun).await.unwrap();
    let snapshot = ferry.snapshot(&plan).await;
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 1_000_000).await.unwrap();
    let row = |key: &str, column: Option<&str>| RejectedRow {
        key: key.to_owned(),
        column: column.map(str::to_owned),
        code: "value-refused".to_owned(),
        rule: "at most 3 characters".to_owned(),
    };
    let aside = "select key, \"column\", code, rule from _rowferry_quarantine order by key;";
    for commit in [false, true] {
        let begun = ferry.sink.begin(&chunks[0], &prepared, false).await.unwrap();
        let Begun::Writer(mut writer) = begun else { panic!("nothing was committed") };
        let mut reader = snapshot.read(&chunks[0], &read_spec(&plan, true)).await.unwrap();
        let mut totals = ChunkTotals::default();
        while let Some(payload) = reader.next().await.unwrap() {
            totals.rows_written += payload.rows();
            writer.write(payload).await.unwrap();
            // In the middle of the chunk, and the same row twice.
            writer.reject(&[row("{\"id\":1}", Some("v")), row("{\"id\":2}", None)]).await.unwrap();
            writer.reject(&[row("{\"id\":1}", Some("v"))]).await.unwrap();
        }
        if commit {
            drop(writer.commit(totals).await.unwrap());
        }
    }
    assert_eq!(
        server.psql(aside),
        "{\"id\":1}|v|value-refused|at most 3 characters\n{\"id\":2}||value-refused|at most 3 characters"
    );
    drop(lock);
    ferry.sink.forget(None, &plan.stream.stream_id).await.unwrap();
    assert_eq!(server.psql(aside), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_may_be_read_by_a_wider_meaning_between_chunks() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (id int primary key, n numeric(10,2), a int[], d inet);
         insert into src select i, i, array[i], '10.0.0.1' from generate_series(1, 1000) i;
         update src set n = 'nan' where id = 500;
         update src set a = '[0:1]={1,2}' where id = 700;",
    );
    let ferry = Ferry::new(&server).await;
    let wish = Wish { wire: false, ..WIRE };
    assert!(ferry.copy(&wish).await.unwrap().len() > 4);
    let rows = |table: &str| server.psql(&format!("select t::text from {table} t order by id;"));
    assert_eq!(rows("src"), rows("dst"));
}
