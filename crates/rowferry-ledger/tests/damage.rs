//! Single wrong bits in a ledger: it is set aside, refused, or what it says is right or left out.

use std::path::Path;

use rowferry_core::{ErrorClass, Position};
use rowferry_ledger::{Ledger, RunRow, TableRow};

const STREAM: &str = "0123456789abcdef0123456789abcdef";
const TARGET: &str = "postgres:7431/shop";

fn position() -> Position {
    Position { run: 3, epoch: 7, done: false, chunks: 5, run_key: Some("monday".to_owned()) }
}

#[expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
async fn filled(path: &Path) {
    let ledger = Ledger::open(path).await.unwrap();
    for number in 0..40 {
        let run = RunRow { run_id: format!("run-{number:04}"), ..RunRow::default() };
        ledger.start_run(&run).await.unwrap();
        let table = TableRow { stream_id: STREAM.into(), ..TableRow::default() };
        ledger.upsert_table(&run.run_id, &table).await.unwrap();
        ledger.learn(&run.run_id, STREAM, TARGET, &position(), Vec::new()).await.unwrap();
    }
}

/// What came of one damaged file: nothing may be made up.
#[expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
async fn outcome(path: &Path) -> &'static str {
    let local = |class: ErrorClass| assert!(matches!(class, ErrorClass::Local), "{class:?}");
    let ledger = match Ledger::open(path).await {
        Ok(ledger) => ledger,
        Err(error) if error.class() == ErrorClass::Setup => return "refused",
        Err(error) => {
            local(error.class());
            return "failed";
        }
    };
    let aside = ledger.set_aside();
    match ledger.position(STREAM, TARGET).await {
        Ok(None) => {}
        Ok(Some(found)) => {
            assert!(aside.is_none());
            assert_eq!(found, position());
        }
        Err(error) => local(error.class()),
    }
    let run = RunRow { run_id: "next".into(), ..RunRow::default() };
    if let Err(error) = ledger.start_run(&run).await {
        local(error.class());
    }
    if let Err(error) = ledger.learn("next", STREAM, TARGET, &position(), Vec::new()).await {
        local(error.class());
    }
    match aside {
        Some(aside) => {
            assert!(aside.exists());
            assert_eq!(ledger.runs(100).await.unwrap().len(), 1);
            "set aside"
        }
        None => "read",
    }
}

#[tokio::test]
async fn a_wrong_bit_never_makes_up_a_position() {
    let full = std::env::var("ROWFERRY_RELIABILITY").is_ok_and(|wanted| wanted == "full");
    let flips: u64 = if full { 1_000 } else { 40 };
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    filled(&whole).await;
    rusqlite::Connection::open(&whole)
        .unwrap()
        .query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
        .unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    let bits = bytes.len() as u64 * 8;
    let mut outcomes = std::collections::BTreeMap::new();
    for flip in 0..flips {
        // Half of them in the header of a hundred bytes, which says what the file is.
        let within = if flip % 2 == 0 { 100 * 8 } else { bits };
        // A sequence without a pattern: the multiplier of a well-known generator.
        let place = flip.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17) % within;
        let (byte, bit) = (usize::try_from(place / 8).unwrap(), place % 8);
        let mut damaged = bytes.clone();
        *damaged.get_mut(byte).unwrap() ^= 1 << bit;
        let path = folder.path().join(format!("flip-{flip}.db"));
        std::fs::write(&path, damaged).unwrap();
        *outcomes.entry(outcome(&path).await).or_insert(0) += 1;
    }
    println!("faults: {flips} {outcomes:?}");
}
