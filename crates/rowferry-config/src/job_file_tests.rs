use std::fmt::Write as _;

use rowferry_core::{EndpointKind, Mode, OnBadRow, Settings, TableJob, TableRef, WriteMode};

use super::*;
use crate::env::tests::Fixed;
use crate::print_config;

fn env() -> Fixed {
    Fixed::of(&[
        ("PASSWORD", "a: b # c ${D} \" '"),
        ("ORDERS_POSTGRES", "Host=127.0.0.1;Database=shop;Username=app;Password=p"),
        ("ORDERS2_MYSQL", "server=127.0.0.1;port=3306;database=orders2;User ID=app;password=p"),
        ("ROWFERRY_SOURCE_PASSWORD", "p"),
        ("ROWFERRY_TARGET_PASSWORD", "p"),
    ])
}

fn read(text: &str) -> Result<JobFile, ConfigErrors> {
    load_str(text, "f.yaml", Path::new("/jobs"), &env())
}

/// A job around `rest`, whose lines start at line 3 and have no indentation of their own.
fn job(rest: &str) -> String {
    let mut text = "version: 1\njobs:\n".to_owned();
    for (index, line) in ["name: j", "source: sqlite:a.db", "target: sqlite:b.db"]
        .iter()
        .copied()
        .chain(rest.lines())
        .enumerate()
    {
        text.push_str(if index == 0 { "  - " } else { "    " });
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn complaint(text: &str) -> String {
    let errors = read(text).unwrap_err();
    let lines = errors
        .0
        .iter()
        .map(|error| format!("{error} [{}] {}", error.slug, error.next.as_deref().unwrap_or("-")));
    lines.collect::<Vec<_>>().join("\n")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

#[test]
fn the_example_holds_every_key_and_the_documented_defaults() {
    let file = load_file(&fixture("example.yaml"), &env()).unwrap();
    let shop = &file.jobs[0];
    assert_eq!(shop.settings, Settings::documented());
    let users = &shop.tables[2];
    let plain = TableJob::of(TableRef::parse("public.users"));
    assert_eq!(users.insert_batch_rows, plain.insert_batch_rows);
    assert_eq!((users.replace, users.keep_old), (plain.replace, plain.keep_old));
    assert_eq!(users.shared_target, plain.shared_target);
    assert_eq!(shop.tables[1].source, TableRef::parse("public.settings"));
    assert!(file.warnings.is_empty() && shop.warnings.is_empty(), "{shop:?}");
    let text = std::fs::read_to_string(fixture("example.yaml")).unwrap();
    for keys in [
        &crate::native::FILE,
        &crate::connection::CONNECTION,
        &crate::native::JOB,
        &crate::native::SETTINGS,
        &crate::table::TABLE,
        &crate::table::GUARD,
    ] {
        for key in keys.known {
            let there = text.lines().any(|line| {
                line.trim_start_matches([' ', '#', '-']).starts_with(&format!("{key}:"))
            });
            assert!(there, "{key} of {} is missing in the example", keys.of);
        }
    }
}

#[test]
fn the_dotnet_file_becomes_an_incremental_job() {
    let file = load_file(&fixture("config.json"), &env()).unwrap();
    assert_eq!(file.shape, Shape::DotNet);
    assert!(file.state.unwrap().ends_with("data/sync_engine.db.rowferry.db"));
    let job = &file.jobs[0];
    assert_eq!((job.name.as_str(), job.mode), ("buffers", Mode::Incremental));
    assert_eq!((job.source.kind, job.target.kind), (EndpointKind::Postgres, EndpointKind::Mysql));
    assert_eq!(job.settings.chunk_rows, 10_000);
    assert_eq!(job.settings.retry_for.as_secs(), 14);
    assert_eq!(job.every.unwrap().as_secs(), 2);
    let table = &job.tables[0];
    assert_eq!(table.source, TableRef::new("orders", "buffers"));
    assert_eq!(table.target, Some(TableRef::new("orders2", "buffers")));
    assert_eq!((table.write, table.insert_batch_rows), (Some(WriteMode::Upsert), 1000));
    assert_eq!(table.key, ["id"]);
    assert_eq!(job.warnings.len(), 1, "{:?}", job.warnings);
}

#[test]
fn the_options_of_the_dotnet_normalizer_mean_what_they_said() {
    let text = concat!(
        "Sync: {Entities: [{Name: a, Direction: Full, Source: {Provider: SQLite, ConnectionString: ",
        "'Data Source=a.db', Table: T, Key: Id}, Target: {Provider: MySQL, ConnectionString: ",
        "'server=h;database=d;user id=u;password=${PASSWORD}', Table: t}, NormalizerOptions: ",
        "{PreserveCase: false, PreserveDefaults: false, DefaultVarcharLength: 400, ",
        "ColumnRenameMap: {Id: key}}}]}",
    );
    let job = read(text).unwrap().jobs.remove(0);
    let table = &job.tables[0];
    assert!(table.lower_names && !table.keep_defaults);
    assert_eq!(table.rename["Id"], "key");
    let casts: Vec<String> =
        job.casts.iter().map(|cast| format!("{} {}", cast.from, cast.cast)).collect();
    assert_eq!(casts, ["character varying varchar(400)", "varchar varchar(400)"]);
}

#[test]
fn casts_are_read_with_their_policies() {
    let text = job(concat!(
        "settings: {on_bad_row: quarantine, max_rejects: 7, error_values: none}\n",
        "defaults: {casts: [{from: numeric, to: 'decimal(38,10) else null'}], types: {uuid: text}}\n",
        "tables:\n- source: t\n  casts: {a: 'else replace:?', 'B c': text}\n  types: {d: int}",
    ));
    let job = read(&text).unwrap().jobs.remove(0);
    assert_eq!(job.settings.on_bad_row, OnBadRow::Quarantine { max_rejects: 7 });
    assert!(!job.settings.show_keys);
    let casts = job.casts.iter().map(|cast| format!("{}: {}", cast.from, cast.cast));
    assert_eq!(casts.collect::<Vec<_>>(), ["numeric: decimal(38,10) else null", "uuid: text"]);
    let casts = job.tables[0].casts.iter().map(|(column, cast)| format!("{column}: {cast}"));
    assert_eq!(casts.collect::<Vec<_>>(), ["B c: text", "a: else replace:?", "d: int"]);
    assert!(job.tables[0].keep_defaults && !job.tables[0].lower_names);
    let mut again = read(&print_config(&job)).unwrap().jobs.remove(0);
    again.tables[0].line = job.tables[0].line;
    assert_eq!(again, job);
}

#[test]
fn the_other_shapes_become_jobs() {
    let file = read(concat!(
        "primary_db: {url: 'postgres://u@h/d'}\nreplica_dbs:\n- {name: r1, url: 'sqlite:r1.db'}\n",
        "- {name: r2, url: 'sqlite:r2.db'}\ntables:\n  users: {primary_key: id, mode: upsert, ",
        "batch_size: 500, columns_to_sync: [id, name], column_mapping: {name: username}}\n",
    ))
    .unwrap();
    assert_eq!(file.shape, Shape::Syncset);
    assert_eq!(file.jobs.len(), 2);
    assert_eq!(file.jobs[1].tables[0].rename["name"], "username");
    assert_eq!(file.jobs[1].settings.chunk_rows, 500);
    let file = read(concat!(
        "sync_config:\n  source: {type: postgresql, host: h, database: d, credentials: {username: u, ",
        "password: 'env:PASSWORD'}, ssl: required}\n  target: 'sqlite:t.db'\n  sync_settings: {mode: ",
        "full, batch_size: 10000, retry_attempts: 3, checkpoint_interval: 5_minutes}\n",
        "table_mappings:\n- {source_table: users, target_table: dim_users, columns: {id: user_id, ",
        "email: email}, filters: [\"status != 'x'\"]}\n- {source_table: orders, columns: {'*': '*'}}\n",
    ))
    .unwrap();
    assert_eq!(file.shape, Shape::SyncConfig);
    let job = &file.jobs[0];
    assert_eq!(job.source.tls, rowferry_core::TlsMode::Require);
    assert_eq!(job.source.password.as_ref().unwrap().reveal(), "a: b # c ${D} \" '");
    assert_eq!(job.tables[0].include, ["id", "email"]);
    assert_eq!(job.tables[0].rename.len(), 1);
    assert!(job.tables[1].include.is_empty());
}

#[test]
fn a_filled_in_password_is_taken_as_it_is() {
    let text = job("tables: [t]").replace(
        "sqlite:a.db",
        "{type: postgres, host: h, user: u, database: d, password: '${PASSWORD}'}",
    );
    let file = read(&text).unwrap();
    assert_eq!(file.jobs[0].source.password.as_ref().unwrap().reveal(), "a: b # c ${D} \" '");
    assert!(file.jobs[0].warnings.is_empty());
    assert!(!format!("{file:?}").contains("# c"));
}

#[test]
fn json_may_be_indented_by_tabs_and_yaml_may_use_anchors() {
    let text = "{\n\t\"version\": 1,\n\t\"jobs\": [\n\t\t{\"name\": \"j\", \"source\": \"sqlite:a\",\n\t\t\"target\": \"null:\", \"tables\": [\"t\"]}\n\t]\n}\n";
    assert_eq!(read(text).unwrap().jobs.len(), 1);
    let text = job("settings: {chunk_rows: &n 5, workers: *n}\ntables: [t]");
    assert_eq!(read(&text).unwrap().jobs[0].settings.workers, Some(5));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
    }
    assert_eq!(read(&bomb).unwrap_err().0[0].slug, "file-too-large");
}

#[test]
fn secrets_come_from_files_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pw"), "from file\n").unwrap();
    for (password, expected) in [
        ("'file:pw'", "from file"),
        ("'exec:[printf, from exec]'", "from exec"),
        ("{exec: [printf, 'a b']}", "a b"),
    ] {
        let text = job("tables: [t]").replace(
            "sqlite:a.db",
            &format!("{{type: mysql, user: u, database: d, password: {password}}}"),
        );
        let file = load_str(&text, "f", folder.path(), &env()).unwrap();
        assert_eq!(file.jobs[0].source.password.as_ref().unwrap().reveal(), expected);
    }
}

#[test]
fn a_printed_job_reads_back_as_itself() {
    let mut jobs = Vec::new();
    for name in ["example.yaml", "config.json"] {
        jobs.extend(load_file(&fixture(name), &env()).unwrap().jobs);
    }
    jobs.extend(
        read(&job("tables:\n- source: t\n  rename: {'${a': '$${b} \"\\'}\n  key: [\"a'b\"]"))
            .unwrap()
            .jobs,
    );
    for mut job in jobs {
        for end in [&mut job.source, &mut job.target] {
            end.password = end.password.as_ref().map(|_| rowferry_core::Secret::new("p"));
        }
        let text = print_config(&job);
        let mut again =
            read(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).jobs.remove(0);
        again.warnings.clone_from(&job.warnings);
        for (table, before) in again.tables.iter_mut().zip(&job.tables) {
            table.line = before.line;
        }
        assert_eq!(again, job, "{text}");
    }
}

#[test]
fn limits_on_time_are_read_and_printed() {
    let text = job("settings: {connect_timeout: 3s, progress_timeout: 0, statement_timeout: 1h, \
         lock_timeout: 250ms}\ntables: [t]");
    let job = read(&text).unwrap().jobs.remove(0);
    let limits = job.settings.limits;
    assert_eq!((limits.connect.as_secs(), limits.progress.as_secs()), (3, 0));
    assert_eq!((limits.statement.as_secs(), limits.lock.as_millis()), (3600, 250));
    let again = read(&print_config(&job)).unwrap().jobs.remove(0);
    assert_eq!(again.settings, job.settings);
}

#[test]
fn the_reader_is_read_and_printed() {
    let text = job("tables: [t]").replace("sqlite:a.db", "connectorx+postgres://u@h/d");
    let job = read(&text).unwrap().jobs.remove(0);
    assert!(job.source.through_connectorx && !job.target.through_connectorx);
    let printed = print_config(&job);
    assert!(printed.contains("reader: connectorx"), "{printed}");
    assert_eq!(read(&printed).unwrap().jobs.remove(0).source, job.source);
}

#[test]
fn mistakes_name_their_place_and_the_next_step() {
    let table = |rest: &str| job(&format!("tables:\n- source: t\n{}", rest.replace('|', "\n")));
    let mistakes = [
        job("tabels: [t]"),
        job("mode: fulll\ntables: [t]"),
        job("mode: snapshot\ntables: [t]"),
        job("schedule: '*/5 * * * *'\ntables: [t]"),
        job("tables: [t]\ntables: [u]"),
        job("settings: {chunk_row: 5}\ntables: [t]"),
        job("settings: {chunk_rows: many, chunk_bytes: 8XB, retry_for: soon, workers: 0}\ntables: [t]"),
        job("settings: {on_bad_row: skip, max_rate: 5, snapshot_max: 5m}\ntables: [t]"),
        job("settings: {on_bad_row: quarantine, error_values: all}\ntables: [t]"),
        job("settings: {max_rejects: 5}\ntables: [t]"),
        job("defaults: {casts: [{from: numeric}, {form: a, to: text}], types: {uuid: else null}}\ntables: [t]"),
        job("settings:\n\tchunk_rows: 5\ntables: [t]"),
        job("tables: {a: b}"),
        job("tables: [t]\nevery: ${PAUSE}"),
        job("tables: [t]").replace("sqlite:a.db", "shop").replace("jobs:", "connections: {shp: 'sqlite:a'}\njobs:"),
        job("tables: [t]").replace("sqlite:b.db", "postgres://u:hunter2%@h/d"),
        job("tables: [t]").replace("version: 1", "version: 2"),
        job("tables: [t]").replace("sqlite:a.db", "{type: mysq, host: h}"),
        job("tables: [t]").replace("sqlite:a.db", "{type: mysql, user: u, database: d, password: 'vault:x'}"),
        job("tables: [t]").replace("sqlite:a.db", "{type: sqlite, path: a.db, host: h, tls: off}"),
        table("  casts: {a: text, b: else later, c: ''}|  types: {a: int, d: else null}"),
        table("  column_names: upper|  column_defaults: none"),
        table("  filters: [\"a = 1 and b = 2\"]"),
        table("  incremental_key: updated_at"),
        table("  include: [a]|  exclude: [a]"),
        table("  write: append|  keep_old: 1"),
        table("  guard: {max_shrink: 500%}"),
        table("  write: replace").replace("tables:", "mode: incremental\n    tables:"),
        table("  exclude_tables: [x]"),
        job("tables:\n- source: public.*\n  target: one"),
        format!("{}{}", job("tables: [t]"), job("tables: [t]").replace("version: 1\njobs:\n", "")),
        "version: 1\njobs: []".to_owned(),
        "vresion: 1\njob: []".to_owned(),
        "# nothing".to_owned(),
        "jobs: [".to_owned(),
        "Sync: {Entities: [{Name: a, Direction: Incremental, NormalizerOptions: {PreserveCase: maybe, CopyDataOnReplace: true, ProviderOptions: {a: 1}}, Chunksize: 5, Source: {Provider: Oracle, Table: t, Key: id, KeyType: guid}}]}".to_owned(),
        "Sync: {Entities: [{Name: a, Direction: Full, Source: {Provider: SQLite, ConnectionString: a.db, Table: t, Key: id}, Target: {Provider: SQLite, ConnectionString: b.db, Table: t}, NormalizerOptions: {PreserveCase: maybe, CopyDataOnReplace: true, ProviderOptions: {a: 1}}}]}".to_owned(),
        "primary_db: {url: 'sqlite:a'}\nreplica_dbs: [{name: r, url: 'sqlite:b'}]\ntables: {t: {conflict_resolution: {}, checksum: {enabled: true}}}".to_owned(),
        "sync_config: {source: {type: mysql, host: h, credentials: {type: secret_manager, path: x}}, target: 'sqlite:b'}\ncdc_config: {}\nschema_sync: {mode: evolve}\ntable_mappings: [{source_table: t, transformations: [{column: a, transform: UPPER(a)}]}]".to_owned(),
    ];
    let said: String = mistakes.iter().map(|text| complaint(text) + "\n\n").collect();
    assert!(!said.contains("hunter2"));
    let expected = include_str!("mistakes.txt");
    assert_eq!(said.trim_end(), expected.trim_end(), "{said}");
}
