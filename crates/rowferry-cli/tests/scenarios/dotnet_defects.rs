//! The defects of the worker that the .NET file was written for, each as a test that ours has not.
//! Its missing updates and deletes are no defect of this file's meaning and stand in the summary.

use std::time::{Duration, Instant};

use rowferry_testkit::Engine::{Mariadb, Postgres};
use rowferry_testkit::{Database, Engine};

use crate::dotnet::{DotNet, string};
use crate::ends::{Progress, wait_for_silence, wait_until};
use crate::world::wait;

fn numbers(rows: u64) -> String {
    format!(
        "create table t (id bigint primary key, name text); \
         insert into t select i, 'name ' || i from generate_series(1, {rows}) i"
    )
}

/// `values` of one column type arrive as they were, beside their key.
fn values_arrive(from: Engine, to: Engine, declared: &str, values: &[&str], query: &str) {
    let Some(dotnet) = DotNet::new(from, to, "t") else { return };
    dotnet.source.exec(&format!("create table t (id bigint primary key, v {declared})"));
    for (id, value) in values.iter().enumerate() {
        dotnet.source.exec(&format!("insert into t values ({id}, {value})"));
    }
    dotnet.run().expect(0);
    let read = |database: &Database| database.query(&format!("select {query} from t order by id"));
    let (sent, came) = (read(&dotnet.source), read(&dotnet.target));
    assert_eq!(sent.len(), values.len());
    assert_eq!(came, sent, "{declared} from {from:?} to {to:?}");
}

/// One run read one chunk and slept: here 20 chunks with a pause of a minute end at once.
#[test]
fn d01_a_copy_never_sleeps_between_chunks() {
    let Some(mut dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(20_000));
    dotnet.entity["IntervalSeconds"] = 60.into();
    let clock = Instant::now();
    dotnet.run().expect(0);
    assert!(clock.elapsed() < Duration::from_secs(50), "{:?}", clock.elapsed());
    assert_eq!(dotnet.count("t"), "20000");
}

/// 64-bit integers were narrowed to 32.
#[test]
fn d02_bigints_keep_their_ends() {
    let ends = ["-9223372036854775808", "9223372036854775807", "2147483648"];
    values_arrive(Postgres, Mariadb, "bigint", &ends, "v");
    values_arrive(Mariadb, Postgres, "bigint", &ends, "v");
}

/// 0 and 1 became booleans by value.
#[test]
fn d03_small_integers_are_not_booleans() {
    values_arrive(Postgres, Mariadb, "smallint", &["0", "1", "2", "-128"], "v");
    values_arrive(Mariadb, Postgres, "smallint", &["0", "1", "2", "-128"], "v");
    values_arrive(Mariadb, Postgres, "tinyint", &["0", "1", "2", "-128"], "v");
}

/// A `tinyint(1)` may hold 2 and then must not be cut to a boolean in silence.
#[test]
fn d03_a_tinyint_of_one_digit_keeps_its_value_or_is_refused() {
    let Some(dotnet) = DotNet::new(Mariadb, Postgres, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key, v tinyint(1)); insert into t values (1, 0), (2, 1), (3, 2), (4, -128)");
    let told = dotnet.run();
    if told.code == 0 {
        assert_eq!(
            dotnet.target.query("select v::integer from t order by id"),
            ["0", "1", "2", "-128"]
        );
    } else {
        assert!(matches!(told.code, 65 | 78), "{told:?}");
        assert!(told.stderr.contains('v'), "{}", told.stderr);
    }
}

/// Doubles went through 32 bits.
#[test]
fn d04_doubles_are_bit_exact() {
    let values = "(1, 0.1e0), (2, 1.7976931348623157e308), (3, 3.141592653589793e0)";
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&format!(
        "create table t (id bigint primary key, v double precision); insert into t values {values}"
    ));
    dotnet.run().expect(0);
    dotnet
        .target
        .exec(&format!("create table w (id bigint, v double); insert into w values {values}"));
    assert_eq!(
        dotnet.target.value("select count(*) from t join w on t.id = w.id and t.v = w.v"),
        "3"
    );
    let Some(dotnet) = DotNet::new(Mariadb, Postgres, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key, v double)");
    dotnet.source.exec(&format!("insert into t values {values}"));
    dotnet.run().expect(0);
    assert_eq!(
        dotnet.target.query("select encode(float8send(v), 'hex') from t order by id"),
        ["3fb999999999999a", "7fefffffffffffff", "400921fb54442d18"]
    );
}

/// Every decimal became NUMERIC(28,10).
#[test]
fn d05_wide_decimals_keep_every_digit() {
    let wide = "12345678901234567890123456789012345.123456789012345678901234567891";
    let values = [wide, "-0.000000000000000000000000000001"];
    values_arrive(Mariadb, Postgres, "decimal(65,30)", &values, "v");
    values_arrive(Postgres, Mariadb, "decimal(65,30)", &values, "v");
}

/// Any text column of 36 characters became a UUID.
#[test]
fn d06_text_of_36_characters_stays_text() {
    let values = ["'not a uuid at all'", "'123456789012345678901234567890123456'"];
    values_arrive(Postgres, Mariadb, "varchar(36)", &values, "v");
    values_arrive(Mariadb, Postgres, "varchar(36)", &values, "v");
    values_arrive(Mariadb, Postgres, "char(36)", &values, "rtrim(v)");
}

/// Identity columns became 32-bit serials.
#[test]
fn d07_identities_stay_64_bits() {
    for (from, to, table) in [
        (
            Postgres,
            Mariadb,
            "create table t (id bigint generated by default as identity primary key, v int); insert into t values (5000000000, 1)",
        ),
        (
            Mariadb,
            Postgres,
            "create table t (id bigint auto_increment primary key, v int); insert into t values (5000000000, 1)",
        ),
    ] {
        let Some(dotnet) = DotNet::new(from, to, "t") else { continue };
        dotnet.source.exec(table);
        dotnet.run().expect(0);
        assert_eq!(dotnet.target.value("select id from t"), "5000000000");
        dotnet.target.exec("insert into t (id, v) values (6000000000, 2)");
    }
}

/// With a schema, the target table's name contained a dot.
#[test]
fn d08_a_target_schema_is_a_schema() {
    let Some(mut dotnet) = DotNet::new(Mariadb, Postgres, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key); insert into t values (7)");
    dotnet.target.exec("create schema orders2");
    dotnet.entity["Target"]["Schema"] = "orders2".into();
    dotnet.run().expect(0);
    assert_eq!(dotnet.target.value("select id from orders2.t"), "7");
}

/// Unknown types went through upper-cased and failed in CREATE TABLE.
#[test]
fn d09_a_type_without_a_mapping_is_refused_by_its_column() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(
        "create table t (id bigint primary key, place interval); insert into t values (1, '1 day')",
    );
    let told = dotnet.run().expect(78);
    assert!(told.stderr.contains("place") && told.stderr.contains("interval"), "{}", told.stderr);
    let tables = "select count(*) from information_schema.tables where table_schema = database() and table_name = 't'";
    assert_eq!(dotnet.target.value(tables), "0");
}

/// `is_completed` was set after the first chunk. And a crash between commit and checkpoint sent a
/// chunk again for ever: killed in the middle, ours is not done and then goes on.
#[test]
fn d10_d12_a_killed_copy_is_not_done_and_continues() {
    let Some(mut dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(40_000));
    dotnet.entity["ChunkSize"] = 200.into();
    let mut child = dotnet
        .command(&["--workers", "1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("20 chunks", || Progress::of(&dotnet.target).receipts >= 20);
    child.kill().unwrap();
    wait(child);
    wait_for_silence(&dotnet.target);
    let durable = Progress::of(&dotnet.target);
    assert_eq!(durable.phase, "loading");
    assert_eq!(dotnet.count("t"), durable.rows.to_string());
    let report = dotnet.run().expect(0).json();
    assert_eq!(report["tables"][0]["chunks_resumed"], durable.receipts);
    assert_eq!(
        dotnet.target.value("select concat(count(*), ' ', count(distinct id)) from t"),
        "40000 40000"
    );
    assert_eq!(Progress::of(&dotnet.target).phase, "done");
}

/// The row counter rose by one for each chunk.
#[test]
fn d11_counters_are_row_counts() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(4_321));
    let report = dotnet.run().expect(0).json();
    assert_eq!(report["totals"]["rows_read"], 4_321);
    assert_eq!(report["totals"]["rows_written"], 4_321);
    assert_eq!(Progress::of(&dotnet.target).rows, 4_321);
}

/// Ties at a boundary were skipped and fractions of a second lost.
#[test]
fn d13_datetime_keys_keep_ties_and_microseconds() {
    let Some(server) = rowferry_testkit::alone(Postgres) else { return };
    let Some(mut dotnet) = DotNet::quiet(&server, Mariadb, "t") else { return };
    // The target's key is the id; the table is walked by time, ten rows for each microsecond.
    dotnet.source.exec(
        "create table t (at timestamp(6) not null primary key, v int); \
         insert into t select timestamp '2026-01-01' + i * interval '1 microsecond', i \
         from generate_series(1, 5000) i",
    );
    dotnet.entity["Source"]["Key"] = "at".into();
    dotnet.entity["Source"]["KeyType"] = "datetime".into();
    dotnet.entity["ChunkSize"] = 333.into();
    dotnet.run().expect(0);
    assert_eq!(dotnet.count("t"), "5000");
    dotnet.source.exec("insert into t values (timestamp '2026-01-01 00:00:00.005001', 5001)");
    assert_eq!(dotnet.run().expect(0).json()["totals"]["rows_read"], 1);
    assert_eq!(
        dotnet.target.value("select concat(count(*), ' ', max(at)) from t"),
        "5001 2026-01-01 00:00:00.005001"
    );
}

/// Rows with equal keys on both sides of a chunk's end are all read.
#[test]
fn d13_equal_keys_never_straddle_a_chunk() {
    let Some(mut dotnet) = DotNet::new(Postgres, Postgres, "t") else { return };
    dotnet.source.exec(
        "create table t (id bigint not null, v int); \
         insert into t select i / 10, i from generate_series(0, 4999) i; create index on t (id)",
    );
    dotnet.entity["ChunkSize"] = 33.into();
    let report = dotnet.run().expect(0).json();
    assert_eq!(report["totals"]["rows_read"], 5_000);
    assert_eq!(report["totals"]["duplicates"], 4_500);
    assert_eq!(dotnet.count("t"), "500");
}

/// The table was ensured for every chunk, copied and swapped each time, and the old ones stayed.
#[test]
fn d15_nothing_is_left_behind() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(3_000));
    for _ in 0..3 {
        dotnet.run().expect(0);
    }
    let tables = "select table_name from information_schema.tables where table_schema = database()";
    let mut tables = dotnet.target.query(tables);
    tables.sort();
    assert_eq!(tables, ["_rowferry_chunk", "_rowferry_stream", "t"]);
}

/// One statement held a whole chunk: past the server's packet limit it failed.
#[test]
fn d16_wide_rows_respect_the_packet_limit() {
    let Some(mut dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    let columns: Vec<String> =
        (0..20).map(|number| format!("repeat(i::text || 'x', 600) as c{number}")).collect();
    dotnet.source.exec(&format!(
        "create table t as select i::bigint as id, {} from generate_series(1, 1000) i; alter table t add primary key (id)",
        columns.join(", ")
    ));
    dotnet.entity["ChunkSize"] = 10_000.into();
    dotnet.entity["InsertBatchSize"] = 10_000.into();
    let limit = dotnet.target.value("select @@global.max_allowed_packet");
    let local = dotnet.target.value("select @@global.local_infile");
    // 45 MB of rows by INSERT against a limit of 1 MiB. The server is shared: both come back.
    dotnet.target.exec("set global max_allowed_packet = 1048576; set global local_infile = 0");
    let told = dotnet.run();
    dotnet.target.exec(&format!(
        "set global max_allowed_packet = {limit}; set global local_infile = {local}"
    ));
    told.expect(0);
    assert_eq!(dotnet.count("t"), "1000");
    assert_eq!(
        dotnet.target.value("select sum(length(c19)) from t"),
        dotnet.source.value("select sum(length(c19)) from t")
    );
}

/// It could not move more than 5,000 rows a second. Ours does so even unoptimised, beside others.
#[test]
fn d17_it_is_not_bound_by_chunk_size_and_pause() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(100_000));
    let report = dotnet.run().expect(0).json();
    let speed = report["tables"][0]["rows_per_second"].as_f64().unwrap();
    assert!(speed > 5_000.0, "{speed} rows per second");
}

/// Bytes went through a UTF-8 check that would have re-encoded them.
#[test]
fn d18_bytes_are_untouched() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(
        "create table t (id bigint primary key, v bytea); insert into t \
         select i, decode(lpad(to_hex(i), 2, '0'), 'hex') || '\\x5c0a0922275c4e00'::bytea from generate_series(0, 255) i",
    );
    dotnet.run().expect(0);
    assert_eq!(
        dotnet.target.query("select lower(hex(v)) from t order by id"),
        dotnet.source.query("select encode(v, 'hex') from t order by id")
    );
}

/// Failed chunks were printed whole.
#[test]
fn d19_a_failed_chunk_shows_no_row() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec("create table t (id bigint primary key, v text); insert into t values (1, 'secret-of-a-person')");
    dotnet.target.exec("create table t (id bigint primary key, v varchar(5))");
    let told = dotnet.run();
    assert_ne!(told.code, 0);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(!said.contains("secret-of-a-person"), "{said}");
    assert_eq!(dotnet.count("t"), "0");
}

/// Progress belonged to a name: a job pointed at another database kept the old watermark.
#[test]
fn d20_another_source_has_progress_of_its_own() {
    let Some(mut dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(100));
    dotnet.run().expect(0);
    let Some(other) = rowferry_testkit::postgres().map(|server| server.database("dotnet_other"))
    else {
        return;
    };
    other.exec(
        "create table t (id bigint primary key, name text); insert into t values (1, 'other')",
    );
    let Some(elsewhere) =
        rowferry_testkit::mariadb().map(|server| server.database("dotnet_elsewhere"))
    else {
        return;
    };
    dotnet.entity["Source"]["ConnectionString"] = string(&other).into();
    dotnet.entity["Target"]["ConnectionString"] = string(&elsewhere).into();
    dotnet.run().expect(0);
    assert_eq!(elsewhere.query("select id, name from t"), ["1\tother"]);
}

/// Live credentials lay in a settings file: a plain password is warned about and never repeated.
#[test]
fn d21_a_plain_password_is_warned_about_and_never_shown() {
    let Some(dotnet) = DotNet::new(Postgres, Mariadb, "t") else { return };
    dotnet.source.exec(&numbers(10));
    let told = dotnet.run().expect(0);
    assert!(told.stderr.contains("password"), "{}", told.stderr);
    let password =
        dotnet.source.endpoint().password.map(|secret| secret.reveal().to_owned()).unwrap();
    assert!(!told.stderr.contains(&password) && !told.stdout.contains(&password), "{told:?}");
}
