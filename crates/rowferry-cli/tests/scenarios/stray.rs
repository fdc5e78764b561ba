//! A column of SQLite that is of one class for a thousand rows, and then is not: the plan could not
//! know, so the cast that was given for it must hold all the same.

use rowferry_testkit::Engine::{self, Postgres};

use crate::ends::database;
use crate::world::World;

const STRAY: &str = "create table t (id integer primary key, n integer); \
     with recursive i (i) as (select 1 union all select i + 1 from i where i < 2000) \
     insert into t select i, case i when 1700 then 'many' else i end from i";

fn cast_holds(from: Engine, to: Engine) {
    let null = if to == Postgres { "\\N" } else { "NULL" };
    for (cast, found, changed) in [("text", "many", 0), ("bigint else null", null, 1)] {
        let world = World::new();
        let Some(source) = database(from, &world, "stray_source") else { return };
        let Some(target) = database(to, &world, "stray_target") else { return };
        source.exec(STRAY);
        let (from, into) = (source.url(), target.url());
        let cast = format!("n={cast}");
        let words = ["copy", &from, &into, "--table", "t", "--cast", &cast, "--output", "json"];
        let told = world.run(&words);
        assert_eq!(told.code, 0, "{cast}: {told:?}");
        let report = told.json();
        assert_eq!(target.value("select n from t where id = 1700"), found);
        assert_eq!(target.value("select n from t where id = 1699"), "1699");
        assert_eq!(target.value("select count(*) from t"), "2000");
        let values = report["tables"][0]["values"].as_array().map_or(0, Vec::len);
        assert_eq!(values, changed, "{report}");
    }
}

every_direction! { cast_holds:
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_mysql: Sqlite => Mysql;
}
