//! The .NET worker's file, as it is: `SYNC_CONFIG_PATH=config/config.json rowferry run`.

use rowferry_testkit::{Database, Engine, Server, alone, mariadb, mysql};
use serde_json::{Value, json};

use crate::world::{Told, World, finish};

/// The connection string that the .NET drivers take.
pub(crate) fn string(database: &Database) -> String {
    let endpoint = database.endpoint();
    let password = endpoint.password.as_ref().map_or("", |password| password.reveal());
    let (host, port, name, user) =
        (&endpoint.host, endpoint.port, &endpoint.database, &endpoint.user);
    match database.engine() {
        Engine::Postgres => {
            format!("Host={host};Port={port};Database={name};Username={user};Password={password};")
        }
        Engine::Mariadb | Engine::Mysql => {
            format!("server={host};port={port};database={name};User ID={user};password={password}")
        }
        Engine::Sqlite => format!("Data Source={}", endpoint.path.display()),
    }
}

/// A folder with a .NET file in it.
pub(crate) struct DotNet {
    pub(crate) world: World,
    pub(crate) source: Database,
    pub(crate) target: Database,
    /// The one entity of the file.
    pub(crate) entity: Value,
}

impl DotNet {
    /// Entity `buffers`: `table` by `id`, into the same name.
    pub(crate) fn new(from: Engine, to: Engine, table: &str) -> Option<Self> {
        let world = World::new();
        let source = crate::ends::database(from, &world, "dotnet_source")?;
        let target = crate::ends::database(to, &world, "dotnet_target")?;
        Some(Self::between(world, source, target, table))
    }

    /// As [`Self::new`], out of a server in which nobody else has a transaction open: one would hold
    /// the watermark back.
    pub(crate) fn quiet(server: &Server, to: Engine, table: &str) -> Option<Self> {
        let world = World::new();
        let target = crate::ends::database(to, &world, "dotnet_target")?;
        Some(Self::between(world, server.database("dotnet_source"), target, table))
    }

    fn between(world: World, source: Database, target: Database, table: &str) -> Self {
        let end = |database: &Database| {
            let provider = match database.engine() {
                Engine::Postgres => "PostgreSQL",
                Engine::Mariadb | Engine::Mysql => "MySQL",
                Engine::Sqlite => "SQLite",
            };
            json!({ "Provider": provider, "ConnectionString": string(database), "Table": table })
        };
        let mut from = end(&source);
        from["Key"] = "id".into();
        from["KeyType"] = "long".into();
        from["Columns"] = json!([]);
        let entity = json!({
            "Name": table, "Source": from, "Target": end(&target), "ChunkSize": 1000,
            "InsertBatchSize": 500, "MaxInsertRetries": 3, "IntervalSeconds": 2, "Direction": "Full",
        });
        Self { world, source, target, entity }
    }

    pub(crate) fn run(&self) -> Told {
        self.run_with(&[])
    }

    pub(crate) fn run_with(&self, more: &[&str]) -> Told {
        finish(self.command(more))
    }

    pub(crate) fn command(&self, more: &[&str]) -> std::process::Command {
        let file = json!({ "Sync": {
            "Entities": [self.entity], "SyncProcessDb": "Data Source=sync_engine.db",
        }});
        self.world.write("config.json", &file.to_string());
        let mut command = self.world.command(&["run", "--output", "json"]);
        command.args(more).env_remove("ROWFERRY_STATE").env("SYNC_CONFIG_PATH", "config.json");
        command
    }

    pub(crate) fn count(&self, table: &str) -> String {
        self.target.value(&format!("select count(*) from {table}"))
    }
}

/// `config/config.json` moves `orders.buffers` of PostgreSQL into `orders2.buffers`.
fn the_shipped_file_moves_buffers(server: Option<&'static Server>) {
    let Some(server) = server else { return };
    // Alone: a transaction of another test that is open in the server holds the watermark back.
    let Some(quiet) = alone(Engine::Postgres) else { return };
    let source = quiet.database("shop");
    let world = World::new();
    // The file names the database; a shared server has it once.
    let maintenance = server.maintenance();
    maintenance.exec("drop database if exists orders2; create database orders2");
    source.exec(
        "create schema orders; create table orders.buffers (id bigserial primary key, \
         \"Name\" varchar(80) not null, payload bytea, amount numeric(12,2), created timestamptz not null); \
         insert into orders.buffers (\"Name\", payload, amount, created) \
         select 'buffer ' || i, decode(md5(i::text), 'hex'), i / 100.0, '2026-01-01Z'::timestamptz + i * interval '1 s' \
         from generate_series(1, 25000) i",
    );
    // The old tool's own state: it stays as it is.
    let old = rowferry_testkit::sqlite(world.folder(), "sync_engine");
    old.exec("create table sync_process (id integer primary key, entity_name text, last_processed_key text); insert into sync_process values (1, 'buffers', '77')");
    let before = std::fs::read(world.path("sync_engine.db")).unwrap();
    let endpoint = maintenance.endpoint();
    let password = endpoint.password.as_ref().map_or("", |password| password.reveal());
    let into = format!(
        "server=127.0.0.1;port={};database=orders2;User ID={};password={password}",
        endpoint.port, endpoint.user
    );
    let run = || {
        let mut command = world.command(&["run", "--output", "json"]);
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/config.json");
        command
            .env_remove("ROWFERRY_STATE")
            .env("SYNC_CONFIG_PATH", file)
            .env("ORDERS_POSTGRES", string(&source))
            .env("ORDERS2_MYSQL", &into)
            .env("SYNC_PROCESS_DB", world.path("sync_engine.db"));
        finish(command).expect(0).json()
    };
    let sum = |database: &Database, query: &str| database.value(query);
    let source_sum = "select count(*) || ' ' || sum(id) || ' ' || sum(amount) || ' ' || count(distinct payload) from orders.buffers";
    let target_sum = "select concat(count(*), ' ', sum(id), ' ', sum(amount), ' ', count(distinct payload)) from orders2.buffers";
    assert_eq!(run()["totals"]["rows_written"], 25_000);
    assert_eq!(sum(&maintenance, target_sum), sum(&source, source_sum));
    source.exec("insert into orders.buffers (\"Name\", created) select 'new', now() from generate_series(1, 10)");
    let second = run();
    assert_eq!(second["totals"]["rows_written"], 10, "{second}");
    assert_eq!(sum(&maintenance, target_sum), sum(&source, source_sum));
    let columns = "select group_concat(column_name order by ordinal_position) from information_schema.columns where table_schema = 'orders2' and table_name = 'buffers'";
    assert_eq!(maintenance.value(columns), "id,Name,payload,amount,created");
    assert_eq!(std::fs::read(world.path("sync_engine.db")).unwrap(), before);
    maintenance.exec("drop database orders2");
}

#[test]
fn the_shipped_file_moves_buffers_into_mariadb() {
    the_shipped_file_moves_buffers(mariadb());
}

#[test]
fn the_shipped_file_moves_buffers_into_mysql() {
    the_shipped_file_moves_buffers(mysql());
}

#[test]
fn the_summary_says_what_is_not_seen() {
    let Some(dotnet) = DotNet::new(Engine::Postgres, Engine::Mariadb, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key); insert into t values (1)");
    let told = dotnet.run().expect(0);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("updates and deletes"), "{said}");
}

#[test]
fn of_equal_keys_the_first_row_wins() {
    let Some(dotnet) = DotNet::new(Engine::Postgres, Engine::Mariadb, "t") else { return };
    dotnet.source.exec(
        "create table t (id bigint not null, name text); \
         insert into t select i, 'first' from generate_series(1, 10) i; insert into t values (5, 'second')",
    );
    dotnet.target.exec("create table t (id bigint primary key, name text)");
    let report = dotnet.run().expect(0).json();
    assert_eq!(report["totals"]["duplicates"], 1);
    assert_eq!(dotnet.count("t"), "10");
}

#[test]
fn columns_are_chosen_and_renamed() {
    let Some(mut dotnet) = DotNet::new(Engine::Postgres, Engine::Mariadb, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key, a text, b text); insert into t values (1, 'x', 'y')");
    dotnet.entity["Source"]["Columns"] = json!(["id", "a"]);
    dotnet.entity["NormalizerOptions"] = json!({ "ColumnRenameMap": { "a": "alpha" } });
    dotnet.run().expect(0);
    assert_eq!(dotnet.target.query("select * from t"), ["1\tx"]);
    assert_eq!(dotnet.target.query("select id, alpha from t"), ["1\tx"]);
}
