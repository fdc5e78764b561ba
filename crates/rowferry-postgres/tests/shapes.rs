//! Keys of all kinds are covered, and a swap keeps what hung on the table.

use rowferry_core::{ClaimStart, LoadInto, ReplaceMode, WriteMode};

use crate::ferry::{Ferry, Wish};
use crate::server::{self, Server};

/// Both tables hold the same multiset of rows, by the server's own comparison of row texts.
fn assert_same(server: &Server, from: &str, to: &str, columns: &str) {
    let dump = |table: &str| {
        server.psql(&format!("select r::text from (select {columns} from {table}) r order by 1;"))
    };
    let (left, right) = (dump(from), dump(to));
    assert!(!left.is_empty() && left == right, "{from} and {to} differ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_is_covered() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table ints (id bigint primary key, v text);
         insert into ints select case when i < 500 then i else i * 1000003 end, 'v' || i from generate_series(-300, 1500) i;
         create table texts (k text primary key, v int);
         insert into texts select case i % 3 when 0 then 'ä' else '''' end || md5(i::text), i from generate_series(1, 1000) i;
         create table uuids (k uuid primary key, v numeric(20,4));
         insert into uuids select md5(i::text)::uuid, i / 7.0 from generate_series(1, 700) i;
         create table pairs (a int, b text, v float8, primary key (a, b));
         insert into pairs select i % 13, 'b' || i, i / 3.0 from generate_series(1, 800) i;
         create table nulls (a int, b text, v int);
         insert into nulls select nullif(i % 50, 3), nullif('b' || (i % 7), 'b2'), i from generate_series(1, 900) i;
         create unique index on nulls (a, b, v);
         create table heap (v text);
         insert into heap select repeat('x', i % 500) from generate_series(1, 5000) i;
         insert into heap select * from heap limit 100;
         create table parts (id int, v text) partition by range (id);
         create table parts_1 partition of parts for values from (0) to (500);
         create table parts_2 partition of parts for values from (500) to (2000);
         insert into parts select i, 'p' || i from generate_series(0, 1500) i;
         create table nothing (id int primary key);
         create view seen as select id, v from ints where id > 0;
         analyze;",
    );
    let ferry = Ferry::new(&server).await;
    for wire in [true, false] {
        let wish = |from, to| Wish { wire, ..Wish::replace(from, to) };
        let with_cut = |from, to, cut_by| Wish { cut_by, ..wish(from, to) };
        assert!(ferry.copy(&wish("ints", "t_ints")).await.unwrap().len() > 5);
        assert!(ferry.copy(&wish("texts", "t_texts")).await.unwrap().len() > 5);
        assert!(ferry.copy(&wish("uuids", "t_uuids")).await.unwrap().len() > 5);
        assert!(ferry.copy(&wish("pairs", "t_pairs")).await.unwrap().len() > 5);
        let nulls = ferry.copy(&with_cut("nulls", "t_nulls", &["a", "b"])).await.unwrap();
        assert!(nulls.len() > 5);
        assert!(ferry.copy(&wish("heap", "t_heap")).await.unwrap().len() > 5);
        assert!(ferry.copy(&wish("parts", "t_parts")).await.unwrap().len() > 1);
        ferry.copy(&wish("nothing", "t_nothing")).await.unwrap();
        ferry.copy(&wish("seen", "t_seen")).await.unwrap();
        for table in ["ints", "texts", "uuids", "pairs", "nulls", "heap", "parts", "seen"] {
            assert_same(&server, table, &format!("t_{table}"), "*");
        }
        assert_eq!(server.psql("select count(*) from t_nothing;"), "0");
    }
    assert_eq!(
        server.psql(
            "select conname, pg_get_constraintdef(oid) from pg_constraint
             where conrelid = 't_pairs'::regclass and contype = 'p';"
        ),
        "t_pairs_pkey|PRIMARY KEY (a, b)"
    );
    assert_eq!(
        server.psql("select relname from pg_class where relname like '\\_rowferry\\_s\\_%';"),
        ""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_keeps_what_hung_on_the_table() {
    let Some(server) = server::start() else { return };
    server.psql(
        "do $$ begin create role reader; create role owner_of_it; exception when duplicate_object then null; end $$;
         create table src (id int primary key, name text, other int);
         insert into src select i, 'n' || i, i % 5 from generate_series(1, 250) i;
         create table dims (id int primary key); insert into dims select generate_series(0, 5);
         create table dst (id serial primary key, name text default 'none', other int references dims (id),
             note text default 'kept', constraint id_positive check (id > 0));
         create index dst_name on dst (lower(name)) where other > 1;
         create unique index dst_uniq on dst (id, name);
         comment on table dst is 'it''s a comment';
         comment on column dst.name is 'a name';
         alter table dst add self int references dst (id);
         grant select on dst to reader;
         grant update (name) on dst to reader with grant option;
         alter table dst set (fillfactor = 77);
         alter table dst owner to owner_of_it;
         insert into dst (name) values ('old');",
    );
    let shape = || {
        server.psql(
            "select 'c', conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'dst'::regclass
             union all select 'i', indexname, indexdef from pg_indexes where tablename = 'dst'
             union all select 'd', attname, pg_get_expr(adbin, adrelid) from pg_attribute join pg_attrdef on adrelid = attrelid and adnum = attnum where attrelid = 'dst'::regclass
             union all select 'a', attname, attacl::text from pg_attribute where attrelid = 'dst'::regclass and attnum > 0
             union all select 'o', pg_get_userbyid(relowner), array_to_string(reloptions, ',') from pg_class where oid = 'dst'::regclass
             union all select 'g', grantee, privilege_type from information_schema.role_table_grants where table_name = 'dst'
             union all select 'm', obj_description('dst'::regclass), col_description('dst'::regclass, 2)
             union all select 's', pg_get_serial_sequence('dst', 'id'), ''
             order by 1, 2, 3;",
        )
    };
    let before = shape();
    let ferry = Ferry::new(&server).await;
    for keep_old in [false, true, true, false] {
        ferry.copy(&Wish { keep_old, ..Wish::replace("src", "dst") }).await.unwrap();
        assert_eq!(shape(), before);
        assert_eq!(server.psql("select count(*), max(note) from dst;"), "250|kept");
        assert_eq!(server.psql("select nextval('dst_id_seq') > 250;"), "t");
    }
    assert_eq!(server.psql("select count(*) from dst_rowferry_old;"), "250");

    // What cannot be moved stops the swap and is named; the old rows stay.
    server.psql("create view watcher as select * from dst; delete from src where id > 10;");
    let found = rowferry_core::Sink::describe(&ferry.sink, &rowferry_core::TableRef::bare("dst"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.dependents, ["view public.watcher"]);
    let error = ferry.copy(&Wish::replace("src", "dst")).await.unwrap_err();
    assert_eq!(
        (error.class, error.code),
        (rowferry_core::ErrorClass::Conflict, "target-has-dependents")
    );
    assert_eq!(server.psql("select count(*) from dst;"), "250");
    let truncate = Wish { replace: ReplaceMode::Truncate, ..Wish::replace("src", "dst") };
    ferry.copy(&truncate).await.unwrap();
    assert_eq!(server.psql("select count(*) from watcher;"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vacuum_comes_when_the_rows_are_there() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (id int primary key, v text); insert into src values (1, 'one');
         create table kept (id int primary key, v text);
         alter table kept set (autovacuum_enabled = false, fillfactor = 90);",
    );
    let parameters = |table: &str| {
        server.psql(&format!(
            "select c.reloptions, t.reloptions from pg_class c join pg_class t on t.oid = c.reltoastrelid
             where c.oid = '{table}'::regclass;"
        ))
    };
    let ferry = Ferry::new(&server).await;
    for target in ["fresh", "fresh", "kept"] {
        let plan = ferry.plan(&Wish::replace("src", target)).await;
        let (mut lock, claim, prepared) = ferry.claim(&plan, ClaimStart::NewRun).await.unwrap();
        let off = "{autovacuum_enabled=false}";
        assert_eq!(parameters(&prepared.load_table.to_string()), format!("{off}|{off}"));
        let snapshot = ferry.snapshot(&plan).await;
        for chunk in ferry.cut(&plan, snapshot.as_ref(), &claim, 200).await.unwrap() {
            ferry.carry(&plan, &prepared, snapshot.as_ref(), &chunk, true).await.unwrap();
        }
        lock.seal(&prepared).await.unwrap();
        lock.publish(&prepared, None).await.unwrap();
    }
    assert_eq!(parameters("fresh"), "\\N|\\N");
    // What its owner has set is said again.
    assert_eq!(parameters("kept"), "{autovacuum_enabled=false,fillfactor=90}|\\N");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_a_key_are_appended_at_once() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (v int); insert into src select generate_series(1, 3000);
         create table dst (v int); insert into dst values (0);",
    );
    let ferry = Ferry::new(&server).await;
    let wish = Wish {
        load: LoadInto::StagingAppend,
        write: WriteMode::Append,
        ..Wish::replace("src", "dst")
    };
    ferry.copy(&wish).await.unwrap();
    assert_eq!(server.psql("select count(*), sum(v), min(v) from dst;"), "3001|4501500|0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_merge_both_ways() {
    let Some(server) = server::start() else { return };
    server.psql(
        "create table src (id int primary key, name text);
         insert into src select i, 'new' || i from generate_series(1, 300) i;
         create table one (id int generated always as identity primary key, name text);
         insert into one (name) select 'old' from generate_series(1, 100);
         create table two (id int primary key, name text unique);
         insert into two select i, 'old' || i from generate_series(200, 400) i;
         create table keys (id int primary key); insert into keys select generate_series(1, 50);
         create table t_keys (id int primary key); insert into t_keys values (7);
         create table bare (id int, name text);",
    );
    let ferry = Ferry::new(&server).await;
    let wish = |from, to| Wish::into_target(from, to, WriteMode::Upsert);
    ferry.copy(&wish("src", "one")).await.unwrap();
    assert_eq!(
        server.psql("select count(*), count(*) filter (where name like 'new%') from one;"),
        "300|300"
    );
    assert_eq!(server.psql("insert into one (name) values ('x') returning id;"), "301");
    ferry.copy(&wish("src", "two")).await.unwrap();
    assert_eq!(
        server.psql("select count(*), count(*) filter (where name like 'new%') from two;"),
        "400|300"
    );
    ferry.copy(&wish("keys", "t_keys")).await.unwrap();
    assert_eq!(server.psql("select count(*) from t_keys;"), "50");
    let error = ferry.copy(&wish("src", "bare")).await.unwrap_err();
    assert_eq!((error.class, error.code), (rowferry_core::ErrorClass::Setup, "no-unique-key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_with_few_rights_is_enough() {
    let Some(server) = server::start() else { return };
    server.psql(
        "do $$ begin create role few login password 'few'; exception when duplicate_object then null; end $$;
         create table src (id int primary key, v text); insert into src select i, 'v' from generate_series(1, 300) i;
         create table hidden (id int primary key);
         create schema lake authorization few; grant usage on schema public to few;
         grant select on src to few;",
    );
    let ferry = Ferry::login(&server, "few").await;
    let wish = Wish::replace("public.src", "lake.dst");
    let error = ferry.copy(&wish).await.unwrap_err();
    assert_eq!(
        (error.class, error.code),
        (rowferry_core::ErrorClass::Refused, "permission-denied")
    );
    for _ in 0..2 {
        ferry.copy_with(&wish, Some("lake")).await.unwrap();
    }
    assert_same(&server, "src", "lake.dst", "*");
    server.psql("alter table src enable row level security;");
    // Rows hidden by a policy are an error and not a shorter copy.
    assert!(ferry.copy_with(&wish, Some("lake")).await.is_err());
    assert_same(&server, "src", "lake.dst", "*");
}
