//! The byte budget: how much row data may be in flight in the whole process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits count kibibytes, since a semaphore's count is smaller than a file may be large.
const UNIT_BYTES: u64 = 1 << 10;

/// A semaphore that counts bytes. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    units: u32,
    permits: Arc<Semaphore>,
}

/// Bytes held; dropping it gives them back.
#[derive(Debug)]
pub struct BytePermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// A budget of `bytes`, at least one unit.
    pub fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).max(1);
        Self { units, permits: Arc::new(Semaphore::new(units as usize)) }
    }

    /// All of it.
    pub const fn bytes(&self) -> u64 {
        self.units as u64 * UNIT_BYTES
    }

    /// Waits until `bytes` are free and takes them. More than the whole budget is cut to the whole
    /// budget, so that one huge row runs alone instead of never.
    pub async fn acquire(&self, bytes: u64) -> BytePermit {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units);
        // The semaphore is never closed, so a missing permit cannot happen.
        let permit = Arc::clone(&self.permits).acquire_many_owned(units).await.ok();
        BytePermit { _permit: permit }
    }
}
