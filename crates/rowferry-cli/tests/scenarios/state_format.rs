//! The progress tables as an earlier release made them are continued; those of a later one are
//! refused by name, and nothing is touched.
//!
//! The statements stand here as they were when the format was made: what a later version makes of
//! its own tables does not change them.

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::ends::{Progress, database, wait_for_silence};
use crate::mixed::{COLUMNS, fill};
use crate::world::{Told, World, finish};

/// Both tables of format 1.
fn format_1(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => include_str!("../../../../fixtures/state/format-1/postgres.sql"),
        Engine::Mariadb | Engine::Mysql => {
            include_str!("../../../../fixtures/state/format-1/mysql.sql")
        }
        Engine::Sqlite => include_str!("../../../../fixtures/state/format-1/sqlite.sql"),
    }
}

const STREAM: &str = "stream_id, job, source_id, source_table, target_table, run, run_key, epoch, \
    owner, phase, plan_fingerprint, staging_name, watermark, rows, digest, started_at, updated_at, \
    format_version, tool_version";
const CHUNK: &str = "stream_id, run, chunk_no, lower, upper, last_key, rows_read, rows_written, \
    rows_rejected, duplicates, bytes, digest, digest_kind, epoch, committed_at";

struct Copy {
    world: World,
    source: Database,
    target: Database,
}

impl Copy {
    /// A full copy, killed in its third chunk.
    fn killed(to: Engine) -> Option<Self> {
        let world = World::new();
        let source = database(Engine::Sqlite, &world, "format_source")?;
        let target = database(to, &world, "format_target")?;
        fill(&source, 600);
        let copy = Self { world, source, target };
        let mut command = copy.command("copy");
        command.env("ROWFERRY_FAILPOINT", "rows-done:3");
        assert_eq!(finish(command).code, -1);
        wait_for_silence(&copy.target);
        Some(copy)
    }

    fn command(&self, verb: &str) -> std::process::Command {
        let (from, to) = (self.source.url(), self.target.url());
        let words = [verb, &from, &to, "--table", "t_bigint", "--chunk-rows", "100"];
        let rest = ["--workers", "1", "--run-key", "one", "--output", "json"];
        self.world.command(&[&words[..], &rest].concat())
    }

    fn run(&self) -> Told {
        finish(self.command("copy"))
    }

    /// Moves the rows of both tables into tables of format 1.
    fn age(&self) {
        let engine = self.target.engine();
        let more = match engine {
            Engine::Postgres => ", format_version, tool_version",
            Engine::Mariadb | Engine::Mysql => "",
            Engine::Sqlite => ", digest_rows, format_version, tool_version",
        };
        let quote = |columns: &str| match engine {
            Engine::Mariadb | Engine::Mysql => columns
                .replace(" rows,", " `rows`,")
                .replace(" lower,", " `lower`,")
                .replace(" upper,", " `upper`,"),
            Engine::Postgres | Engine::Sqlite => columns.to_owned(),
        };
        for table in ["_rowferry_stream", "_rowferry_chunk"] {
            self.target.exec(&format!("alter table {table} rename to old{table}"));
        }
        if engine == Engine::Postgres {
            // The names of indexes are the schema's.
            for index in ["_rowferry_stream_pkey", "_rowferry_chunk_pkey"] {
                self.target.exec(&format!("alter index {index} rename to old{index}"));
            }
        }
        self.target.exec(format_1(engine));
        let stream = quote(STREAM);
        let chunk = format!("{}{more}", quote(CHUNK));
        for (table, columns) in [("_rowferry_stream", stream), ("_rowferry_chunk", chunk)] {
            let insert =
                format!("insert into {table} ({columns}) select {columns} from old{table}");
            self.target.exec(&insert);
            self.target.exec(&format!("drop table old{table}"));
        }
    }

    /// Everything that both tables hold, and the names of all tables.
    fn everything(&self) -> Vec<String> {
        let tables = match self.target.engine() {
            Engine::Postgres => "select relname from pg_class where relkind = 'r' order by 1",
            Engine::Mariadb | Engine::Mysql => "show tables",
            Engine::Sqlite => "select name from sqlite_master order by 1",
        };
        let mut lines = self.target.query(tables);
        for table in ["_rowferry_stream", "_rowferry_chunk"] {
            lines.extend(self.target.query(&format!("select * from {table} order by 1, 2, 3")));
        }
        lines
    }
}

fn an_earlier_format_is_continued(to: Engine) {
    let Some(copy) = Copy::killed(to) else { return };
    println!("faults: 1");
    copy.age();
    let told = copy.run().expect(0);
    assert_eq!(told.json()["tables"][0]["chunks_resumed"], 2);
    let expected = dump(&copy.source, "t_bigint", &COLUMNS);
    assert_same("target", &expected, &dump(&copy.target, "t_bigint", &COLUMNS));
    assert_eq!(Progress::of(&copy.target).phase, "done");
}

fn a_later_format_is_refused(to: Engine) {
    let Some(copy) = Copy::killed(to) else { return };
    println!("faults: 1");
    copy.target.exec("update _rowferry_stream set format_version = 2, tool_version = '9.8.7'");
    let before = copy.everything();
    let told = copy.run().expect(76);
    assert_eq!(told.slugs(), ["newer-state"]);
    assert!(told.stderr.contains("format 2 of rowferry 9.8.7"), "{}", told.stderr);
    let plan = finish(copy.command("plan")).expect(0).stdout;
    assert!(plan.contains("newer-state"), "{plan}");
    let url = copy.target.url();
    for words in [
        &["status", "--target", &url][..],
        &["state", "reset", "t_bigint", "--yes", "--target", &url],
        &["state", "accept", "t_bigint", "--yes", "--target", &url],
        &["state", "unlock", "t_bigint", "--yes", "--target", &url],
    ] {
        assert_eq!(copy.world.run(words).expect(76).slugs(), ["newer-state"], "{words:?}");
    }
    assert_eq!(copy.everything(), before, "something was changed");
    copy.target.exec("update _rowferry_stream set format_version = 1");
    assert_eq!(copy.run().expect(0).json()["tables"][0]["chunks_resumed"], 2);
}

every_target! {
    earlier: an_earlier_format_is_continued;
    later: a_later_format_is_refused;
}
