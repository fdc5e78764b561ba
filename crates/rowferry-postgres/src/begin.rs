//! How the transaction of a reader starts.

use crate::describe::Relation;
use crate::sql;

/// What a transaction reads stays as it was at its first query, and it writes nothing.
const BEGIN: &str = "begin isolation level repeatable read, read only";

/// A chunk is one scan. Workers of the server would hand each row from process to process, and take
/// a core from the next chunk and from whoever else uses the server; and there is no expression
/// that is worth a compiler. The server's estimate, made for a single query, often says otherwise.
const ONE_SCAN: &[&str] = &["set local max_parallel_workers_per_gather = 0", "set local jit = off"];

/// The statements before the first query of a reader.
pub(crate) struct Begin {
    /// For the time of the transaction.
    settings: &'static [&'static str],
    /// Locks the table against being altered.
    lock: Option<String>,
}

impl Begin {
    /// Those for reading `relation`. What lies below a view cannot be known from here: it is not
    /// locked, and the server reads it as it likes.
    pub(crate) fn reading(relation: &Relation) -> Self {
        let lock = matches!(relation.kind, 'r' | 'p')
            .then(|| format!("lock table {} in access share mode", sql::table(&relation.table)));
        let settings = if matches!(relation.kind, 'r' | 'p' | 'm') { ONE_SCAN } else { &[] };
        Self { settings, lock }
    }

    /// For a view of its own. The lock before the view: a table that is rewritten between the two
    /// reads as empty.
    pub(crate) fn of_own_view(&self) -> Vec<String> {
        let mut statements = self.settled();
        statements.extend(self.lock.clone());
        statements
    }

    /// For the view that another session exported, and which holds the lock.
    pub(crate) fn of_exported(&self, snapshot_id: &str) -> Vec<String> {
        let mut statements = self.settled();
        statements.push(format!("set transaction snapshot {}", sql::literal(snapshot_id)));
        statements
    }

    fn settled(&self) -> Vec<String> {
        std::iter::once(&BEGIN)
            .chain(self.settings)
            .map(|statement| (*statement).to_owned())
            .collect()
    }
}
