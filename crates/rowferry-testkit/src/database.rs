//! One database that belongs to one test.

use std::path::PathBuf;
use std::process::Command;

use rowferry_core::{Endpoint, EndpointKind, Secret};

use crate::client;
use crate::server::Engine;

/// A database of a test, reached through the engine's own client.
#[derive(Debug)]
pub struct Database {
    endpoint: Endpoint,
    engine: Engine,
    drop_with_value: bool,
}

impl Database {
    pub(crate) fn on_server(endpoint: Endpoint, engine: Engine) -> Self {
        Self { endpoint, engine, drop_with_value: true }
    }

    pub(crate) fn borrowed(endpoint: Endpoint, engine: Engine) -> Self {
        Self { endpoint, engine, drop_with_value: false }
    }

    pub(crate) fn sqlite(path: PathBuf) -> Self {
        let endpoint = Endpoint { path, ..Endpoint::empty(EndpointKind::Sqlite) };
        Self { endpoint, engine: Engine::Sqlite, drop_with_value: false }
    }

    /// Which engine this is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Name of the database; empty for SQLite.
    pub fn name(&self) -> &str {
        &self.endpoint.database
    }

    /// What a connector is opened with.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The engine's own client, which reads statements from its standard input.
    pub fn client(&self) -> Command {
        client::command(self.engine, &self.endpoint)
    }

    pub(crate) fn endpoint_ref(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What a user would write in a job file, password included.
    pub fn url(&self) -> String {
        let Endpoint { host, port, database, user, password, path, .. } = &self.endpoint;
        let password = password.as_ref().map(Secret::reveal).unwrap_or_default();
        match self.engine {
            Engine::Sqlite => format!("sqlite:{}", path.display()),
            Engine::Postgres | Engine::Mariadb | Engine::Mysql => {
                format!("{}://{user}:{password}@{host}:{port}/{database}", self.engine.scheme())
            }
        }
    }

    /// Runs statements; panics with the client's words when one fails.
    #[track_caller]
    pub fn exec(&self, sql: &str) {
        self.query(sql);
    }

    /// Runs statements and gives back the output's lines: fields apart by tab, NULL is `\N`
    /// (`NULL` from MySQL and MariaDB).
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<String> {
        match self.try_query(sql) {
            Ok(lines) => lines,
            Err(words) => panic!("{} refused {sql:.500}: {words}", self.engine.word()),
        }
    }

    /// As [`Self::query`], with the client's words when a statement fails.
    pub fn try_query(&self, sql: &str) -> Result<Vec<String>, String> {
        let output = client::run(self.engine, &self.endpoint, sql)?;
        Ok(output.lines().map(str::to_owned).collect())
    }

    /// The single value that `sql` gives.
    #[track_caller]
    pub fn value(&self, sql: &str) -> String {
        let lines = self.query(sql);
        assert_eq!(lines.len(), 1, "{sql:.500} gave {} lines instead of one", lines.len());
        lines.into_iter().next().unwrap_or_default()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.drop_with_value {
            return;
        }
        let name = &self.endpoint.database;
        let (sql, maintenance) = match self.engine {
            Engine::Postgres => (format!("drop database \"{name}\" with (force)"), "postgres"),
            Engine::Mariadb | Engine::Mysql => (format!("drop database `{name}`"), "mysql"),
            Engine::Sqlite => return,
        };
        let endpoint = Endpoint { database: maintenance.to_owned(), ..self.endpoint.clone() };
        // Best effort: a shared server is thrown away after the run anyway.
        drop(client::run(self.engine, &endpoint, &sql));
    }
}
