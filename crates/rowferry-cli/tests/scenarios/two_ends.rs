//! Two databases of one test and the copies between them.

use std::process::Command;

use rowferry_testkit::{Database, Engine};

use crate::ends::database;
use crate::world::{Told, World};

pub(crate) struct TwoEnds {
    pub(crate) world: World,
    pub(crate) source: Database,
    pub(crate) target: Database,
}

impl TwoEnds {
    /// Both empty; `None` after a `skipped:` line.
    pub(crate) fn new(from: Engine, to: Engine, name: &str) -> Option<Self> {
        let world = World::new();
        let source = database(from, &world, &format!("{name}_source"))?;
        let target = database(to, &world, &format!("{name}_target"))?;
        Some(Self { world, source, target })
    }

    /// Drops these tables at both ends, and what the target knows of earlier copies.
    pub(crate) fn forget(&self, tables: &[&str]) {
        self.source.exec(&dropped(tables));
        self.forget_target(tables);
    }

    /// As [`Self::forget`], at the target alone.
    pub(crate) fn forget_target(&self, tables: &[&str]) {
        let own = ["_rowferry_chunk", "_rowferry_stream", "_rowferry_quarantine"];
        self.target.exec(&(dropped(tables) + &dropped(&own)));
    }

    /// `copy` of one table, with these words behind it.
    pub(crate) fn copy(&self, table: &str, words: &[&str]) -> Told {
        crate::world::finish(self.copy_command(table, words))
    }

    pub(crate) fn copy_command(&self, table: &str, words: &[&str]) -> Command {
        let (from, to) = (self.source.url(), self.target.url());
        let copy = ["copy", &from, &to, "--table", table, "--output", "json", "--progress", "none"];
        self.world.command(&[&copy[..], words].concat())
    }

    /// Writes `job.yaml`: these settings, and each table as its own lines say.
    pub(crate) fn write_job(&self, settings: &str, tables: &[&str]) {
        let tables: String = tables.iter().map(|table| format!("      - {table}\n")).collect();
        self.world.write(
            "job.yaml",
            &format!(
                "version: 1\nconnections:\n  from: {}\n  to: {}\njobs:\n  - name: rows\n    \
                 source: from\n    target: to\n    settings: {{ {settings} }}\n    tables:\n{tables}",
                self.source.url(),
                self.target.url()
            ),
        );
    }

    /// Runs `job.yaml`.
    pub(crate) fn run_job(&self, words: &[&str]) -> Told {
        let run = ["run", "job.yaml", "--output", "json", "--progress", "none"];
        self.world.run(&[&run[..], words].concat())
    }
}

fn dropped(tables: &[&str]) -> String {
    tables.iter().map(|table| format!("drop table if exists {table}; ")).collect()
}
