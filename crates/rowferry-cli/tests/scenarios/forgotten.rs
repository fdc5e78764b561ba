//! A run that nobody remembers, since its progress tables were dropped: its number comes again, and with
//! it the name of its staging table, which may still hold rows.

use rowferry_testkit::Engine;

use crate::two_ends::TwoEnds;
use crate::world::finish;

fn its_rows_are_cleared_away(to: Engine) {
    let Some(ends) = TwoEnds::new(Engine::Sqlite, to, "forgotten") else { return };
    ends.forget(&["item"]);
    ends.source.exec(
        "create table item (a bigint); insert into item \
         with recursive n(a) as (select 1 union all select a + 1 from n where a < 60) select a from n",
    );
    ends.write_job("chunk_rows: 10, workers: 1", &["{ source: item, key: [a], write: replace }"]);
    let mut command = ends.world.command(&["run", "job.yaml", "--output", "json"]);
    command.env("ROWFERRY_FAILPOINT", "commit-answered:2");
    finish(command).expect(-1);
    // One of two chunks was that of null keys.
    assert_eq!(ends.target.value("select sum(rows_written) from _rowferry_chunk"), "10");
    let own = ["_rowferry_chunk", "_rowferry_stream", "_rowferry_quarantine"];
    let dropped: Vec<String> = own.map(|table| format!("drop table if exists {table}")).into();
    ends.target.exec(&dropped.join("; "));
    drop(std::fs::remove_dir_all(ends.world.path("state")));
    ends.run_job(&[]).expect(0);
    assert_eq!(ends.target.value("select count(*) from item"), "60");
}

#[test]
fn in_postgres() {
    its_rows_are_cleared_away(Engine::Postgres);
}

#[test]
fn in_mariadb() {
    its_rows_are_cleared_away(Engine::Mariadb);
}

#[test]
fn in_mysql() {
    its_rows_are_cleared_away(Engine::Mysql);
}

#[test]
fn in_sqlite() {
    its_rows_are_cleared_away(Engine::Sqlite);
}
