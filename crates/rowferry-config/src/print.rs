//! A job as native YAML that does the same.

use std::fmt::Write as _;
use std::time::Duration;

use rowferry_core::{
    ChannelBinding, Consistency, Duplicates, Endpoint, EndpointKind, Job, Mode, OnBadRow,
    PublishWhen, ReplaceMode, Settings, TableJob, WriteMode,
};

use crate::endpoint::tls_word;
use crate::predicate;

/// The job file that would do what `job` does. Passwords become `${ROWFERRY_SOURCE_PASSWORD}` and
/// `${ROWFERRY_TARGET_PASSWORD}`; settings that are the default are left out.
pub fn print_config(job: &Job) -> String {
    let mut out = String::from("version: 1\nconnections:\n");
    endpoint(&mut out, "source", &job.source);
    endpoint(&mut out, "target", &job.target);
    out.push_str("jobs:\n");
    line(&mut out, 2, "- name", &quote(&job.name));
    line(&mut out, 4, "source", "source");
    line(&mut out, 4, "target", "target");
    line(
        &mut out,
        4,
        "mode",
        match job.mode {
            Mode::Full => "full",
            Mode::Incremental => "incremental",
        },
    );
    if job.publish == PublishWhen::Job {
        line(&mut out, 4, "publish", "job");
    }
    if let Some(every) = job.every {
        line(&mut out, 4, "every", &duration(every));
    }
    if let Some(schema) = &job.progress_schema {
        line(&mut out, 4, "progress_schema", &quote(schema));
    }
    settings(&mut out, &job.settings);
    if !job.casts.is_empty() {
        out.push_str("    defaults:\n      casts:\n");
        for cast in &job.casts {
            let text =
                format!("{{ from: {}, to: {} }}", quote(&cast.from), quote(&cast.cast.to_string()));
            writeln!(out, "        - {text}").unwrap_or_default();
        }
    }
    out.push_str("    tables:\n");
    for table_job in &job.tables {
        table(&mut out, table_job);
    }
    out
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    // Writing into a String cannot fail.
    writeln!(out, "{:indent$}{key}: {value}", "").unwrap_or_default();
}

/// A double-quoted scalar: JSON's escapes are YAML's, and `${` is escaped against filling in.
fn quote(text: &str) -> String {
    key_text(&text.replace("${", "$${"))
}

/// Keys of mappings are not filled in.
fn key_text(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    // JSON leaves these as they are; YAML takes some for line ends and forbids others.
    let mut safe = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        let code = u32::from(c);
        if matches!(code, 0x7f..=0x9f | 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff) {
            write!(safe, "\\u{code:04x}").unwrap_or_default();
        } else {
            safe.push(c);
        }
    }
    safe
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

fn duration(value: Duration) -> String {
    if value.subsec_millis() == 0 {
        format!("{}s", value.as_secs())
    } else {
        format!("{}ms", value.as_millis())
    }
}

fn endpoint(out: &mut String, name: &str, end: &Endpoint) {
    writeln!(out, "  {name}:").unwrap_or_default();
    // Quoted, since a bare `null` is no text in YAML.
    line(out, 4, "type", &quote(end.kind.word()));
    if end.through_connectorx {
        line(out, 4, "reader", "connectorx");
    }
    match end.kind {
        EndpointKind::Null => return,
        EndpointKind::Generate => return line(out, 4, "generate", &quote(&end.generate)),
        EndpointKind::Sqlite => {
            return line(out, 4, "path", &quote(&end.path.display().to_string()));
        }
        EndpointKind::Postgres | EndpointKind::Mysql => {}
    }
    if !end.host.is_empty() {
        line(out, 4, "host", &quote(&end.host));
    }
    line(out, 4, "port", &end.port.to_string());
    if let Some(socket) = &end.socket {
        line(out, 4, "socket", &quote(&socket.display().to_string()));
    }
    line(out, 4, "database", &quote(&end.database));
    line(out, 4, "user", &quote(&end.user));
    if end.password.is_some() {
        let variable = format!("ROWFERRY_{}_PASSWORD", name.to_ascii_uppercase());
        line(out, 4, "password", &format!("${{{variable}}}  # set {variable} in the environment"));
    }
    line(out, 4, "tls", tls_word(end.tls));
    for (key, file) in
        [("tls_root", &end.tls_root), ("tls_cert", &end.tls_cert), ("tls_key", &end.tls_key)]
    {
        if let Some(file) = file {
            line(out, 4, key, &quote(&file.display().to_string()));
        }
    }
    match end.channel_binding {
        ChannelBinding::Prefer => {}
        ChannelBinding::Disable => line(out, 4, "channel_binding", "disable"),
        ChannelBinding::Require => line(out, 4, "channel_binding", "require"),
    }
    if end.application != Endpoint::empty(end.kind).application {
        line(out, 4, "application", &quote(&end.application));
    }
}

fn settings(out: &mut String, settings: &Settings) {
    let documented = Settings::documented();
    if *settings == documented {
        return;
    }
    out.push_str("    settings:\n");
    let mut differs = |differs: bool, key: &str, value: String| {
        if differs {
            line(out, 6, key, &value);
        }
    };
    differs(
        settings.parallel_tables != documented.parallel_tables,
        "parallel_tables",
        settings.parallel_tables.to_string(),
    );
    if let Some(workers) = settings.workers {
        differs(true, "workers", workers.to_string());
    }
    differs(
        settings.chunk_rows != documented.chunk_rows,
        "chunk_rows",
        settings.chunk_rows.to_string(),
    );
    differs(
        settings.chunk_bytes != documented.chunk_bytes,
        "chunk_bytes",
        settings.chunk_bytes.to_string(),
    );
    differs(settings.retry_for != documented.retry_for, "retry_for", duration(settings.retry_for));
    let (limits, usual) = (&settings.limits, &documented.limits);
    for (key, limit, usual) in [
        ("connect_timeout", limits.connect, usual.connect),
        ("progress_timeout", limits.progress, usual.progress),
        ("statement_timeout", limits.statement, usual.statement),
        ("lock_timeout", limits.lock, usual.lock),
    ] {
        differs(limit != usual, key, duration(limit));
    }
    differs(
        settings.memory_budget != documented.memory_budget,
        "memory_budget",
        settings.memory_budget.to_string(),
    );
    differs(
        settings.max_row_bytes != documented.max_row_bytes,
        "max_row_bytes",
        settings.max_row_bytes.to_string(),
    );
    differs(
        settings.max_rate != documented.max_rate,
        "max_rate",
        settings.max_rate.map(|rate| rate.to_string()).unwrap_or_default(),
    );
    let consistency = match settings.consistency {
        Consistency::Auto => "auto",
        Consistency::Table => "table",
        Consistency::Chunk => "chunk",
    };
    differs(settings.consistency != documented.consistency, "consistency", consistency.to_owned());
    differs(
        settings.passthrough != documented.passthrough,
        "passthrough",
        settings.passthrough.to_string(),
    );
    if let OnBadRow::Quarantine { max_rejects } = settings.on_bad_row {
        differs(true, "on_bad_row", "quarantine".to_owned());
        differs(true, "max_rejects", max_rejects.to_string());
    }
    differs(settings.show_keys != documented.show_keys, "error_values", "none".to_owned());
}

fn table(out: &mut String, table: &TableJob) {
    line(out, 6, "- source", &quote(&table.source.to_string()));
    if let Some(target) = &table.target {
        line(out, 8, "target", &quote(&target.to_string()));
    }
    for (key, texts) in [
        ("exclude_tables", &table.exclude_tables),
        ("key", &table.key),
        ("cut_by", &table.cut_by),
        ("include", &table.include),
        ("exclude", &table.exclude),
    ] {
        if !texts.is_empty() {
            line(out, 8, key, &list(texts));
        }
    }
    if let Some(duplicates) = table.on_duplicate {
        let word = match duplicates {
            Duplicates::Fail => "fail",
            Duplicates::First => "first",
            Duplicates::Last => "last",
        };
        line(out, 8, "on_duplicate", word);
    }
    if !table.rename.is_empty() {
        let pairs: Vec<String> = table
            .rename
            .iter()
            .map(|(from, to)| format!("{}: {}", key_text(from), quote(to)))
            .collect();
        line(out, 8, "rename", &format!("{{ {} }}", pairs.join(", ")));
    }
    if table.lower_names {
        line(out, 8, "column_names", "lower");
    }
    if !table.keep_defaults {
        line(out, 8, "column_defaults", "drop");
    }
    if !table.casts.is_empty() {
        let casts: Vec<String> = table
            .casts
            .iter()
            .map(|(column, cast)| format!("{}: {}", key_text(column), quote(&cast.to_string())))
            .collect();
        line(out, 8, "casts", &format!("{{ {} }}", casts.join(", ")));
    }
    if let Some(filter) = &table.predicate {
        line(out, 8, "filters", &format!("[{}]", quote(&predicate::render(filter))));
    }
    if let Some(write) = table.write {
        let word = match write {
            WriteMode::Replace => "replace",
            WriteMode::Append => "append",
            WriteMode::Upsert => "upsert",
        };
        line(out, 8, "write", word);
    }
    if table.replace == ReplaceMode::Truncate {
        line(out, 8, "replace", "truncate");
    }
    if table.keep_old {
        line(out, 8, "keep_old", "1");
    }
    let guard: Vec<String> = [
        table.guard.max_shrink.map(|share| format!("max_shrink: {share}")),
        table.guard.min_rows.map(|rows| format!("min_rows: {rows}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !guard.is_empty() {
        line(out, 8, "guard", &format!("{{ {} }}", guard.join(", ")));
    }
    if table.shared_target {
        line(out, 8, "shared_target", "true");
    }
    if table.insert_batch_rows != TableJob::INSERT_BATCH_ROWS {
        line(out, 8, "insert_batch_rows", &table.insert_batch_rows.to_string());
    }
}
