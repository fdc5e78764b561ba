//! Every kind of key in every direction: texts under linguistic orders, without case, with blanks at
//! the end; bytes, UUIDs, floats, decimals, times, bits, labels; several columns, one of them null.
//! Each table is cut into many chunks, the run is killed in the middle and taken up again, and then
//! changed rows are merged by the same keys: every row is there once.

use rowferry_testkit::{Database, Engine};

use crate::dump::{assert_same, dump};
use crate::key_tables::{KeyKind, mysql, postgres, sqlite};
use crate::mixed::is_full;
use crate::two_ends::{TwoEnds, share};

impl KeyKind {
    fn table(&self) -> String {
        format!("k_{}", self.name)
    }

    fn fill(&self, source: &Database, rows: u32) {
        let table = self.table();
        let own = |column: &str| self.declared.contains(&format!("{column} "));
        let keyed = self.declared.find(", primary key (");
        let (columns, key) = self.declared.split_at(keyed.unwrap_or(self.declared.len()));
        let number = if own(", n") { "" } else { ", n integer" };
        let note = if own(", note") { "" } else { ", note varchar(20)" };
        let (tail, after) =
            if self.after == "without rowid" { (self.after, "") } else { ("", self.after) };
        source.exec(&format!("create table {table} ({columns}{number}{note}{key}) {tail}"));
        let given = self.columns.iter().any(|(name, _)| *name == "f");
        let values: Vec<String> = (0..rows)
            .map(|n| {
                let number = if given { String::new() } else { format!(", {n}") };
                format!("({}{number}, 'sent')", (self.values)(n))
            })
            .collect();
        source.exec(&format!("insert into {table} values {}", values.join(", ")));
        if !after.is_empty() {
            source.exec(after);
        }
    }

    fn line(&self, write: &str, into: Engine) -> String {
        // Bytes of any length are no key there.
        let short = matches!(into, Engine::Mariadb | Engine::Mysql) && self.name == "bytes";
        let casts = if short { ", casts: { k: varbinary(20) }" } else { "" };
        format!("{{ source: {}, write: {write}{casts}{} }}", self.table(), self.options)
    }

    /// Whether rows can be merged by it.
    fn merges(&self) -> bool {
        self.cuts && !matches!(self.name, "null_later" | "cut_by")
    }
}

fn each_row_once(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "keys") else { return };
    let kinds = match from {
        Engine::Postgres => {
            ends.source.exec(
                "create collation blind (provider = icu, locale = 'und-u-ks-level2', \
                 deterministic = false); \
                 create collation shifted (provider = icu, locale = 'en-US-u-ka-shifted'); \
                 create type mood as enum ('low', 'high', 'mid')",
            );
            postgres(to)
        }
        Engine::Mariadb | Engine::Mysql => mysql(from),
        Engine::Sqlite => sqlite(),
    };
    let kinds = share(kinds, from, to);
    let rows = if is_full() { 2_000 } else { 80 };
    println!("faults: {}", kinds.len());
    for kind in &kinds {
        kind.fill(&ends.source, rows);
    }
    let compare = |what: &str| {
        for kind in &kinds {
            let expected = dump(&ends.source, &kind.table(), kind.columns);
            assert_eq!(expected.len() as u64, u64::from(rows), "{}", kind.name);
            let found = dump(&ends.target, &kind.table(), kind.columns);
            assert_same(&format!("{what}, {}", kind.name), &expected, &found);
        }
    };
    let settings = format!("chunk_rows: {}", rows / 8);
    let lines: Vec<String> = kinds.iter().map(|kind| kind.line("append", to)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ends.write_job(&settings, &lines);
    #[cfg(feature = "failpoints")]
    {
        // Some tables are done then, some in the middle.
        let mut command = ends.world.command(&["run", "job.yaml", "--run-key", "k"]);
        command.env("ROWFERRY_FAILPOINT", format!("commit-answered:{}", kinds.len() * 4));
        let told = crate::world::finish(command);
        assert_eq!(told.code, -1, "it was not killed: {told:?}");
        crate::ends::wait_for_silence(&ends.target);
    }
    let report = ends.run_job(&["--run-key", "k"]).expect(0).json();
    assert_eq!(report["totals"]["duplicates"], 0);
    compare("append");
    ends.world.run(&["verify", "job.yaml", "--verbose"]).expect(0);
    let receipts = "select s.target_table, count(*) from _rowferry_stream s \
         join _rowferry_chunk c on c.stream_id = s.stream_id group by s.target_table";
    let receipts = ends.target.query(receipts);
    for kind in kinds.iter().filter(|kind| kind.cuts) {
        let name = kind.table();
        let chunks = receipts.iter().find(|line| line.contains(&name)).map(String::as_str);
        let chunks = chunks.and_then(|line| line.split('\t').next_back()?.parse::<u32>().ok());
        assert!(chunks > Some(4), "{name} was not cut: {receipts:?}");
    }

    let merged: Vec<&KeyKind> = kinds.iter().filter(|kind| kind.merges()).collect();
    for kind in &merged {
        let table = kind.table();
        ends.source.exec(&format!("update {table} set note = 'new' where n % 2 = 0"));
    }
    let lines: Vec<String> = merged.iter().map(|kind| kind.line("upsert", to)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    ends.write_job(&settings, &lines);
    let report = ends.world.run(&["verify", "job.yaml", "--output", "json"]).expect(1).json();
    for table in report["tables"].as_array().unwrap() {
        assert_eq!(table["rows_mismatched"], rows / 2, "{table}");
        assert_eq!(table["missing"], 0, "{table}");
        assert_eq!(table["extra"], 0, "{table}");
    }
    ends.run_job(&["--restart"]).expect(0);
    compare("upsert");
    ends.world.run(&["verify", "job.yaml", "--verbose"]).expect(0);
}

every_direction! { each_row_once:
    postgres_to_postgres: Postgres => Postgres;
    postgres_to_mariadb: Postgres => Mariadb;
    postgres_to_mysql: Postgres => Mysql;
    postgres_to_sqlite: Postgres => Sqlite;
    mariadb_to_postgres: Mariadb => Postgres;
    mariadb_to_mariadb: Mariadb => Mariadb;
    mariadb_to_sqlite: Mariadb => Sqlite;
    mysql_to_postgres: Mysql => Postgres;
    mysql_to_mysql: Mysql => Mysql;
    sqlite_to_postgres: Sqlite => Postgres;
    sqlite_to_mariadb: Sqlite => Mariadb;
    sqlite_to_sqlite: Sqlite => Sqlite;
}
