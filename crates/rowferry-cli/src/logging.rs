//! Log lines on stderr.

use tracing_subscriber::EnvFilter;

use crate::flags::{LogFormat, Talk};
use crate::out::LogWriter;

/// Starts logging. Only our own crates may say more than warnings: a driver's debug line may quote
/// statements and values, and no flag of ours may bring those out.
pub(crate) fn start(talk: Talk) {
    let level = match talk.verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::new(format!("warn,rowferry={level}"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogWriter);
    match talk.log_format {
        LogFormat::Text => logs.with_ansi(false).with_target(false).init(),
        LogFormat::Json => logs.json().init(),
    }
}
