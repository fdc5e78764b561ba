//! Types, columns and objects of one fork, copied within it: the catalogue of both tables must be
//! the same, and so must every byte of their values.

use rowferry_core::{CanonicalType, Consistency, ErrorClass, WriteMode};

use crate::copy::{Copy, Wanted, block_on, endpoint};
use crate::servers::{self, Server};

const BOTH: &str = "id bigint unsigned not null auto_increment, s set('b','a','ä''x') collate utf8mb4_bin,
 e enum('x','','Y') character set utf8mb4 collate utf8mb4_general_ci, g geometry, p point not null, y year not null,
 b10 bit(10) default b'101', de decimal(20,6) default '1.500000' comment 'it''s a \\ rate',
 du decimal(8,2) unsigned, ff float(8,3), zi int(6) unsigned zerofill,
 c8 varchar(30) character set latin1 default 'café \\'s', nn varchar(10) not null default '',
 tl tinytext, mb mediumblob, ts datetime(3) default current_timestamp(3) on update current_timestamp(3),
 st timestamp(6) null, d0 date default '2024-02-29', tm time(2) not null default '-01:00:00.25',
 twice bigint unsigned generated always as (y * 2) stored,
 shown varchar(60) generated always as (concat(nn, 'it''s')) virtual,
 primary key (id), unique key by_nn (nn, y), key by_y (y desc, id), key by_prefix (c8(5)),
 fulltext key words (tl), spatial key places (p), key by_twice (twice),
 constraint positive check (y >= 0 and nn <> 'it''s')";

fn table(server: &Server) -> (String, String) {
    let (columns, names, rows) = match server.name {
        "mysql" => (
            "v vector(3), j json, far point srid 4326, hidden int invisible default 7, \
             x varchar(40) default (concat('a', 'b\\'c'))",
            "v, j, far, hidden, x",
            [
                "to_vector('[1.5,-0.25,3.4028235e38]'), '{\"a\":[1,1.5,\"ä\"]}', \
                 st_geomfromtext('point(10 20)', 4326), -1, 'x'",
                "to_vector('[0,0,1e-30]'), 'null', null, null, ''",
                "null, null, null, null, null",
            ],
        ),
        _ => (
            "v4 inet4, v6 inet6, u uuid, j json, hidden int invisible default 7, \
             x varchar(40) default concat('a', 'b''c')",
            "v4, v6, u, j, hidden, x",
            [
                "'255.255.255.255', '::ffff:1.2.3.4', 'ffffffff-ffff-ffff-ffff-ffffffffffff', \
                 '{\"a\":  [1, 1.50]}', -1, 'x'",
                "'0.0.0.0', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', \
                 '00000000-0000-0000-0000-000000000000', 'null', null, ''",
                "null, null, null, null, null, null",
            ],
        ),
    };
    let own = "id, s, e, g, p, y, b10, de, du, ff, zi, c8, nn, tl, mb, ts, st, d0, tm";
    let [most, least, nulls] = rows;
    let text = format!(
        "create table t ({BOTH}, {columns}) character set utf8mb4 comment 'a table''s';
         set sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
         insert into t ({own}, {names}) values
         (9000000000000000000, 'b,a,ä''x', 'Y', st_geomfromtext('polygon((0 0,1 0,1 1,0 0))'),
          point(-1.5, 1e300), 2155, b'1111111111', 99999999999999.999999, 999999.99, 12345.678, 42,
          'é€ÿ', 'n', repeat('ä', 100), x'00ff5c0a09', '9999-12-31 23:59:59.999',
          '2038-01-19 03:14:07.999999', '9999-12-31', '838:59:59', {most}),
         (1, '', '', null, point(0, 0), 0, b'0', -99999999999999.999999, 0, -0.001, 0, '', '', '', '',
          '1000-01-01', '1970-01-01 00:00:01', '0001-01-01', '-838:59:59', {least}),
         (2, null, null, null, point(0, 0), 1901, null, null, null, null, null, null, 'x', null, null,
          null, null, null, '00:00:00', {nulls});
         alter table t auto_increment = 9100000000000000000"
    );
    (text, format!("{own}, {names}, twice, shown"))
}

/// Every value as hex digits.
fn values(server: &Server, database: &str, table: &str, names: &str) -> String {
    let hex: Vec<String> = names
        .split(", ")
        .map(|name| match name {
            "ff" => "ff + 0e0".to_owned(),
            "id" | "y" | "b10" | "zi" => name.to_owned(),
            "e" => "e + 0".to_owned(),
            name => format!("hex({name})"),
        })
        .collect();
    server.sql(database, &format!("select {} from {table} order by id", hex.join(", ")))
}

/// What the catalogue says of columns, indexes and checks.
fn catalogue(server: &Server, database: &str, table: &str) -> String {
    let columns = format!(
        "select column_name, column_type, is_nullable, ifnull(column_default, 'NULL'), extra, \
         collation_name, column_comment, generation_expression from information_schema.columns \
         where table_schema = '{database}' and table_name = '{table}' and column_name <> 'hidden' \
         order by column_name"
    );
    let indexes = format!(
        "select index_name, seq_in_index, column_name, non_unique, sub_part, collation, index_type \
         from information_schema.statistics where table_schema = '{database}' \
         and table_name = '{table}' order by 1, 2"
    );
    let create = server.sql(database, &format!("show create table {table}"));
    let checks: Vec<String> = create
        .split('\n')
        .filter(|line| line.contains("CHECK") || line.contains("ENGINE="))
        .map(|line| line.split("CHECK").last().unwrap_or(line).trim_end_matches(','))
        // Columns name their own; the default of the table is for columns to come.
        .map(|line| line.replace("utf8mb4_general_ci", "").replace("utf8mb4_0900_ai_ci", ""))
        .map(|line| line.replace("utf8mb4_nopad_bin", "").replace("utf8mb4_0900_bin", ""))
        .collect();
    format!(
        "{}{}{}",
        server.sql(database, &columns),
        server.sql(database, &indexes),
        checks.join("\n")
    )
}

#[test]
fn a_table_of_every_own_type_is_the_same_on_the_other_side() {
    for server in servers::alone() {
        for load in ["1", "0"] {
            let database = server.database(&format!("own_{load}"));
            let (create, names) = table(server);
            server.sql(&database, &create);
            server.sql("mysql", &format!("set global local_infile = {load}"));
            block_on(async {
                let at = endpoint(server, &database);
                let mut wanted = Wanted::full("t", "copied", &["id"]);
                wanted.consistency = Consistency::Table;
                let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
                assert_eq!(copy.plan.warnings, Vec::<String>::new());
                copy.run().await.unwrap();
                assert_eq!(copy.replays.into_inner(), 0, "{} was not loaded", server.name);
            });
            let expected = values(server, &database, "t", &names);
            assert_eq!(values(server, &database, "copied", &names), expected, "{}", server.name);
            let expected = catalogue(server, &database, "t");
            assert_eq!(catalogue(server, &database, "copied"), expected, "{}", server.name);
        }
        server.sql("mysql", "set global local_infile = 1");
    }
}

#[test]
fn dates_without_a_month_are_read_as_text_and_stay_as_they_are() {
    for server in servers::alone() {
        for load in ["1", "0"] {
            let database = server.database(&format!("partial_{load}"));
            server.sql(
                &database,
                "set sql_mode = ''; create table t (id int primary key, d date, ts datetime(3));
                 insert into t values (1, '2024-02-00', '2024-00-00 10:11:12.5'),
                 (2, '0000-00-00', '0000-00-00'), (3, null, null), (4, '2024-02-29', '1999-01-01')",
            );
            server.sql("mysql", &format!("set global local_infile = {load}"));
            block_on(async {
                let at = endpoint(server, &database);
                let wanted = Wanted::full("t", "u", &["id"]);
                let copy = Copy::plan(&at, &at, &wanted).await.unwrap();
                let error = copy.run().await.unwrap_err();
                assert_eq!((error.class, error.code), (ErrorClass::Data, "unrepresentable"));
                assert_eq!(error.column.as_deref(), Some("d"), "{error}");
                let copy = Copy::plan_read_as(&at, &at, &wanted, |table| {
                    for column in &mut table.columns {
                        let canonical = column.canonical.as_ref().and_then(CanonicalType::demoted);
                        if let Some(canonical) = canonical {
                            column.canonical = Some(canonical);
                        }
                    }
                });
                let copy = copy.await.unwrap();
                copy.run().await.unwrap();
                assert_eq!(copy.replays.into_inner(), 0, "{} was not loaded", server.name);
            });
            let all = |table: &str| {
                server.sql(&database, &format!("select id, d, ts from {table} order by id"))
            };
            assert_eq!(all("u"), all("t"), "{}", server.name);
            assert!(all("u").contains("2024-00-00 10:11:12.500"), "{}", all("u"));
        }
        server.sql("mysql", "set global local_infile = 1");
    }
}

#[test]
fn the_error_value_of_an_enum_is_refused_and_the_empty_label_is_not() {
    for server in servers::all() {
        let database = server.database("enum_error");
        server.sql(
            &database,
            "set sql_mode = ''; create table t (id int primary key, e enum('a','') not null, f enum('a'));
             insert into t values (1, '', null); insert into t values (2, 'a', 'wrong')",
        );
        block_on(async {
            let at = endpoint(server, &database);
            let copy = Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap();
            let error = copy.run().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Data, "{error}");
            assert_eq!(error.column.as_deref(), Some("f"), "{error}");
            server.sql(
                &database,
                "set sql_mode = ''; update t set e = 'wrong', f = null where id = 2",
            );
            let error = copy.run().await.unwrap_err();
            assert_eq!(error.column.as_deref(), Some("e"), "{error}");
            server.sql(&database, "update t set e = 'a' where id = 2");
            copy.run().await.unwrap();
        });
        assert_eq!(server.sql(&database, "select e + 0 from u order by id"), "2\n1\n");
    }
}

#[test]
fn upserts_carry_the_own_types_too() {
    for server in servers::all() {
        let database = server.database("own_upsert");
        let (create, names) = table(server);
        server.sql(&database, &create);
        server.sql(&database, "create table copied like t");
        block_on(async {
            let at = endpoint(server, &database);
            let mut wanted = Wanted::full("t", "copied", &["id"]);
            (wanted.write, wanted.load) = (WriteMode::Upsert, rowferry_core::LoadInto::Target);
            for _ in 0..2 {
                Copy::plan(&at, &at, &wanted).await.unwrap().run().await.unwrap();
            }
        });
        let expected = values(server, &database, "t", &names);
        assert_eq!(values(server, &database, "copied", &names), expected, "{}", server.name);
    }
}

#[test]
fn what_one_fork_alone_has_arrives_in_the_other() {
    let servers = servers::all();
    for from in &servers {
        for to in servers.iter().filter(|to| to.name != from.name) {
            let (columns, rows) = match from.name {
                "mysql" => (
                    "j json, g point srid 4326, n varchar(9) collate utf8mb4_0900_ai_ci",
                    "'{\"a\": 1.5}', st_geomfromtext('point(10 20)', 4326), 'ä '",
                ),
                _ => (
                    "v4 inet4, v6 inet6, u uuid, j json, d decimal(50,31), n varchar(9) collate \
                     utf8mb4_nopad_bin",
                    "'10.0.0.1', 'fe80::1', 'a1a1a1a1-0000-1000-8000-000000000000', '[1.10,  2]', \
                     0.1, 'ä '",
                ),
            };
            let database = from.database("across");
            from.sql(
                &database,
                &format!(
                    "create table t (id int primary key, s set('b','a') default 'b,a', {columns},
                     at datetime default current_timestamp, n5 int default 5);
                     insert into t values (1, 'b', {rows}, '2024-01-01', 6)"
                ),
            );
            to.database("across");
            let found = block_on(async {
                let (at, there) = (endpoint(from, &database), endpoint(to, "across"));
                let wanted = Wanted::full("t", "u", &["id"]);
                let copy = Copy::plan_read_as(&at, &there, &wanted, |table| {
                    // MySQL has no decimal of 31 fraction digits.
                    table.columns.retain(|column| column.name != "d");
                });
                let copy = copy.await.unwrap();
                copy.run().await.unwrap();
                let shown = match from.name {
                    "mysql" => "s, j, hex(g), hex(n)",
                    _ => "s, v4, v6, hex(u), j, hex(n)",
                };
                to.sql(
                    "across",
                    &format!("insert into u (id) values (2); select {shown}, n5 from u"),
                )
            });
            let expected = match from.name {
                "mysql" => {
                    "b\t{\"a\": 1.5}\tE61000000101000000000000000000344000000000000024\
                     40\tC3A420\t6\nb,a\tNULL\tNULL\tNULL\t5\n"
                }
                _ => {
                    "b\t10.0.0.1\tfe80::1\tA1A1A1A10000100080000000000000\
                     00\t[1.10,  2]\tC3A420\t6\nb,a\tNULL\tNULL\tNULL\tNULL\tNULL\t5\n"
                }
            };
            assert_eq!(found, expected, "{} to {}", from.name, to.name);
        }
    }
}
