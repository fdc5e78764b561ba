//! Throw-away MariaDB and MySQL servers of this test binary, on free loopback ports.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Held by a test that changes a setting of a whole server, or that no such change may meet.
pub(crate) static SETTINGS: Mutex<()> = Mutex::new(());

/// A running server. It ends with the test process.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Database client that speaks to it.
    pub(crate) name: &'static str,
}

impl Server {
    /// Runs SQL with the client of the database itself and returns its tab-separated rows.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "-h127.0.0.1", "-uroot", "--skip-ssl", "-N", "-B", "--raw"])
            .args(["--default-character-set=utf8mb4", "--binary-as-hex"])
            .arg(format!("-P{}", self.port))
            .args(["-e", statements, database])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {statements}\n{}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A database of its own for one test.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql("mysql", &format!("drop database if exists {name}; create database {name}"));
        name.to_owned()
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server that ends, and takes its folder along, when this process ends: its keeper waits
/// for the end of a pipe that only we hold open.
fn keep(command: &[String], folder: &Path, server: Server) -> Option<Server> {
    let script = r#"folder="$1"; shift; "$@" >/dev/null 2>&1 & pid=$!
        cat >/dev/null; kill -9 $pid; wait $pid; rm -rf "$folder""#;
    let mut keeper = Command::new("sh")
        .args(["-c", script, "keeper"])
        .arg(folder)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Our end of the pipe must outlive every test.
    std::mem::forget(keeper.stdin.take());
    let start = Instant::now();
    while start.elapsed() < Duration::from_mins(1) {
        let up = Command::new("mariadb")
            .args(["--no-defaults", "-h127.0.0.1", "-uroot", "--skip-ssl", "-e", "select 1"])
            .arg(format!("-P{}", server.port))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if up {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

fn start_mariadb() -> Option<Server> {
    let folder = PathBuf::from(format!("/tmp/rowferry-mariadb-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok()?;
    let data = folder.join("data");
    let installed = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"])
        .args(["--skip-test-db", "--skip-name-resolve"])
        .arg(format!("--datadir={}", data.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !installed.success() {
        return None;
    }
    let port = free_port();
    let command = [
        "/usr/sbin/mariadbd".to_owned(),
        "--no-defaults".to_owned(),
        "--user=root".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        "--local-infile=1".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
        "--innodb-buffer-pool-size=256M".to_owned(),
        format!("--port={port}"),
        format!("--datadir={}", data.display()),
        format!("--socket={}", folder.join("sock").display()),
        format!("--pid-file={}", folder.join("pid").display()),
    ];
    keep(&command, &folder, Server { port, name: "mariadb" })
}

fn start_mysql() -> Option<Server> {
    let root = std::env::var("ROWFERRY_MYSQL_ROOT").unwrap_or_else(|_| "/opt/mysql9".to_owned());
    let inside = format!("/tmp/rowferry-mysql-{}", std::process::id());
    let folder = PathBuf::from(format!("{root}{inside}"));
    std::fs::create_dir_all(&folder).ok()?;
    let mysqld = [
        "chroot".to_owned(),
        root,
        "/usr/sbin/mysqld".to_owned(),
        "--no-defaults".to_owned(),
        "--user=root".to_owned(),
        format!("--datadir={inside}/data"),
    ];
    let made = Command::new("sh")
        .args(["-c", r#"exec "$@" --initialize-insecure"#, "initialise"])
        .args(&mysqld)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !made.success() {
        return None;
    }
    let port = free_port();
    let settings = [
        "--bind-address=127.0.0.1".to_owned(),
        "--local-infile=1".to_owned(),
        "--mysqlx=0".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
        "--innodb-buffer-pool-size=256M".to_owned(),
        format!("--port={port}"),
        format!("--socket={inside}/sock"),
        format!("--pid-file={inside}/pid"),
    ];
    let command: Vec<String> = mysqld.into_iter().chain(settings).collect();
    keep(&command, &folder, Server { port, name: "mysql" })
}

fn required() -> bool {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    set("CI", "true") || set("ROWFERRY_REQUIRE_DBS", "1")
}

fn once(
    cell: &'static OnceLock<Option<Server>>,
    name: &str,
    start: fn() -> Option<Server>,
) -> Option<&'static Server> {
    let server = cell.get_or_init(start).as_ref();
    if server.is_none() {
        assert!(!required(), "{name} could not be started");
        println!("skipped: {name} (no server binary that starts)");
    }
    server
}

/// All servers that can be started here.
pub(crate) fn all() -> Vec<&'static Server> {
    static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
    static MYSQL: OnceLock<Option<Server>> = OnceLock::new();
    [once(&MARIADB, "mariadb", start_mariadb), once(&MYSQL, "mysql", start_mysql)]
        .into_iter()
        .flatten()
        .collect()
}
