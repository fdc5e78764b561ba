//! What is known of a column before a row moves: its type, how exactly values arrive, and why not.

use rowferry_core::{
    CanonicalType as C, Cast, Column, ColumnChoice, ColumnPlan, ColumnWish, DefaultMeaning as D,
    JsonFlavor, NativeType, PlanProblem, Sink as _, Source as _, TableRef,
};

use crate::copy::{Copy, Wanted, block_on, endpoint};
use crate::servers::{self, Server};

fn column(engine: &str, canonical: C) -> Column {
    let native = NativeType::new(engine, canonical.name());
    Column::new("c", Some(canonical), native)
}

const fn text(chars: Option<u32>) -> C {
    C::Text { chars, fixed: false }
}

const fn json(flavor: JsonFlavor) -> C {
    C::Json { flavor }
}

fn list(element: C) -> C {
    C::List { element: Box::new(element) }
}

fn opaque(chars: Option<u32>) -> C {
    C::Opaque { type_name: "int4range".to_owned(), chars }
}

/// A sink that an empty table was planned for.
async fn sink_of(server: &Server, name: &str) -> Copy {
    let database = server.database(name);
    server.sql(&database, "create table t (id int primary key)");
    let at = endpoint(server, &database);
    Copy::plan(&at, &at, &Wanted::full("t", "u", &["id"])).await.unwrap()
}

/// `E int`, `V decimal(38,10): …`, `X lossy json`.
fn shown(answer: Result<ColumnChoice, PlanProblem>) -> String {
    match answer {
        Ok(choice) => {
            let letter = choice.fidelity.letter();
            let by = choice.converted.map(|by| format!(" by {}", by.name())).unwrap_or_default();
            format!("{letter} {}{by}", choice.column.native.declared)
        }
        Err(problem) => format!("X {}: {}", problem.code, problem.casts.join(" | ")),
    }
}

/// Source engine, meaning, cast, answer.
fn meanings() -> Vec<(&'static str, C, &'static str, &'static str)> {
    vec![
        ("postgres", C::Boolean, "", "E tinyint(1)"),
        ("postgres", C::Int16, "", "E smallint"),
        ("postgres", C::UInt64, "", "E bigint unsigned"),
        ("postgres", C::Float64, "", "V double"),
        ("postgres", C::Decimal { precision: 12, scale: 2 }, "", "V decimal(12,2)"),
        ("postgres", C::Decimal { precision: 70, scale: 2 }, "", "X unsupported-type: text"),
        ("postgres", C::Decimal { precision: 70, scale: 2 }, "text", "W longtext by text"),
        ("postgres", C::DecimalText, "", "X unsupported-type: decimal(65,30) | text"),
        ("postgres", C::DecimalText, "decimal(38,10)", "V decimal(38,10) by decimal(38,10)"),
        ("postgres", C::DecimalText, "text", "W longtext"),
        ("postgres", text(None), "", "E longtext"),
        ("postgres", text(Some(20)), "", "E varchar(20)"),
        ("postgres", text(Some(20)), "varchar(10)", "V varchar(10)"),
        ("postgres", text(Some(20)), "varchar(20) character set latin1", "V varchar(20)"),
        ("postgres", text(None), "int", "X cast-does-not-fit: text | bytes"),
        ("postgres", text(None), "number", "X unknown-type: "),
        ("postgres", C::Text { chars: Some(9), fixed: true }, "", "E char(9)"),
        ("sqlite", text(None), "", "V longtext"),
        ("postgres", C::Binary { bytes: None, fixed: false }, "", "V longblob"),
        ("postgres", C::Date, "", "V date"),
        ("postgres", C::Date, "text", "W longtext by text"),
        ("postgres", C::Time { digits: 6 }, "", "E time(6)"),
        ("postgres", C::TimeTz, "", "X unsupported-type: varchar(24) | text"),
        ("postgres", C::TimeTz, "varchar(24)", "W varchar(24)"),
        ("postgres", C::Timestamp { digits: 6 }, "", "V datetime(6)"),
        ("postgres", C::Timestamp { digits: 6 }, "timestamp(6)", "X cast-does-not-fit: text"),
        ("postgres", C::Instant { digits: 6 }, "", "W datetime(6)"),
        ("postgres", C::Instant { digits: 6 }, "timestamp(6)", "V timestamp(6)"),
        ("postgres", C::Interval, "", "X unsupported-type: text | time(6)"),
        ("postgres", C::Interval, "time(6)", "V time(6) by duration(6)"),
        ("postgres", C::Interval, "text", "W longtext by text"),
        ("postgres", C::Uuid, "", "E binary(16)"),
        ("postgres", C::Uuid, "char(36)", "W char(36)"),
        ("postgres", C::Bits { bits: 10 }, "", "E bit(10)"),
        ("postgres", C::BitString { bits: Some(100), varying: true }, "", "W varchar(100)"),
        ("postgres", C::BitString { bits: None, varying: true }, "", "W longtext"),
        ("postgres", C::Enum { labels: vec!["a".into()] }, "", "V enum('a')"),
        ("postgres", C::Enum { labels: vec!["a ".into()] }, "", "X unsupported-type: text"),
        ("mysql-like", C::Set { labels: vec!["a".into()] }, "", "E set('a')"),
        ("postgres", list(C::Int32), "", "V json by json"),
        ("postgres", list(C::Int32), "text", "V longtext by json"),
        ("postgres", list(C::Float32), "vector(3)", "V vector(3)"),
        ("postgres", opaque(None), "", "W longtext"),
        ("postgres", opaque(Some(43)), "", "W varchar(43)"),
        ("postgres", C::Geometry { encoding: "postgis".into() }, "", "W longblob"),
        ("sqlite", C::Variant, "", "X unsupported-type: text"),
        ("sqlite", C::Variant, "text", "V longtext by text"),
        ("sqlite", C::Variant, "bigint", "V bigint by int64"),
        ("sqlite", C::Variant, "bytes", "X cast-does-not-fit: text"),
        ("sqlite", C::Variant, "tinyint(1)", "X cast-does-not-fit: text"),
        ("postgres", C::Date, "datetime", "V datetime by timestamp(0)"),
        ("postgres", C::Int64, "double", "V double by float64"),
        ("postgres", C::Int64, "decimal(5,2)", "V decimal(5,2)"),
        ("postgres", C::Decimal { precision: 9, scale: 2 }, "int", "V int by int64"),
    ]
}

#[test]
fn every_meaning_has_a_type_or_a_reason_and_a_cast() {
    let cases = meanings();
    block_on(async {
        for server in servers::all() {
            let copy = sink_of(server, "fits_new").await;
            let answer = |engine: &str, canonical: &C, cast: &str| {
                let source = column(engine, canonical.clone());
                let cast: Option<Cast> = (!cast.is_empty()).then(|| cast.parse().unwrap());
                let wish = ColumnWish { cast: cast.as_ref(), ..ColumnWish::plain(&source, "c") };
                let answer = copy.sink.plan_column(&wish);
                if let Ok(choice) = &answer {
                    let checked = matches!(choice.fidelity.letter(), 'V' | 'L');
                    assert!(!checked || choice.rule.is_some(), "{source:?}: no rule");
                }
                shown(answer)
            };
            for (engine, canonical, cast, expected) in &cases {
                let found = answer(engine, canonical, cast);
                assert_eq!(found, *expected, "{} {} {cast}", server.name, canonical.name());
            }
            let of_json = [
                (JsonFlavor::Text, "", "W longtext", "E json"),
                (JsonFlavor::Text, "json", "L json", "E json"),
                (JsonFlavor::PgJsonb, "", "V json", "E json"),
                (JsonFlavor::PgJsonb, "longtext", "W longtext", "W longtext"),
            ];
            for (flavor, cast, mysql, mariadb) in of_json {
                let expected = if server.name == "mysql" { mysql } else { mariadb };
                assert_eq!(answer("postgres", &json(flavor), cast), expected, "{}", server.name);
            }
        }
    });
}

#[test]
fn an_existing_column_says_what_of_the_source_it_holds() {
    const TABLE: &str = "create table e (tiny tinyint, small decimal(5,2), whole datetime,
        short varchar(5), latin varchar(20) character set latin1, three varchar(20)
        character set utf8mb3, labels enum('a','b'), set_up set('a','b'), need int not null,
        k_ci varchar(20) character set utf8mb4 collate utf8mb4_general_ci,
        k_bin varchar(20) character set utf8mb4 collate utf8mb4_bin,
        k_pad char(20) character set utf8mb4 collate utf8mb4_bin, j json, ts timestamp(3) null)
        character set utf8mb4";
    let cases: Vec<(&str, C, bool, &str)> = vec![
        ("tiny", C::Int32, false, "V integers from -128 to 127"),
        ("tiny", C::Boolean, false, "E "),
        ("tiny", text(None), false, "X type-mismatch"),
        (
            "small",
            C::Decimal { precision: 12, scale: 4 },
            false,
            "V at most 5 digits, 2 of them after the point",
        ),
        (
            "whole",
            C::Timestamp { digits: 6 },
            false,
            "V years 0001 to 9999, at most 0 fraction digits",
        ),
        ("short", text(Some(5)), false, "E "),
        ("short", text(None), false, "V at most 5 characters"),
        ("latin", text(Some(20)), false, "V only characters of latin1"),
        (
            "labels",
            C::Enum { labels: vec!["a".into(), "c".into()] },
            false,
            "V only labels of the enum",
        ),
        ("set_up", C::Set { labels: vec!["b".into()] }, false, "V only labels of the set"),
        ("need", C::Int32, false, "V no nulls"),
        ("k_ci", text(Some(20)), false, "E "),
        ("k_ci", text(Some(20)), true, "X weak-collation"),
        ("k_bin", text(Some(20)), true, "X weak-collation"),
        ("k_pad", C::Text { chars: Some(20), fixed: true }, true, "E "),
        ("ts", C::Instant { digits: 3 }, false, "V from 1970-01-01"),
        ("ts", C::Timestamp { digits: 3 }, false, "X type-mismatch"),
    ];
    block_on(async {
        for server in servers::all() {
            let copy = sink_of(server, "fits_existing").await;
            server.sql("fits_existing", TABLE);
            let found = copy.sink.describe(&TableRef::bare("e")).await.unwrap().unwrap();
            let answer = |name: &str, source: &Column, in_key: bool| {
                let existing = found.schema.column(name);
                let wish = ColumnWish { existing, in_key, ..ColumnWish::plain(source, name) };
                match copy.sink.plan_column(&wish) {
                    Ok(choice) => {
                        format!("{} {}", choice.fidelity.letter(), choice.rule.unwrap_or_default())
                    }
                    Err(problem) => format!("X {}", problem.code),
                }
            };
            for (name, canonical, in_key, expected) in &cases {
                let source = column("postgres", canonical.clone());
                let found = answer(name, &source, *in_key);
                assert!(found.starts_with(expected), "{} {name}: {found:?}", server.name);
                assert!(!expected.ends_with(' ') || found == *expected, "{name}: {found:?}");
            }
            // A source of this kind with the same rules of comparison loses nothing.
            let same = found.schema.column("k_ci").unwrap();
            assert_eq!(answer("k_ci", same, true), "E ");
            assert_eq!(answer("k_bin", same, true), "E ", "finer, and both ignore blanks");
            assert_eq!(
                answer("k_ci", found.schema.column("k_bin").unwrap(), true),
                "X weak-collation"
            );
            let lossy = column("postgres", json(JsonFlavor::Text));
            let expected = if server.name == "mysql" { "X lossy" } else { "E " };
            assert_eq!(answer("j", &lossy, false), expected);
        }
    });
}

#[test]
fn a_wide_table_is_made_narrower_and_says_so() {
    for server in servers::all() {
        block_on(async {
            let mut copy = sink_of(server, "fits_wide").await;
            let wide: Vec<Column> = (0..40)
                .map(|number| Column {
                    name: format!("c{number}"),
                    ..column("postgres", text(Some(if number < 2 { 900 } else { 500 })))
                })
                .collect();
            let planned = wide.iter().map(|source| {
                let wish = ColumnWish::plain(source, &source.name);
                ColumnPlan::new(source.clone(), copy.sink.plan_column(&wish).unwrap())
            });
            copy.plan.columns.extend(planned.collect::<Vec<_>>());
            copy.plan.source.columns.extend(wide);
            assert!(copy.sink.shape(&mut copy.plan).is_empty());
            let widened: Vec<String> = copy
                .plan
                .columns
                .iter()
                .filter(|column| column.target.native.declared == "longtext")
                .map(|column| column.target.name.clone())
                .collect();
            assert_eq!(
                widened.iter().filter(|name| ["c0", "c1"].contains(&name.as_str())).count(),
                2
            );
            assert!(widened.len() < 15, "{widened:?}");
            assert_eq!(copy.plan.warnings.len(), widened.len());
            let (_lock, _, _) = copy.claim(rowferry_core::ClaimStart::NewRun).await.unwrap();

            let mut long = column("postgres", text(None));
            "k".clone_into(&mut long.name);
            let names = ["k", "l"];
            for name in names {
                let source = Column { name: name.to_owned(), ..long.clone() };
                let wish = ColumnWish { in_key: true, ..ColumnWish::plain(&source, name) };
                let choice = copy.sink.plan_column(&wish).unwrap();
                assert_eq!(shown(Ok(choice.clone())), "V varchar(768)");
                copy.plan.columns.push(ColumnPlan::new(source, choice));
            }
            copy.plan.key = names.map(str::to_owned).to_vec();
            let problems = copy.sink.shape(&mut copy.plan);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].code, "key-too-wide");
        });
    }
}

#[test]
fn what_belongs_to_a_table_is_described() {
    const TABLES: &str = "create table parent (a int, b int, primary key (a, b));
        create table t (id int auto_increment primary key, a int, b int, n int default 5,
        x varchar(9) default 'it''s', at datetime(3) default current_timestamp(3)
        on update current_timestamp(3), z datetime default now(),
        key plain (a, b), key prefix (x(3)),
        constraint both_of foreign key (a, b) references parent (a, b) on delete cascade,
        constraint small check (n < 10)) comment 'words' auto_increment = 77;
        create trigger watch before insert on t for each row set new.n = 1";
    for server in servers::all() {
        let database = server.database("described");
        server.sql(&database, TABLES);
        block_on(async {
            let at = endpoint(server, &database);
            let source =
                rowferry_mysql::MysqlSource::connect(&at, crate::copy::pool()).await.unwrap();
            let table = source.describe(&TableRef::bare("t")).await.unwrap();
            assert_eq!(table.next_identity, Some(77));
            assert_eq!(table.comment.as_deref(), Some("words"));
            let key = &table.foreign_keys[0];
            assert_eq!((key.name.as_str(), key.to.name.as_str()), ("both_of", "parent"));
            assert_eq!(
                (key.columns.join(","), key.to_columns.join(",")),
                ("a,b".into(), "a,b".into())
            );
            assert_eq!((key.on_delete.as_deref(), key.on_update.clone()), (Some("cascade"), None));
            assert_eq!(table.checks[0].name, "small");
            assert!(table.checks[0].expression.contains("`n` < 10"), "{:?}", table.checks);
            let portable: Vec<(&str, bool)> =
                table.indexes.iter().map(|index| (index.name.as_str(), index.portable)).collect();
            assert!(portable.contains(&("plain", true)) && portable.contains(&("prefix", false)));
            let kinds: Vec<(&str, &str)> = table
                .untranslated
                .iter()
                .map(|found| (found.kind.as_str(), found.name.as_str()))
                .collect();
            assert_eq!(kinds, [("on update", "at"), ("trigger", "watch")]);
            let meaning = |name: &str| table.column(name).unwrap().default_meaning.clone();
            assert_eq!(meaning("n"), Some(D::Constant("5".to_owned())));
            assert_eq!(meaning("x"), Some(D::Constant("it's".to_owned())));
            assert_eq!(meaning("at"), Some(D::Now(3)));
            assert_eq!(meaning("z"), Some(D::Now(0)));
            assert_eq!(meaning("a"), None);
        });
    }
}
