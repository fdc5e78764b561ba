//! Two databases of one test and the copies between them.

use std::process::Command;

use rowferry_testkit::{Database, Engine};

use crate::ends::database;
use crate::mixed::is_full;
use crate::world::{Told, World};

pub(crate) struct TwoEnds {
    pub(crate) world: World,
    pub(crate) source: Database,
    pub(crate) target: Database,
    /// How a job reaches them.
    from: String,
    to: String,
}

impl TwoEnds {
    /// Both empty; `None` after a `skipped:` line.
    pub(crate) fn new(from: Engine, to: Engine, name: &str) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, &format!("{name}_source"))?;
        let target = database(to, &world, &format!("{name}_target"))?;
        Some(Self::in_world(world, source, target))
    }

    /// Databases of servers.
    pub(crate) fn of(source: Database, target: Database) -> Self {
        Self::in_world(World::new(), source, target)
    }

    fn in_world(world: World, source: Database, target: Database) -> Self {
        let (from, to) = (source.url(), target.url());
        Self { world, source, target, from, to }
    }

    /// Jobs read by another URL from here on.
    pub(crate) fn read_by(&mut self, url: &str) {
        url.clone_into(&mut self.from);
    }

    /// Jobs write by another URL from here on.
    pub(crate) fn write_by(&mut self, url: &str) {
        url.clone_into(&mut self.to);
    }

    /// Drops these tables at both ends, and what the target knows of earlier copies.
    pub(crate) fn forget(&self, tables: &[&str]) {
        self.source.exec(&dropped(tables));
        self.forget_target(tables);
    }

    /// As [`Self::forget`], at the target alone. The ledger goes too: it would miss them.
    pub(crate) fn forget_target(&self, tables: &[&str]) {
        drop(std::fs::remove_dir_all(self.world.path("state")));
        let own = ["_rowferry_chunk", "_rowferry_stream", "_rowferry_quarantine"];
        self.target.exec(&(dropped(tables) + &dropped(&own)));
        // The servers' connectors clear away what a forgotten run has left there.
        if self.target.engine() == Engine::Sqlite {
            let left = "select name from sqlite_schema where type = 'table' and name like '!_rowferry!_s!_%' escape '!'";
            let left = self.target.query(left);
            let left: Vec<&str> = left.iter().map(String::as_str).collect();
            self.target.exec(&format!("select 1; {}", dropped(&left)));
        }
    }

    /// `copy` of one table, with these words behind it.
    pub(crate) fn copy(&self, table: &str, words: &[&str]) -> Told {
        crate::world::finish(self.copy_command(table, words))
    }

    pub(crate) fn copy_command(&self, table: &str, words: &[&str]) -> Command {
        let copy = [
            "copy",
            &self.from,
            &self.to,
            "--table",
            table,
            "--output",
            "json",
            "--progress",
            "none",
        ];
        self.world.command(&[&copy[..], words].concat())
    }

    /// Writes `job.yaml`: these settings, and each table as its own lines say.
    pub(crate) fn write_job(&self, settings: &str, tables: &[&str]) {
        let tables: Vec<String> = tables.iter().map(|table| format!("      - {table}\n")).collect();
        self.world.write(
            "job.yaml",
            &format!(
                "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: rows\n    \
                 source: from\n    target: to\n    settings: {{ {settings} }}\n    tables:\n{}",
                self.from,
                self.to,
                tables.concat()
            ),
        );
    }

    /// Runs `job.yaml`.
    pub(crate) fn run_job(&self, words: &[&str]) -> Told {
        let run = ["run", "job.yaml", "--output", "json", "--progress", "none"];
        self.world.run(&[&run[..], words].concat())
    }
}

/// In the size of a test run a third of `faults`, another one for other ends; else all of them.
pub(crate) fn share<T>(faults: Vec<T>, from: Engine, to: Engine) -> Vec<T> {
    if is_full() {
        return faults;
    }
    let place = |engine| match engine {
        Engine::Postgres => 0,
        Engine::Mariadb => 1,
        Engine::Mysql | Engine::Sqlite => 2,
    };
    faults.into_iter().skip((place(from) + place(to)) % 3).step_by(3).collect()
}

fn dropped(tables: &[&str]) -> String {
    let tables: Vec<String> =
        tables.iter().map(|table| format!("drop table if exists {table}; ")).collect();
    tables.concat()
}
