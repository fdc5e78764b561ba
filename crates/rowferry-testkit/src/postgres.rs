//! A throw-away PostgreSQL. It refuses to run as root, so root lends it another user.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::launch::{PASSWORD, Reason, USER, find, folder, free_port, is_root, run, start};
use crate::server::{Engine, Server};

pub(crate) fn launch() -> Result<Server, Reason> {
    launch_with(&[])
}

/// Who runs the server, where that is somebody else.
pub(crate) fn owner() -> Option<&'static str> {
    is_root().then(unprivileged)
}

/// With more settings, `name=value`, which win over the usual ones.
pub(crate) fn launch_with(settings: &[&str]) -> Result<Server, Reason> {
    let programs = programs()?;
    let owner = owner();
    let folder = folder(Engine::Postgres, owner)?;
    let data = folder.join("data");
    let password_file = folder.join("password");
    std::fs::write(&password_file, PASSWORD)?;
    run(
        as_user(owner, programs.join("initdb"))
            .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--username", USER, "--pwfile"])
            .arg(&password_file)
            .arg(&data),
        &folder,
    )?;
    serve(&programs, owner, &folder, settings)
}

/// A standby of `primary`, which follows it until it is promoted.
pub(crate) fn launch_standby(primary: &Server) -> Result<Server, Reason> {
    let programs = programs()?;
    let owner = owner();
    let folder = folder(Engine::Postgres, owner)?;
    run(
        as_user(owner, programs.join("pg_basebackup"))
            .args(["--no-sync", "--write-recovery-conf", "--checkpoint=fast"])
            .args(["--host=127.0.0.1", "--username", USER, "--port", &primary.port.to_string()])
            .arg("--pgdata")
            .arg(folder.join("data"))
            .env("PGPASSWORD", PASSWORD),
        &folder,
    )?;
    serve(&programs, owner, &folder, &[])
}

fn serve(
    programs: &Path,
    owner: Option<&str>,
    folder: &Path,
    settings: &[&str],
) -> Result<Server, Reason> {
    let port = free_port()?;
    let server = as_user(owner, programs.join("postgres"));
    let mut command = words(&server);
    command.extend(["-D".into(), folder.join("data").into(), "-p".into(), port.to_string().into()]);
    let usual = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "synchronous_commit=off",
        // nextest runs tests side by side, each with several connections.
        "max_connections=300",
        "max_wal_size=4GB",
        "wal_level=logical",
        "timezone=UTC",
        "log_min_messages=warning",
    ];
    for setting in usual.iter().chain(settings) {
        command.extend(["-c".into(), setting.into()]);
    }
    start(Engine::Postgres, port, folder, &command)
}

fn programs() -> Result<PathBuf, Reason> {
    find("ROWFERRY_POSTGRES_BIN", &usual_places())
}

/// The client. Debian's `psql` is a script that looks for this program, for twice as long as it
/// works.
pub(crate) fn psql() -> &'static Path {
    static PSQL: OnceLock<PathBuf> = OnceLock::new();
    PSQL.get_or_init(|| {
        let beside = programs().map(|programs| programs.join("psql"));
        beside.ok().filter(|psql| psql.exists()).unwrap_or_else(|| "psql".into())
    })
}

/// Debian's folders, newest version first, then the folder of a build from source.
fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .collect();
    places.sort_unstable_by(|left, right| right.cmp(left));
    let mut places: Vec<PathBuf> = places.into_iter().map(|(_, place)| place).collect();
    places.push("/usr/local/pgsql/bin".into());
    places
}

fn unprivileged() -> &'static str {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

/// `setpriv` becomes the server by exec, so that the pid stays the one the watchdog stops.
fn as_user(user: Option<&str>, program: PathBuf) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups", "--"]).arg(program);
    command
}

fn words(command: &Command) -> Vec<OsString> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(std::ffi::OsStr::to_owned)
        .collect()
}
