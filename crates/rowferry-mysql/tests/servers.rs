//! MariaDB and MySQL, with the database's own client as the oracle.

use std::process::Command;

use rowferry_core::{Endpoint, Secret};

/// A running server.
pub(crate) struct Server {
    /// `mariadb` or `mysql`.
    pub(crate) name: &'static str,
    server: &'static rowferry_testkit::Server,
}

impl Server {
    /// Leaked: tests hold it as long as they like.
    fn of(server: &'static rowferry_testkit::Server) -> &'static Self {
        Box::leak(Box::new(Self { name: server.engine().word(), server }))
    }

    /// Where a database of it is found, by a user who may do everything.
    pub(crate) fn endpoint(&self, database: &str) -> Endpoint {
        Endpoint { database: database.to_owned(), ..self.server.maintenance().endpoint() }
    }

    /// Runs SQL with the client of the database itself and returns its tab-separated rows.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let at = self.endpoint(database);
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--skip-ssl", "-N", "-B", "--raw"])
            .args(["--default-character-set=utf8mb4", "--binary-as-hex"])
            .args(["-h", &at.host, "-P", &at.port.to_string(), "-u", &at.user])
            .env("MYSQL_PWD", at.password.as_ref().map(Secret::reveal).unwrap_or_default())
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

/// All servers that can be had here.
pub(crate) fn all() -> Vec<&'static Server> {
    [rowferry_testkit::mariadb(), rowferry_testkit::mysql()]
        .into_iter()
        .flatten()
        .map(Server::of)
        .collect()
}

/// Servers of this test alone, for one that changes their settings.
pub(crate) fn alone() -> Vec<&'static Server> {
    rowferry_testkit::mysqls_alone().into_iter().map(Server::of).collect()
}
