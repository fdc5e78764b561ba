//! What belongs to a table is made anew in a database that has none of it.

use rowferry_core::{ColumnWish, Sink as _, Source as _, TableRef};

use crate::ferry::{Ferry, Wish};
use crate::literals::OWN_TYPES;
use crate::server;

const TABLE: &str = "
    create table other (id int primary key, code text unique);
    create table src (
        id bigint generated always as identity primary key,
        name varchar(20) not null default 'it''s', made timestamptz(3) default now(),
        day date default current_date, price numeric(10,2) default 0 check (price >= 0),
        twice numeric generated always as (price * 2) stored,
        m mood default 'sad', ms mood[], a address, n nested, r moodrange, f few,
        p more_positive, h home, tags text[] default '{a,b}', other_id int references other (id),
        constraint either check (name <> '' or m is not null),
        constraint names unique (name, day));
    create index src_day on src (day);
    create index src_lower on src (lower(name)) where price > 1;
    create index src_tags on src using gin (tags);
    comment on table src is 'it''s a table';
    comment on column src.twice is 'computed';
    insert into src (name, price, m, ms, a, n, r, f, p, h)
    select 'n' || i, i, 'sad', array['sad', 'a, b', null]::mood[],
        row('a, \"b\"', i, array['sad']::mood[], point(1, 2))::address,
        row(row('x', 1, '{sad}', null)::address, array[row('y', 2, null, '(1,1)')::address, null], 1.5)::nested,
        '[sad,\"a, b\"]', array[1, null, i], 1.5, row('a', 1, '{sad}', '(1,2)')::address
    from generate_series(1, 300) i;
    delete from src where id > 290;
    create function noted() returns trigger language plpgsql as 'begin return new; end';
    create trigger audit before insert on src for each row execute function noted();";

/// Columns, defaults, constraints and indexes as the catalogue has them.
const SHAPE: &str = "
    select 'c', attname, format_type(atttypid, atttypmod), attnotnull::text, attgenerated::text,
        coalesce(pg_get_expr(adbin, adrelid), ''), coalesce(col_description(attrelid, attnum), '')
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = 'src'::regclass and attnum > 0
    union all select 'k', conname, pg_get_constraintdef(oid), '', '', '', '' from pg_constraint
    where conrelid = 'src'::regclass and contype in ('p', 'u', 'c')
    union all select 'i', indexname, indexdef, '', '', '', '' from pg_indexes
    where tablename = 'src'
    union all select 't', obj_description('src'::regclass), '', '', '', '', ''
    order by 1, 2;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_gets_types_keys_checks_and_indexes() {
    let Some(from) = server::start() else { return };
    let Some(to) = server::start() else { return };
    from.psql(OWN_TYPES);
    from.psql(TABLE);
    // Numbers of types shall differ between the two.
    to.psql("create type another as enum ('x'); create table more (id int, a another[]);");
    let rows = "select t::text from src t order by id;";
    for wire in [true, false] {
        let ferry = Ferry::between(&from, &to).await;
        let wish = Wish { wire, ..Wish::replace("src", "src") };
        let plan = ferry.plan(&wish).await;
        if wire {
            ferry.assert_passes(&plan);
        }
        let lost = ferry.sink.not_carried(&plan);
        assert_eq!(lost, ["1 trigger: audit"]);
        ferry.copy(&wish).await.unwrap();
        assert_eq!(from.psql(rows), to.psql(rows), "wire: {wire}");
        assert_eq!(from.psql(SHAPE), to.psql(SHAPE), "wire: {wire}");
        assert_eq!(to.psql("insert into src (name) values ('x') returning id;"), "301");
        to.psql("drop table src;");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_missing_is_replaced_and_a_missing_extension_is_named() {
    let Some(from) = server::start() else { return };
    let Some(to) = server::start() else { return };
    from.psql(
        "create schema app; create extension hstore;
         create type app.mood as enum ('app.mood', 'b');
         create type app.pair as (l app.mood, r app.mood[]);
         create table src (id int primary key, m app.mood, p app.pair, h hstore);
         insert into src values (1, 'app.mood', row('b', array['app.mood', null]::app.mood[]), null);
         create table plain (id int primary key, m app.mood, p app.pair);
         insert into plain select id, m, p from src;",
    );
    let ferry = Ferry::between(&from, &to).await;
    let source = ferry.source.describe(&TableRef::bare("src")).await.unwrap();
    assert_eq!(source.types.len(), 3);
    let column = source.column("h").unwrap();
    let problem = ferry.sink.plan_column(&ColumnWish::plain(column, "h")).unwrap_err();
    assert_eq!(problem.code, "missing-extension");
    assert!(problem.next.contains("create extension hstore"), "{problem:?}");
    for wire in [true, false] {
        let ferry = Ferry::between(&from, &to).await;
        ferry.copy(&Wish { wire, ..Wish::replace("plain", "plain") }).await.unwrap();
        let rows = "select t::text from plain t;";
        assert_eq!(from.psql(rows), to.psql(rows));
        assert_eq!(
            to.psql("select distinct udt_schema from information_schema.columns where table_name = 'plain' and udt_name in ('mood', 'pair');"),
            "public"
        );
        to.psql("drop table plain;");
    }
}
