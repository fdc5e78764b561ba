//! The lock of a stream, kept alive while other work goes on.

use std::sync::Arc;
use std::time::Duration;

use rowferry_core::{
    Claim, ClaimStart, Prepared, Published, Result, Sealed, Sink, StreamLock, StreamSpec,
    StreamState, TablePlan,
};
use rowferry_runtime::{Task, spawn};
use tokio::sync::Mutex;

/// Pause between two signs of life, well below the minute after which servers and firewalls drop
/// idle sessions.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// A stream lock with its heartbeat. A heartbeat that fails is logged only: when the session is
/// gone another owner may claim, and then the epoch fences our chunks.
pub(crate) struct HeldLock {
    lock: Arc<Mutex<Box<dyn StreamLock>>>,
    _heart: Task<()>,
}

impl HeldLock {
    /// Takes the lock.
    pub(crate) async fn take(sink: &dyn Sink, stream: &StreamSpec) -> Result<Self> {
        let lock = Arc::new(Mutex::new(sink.lock(stream).await?));
        // Weak: the lock goes back with the value, not when the aborted task is taken down.
        let beating = Arc::downgrade(&lock);
        let heart = spawn("heartbeat", async move {
            loop {
                tokio::time::sleep(HEARTBEAT_EVERY).await;
                let Some(lock) = beating.upgrade() else { return };
                if let Err(error) = lock.lock().await.heartbeat().await {
                    tracing::warn!(error = %error, "the stream lock's session is gone");
                    return;
                }
            }
        });
        Ok(Self { lock, _heart: heart })
    }

    pub(crate) async fn state(&self) -> Result<Option<StreamState>> {
        self.lock.lock().await.state().await
    }

    pub(crate) async fn claim(&self, start: ClaimStart) -> Result<Claim> {
        self.lock.lock().await.claim(start).await
    }

    pub(crate) async fn prepare(&self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        self.lock.lock().await.prepare(plan, claim).await
    }

    pub(crate) async fn target_rows(&self, limit: Option<u64>) -> Result<u64> {
        self.lock.lock().await.target_rows(limit).await
    }

    pub(crate) async fn seal(&self, prepared: &Prepared) -> Result<Sealed> {
        self.lock.lock().await.seal(prepared).await
    }

    pub(crate) async fn publish(
        &self,
        prepared: &Prepared,
        watermark: Option<&str>,
    ) -> Result<Published> {
        self.lock.lock().await.publish(prepared, watermark).await
    }
}
