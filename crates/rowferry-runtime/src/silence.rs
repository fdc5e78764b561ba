//! A limit on how long the other end may say nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Nothing came within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {0:?}")]
pub struct Silent(pub Duration);

/// Waits for `answer`, at most for `limit`; zero means for ever.
///
/// # Errors
///
/// [`Silent`] when the time is over. What was waited for is then left unfinished: the connection
/// under it is good for nothing more.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, Silent> {
    let mut answer = pin!(answer);
    // Most rows are there already; they cost no timer.
    let ready = poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    });
    match ready.await {
        Some(answer) => Ok(answer),
        None if limit.is_zero() => Ok(answer.await),
        None => tokio::time::timeout(limit, answer).await.map_err(|_elapsed| Silent(limit)),
    }
}
