//! Rows that are waiting to be asked for by `LOAD DATA LOCAL`, each load under a name of its own.
//!
//! The server names the file that it wants, and a false one names any file of this machine. Nothing
//! here opens files: what is not a load that waits is refused, and not a byte is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use mysql_async::{InfileData, LocalInfileError};
use tokio::sync::mpsc;

/// The loads of one server that were announced and not asked for yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    waiting: Arc<Mutex<HashMap<String, mpsc::Receiver<Bytes>>>>,
}

impl Loads {
    /// Announces a load until the returned value goes.
    pub(crate) fn announce(&self, pieces: mpsc::Receiver<Bytes>) -> Announced {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("rowferry-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.lock().insert(name.clone(), pieces);
        Announced { name, loads: self.clone() }
    }

    /// The driver's handler, which every connection to the server has.
    pub(crate) fn handler(
        &self,
    ) -> impl Fn(&[u8]) -> BoxFuture<'static, Result<InfileData, LocalInfileError>> + use<> {
        let loads = self.clone();
        move |name| {
            let found = std::str::from_utf8(name).ok().and_then(|name| loads.lock().remove(name));
            let answer = found.map(|queue| {
                let pieces = stream::unfold(queue, async |mut queue| {
                    queue.recv().await.map(|piece| (Ok(piece), queue))
                });
                pieces.boxed()
            });
            async move { answer.ok_or(LocalInfileError::NoHandler) }.boxed()
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Receiver<Bytes>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load that may be asked for.
#[derive(Debug)]
pub(crate) struct Announced {
    /// What its statement names as the file.
    pub(crate) name: String,
    loads: Loads,
}

impl Drop for Announced {
    fn drop(&mut self) {
        // It may never have been asked for.
        self.loads.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_load_is_given_out_once_and_by_its_name_alone() {
        let loads = Loads::default();
        let (pieces, queue) = mpsc::channel(1);
        let announced = loads.announce(queue);
        let name = announced.name.as_bytes();
        let handler = loads.handler();
        assert!(handler(b"/etc/passwd").await.is_err());
        pieces.send(Bytes::from_static(b"1\n")).await.unwrap();
        drop(pieces);
        let rows: Vec<_> = handler(name).await.unwrap().collect().await;
        assert_eq!(rows.len(), 1);
        assert!(handler(name).await.is_err());
        let (_pieces, queue) = mpsc::channel(1);
        drop(loads.announce(queue));
        assert!(loads.lock().is_empty());
    }
}
