use std::time::Duration;

use crate::{
    ByteBudget, ComputePool, Jitter, Owner, RuntimeError, Silent, Stage, wait_for_owners, within,
};

#[tokio::test]
async fn a_panic_on_the_pool_is_an_error_and_the_pool_lives_on() {
    let pool = ComputePool::new(1).unwrap();
    let result = pool.run(Stage::Encode, || panic!("planted")).await;
    assert!(matches!(result, Err::<(), _>(RuntimeError::Panicked { .. })));
    assert_eq!(pool.run(Stage::Encode, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_pool_without_threads_works_on_the_callers_and_survives_a_panic() {
    let pool = ComputePool::inline();
    let here = std::thread::current().id();
    assert_eq!(pool.run(Stage::Encode, || std::thread::current().id()).await.unwrap(), here);
    let result = pool.run(Stage::Encode, || panic!("planted")).await;
    assert!(matches!(result, Err::<(), _>(RuntimeError::Panicked { .. })));
    assert_eq!(pool.run(Stage::Encode, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn an_owner_keeps_its_value_through_a_panicking_call() {
    let owner = Owner::spawn("counter", || Ok::<_, ()>(1)).await.unwrap().unwrap();
    owner.call(|value| *value += 1).await.unwrap();
    assert!(owner.call(|_| panic!("planted")).await.is_err());
    assert_eq!(owner.call(|value| *value).await.unwrap(), 2);
}

#[tokio::test]
async fn an_owner_reports_why_its_value_could_not_be_made() {
    let made = Owner::<u8>::spawn("broken", || Err("no disk")).await.unwrap();
    assert_eq!(made.err(), Some("no disk"));
}

#[tokio::test]
async fn the_end_of_an_owner_can_be_waited_for() {
    struct Slow(std::sync::mpsc::Sender<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(50));
            self.0.send(()).unwrap();
        }
    }
    let (ended, seen) = std::sync::mpsc::channel();
    let owner = Owner::spawn("slow", || Ok::<_, ()>(Slow(ended))).await.unwrap().unwrap();
    assert!(!wait_for_owners(Duration::from_millis(1)), "it has a handle");
    drop(owner);
    assert!(wait_for_owners(Duration::from_secs(10)));
    assert!(seen.try_recv().is_ok(), "waited for less than the end of the value");
}

#[tokio::test]
async fn a_row_larger_than_the_budget_runs_alone() {
    let budget = ByteBudget::new(1 << 20);
    let all = budget.acquire(1 << 30).await;
    let waits = tokio::time::timeout(Duration::from_millis(20), budget.acquire(1)).await;
    assert!(waits.is_err());
    drop(all);
    drop(budget.acquire(1).await);
}

#[test]
fn pauses_stay_within_their_bounds() {
    let mut backoff = Jitter::default().backoff();
    for _ in 0..100 {
        let pause = backoff.next_pause();
        assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_mins(1));
    }
}

#[tokio::test]
async fn silence_ends_and_answers_do_not() {
    let limit = Duration::from_millis(20);
    assert_eq!(within(limit, async { 7 }).await, Ok(7));
    assert_eq!(within(limit, std::future::pending::<()>()).await, Err(Silent(limit)));
    let late = async { tokio::time::sleep(limit * 2).await };
    assert_eq!(within(Duration::ZERO, late).await, Ok(()), "no limit");
}

#[test]
fn what_is_there_needs_no_timer() {
    // A timer would panic outside a runtime.
    let answer = at_once(within(Duration::from_secs(1), async { 7 }));
    assert_eq!(answer, Ok(7));
}

/// The first poll of a future, which must be the last.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_seed_repeats_the_pauses_and_no_two_series_are_alike() {
    let series = |jitter: &Jitter| {
        let mut backoff = jitter.backoff();
        (0..5).map(|_| backoff.next_pause()).collect::<Vec<_>>()
    };
    let (first, second) = (Jitter::seeded(7), Jitter::seeded(7));
    let (one, two) = (series(&first), series(&first));
    assert_eq!((one.clone(), two.clone()), (series(&second), series(&second)));
    assert_ne!(one, two);
}
