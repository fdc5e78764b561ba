//! A database of its own for each test, with psql as the oracle.

use rowferry_core::Endpoint;
use rowferry_testkit::Database;

/// A fresh database, dropped with the value.
pub(crate) struct Server(Database);

/// `None` after a `skipped:` line when there is no server.
pub(crate) fn start() -> Option<Server> {
    rowferry_testkit::postgres().map(|server| Server(server.database("connector")))
}

impl Server {
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.0.endpoint()
    }

    /// Runs SQL by psql and returns its lines, fields apart by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.0.query(sql).join("\n").replace('\t', "|")
    }
}
