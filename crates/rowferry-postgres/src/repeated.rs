//! Queries that a session runs for table after table are prepared.
//!
//! The catalogue's queries are long: the server plans some of them for five milliseconds and runs them
//! for one. A plan that is kept costs once. The first times a query goes as it is, in one round trip:
//! a session for one table would wait for a second one and never win it back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::Statement;

/// From which time on a query is prepared. Within one table hardly one runs twice.
const PREPARED_FROM: u32 = 3;

/// Queries that are remembered. Those of a run are some forty; others name a table and never come
/// again, so it starts anew when there are as many of those.
const REMEMBERED: usize = 256;

/// The queries of a session, by their words.
#[derive(Default)]
pub(crate) struct Repeated {
    seen: Mutex<BTreeMap<String, Seen>>,
}

enum Seen {
    Times(u32),
    Prepared(Statement),
}

/// What is to be done with a query.
pub(crate) enum Next {
    /// Run it as it is.
    Once,
    /// Prepare it, and run that.
    Prepare,
    /// Run this.
    Run(Statement),
}

impl Repeated {
    /// Counts `query`.
    pub(crate) fn next(&self, query: &str) -> Next {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(query) {
            Some(Seen::Prepared(statement)) => Next::Run(statement.clone()),
            Some(Seen::Times(times)) => {
                *times += 1;
                if *times >= PREPARED_FROM { Next::Prepare } else { Next::Once }
            }
            None => {
                if seen.len() >= REMEMBERED {
                    seen.retain(|_, seen| matches!(seen, Seen::Prepared(_)));
                }
                seen.insert(query.to_owned(), Seen::Times(1));
                Next::Once
            }
        }
    }

    /// Keeps what `query` was prepared as.
    pub(crate) fn keep(&self, query: &str, statement: Statement) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < 2 * REMEMBERED {
            seen.insert(query.to_owned(), Seen::Prepared(statement));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_time_is_prepared() {
        let repeated = Repeated::default();
        assert!(matches!(repeated.next("a"), Next::Once));
        assert!(matches!(repeated.next("b"), Next::Once));
        assert!(matches!(repeated.next("a"), Next::Once));
        assert!(matches!(repeated.next("a"), Next::Prepare));
        assert!(matches!(repeated.next("b"), Next::Once));
    }

    #[test]
    fn what_never_comes_again_is_forgotten() {
        let repeated = Repeated::default();
        for number in 0..10 * REMEMBERED {
            assert!(matches!(repeated.next(&number.to_string()), Next::Once));
        }
        assert!(repeated.seen.lock().unwrap_or_else(PoisonError::into_inner).len() <= REMEMBERED);
    }
}
