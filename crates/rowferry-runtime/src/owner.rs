//! A thread that owns a value which must not cross threads while in use, such as a SQLite handle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::RuntimeError;

/// Calls that may wait for the thread. Guessed: callers wait for answers, so few are ever queued.
const QUEUED_CALLS: usize = 16;

/// Threads of owners that have not ended.
static ALIVE: Mutex<usize> = Mutex::new(0);
/// One of them has ended.
static ENDED: Condvar = Condvar::new();

type Call<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A handle to the owning thread. Cloning shares it; the thread ends, and drops its value, when
/// the last handle is gone.
#[derive(Debug)]
pub struct Owner<T> {
    name: String,
    calls: mpsc::Sender<Call<T>>,
}

impl<T> Clone for Owner<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), calls: self.calls.clone() }
    }
}

impl<T: 'static> Owner<T> {
    /// Starts a thread called `name`, makes the value on it, and waits until it is made.
    ///
    /// # Errors
    ///
    /// The outer error when no thread could be started, the inner one when `make` failed.
    pub async fn spawn<E, F>(name: &str, make: F) -> Result<Result<Self, E>, RuntimeError>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        E: Send + 'static,
    {
        let (calls, mut queue) = mpsc::channel::<Call<T>>(QUEUED_CALLS);
        let (made, wait) = oneshot::channel();
        let alive = Alive::new();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Dropped behind the value.
                let _alive = alive;
                match make() {
                    Err(error) => drop(made.send(Err(error))),
                    Ok(mut value) => {
                        if made.send(Ok(())).is_err() {
                            return;
                        }
                        while let Some(call) = queue.blocking_recv() {
                            call(&mut value);
                        }
                    }
                }
            })
            .map_err(|source| RuntimeError::Start { name: name.to_owned(), source })?;
        match wait.await {
            Ok(Ok(())) => Ok(Ok(Self { name: name.to_owned(), calls })),
            Ok(Err(error)) => Ok(Err(error)),
            Err(_) => Err(RuntimeError::Panicked { name: name.to_owned() }),
        }
    }

    /// Runs `work` on the owning thread and waits for its answer. Calls run in order.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Panicked`] when `work` panics; the thread and its value live on.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the answer; the call still runs.
    pub async fn call<R, F>(&self, work: F) -> Result<R, RuntimeError>
    where
        F: FnOnce(&mut T) -> R + Send + 'static,
        R: Send + 'static,
    {
        let panicked = || RuntimeError::Panicked { name: self.name.clone() };
        let (answer, wait) = oneshot::channel();
        let call: Call<T> = Box::new(move |value| {
            let result = catch_unwind(AssertUnwindSafe(|| work(value)));
            drop(answer.send(result));
        });
        if self.calls.send(call).await.is_err() {
            return Err(panicked());
        }
        match wait.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(panicked()),
        }
    }
}

/// Waits until the threads of all owners without a handle have dropped their values, for at most
/// `limit`. `false` when some had not, which an owner with a handle never has.
///
/// A process that ends before would cut off what a value does at its end: the last connection of a
/// SQLite file moves the log into the file.
pub fn wait_for_owners(limit: Duration) -> bool {
    let alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = ENDED.wait_timeout_while(alive, limit, |alive| *alive > 0);
    !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
}

/// Counts a thread until it is dropped.
struct Alive;

impl Alive {
    fn new() -> Self {
        *ALIVE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *ALIVE.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_all();
    }
}
