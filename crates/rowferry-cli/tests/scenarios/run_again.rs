//! What a second run makes of what it finds.

use rowferry_testkit::{Database, Engine};

use crate::ends::{Progress, database, wait_for_silence, wait_until};
use crate::world::{Told, World, wait};

struct Pair {
    world: World,
    source: Database,
    target: Database,
}

/// PostgreSQL to PostgreSQL and to MariaDB: the two ways to swap.
fn with_each_target(test: impl Fn(&Pair)) {
    for engine in [Engine::Postgres, Engine::Mariadb, Engine::Sqlite] {
        let world = World::new();
        let Some(source) = database(Engine::Postgres, &world, "again_source") else { continue };
        let Some(target) = database(engine, &world, "again_target") else { continue };
        println!("to {engine:?}");
        test(&Pair { world, source, target });
    }
}

impl Pair {
    fn rows(&self, rows: u64) {
        self.source.exec(&format!(
            "drop table if exists t; create table t (id bigint primary key, name text); \
             insert into t select i, 'name ' || i from generate_series(1, {rows}) i; analyze t"
        ));
    }

    fn copy(&self, more: &[&str]) -> Told {
        wait(self.start(more))
    }

    fn start(&self, more: &[&str]) -> std::process::Child {
        let (from, to) = (self.source.url(), self.target.url());
        let words = ["copy", &from, &to, "--table", "t", "--output", "json", "--progress", "none"];
        self.world.start(&[&words, more].concat())
    }

    fn count(&self) -> String {
        self.target.value("select count(*) from t")
    }

    /// Kills a copy in about the last fifth of its chunks.
    fn kill_late(&self, key: &str) -> Progress {
        self.rows(40_000);
        loop {
            let words = ["--chunk-rows", "400", "--workers", "1", "--run-key", key];
            let mut child = self.start(&words);
            wait_until("80 of 100 chunks", || {
                let progress = Progress::of(&self.target);
                progress.receipts >= 80 || child.try_wait().unwrap().is_some()
            });
            child.kill().unwrap();
            wait(child);
            wait_for_silence(&self.target);
            let progress = Progress::of(&self.target);
            if progress.is_unfinished() {
                return progress;
            }
            // It was faster than its kill.
            self.target
                .exec("drop table t; drop table _rowferry_chunk; drop table _rowferry_stream");
        }
    }
}

#[test]
fn a_full_copy_runs_twice_and_rewrites() {
    with_each_target(|pair| {
        pair.rows(500);
        pair.copy(&[]).expect(0);
        pair.source.exec("delete from t where id > 400; update t set name = 'new' where id = 1");
        let report = pair.copy(&[]).expect(0).json();
        assert_eq!(report["tables"][0]["rows_written"], 400);
        assert_eq!(pair.count(), "400");
        assert_eq!(pair.target.value("select name from t where id = 1"), "new");
    });
}

#[test]
fn a_target_dropped_by_hand_is_copied_anew() {
    with_each_target(|pair| {
        pair.rows(500);
        pair.copy(&[]).expect(0);
        pair.target.exec("drop table t");
        let told = pair.copy(&[]).expect(0);
        assert!(told.stderr.contains("gone"), "{}", told.stderr);
        assert_eq!(pair.count(), "500");
        pair.target.exec("drop table _rowferry_chunk; drop table _rowferry_stream");
        // Now the target is a stranger's: the progress that made it ours is gone, and the ledger,
        // which would still know it, is another machine's.
        std::fs::remove_dir_all(pair.world.path("state")).unwrap();
        pair.copy(&[]).expect(76);
        pair.copy(&["--write", "replace"]).expect(0);
        assert_eq!(pair.count(), "500");
    });
}

#[test]
fn an_emptied_source_never_replaces_the_target() {
    with_each_target(|pair| {
        pair.rows(500);
        pair.copy(&[]).expect(0);
        pair.source.exec("truncate t");
        pair.copy(&[]).expect(76);
        assert_eq!(pair.count(), "500");
        pair.copy(&["--accept-shrink"]).expect(0);
        assert_eq!(pair.count(), "0");
    });
}

#[test]
fn a_killed_run_continues_under_its_own_run_key() {
    with_each_target(|pair| {
        let durable = pair.kill_late("monday");
        let report = pair.copy(&["--chunk-rows", "400", "--run-key", "monday"]).expect(0).json();
        assert_eq!(report["tables"][0]["chunks_resumed"], durable.receipts);
        assert_eq!(report["resumed"], true);
        assert_eq!(pair.count(), "40000");
    });
}

#[test]
fn a_killed_run_starts_anew_under_another_run_key() {
    with_each_target(|pair| {
        let durable = pair.kill_late("monday");
        let report = pair.copy(&["--chunk-rows", "400", "--run-key", "tuesday"]).expect(0).json();
        assert_eq!(report["tables"][0]["chunks_resumed"], 0);
        assert_eq!(report["tables"][0]["rows_written"], 40_000);
        assert_eq!(Progress::of(&pair.target).run, durable.run + 1);
        assert_eq!(pair.count(), "40000");
    });
}

#[test]
fn one_failing_table_of_three_leaves_the_others() {
    with_each_target(|pair| {
        pair.rows(500);
        pair.source.exec(
            "create view strange as select i as id, 1 / (i - 1) as place from generate_series(1, 3) i; \
             create table u (id bigint primary key); insert into u select generate_series(1, 7)",
        );
        let told = pair.copy(&["--table", "strange,u"]).expect(1);
        let report = told.json();
        assert_eq!(
            (&report["status"], &report["totals"]["failed"]),
            (&"partial".into(), &1.into())
        );
        assert!(told.stderr.contains("strange"), "the table is not named: {}", told.stderr);
        assert_eq!(pair.count(), "500");
        assert_eq!(pair.target.value("select count(*) from u"), "7");
    });
}

/// The staging table of a swap has the target's old types: what they cannot hold must be refused.
#[test]
fn a_widened_source_is_never_rounded_into_the_old_target() {
    let world = World::new();
    let Some(source) = database(Engine::Postgres, &world, "widened_source") else { return };
    let Some(target) = database(Engine::Postgres, &world, "widened_target") else { return };
    let pair = Pair { world, source, target };
    pair.source.exec("create table t (id int primary key, n numeric(10,2), at timestamp(0))");
    pair.source.exec("insert into t values (1, 1.25, '2026-01-01 00:00:00')");
    pair.copy(&[]).expect(0);
    pair.source.exec("alter table t alter n type numeric(12,4), alter at type timestamp(6)");
    pair.copy(&[]).expect(0);
    pair.source.exec("update t set n = 1.2345, at = '2026-01-01 00:00:00.987654'");
    pair.copy(&[]).expect(65);
    assert_eq!(pair.target.value("select n || ' ' || at from t"), "1.25 2026-01-01 00:00:00");
}

/// What is asked for by hand copies everything, whatever the watermark says.
#[test]
fn a_restarted_incremental_copy_starts_from_the_first_row() {
    with_each_target(|pair| {
        pair.rows(300);
        pair.copy(&["--mode", "incremental"]).expect(0);
        pair.target.exec("drop table t");
        pair.copy(&["--mode", "incremental"]).expect(76);
        pair.copy(&["--mode", "incremental", "--restart"]).expect(0);
        assert_eq!(pair.count(), "300");
    });
}
