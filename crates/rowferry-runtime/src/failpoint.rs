//! Moments at which a test may kill or hold the process: the boundaries at which something becomes
//! durable.
//!
//! Without the feature `failpoints` a point is nothing at all, and a release build cannot have the
//! feature. With it, `ROWFERRY_FAILPOINT=WORD:N` kills the process by SIGKILL when it reaches that
//! point for the Nth time, and `ROWFERRY_FAILPOINT_LOG=FILE` notes every point that is reached.
//! Instead of being killed there,
//!
//! - with `ROWFERRY_FAILPOINT_HOLD=FILE` the process makes that file and stays where it is until
//!   somebody removes it;
//! - with `ROWFERRY_FAILPOINT_LEAK=TEXT` it logs the text and panics with it, as a library would that
//!   takes no care of passwords.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for tests; a release build must not have them");

/// A boundary of a copy, in the order in which a run comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailPoint {
    /// Planned, not locked.
    BeforeLock,
    /// The stream's lock is held.
    Locked,
    /// The epoch is raised.
    Claimed,
    /// A statement was done that makes, fills or renames tables, or begins the transaction that
    /// does: each one counts.
    TableStatement,
    /// The table that is loaded exists.
    Prepared,
    /// A chunk's writer is there.
    ChunkBegun,
    /// Some rows of the chunk were handed to the server.
    RowsBegun,
    /// All rows of the chunk were handed to the server.
    RowsDone,
    /// The receipt is written, the epoch compared, and COMMIT not sent.
    ReceiptWritten,
    /// COMMIT is sent, and its answer not read.
    CommitSent,
    /// COMMIT was answered.
    CommitAnswered,
    /// A transaction of the ledger has its rows and is not committed.
    LedgerBegun,
    /// The ledger knows of the chunk.
    LedgerDone,
    /// Every chunk is durable.
    ChunksDone,
    /// The phase says that the table is to be published.
    IntentWritten,
    /// Counted, with keys and indexes.
    Sealed,
    /// Readers see the rows.
    Published,
}

impl FailPoint {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::BeforeLock,
        Self::Locked,
        Self::Claimed,
        Self::TableStatement,
        Self::Prepared,
        Self::ChunkBegun,
        Self::RowsBegun,
        Self::RowsDone,
        Self::ReceiptWritten,
        Self::CommitSent,
        Self::CommitAnswered,
        Self::LedgerBegun,
        Self::LedgerDone,
        Self::ChunksDone,
        Self::IntentWritten,
        Self::Sealed,
        Self::Published,
    ];

    /// Its name in the environment.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BeforeLock => "before-lock",
            Self::Locked => "locked",
            Self::Claimed => "claimed",
            Self::TableStatement => "table-statement",
            Self::Prepared => "prepared",
            Self::ChunkBegun => "chunk-begun",
            Self::RowsBegun => "rows-begun",
            Self::RowsDone => "rows-done",
            Self::ReceiptWritten => "receipt-written",
            Self::CommitSent => "commit-sent",
            Self::CommitAnswered => "commit-answered",
            Self::LedgerBegun => "ledger-begun",
            Self::LedgerDone => "ledger-done",
            Self::ChunksDone => "chunks-done",
            Self::IntentWritten => "intent-written",
            Self::Sealed => "sealed",
            Self::Published => "published",
        }
    }

    /// Passes the point, unless a test wants the process to end here.
    #[cfg(not(feature = "failpoints"))]
    #[inline]
    pub const fn reach(self) {}

    /// Passes the point, unless a test wants the process to end here.
    #[cfg(feature = "failpoints")]
    pub fn reach(self) {
        armed::reach(self);
    }

    /// Awaits `sending`, and passes the point once it has been given time to leave this process and
    /// before its answer is looked at.
    #[cfg(not(feature = "failpoints"))]
    #[inline]
    pub async fn reach_while<T>(self, sending: impl Future<Output = T>) -> T {
        sending.await
    }

    /// Awaits `sending`, and passes the point once it has been given time to leave this process and
    /// before its answer is looked at.
    #[cfg(feature = "failpoints")]
    pub async fn reach_while<T>(self, sending: impl Future<Output = T>) -> T {
        if armed::is_wanted(self) {
            // Guessed: a frame needs microseconds to a server on this machine.
            const LEAVES: std::time::Duration = std::time::Duration::from_millis(3);
            let mut sending = std::pin::pin!(sending);
            let answer = tokio::time::timeout(LEAVES, &mut sending).await;
            self.reach();
            return match answer {
                Ok(answer) => answer,
                Err(_not_yet) => sending.await,
            };
        }
        self.reach();
        sending.await
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::io::Write as _;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::FailPoint;

    /// The point at which something is to happen, and how often it is still to be passed.
    static WANTED: LazyLock<Option<(FailPoint, AtomicU64)>> = LazyLock::new(|| {
        let text = std::env::var("ROWFERRY_FAILPOINT").ok()?;
        let (word, times) = text.split_once(':').unwrap_or((&text, "1"));
        let point = FailPoint::ALL.into_iter().find(|point| point.word() == word)?;
        Some((point, AtomicU64::new(times.parse().ok()?)))
    });

    pub(super) fn is_wanted(point: FailPoint) -> bool {
        WANTED.as_ref().is_some_and(|(wanted, _)| *wanted == point)
    }

    pub(super) fn reach(point: FailPoint) {
        if let Some(path) = std::env::var_os("ROWFERRY_FAILPOINT_LOG") {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            if let Err(error) = file.and_then(|mut file| writeln!(file, "{}", point.word())) {
                tracing::warn!(%error, "a point could not be noted");
            }
        }
        let Some((wanted, left)) = WANTED.as_ref() else { return };
        if *wanted != point || left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        if let Some(file) = std::env::var_os("ROWFERRY_FAILPOINT_HOLD") {
            return hold(std::path::Path::new(&file));
        }
        if let Ok(text) = std::env::var("ROWFERRY_FAILPOINT_LEAK") {
            tracing::error!("{text}");
            leak(&text);
        }
        let killed =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        tracing::error!(?killed, "the process could not be killed");
    }

    /// Keeps this thread here while `file` exists.
    fn hold(file: &std::path::Path) {
        // Short against everything that a test does meanwhile.
        const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(2);
        if let Err(error) = std::fs::write(file, "") {
            tracing::error!(%error, "the process could not be held");
            return;
        }
        while file.exists() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    #[expect(clippy::panic, reason = "what a test asked for")]
    fn leak(text: &str) {
        panic!("{text}");
    }
}
