//! Ids are drawn before they are committed: a run that saw 43 must not forget 42.

use rowferry_testkit::{Database, Engine};

use crate::ends::{Session, database, of_transactions, wait_until};
use crate::world::World;

pub(crate) fn open_transactions(source: &Database) -> String {
    let query = match source.engine() {
        Engine::Postgres => {
            "select count(*) from pg_stat_activity where datname = current_database() \
             and state = 'idle in transaction' and backend_xid is not null"
        }
        Engine::Mariadb | Engine::Mysql | Engine::Sqlite => {
            "select count(*) from information_schema.innodb_trx t join information_schema.processlist p \
             on p.id = t.trx_mysql_thread_id where p.db = database() and t.trx_rows_modified > 0"
        }
    };
    of_transactions(source, query)
}

fn nothing_is_lost(from: Engine, to: Engine) {
    let world = World::new();
    let Some(source) = database(from, &world, "late_source") else { return };
    let Some(target) = database(to, &world, "late_target") else { return };
    source.exec("create table t (id bigint primary key, name varchar(20))");
    source.exec("insert into t values (1, 'one'), (41, 'forty-one')");
    let run = |rows: &str| {
        let told = world.run(&[
            "copy",
            &source.url(),
            &target.url(),
            "--table",
            "t",
            "--mode",
            "incremental",
            "--output",
            "json",
        ]);
        told.expect(0);
        assert_eq!(target.value("select count(*) from t"), rows);
    };
    run("2");
    let mut late = Session::open(&source);
    late.send("begin; insert into t values (42, 'late');");
    wait_until("the open transaction", || open_transactions(&source) == "1");
    source.exec("insert into t values (43, 'early')");
    run("3");
    // Still open: a second run in between must not settle it either.
    source.exec("insert into t values (44, 'later')");
    run("4");
    late.send("commit;");
    late.close();
    run("5");
    assert_eq!(target.value("select name from t where id = 42"), "late");
    run("5");
}

#[test]
fn an_id_that_commits_late_in_postgres_arrives() {
    nothing_is_lost(Engine::Postgres, Engine::Mariadb);
}

#[test]
fn an_id_that_commits_late_in_mariadb_arrives() {
    nothing_is_lost(Engine::Mariadb, Engine::Postgres);
}

#[test]
fn an_id_that_commits_late_in_mysql_arrives() {
    nothing_is_lost(Engine::Mysql, Engine::Sqlite);
}
