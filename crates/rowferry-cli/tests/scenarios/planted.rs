//! The oracle's own test. What judges every other test must see a row that is missing, one too many, a
//! doubled and an altered one, in each column and by the smallest difference, on each engine, and
//! whatever a run leaves behind.

use rowferry_testkit::{Database, Engine};

use crate::dump::{checksum, difference, dump};
use crate::ends::{Session, database, sessions, tables, wait_until};
use crate::mixed::{COLUMNS, fill};
use crate::world::World;

const ROWS: u64 = 120;

/// What is judged: a copy of the source's table, made by the database itself.
struct Judged {
    database: Database,
    rows: Vec<String>,
    checksum: Vec<String>,
    // Holds the file of SQLite.
    _world: World,
}

impl Judged {
    fn new(engine: Engine) -> Option<Self> {
        let world = World::new();
        let database = database(engine, &world, "planted")?;
        fill(&database, ROWS);
        let mut judged = Self { database, rows: Vec::new(), checksum: Vec::new(), _world: world };
        judged.copy_and("select 1");
        judged.rows = dump(&judged.database, "t_bigint", &COLUMNS);
        judged.checksum = checksum(&judged.database, "planted", &COLUMNS);
        let copied = dump(&judged.database, "planted", &COLUMNS);
        assert_eq!(difference(&judged.rows, &copied), None, "a right copy is right");
        Some(judged)
    }

    /// A right copy again, without a key so that a row can be there twice, and then this.
    fn copy_and(&self, change: &str) {
        self.database.exec(&format!(
            "drop table if exists planted; create table planted as select * from t_bigint; {change}"
        ));
    }

    /// Panics unless both ways to compare see the difference that `change` makes.
    fn sees(&self, what: &str, change: &str) {
        self.copy_and(change);
        let found = dump(&self.database, "planted", &COLUMNS);
        assert!(difference(&self.rows, &found).is_some(), "the dump does not see: {what}");
        let sum = checksum(&self.database, "planted", &COLUMNS);
        assert_ne!(sum, self.checksum, "the checksum does not see: {what}");
    }

    /// Ids of two rows that both have a value in this column, and not the same.
    fn different(&self, column: usize) -> (String, String) {
        let rows: Vec<Vec<&str>> = self.rows.iter().map(|row| row.split('|').collect()).collect();
        let id = |row: &Vec<&str>| row[0].to_owned();
        let name = COLUMNS[column].0;
        let set = format!("select id from t_bigint where {name} is not null");
        let set = self.database.query(&set);
        let named = |row: &Vec<&str>| set.iter().any(|id| id == row[0]);
        let one = rows.iter().find(|row| named(row)).unwrap();
        let other = rows.iter().rev().find(|row| row[column] != one[column] && named(row)).unwrap();
        (id(one), id(other))
    }
}

fn sees_every_difference(engine: Engine) {
    let Some(judged) = Judged::new(engine) else { return };
    let (one, other) = judged.different(0);
    judged.sees("a missing row", &format!("delete from planted where id = {one}"));
    let row = |id: &str| format!("insert into planted select * from t_bigint where id = {id}");
    let extra = "insert into planted (id, code, token) select -7, code, token from t_bigint";
    judged.sees("a row too many", &format!("{extra} where id = {other}"));
    judged.sees("a doubled row", &row(&one));
    let swapped = format!("delete from planted where id = {other}; {}", row(&one));
    judged.sees("a doubled row in the place of a missing one", &swapped);
    let names = COLUMNS.iter().map(|(name, _)| *name).enumerate();
    for (column, name) in names.skip(1) {
        let (one, other) = judged.different(column);
        let value = format!("(select b.{name} from t_bigint b where b.id = {other})");
        let altered = format!("update planted set {name} = {value} where id = {one}");
        judged.sees(&format!("an altered {name}"), &altered);
        if name != "code" && name != "token" {
            let nothing = format!("update planted set {name} = null where id = {one}");
            judged.sees(&format!("a {name} that is null"), &nothing);
        }
    }
    for (name, smallest) in smallest(engine) {
        let (one, _) = judged.different(COLUMNS.iter().position(|(c, _)| *c == name).unwrap());
        let altered = format!("update planted set {name} = {smallest} where id = {one}");
        judged.sees(&format!("{name} = {smallest}"), &altered);
    }
    sees_what_is_left(&judged.database);
}

/// The least that can be wrong with a value.
fn smallest(engine: Engine) -> Vec<(&'static str, &'static str)> {
    let mut smallest = vec![("small", "small + 1"), ("ratio", "ratio * 1.0000000000000004e0")];
    smallest.extend(match engine {
        Engine::Postgres => [
            ("name", "name || ' '"),
            ("note", "upper(note)"),
            ("raw", "raw || '\\x00'::bytea"),
            ("amount", "amount + 0.0001"),
            ("seen", "seen + interval '1 microsecond'"),
        ],
        Engine::Mariadb | Engine::Mysql => [
            ("name", "concat(name, ' ')"),
            ("note", "upper(note)"),
            ("raw", "concat(raw, x'00')"),
            ("amount", "amount + 0.0001"),
            ("seen", "seen + interval 1 microsecond"),
        ],
        Engine::Sqlite => [
            ("name", "name || ' '"),
            ("note", "upper(note)"),
            ("raw", "cast(raw || x'00' as blob)"),
            ("amount", "amount + 0.25"),
            ("seen", "substr(seen, 1, length(seen) - 1) || '9'"),
        ],
    });
    smallest
}

/// A table and a session that nobody took away.
fn sees_what_is_left(database: &Database) {
    let before = tables(database);
    database.exec("create table _rowferry_left (id integer)");
    assert_ne!(tables(database), before, "a table is left, and nobody sees it");
    if database.engine() != Engine::Sqlite {
        let mut session = Session::open(database);
        session.send("begin; select count(*) from planted;");
        wait_until("the planted session to be seen", || sessions(database) > 0);
        session.close();
    }
}

every_direction! { on_engine:
    on_postgres: Postgres => Postgres;
    on_mariadb: Mariadb => Mariadb;
    on_mysql: Mysql => Mysql;
    on_sqlite: Sqlite => Sqlite;
}

fn on_engine(engine: Engine, _: Engine) {
    sees_every_difference(engine);
}
