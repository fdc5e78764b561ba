//! The databases' own command line clients.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rowferry_core::{Endpoint, Secret};

use crate::postgres::psql;
use crate::server::Engine;

/// Runs `sql` and gives back the client's output, tab between fields, or its error words.
pub(crate) fn run(engine: Engine, endpoint: &Endpoint, sql: &str) -> Result<String, String> {
    let mut command = command(engine, endpoint);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} did not start: {error}", command.get_program().display()))?;
    let input = child.stdin.take();
    // From another thread: a client may print while it still reads.
    let text = sql.to_owned();
    let writer = std::thread::spawn(move || {
        input.map(|mut input| input.write_all(text.as_bytes())).transpose()
    });
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    drop(writer.join());
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// The client on `endpoint`, which reads statements from its standard input.
pub(crate) fn command(engine: Engine, endpoint: &Endpoint) -> Command {
    let password = endpoint.password.as_ref().map(Secret::reveal).unwrap_or_default();
    let port = endpoint.port.to_string();
    match engine {
        Engine::Postgres => {
            let mut command = Command::new(psql());
            command
                .args(["-X", "-q", "-A", "-t", "-F", "\t", "-P", "null=\\N"])
                .args(["-v", "ON_ERROR_STOP=1", "-h", &endpoint.host, "-p", &port])
                .args(["-U", &endpoint.user, "-d", &endpoint.database])
                .env("PGPASSWORD", password)
                .env("PGCLIENTENCODING", "UTF8")
                .env("PGTZ", "UTC");
            command
        }
        Engine::Mariadb | Engine::Mysql => {
            let mut command = Command::new("mariadb");
            command
                .args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--quick"])
                .args(["--default-character-set=utf8mb4", "--protocol=tcp"])
                .arg("--init-command=set time_zone = '+00:00'")
                .args(["-h", &endpoint.host, "-P", &port, "-u", &endpoint.user])
                .arg(&endpoint.database)
                .env("MYSQL_PWD", password);
            command
        }
        Engine::Sqlite => {
            let mut command = Command::new("sqlite3");
            command
                .args(["-batch", "-bail", "-noheader", "-list", "-separator", "\t"])
                .args(["-nullvalue", "\\N", "-cmd", ".timeout 10000"])
                .arg(&endpoint.path);
            command
        }
    }
}
