//! A finished run that is repeated with its run key writes nothing: not by its own word, but by what
//! the servers count and what the files hold.

use rowferry_testkit::{Database, Engine};

use crate::ends::{database, wait_for_silence};
use crate::mixed::{TABLES, fill};
use crate::world::World;

/// What the server has counted in this database, or the whole file.
fn written(database: &Database) -> Vec<u8> {
    wait_for_silence(database);
    let lines = match database.engine() {
        Engine::Postgres => database.query(
            "select (select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables), \
             (select max(oid::bigint) from pg_class)",
        ),
        Engine::Mariadb | Engine::Mysql => {
            let tables = "select table_name, create_time from information_schema.tables \
                          where table_schema = database() order by 1";
            let changed = "select table_name, rows_changed \
                           from information_schema.table_statistics \
                           where table_schema = database() and rows_changed > 0 order by 1";
            [database.query(tables), database.query(changed)].concat()
        }
        Engine::Sqlite => {
            let path = database.endpoint().path;
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            assert!(!std::path::Path::new(&log).exists(), "the file was not closed");
            return std::fs::read(path).unwrap();
        }
    };
    lines.join("\n").into_bytes()
}

fn writes_nothing(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "repeated_source") else { return };
    let Some(target) = database(to, &world, "repeated_target") else { return };
    for end in [&source, &target] {
        if end.engine() == Engine::Mariadb {
            end.exec("set global userstat = 1");
        }
    }
    fill(&source, 300);
    let tables = TABLES.join(",");
    let run = || {
        let (from, to) = (source.url(), target.url());
        let words = ["copy", &from, &to, "--table", &tables, "--chunk-rows", "100"];
        world.run(&[&words[..], &["--run-key", "one", "--output", "json"]].concat()).expect(0)
    };
    assert_eq!(run().json()["totals"]["rows_written"], 1_500);
    let before = (written(&source), written(&target));
    assert!(!before.1.is_empty());
    let again = run().json();
    assert_eq!(
        (&again["status"], &again["totals"]["rows_written"]),
        (&"skipped".into(), &0.into())
    );
    let after = (written(&source), written(&target));
    assert!(before == after, "something was written");
}

every_direction! { nine: writes_nothing }
