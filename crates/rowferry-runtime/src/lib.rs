//! Where tokio and rayon meet. Threads are started here and nowhere else.
//!
//! ```text
//!  tokio (IO, timers, chunk workers)  ── ComputePool::run ──►  rayon pool of ours (decode, encode)
//!                                     ── Owner::call ───────►  one thread that owns a SQLite handle
//! ```

mod backoff;
mod budget;
mod compute;
mod error;
mod failpoint;
mod heap;
mod lease;
mod lock_tries;
mod low_water;
mod owner;
mod patience;
mod silence;
mod socket;
mod stopwatch;
mod task;
mod views;

pub use backoff::{Backoff, Jitter};
pub use budget::{ByteBudget, BytePermit};
pub use compute::ComputePool;
pub use error::RuntimeError;
pub use failpoint::FailPoint;
pub use heap::give_back_large_blocks;
pub use lease::{heartbeat, lease};
pub use lock_tries::LockTries;
pub use low_water::LowWater;
pub use owner::{Owner, wait_for_owners};
pub use patience::Patience;
pub use silence::{Silent, within};
pub use socket::{Address, Socket};
pub use stopwatch::{Stage, Stopwatch};
pub use task::{Task, spawn};
pub use tokio_util::sync::CancellationToken;
pub use views::Views;

#[cfg(test)]
mod tests;
