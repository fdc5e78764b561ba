//! Every direction, every kind of key: what arrives is what was sent.

use rowferry_testkit::Engine;

use crate::dump::{assert_same, dump};
use crate::ends::database;
use crate::mixed::{COLUMNS, TABLES, fill, number};
use crate::world::World;

/// One job with a table for each kind of key, cut into several chunks.
fn tables_arrive_equal(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "directions_source") else { return };
    let Some(target) = database(to, &world, "directions_target") else { return };
    let rows = number("ROWFERRY_DIRECTIONS_ROWS", 6_000);
    fill(&source, rows);
    let chunk_rows = (rows / 6).clamp(1, 100_000);
    world.write(
        "job.yaml",
        &format!(
            "version: 1\n\
             connections:\n  from: {}\n  to: {}\n\
             jobs:\n  - name: directions\n    source: from\n    target: to\n\
             \x20   settings: {{ chunk_rows: {chunk_rows} }}\n\
             \x20   tables:\n\
             \x20     - source: t_bigint\n      - source: t_text\n      - source: t_uuid\n\
             \x20     - {{ source: t_composite, key: [part, id] }}\n      - source: t_none\n",
            source.url(),
            target.url(),
        ),
    );
    let told = world.run(&["run", "job.yaml", "--output", "json", "--report", "report.json"]);
    let report = told.expect(0).json();
    assert_eq!(report["totals"]["rows_written"], rows * 5);
    assert_eq!(report["totals"]["duplicates"], 0);
    for table in TABLES {
        let expected = dump(&source, table, &COLUMNS);
        assert_eq!(expected.len() as u64, rows, "{table} of the source");
        assert_same(table, &expected, &dump(&target, table, &COLUMNS));
    }
    let full: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("report.json")).unwrap()).unwrap();
    for table in full["tables"].as_array().unwrap() {
        let keyed = table["source"].as_str().is_some_and(|name| !name.ends_with("t_none"));
        assert!(!keyed || table["chunks"].as_u64() > Some(3), "not cut: {table}");
    }
    // Again, now over tables whose types are what the target's catalogue says of them.
    let again = world.run(&["run", "job.yaml", "--output", "json"]).expect(0).json();
    assert_eq!(again["totals"]["rows_written"], rows * 5);
    for table in TABLES {
        assert_same(table, &dump(&source, table, &COLUMNS), &dump(&target, table, &COLUMNS));
    }
}

every_direction! { tables_arrive_equal:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    mysql_to_postgres: Mysql => Postgres;
    mysql_to_mysql: Mysql => Mysql;
    mysql_to_sqlite: Mysql => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_mysql: Sqlite => Mysql;
    sqlite_to_sqlite: Sqlite => Sqlite;
}
