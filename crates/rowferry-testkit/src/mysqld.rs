//! Throw-away MariaDB and MySQL.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::launch::{PASSWORD, Reason, USER, find, folder, free_port, run, start};
use crate::server::{Engine, Server, variable};

/// A commit outlives the process that did it; the machine need not be outlived.
pub(crate) const DURABLE: &[&str] = &["--innodb-flush-log-at-trx-commit=1"];

pub(crate) fn launch_mariadb() -> Result<Server, Reason> {
    launch_mariadb_with(&[])
}

/// With more options, which win over the usual ones.
pub(crate) fn launch_mariadb_with(more: &[&str]) -> Result<Server, Reason> {
    let places = ["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/usr/libexec/mariadbd"];
    let server = find("ROWFERRY_MARIADBD", &places.map(PathBuf::from))?;
    let folder = folder(Engine::Mariadb, None)?;
    let data = folder.join("data");
    run(
        Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(option("--tmpdir=", &folder))
            .arg(option("--datadir=", &data)),
        &folder,
    )?;
    let mut command = vec![server.into(), "--no-defaults".into()];
    command.push("--user=root".into());
    serve(Engine::Mariadb, &folder, &data, command, more)
}

pub(crate) fn launch_mysql() -> Result<Server, Reason> {
    launch_mysql_with(&[])
}

/// With more options, which win over the usual ones.
pub(crate) fn launch_mysql_with(more: &[&str]) -> Result<Server, Reason> {
    let program = mysql_program()?;
    let folder = folder(Engine::Mysql, None)?;
    let data = folder.join("data");
    let (first, rest) = program.split_first().ok_or_else(|| Reason::new("no program was named"))?;
    run(
        Command::new(first)
            .args(rest)
            .args(["--initialize-insecure"])
            .arg(option("--datadir=", &data)),
        &folder,
    )?;
    serve(Engine::Mysql, &folder, &data, program, more)
}

/// A MySQL of this system, or one in a folder that holds a whole other Debian: then that Debian's
/// own loader runs it with its own libraries, which needs no right to chroot.
fn mysql_program() -> Result<Vec<OsString>, Reason> {
    let options = ["--no-defaults".into(), "--user=root".into()];
    if let Some(server) = variable("ROWFERRY_MYSQLD") {
        let server = find("ROWFERRY_MYSQLD", &[server.into()])?;
        return Ok(std::iter::once(server.into()).chain(options).collect());
    }
    let cache = variable("HOME").map(|home| Path::new(&home).join(".cache/rowferry-ci/mysql9"));
    let places: Vec<PathBuf> = cache.into_iter().chain([PathBuf::from("/opt/mysql9")]).collect();
    let servers: Vec<PathBuf> = places.iter().map(|place| place.join("usr/sbin/mysqld")).collect();
    let server = match variable("ROWFERRY_MYSQL_ROOT") {
        Some(root) => PathBuf::from(root).join("usr/sbin/mysqld"),
        None => find("ROWFERRY_MYSQL_ROOT", &servers)?,
    };
    let root = server.ancestors().nth(3).unwrap_or(Path::new("/"));
    let loader = find("ROWFERRY_MYSQL_LOADER", &loaders(root))?;
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let mut program: Vec<OsString> = vec![loader.into(), "--library-path".into()];
    program.push(libraries.into());
    program.push(server.as_os_str().to_owned());
    program.extend(options);
    program.push(option("--basedir=", &root.join("usr")));
    Ok(program)
}

fn loaders(root: &Path) -> Vec<PathBuf> {
    ["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1"]
        .map(|loader| root.join(loader))
        .to_vec()
}

fn serve(
    engine: Engine,
    folder: &Path,
    data: &Path,
    mut command: Vec<OsString>,
    more: &[&str],
) -> Result<Server, Reason> {
    let port = free_port()?;
    let init = folder.join("init.sql");
    std::fs::write(
        &init,
        format!(
            "create user if not exists '{USER}'@'%' identified by '{PASSWORD}';\n\
             grant all on *.* to '{USER}'@'%' with grant option;\n"
        ),
    )?;
    command.extend([
        option("--datadir=", data),
        // A server that starts deletes the temporary tables of every other one in the same folder.
        option("--tmpdir=", folder),
        option("--init-file=", &init),
        option("--socket=", &folder.join("socket")),
        option("--pid-file=", &folder.join("pid")),
        option("--secure-file-priv=", folder),
        format!("--port={port}").into(),
    ]);
    command.extend(
        [
            "--bind-address=127.0.0.1",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--local-infile=1",
            "--max-connections=500",
            "--max-allowed-packet=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
            "--innodb-buffer-pool-size=256M",
            "--default-time-zone=+00:00",
        ]
        .map(OsString::from),
    );
    if engine == Engine::Mysql {
        command.extend(["--mysqlx=OFF", "--innodb-redo-log-capacity=512M"].map(OsString::from));
    } else {
        command.push("--innodb-log-file-size=256M".into());
    }
    command.extend(more.iter().map(OsString::from));
    start(engine, port, folder, &command)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push(path);
    text
}
