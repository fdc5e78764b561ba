//! Reading no faster than the source may be loaded.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rowferry_core::Rate;
use tokio::time::{Instant, sleep_until};

/// What a run may read in a second; all its readers share one.
///
/// Each payload pays for itself behind those before it, and is handed on when those are paid. Time in
/// which nothing was read is not saved up, so there are no bursts.
#[derive(Debug)]
pub struct Pace {
    rate: Option<Rate>,
    /// When everything that was read so far is paid.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    /// As fast as `rate` says, or as fast as it goes.
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, paid: Mutex::new(None) }
    }

    /// Pays for what was read, and waits until it is the turn of what comes next.
    pub(crate) async fn pay(&self, rows: u64, bytes: u64) {
        let (read, rate) = match self.rate {
            None => return,
            Some(Rate::Rows(rate)) => (rows, rate),
            Some(Rate::Bytes(rate)) => (bytes, rate),
        };
        let nanos = u128::from(read) * 1_000_000_000 / u128::from(rate.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let paid = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let until = paid.map_or(now, |paid| paid.max(now)).checked_add(cost);
            // Beyond the clock's range nobody will wait to the end.
            *paid = until.or(*paid);
            *paid
        };
        if let Some(paid) = paid {
            sleep_until(paid).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readers_share_a_second() {
        let pace = Pace::new(Some(Rate::Rows(100)));
        let begun = Instant::now();
        tokio::join!(pace.pay(50, 0), pace.pay(50, 0), pace.pay(50, 0));
        assert_eq!(begun.elapsed(), Duration::from_millis(1_500));
        // A pause is not saved up.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let begun = Instant::now();
        pace.pay(100, 0).await;
        pace.pay(100, 0).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_have_a_rate_too_and_without_one_nothing_waits() {
        let begun = Instant::now();
        Pace::new(Some(Rate::Bytes(1 << 20))).pay(1, 3 << 20).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        let begun = Instant::now();
        Pace::new(None).pay(u64::MAX, u64::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::timeout(
            Duration::from_hours(1),
            Pace::new(Some(Rate::Rows(1))).pay(u64::MAX, 0),
        )
        .await
        .unwrap_err();
    }
}
