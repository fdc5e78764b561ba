//! JSON Schema of the native file, for editors. The structs mirror what the reader takes; a test
//! holds their keys equal to its lists.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};

/// The JSON Schema of the native job file.
pub fn schema() -> serde_json::Value {
    schema_for!(JobFileSchema).to_value()
}

macro_rules! documented {
    ($($item:item)*) => {
        $(
            #[derive(JsonSchema)]
            #[schemars(deny_unknown_fields)]
            #[expect(dead_code, reason = "only its schema is used")]
            $item
        )*
    };
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A number, with or without a unit.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Measure {
    Number(u64),
    Text(String),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ConnectionSchema {
    /// A URL or a connection string of any known form, or env:NAME.
    Text(String),
    Parts(Box<PartsSchema>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum PasswordSchema {
    /// Best a reference: `${NAME}`, `env:NAME`, `file:PATH`, `exec:[command, args]`.
    Text(String),
    /// A command and its arguments, whose output is the password.
    Command(BTreeMap<String, Vec<String>>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum TableEntrySchema {
    Name(String),
    Entry(Box<TableSchema>),
}

documented! {
    /// A job file of rowferry.
    struct JobFileSchema {
        /// Version of the format: 1.
        version: u32,
        /// SQLite file of the ledger, relative to this file.
        state: Option<String>,
        /// Connections by name.
        connections: Option<BTreeMap<String, ConnectionSchema>>,
        /// Jobs, run in this order.
        jobs: Vec<JobSchema>,
    }

    /// A connection by its parts.
    struct PartsSchema {
        /// postgres, mysql, mariadb, sqlite, generate or null.
        r#type: Option<String>,
        /// A URL in place of the parts.
        url: Option<String>,
        /// Host name or address.
        host: Option<String>,
        /// Port; 5432 or 3306 by default.
        port: Option<Measure>,
        /// Unix socket: the folder (PostgreSQL) or the file (MySQL).
        socket: Option<String>,
        /// Database.
        database: Option<String>,
        /// User.
        user: Option<String>,
        /// Password.
        password: Option<PasswordSchema>,
        /// disable, prefer, require, verify-ca or verify-full.
        tls: Option<String>,
        /// Another word for tls.
        ssl: Option<String>,
        /// PEM file of the roots to trust; with tls: require it means verify-ca.
        tls_root: Option<String>,
        /// PEM file of the client's own certificate.
        tls_cert: Option<String>,
        /// PEM file of its key.
        tls_key: Option<String>,
        /// disable, prefer or require: the password is bound to the server's certificate.
        channel_binding: Option<String>,
        /// Password file of libpq; ~/.pgpass by default.
        passfile: Option<String>,
        /// Service of libpq.
        service: Option<String>,
        /// File that defines it; `~/.pg_service.conf` by default.
        servicefile: Option<String>,
        /// Option file of MySQL, whose group client is read.
        defaults_file: Option<String>,
        /// File of a SQLite connection.
        path: Option<String>,
        /// Name shown to the server.
        application: Option<String>,
        /// native or connectorx: who reads the rows of a source.
        reader: Option<String>,
        /// What a generate connection makes.
        generate: Option<String>,
    }

    /// One source, one target, and the tables between them.
    struct JobSchema {
        /// Name; part of the identity of its progress.
        name: String,
        /// Where rows come from: a connection's name, a URL, or env:NAME.
        source: ConnectionSchema,
        /// Where rows go.
        target: ConnectionSchema,
        /// full or incremental.
        mode: Option<String>,
        /// table: each table when it is ready; job: all at the end.
        publish: Option<String>,
        /// Pause between two runs of the worker.
        every: Option<Measure>,
        /// Schema of the progress tables in the target.
        progress_schema: Option<String>,
        /// Limits and parallelism.
        settings: Option<SettingsSchema>,
        /// What holds for every table.
        defaults: Option<DefaultsSchema>,
        /// Tables and patterns of tables.
        tables: Vec<TableEntrySchema>,
    }

    /// Limits and parallelism.
    struct SettingsSchema {
        /// Tables copied at once.
        parallel_tables: Option<u64>,
        /// Chunks in flight in the whole run, or auto.
        workers: Option<Measure>,
        /// Rows per chunk at most.
        chunk_rows: Option<u64>,
        /// Bytes per chunk at most.
        chunk_bytes: Option<Measure>,
        /// How long transient failures are retried since the last committed chunk.
        retry_for: Option<Measure>,
        /// How long a connection may take to be made, TLS and login included; 0 for no limit.
        connect_timeout: Option<Measure>,
        /// How long a connection that reads or writes rows may be silent; 0 for no limit.
        progress_timeout: Option<Measure>,
        /// How long one statement that writes rows may take; 0 for no limit.
        statement_timeout: Option<Measure>,
        /// How long a lock is waited for; changes of tables try it five times.
        lock_timeout: Option<Measure>,
        /// Bytes of rows in flight.
        memory_budget: Option<Measure>,
        /// Bytes of the texts and binaries of one row at most.
        max_row_bytes: Option<Measure>,
        /// What is read in a second at most, in rows or bytes: `50_000 rows/s`, `20MiB/s`.
        max_rate: Option<String>,
        /// auto, table or chunk.
        consistency: Option<String>,
        /// Whether bytes of the same engine may pass through undecoded.
        passthrough: Option<bool>,
        /// fail or quarantine: what happens to rows that the target cannot hold.
        on_bad_row: Option<String>,
        /// Rows of a table that may be set aside, with `on_bad_row: quarantine`.
        max_rejects: Option<u64>,
        /// keys or none: whether messages name rows by their keys.
        error_values: Option<String>,
    }

    /// What holds for every table of a job.
    struct DefaultsSchema {
        /// Casts for all columns of a source type.
        casts: Option<Vec<TypeCastSchema>>,
        /// Source type to target type.
        types: Option<BTreeMap<String, String>>,
    }

    /// A cast for all columns of a source type.
    struct TypeCastSchema {
        /// Source type, with or without its arguments.
        from: String,
        /// TYPE, else POLICY, or TYPE else POLICY.
        to: String,
    }

    /// A table, or a pattern of tables.
    struct TableSchema {
        /// schema.table; `*` stands for any characters.
        source: String,
        /// Tables left out of a pattern.
        exclude_tables: Option<OneOrMany>,
        /// Target table; {table} and {schema} stand for the source's.
        target: Option<String>,
        /// Columns that identify a row; the primary key by default.
        key: Option<OneOrMany>,
        /// Columns in whose order the table is cut; the key by default.
        cut_by: Option<OneOrMany>,
        /// fail, first or last.
        on_duplicate: Option<String>,
        /// Columns to copy; all by default.
        include: Option<OneOrMany>,
        /// Columns to leave out.
        exclude: Option<OneOrMany>,
        /// Source column to target column.
        rename: Option<BTreeMap<String, String>>,
        /// keep or lower: names of columns that are not renamed.
        column_names: Option<String>,
        /// keep or drop: defaults of new target columns.
        column_defaults: Option<String>,
        /// Column to TYPE, else POLICY, or TYPE else POLICY.
        casts: Option<BTreeMap<String, String>>,
        /// Column to target type.
        types: Option<BTreeMap<String, String>>,
        /// One comparison: column op literal.
        filters: Option<OneOrMany>,
        /// The key itself.
        incremental_key: Option<OneOrMany>,
        /// replace, append or upsert.
        write: Option<String>,
        /// swap or truncate.
        replace: Option<String>,
        /// 1 keeps the swapped-out table.
        keep_old: Option<Measure>,
        /// When a copy must not replace what is there.
        guard: Option<GuardSchema>,
        /// Several streams may fill this target.
        shared_target: Option<bool>,
        /// Rows of one multi-row INSERT.
        insert_batch_rows: Option<u32>,
    }

    /// Limits below which a copy never replaces the target.
    struct GuardSchema {
        /// Largest loss of rows: 50% or 0.5.
        max_shrink: Option<Measure>,
        /// Least rows of the source.
        min_rows: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::document::Keys;
    use crate::native;

    fn keys_of(definition: &str) -> BTreeSet<String> {
        let schema = schema();
        let part = if definition.is_empty() {
            schema.clone()
        } else {
            schema["$defs"][definition].clone()
        };
        part["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn check(definition: &str, keys: &Keys) {
        let known: BTreeSet<String> = keys.known.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(keys_of(definition), known, "{}", keys.of);
    }

    #[test]
    fn the_schema_has_the_keys_that_the_reader_takes() {
        check("", &native::FILE);
        check("PartsSchema", &crate::connection::CONNECTION);
        check("JobSchema", &native::JOB);
        check("SettingsSchema", &native::SETTINGS);
        check("DefaultsSchema", &crate::casts::DEFAULTS);
        check("TypeCastSchema", &crate::casts::TYPE_CAST);
        check("TableSchema", &crate::table::TABLE);
        check("GuardSchema", &crate::table::GUARD);
    }
}
