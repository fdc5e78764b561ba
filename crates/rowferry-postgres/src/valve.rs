//! A valve before a connection: while it is shut, nothing is read from the server.
//!
//! The driver reads ahead of whoever takes its messages, by count and not by size: three rows, which
//! of 64 MiB each are more than all the rest of a copy holds. So whoever has taken a large row shuts
//! the valve until it wants the next one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Valve {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shut: AtomicBool,
    driver: AtomicWaker,
}

impl Valve {
    /// Lets the connection read on.
    pub(crate) fn open(&self) {
        if self.inner.shut.swap(false, Ordering::AcqRel) {
            self.inner.driver.wake();
        }
    }

    /// Keeps the connection from reading, and from writing.
    pub(crate) fn shut(&self) {
        self.inner.shut.store(true, Ordering::Release);
    }

    /// Drives `connection` whenever the valve is open.
    pub(crate) async fn drive<T>(self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        poll_fn(|context| {
            // Before the look: a valve that opens right behind it wakes this task again.
            self.inner.driver.register(context.waker());
            if self.inner.shut.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            connection.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rowferry_runtime::spawn;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn nothing_comes_through_a_shut_valve_until_it_opens() {
        let (send, mut rows) = mpsc::channel(1);
        let valve = Valve::default();
        let driver = spawn(
            "driver",
            valve.clone().drive(async move {
                let mut row = 0;
                while send.send(row).await.is_ok() {
                    row += 1;
                }
                row
            }),
        );
        assert_eq!(rows.recv().await, Some(0));
        valve.shut();
        // What was read before the valve was shut.
        while timeout(SHORT, rows.recv()).await.is_ok() {}
        valve.open();
        assert!(rows.recv().await.is_some());
        drop(rows);
        assert!(driver.join().await.unwrap() > 1);
    }
}
