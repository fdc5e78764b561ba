//! Sessions that outlive their table.
//!
//! ```text
//!  take ─► a table's work ─► give_back ─► tidied: as it was after its login ─┐
//!    ▲                                                                       │
//!    └───────────────────── idle, for the next table ◄───────────────────────┘
//! ```
//!
//! A login is a process of the server, and a process that has just started knows nothing of the
//! catalogue: what describes a table within 0.2 ms in a session that has done it before takes 6 ms in
//! a new one. For a thousand small tables that is nearly all there is to do.
//!
//! Only a session that nothing has failed in is given back. It is let go of in the background, at
//! once, so that nobody waits for a lock or a read view whose table is done; whatever does not answer
//! to that is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rowferry_core::Result;
use rowferry_runtime::{Task, spawn};
use tokio::sync::mpsc;

use crate::config::{Purpose, session_settings};
use crate::error::failed;
use crate::session::{Connector, Session};
use crate::sql;

/// Longest time that a session waits for its next table. The tables of a job follow each other at
/// once; behind that, a connection that says nothing may be forgotten by a firewall. Guessed.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Sessions given back and not tidied yet; one more is closed. Guessed: four tables with sixteen
/// workers each may end at the same moment.
const TIDYING: usize = 64;

/// Longest wait for a session to be tidied: the end of a transaction that has only read, and of a
/// temporary table. Guessed, as long as a goodbye may take.
const TIDY_MAX: Duration = Duration::from_secs(5);

/// What `discard all` does, except to prepared statements: the driver has some of its own. Triggers of
/// the user may have left any of this behind.
const FORGET: &str = "set session authorization default; reset all; close all; unlisten *; \
     discard temporary; select pg_catalog.pg_advisory_unlock_all()";

type Idle = Arc<Mutex<BTreeMap<Purpose, Vec<(Instant, Session)>>>>;

/// Where a session is when it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside a transaction that has only read.
    View,
    /// Outside any transaction.
    Outside,
}

/// Opens sessions to one server, and keeps those that have nothing to do.
pub(crate) struct SessionPool {
    pub(crate) connector: Arc<Connector>,
    idle: Idle,
    given_back: mpsc::Sender<(Session, Place)>,
    _housekeeping: Task<()>,
}

impl SessionPool {
    pub(crate) fn new(connector: &Arc<Connector>) -> Arc<Self> {
        let (given_back, sessions) = mpsc::channel(TIDYING);
        let idle = Idle::default();
        let housekeeping = keep_house(sessions, Arc::clone(connector), Arc::clone(&idle));
        Arc::new(Self {
            connector: Arc::clone(connector),
            idle,
            given_back,
            _housekeeping: spawn("postgres housekeeping", housekeeping),
        })
    }

    /// A session for `purpose`, shown under `name` instead of the endpoint's.
    pub(crate) async fn take(&self, purpose: Purpose, name: Option<&str>) -> Result<Session> {
        let Some(session) = self.take_idle(purpose) else {
            return self.connector.open(purpose, name).await;
        };
        if let Some(name) = name {
            session
                .client
                .batch_execute(&named(name))
                .await
                .map_err(failed("could not take up a session again"))?;
        }
        Ok(session)
    }

    fn take_idle(&self, purpose: Purpose) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = idle.get_mut(&purpose)?;
        sessions.retain(|(since, session)| since.elapsed() < IDLE_MAX && !session.is_closed());
        sessions.pop().map(|(_, session)| session)
    }

    /// Keeps `session`, which runs no statement, for another table.
    pub(crate) fn give_back(&self, session: Session, place: Place) {
        if self.given_back.try_send((session, place)).is_err() {
            tracing::debug!("a session is closed instead of kept");
        }
    }
}

/// Tidies what is given back, each session on its own, and closes what nobody has taken.
async fn keep_house(
    mut sessions: mpsc::Receiver<(Session, Place)>,
    connector: Arc<Connector>,
    idle: Idle,
) {
    let mut tidying = FuturesUnordered::new();
    loop {
        tokio::select! {
            session = sessions.recv() => match session {
                Some((session, place)) => tidying.push(tidied(&connector, session, place)),
                None => return,
            },
            Some(tidy) = tidying.next() => if let Some(session) = tidy {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.entry(session.purpose).or_default().push((Instant::now(), session));
            },
            // Nothing came or went for as long: whoever is still idle stays so.
            () = tokio::time::sleep(IDLE_MAX) => {
                idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            },
        }
    }
}

/// The session as it was after its login; `None` when it could not be brought there.
async fn tidied(connector: &Connector, session: Session, place: Place) -> Option<Session> {
    let leave = if place == Place::View { "rollback; " } else { "" };
    let settings = session_settings(session.purpose, session.version, &connector.limits);
    let name = named(connector.own_name());
    let statements = format!("{leave}{FORGET}; {settings}; {name}");
    let tidy = tokio::time::timeout(TIDY_MAX, session.client.batch_execute(&statements)).await;
    matches!(tidy, Ok(Ok(()))).then_some(session)
}

/// The statement that shows a session under `name`.
fn named(name: &str) -> String {
    format!("set application_name = {}", sql::literal(name))
}
