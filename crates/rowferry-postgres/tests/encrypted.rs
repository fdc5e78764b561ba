//! The request to cancel a statement goes over TLS, as everything else.

use std::time::Duration;

use rowferry_core::{Claim, Phase, TlsMode, WriteMode};
use rowferry_testkit::{CertificateKind, Certificates, Engine, Tap, TlsServer};

use crate::ferry::{Ferry, Wish, read_spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_read_is_cancelled_over_tls() {
    let Some(certificates) = Certificates::new() else { return };
    let Some(server) = TlsServer::start(Engine::Postgres, &certificates) else { return };
    server.show(&certificates, CertificateKind::Right);
    let database = server.server().database("encrypted");
    // Rows as long as a packet of the server's, so that each is sent at once; 100 seconds of them.
    database.exec(
        "create view slow as select i as id, repeat('x', 8192) as name, pg_sleep(0.01)::text as s \
         from generate_series(1, 10000) i",
    );
    let tap = Tap::start(server.server().port());
    let mut endpoint = database.endpoint();
    endpoint.port = tap.port();
    endpoint.tls = TlsMode::VerifyFull;
    endpoint.tls_root = Some(certificates.root());
    let ferry = Ferry::at(endpoint).await;
    let plan = ferry.plan(&Wish::into_target("slow", "copy", WriteMode::Append)).await;
    let snapshot = ferry.snapshot(&plan).await;
    let claim = Claim { run: 1, epoch: 1, phase: Phase::Loading, receipts: vec![] };
    let chunks = ferry.cut(&plan, snapshot.as_ref(), &claim, 1_000_000).await.unwrap();
    let mut reader = snapshot.read(&chunks[0], &read_spec(&plan, false)).await.unwrap();
    reader.next().await.unwrap().unwrap();
    let before = tap.heard();
    drop(reader);

    let cancelled = || server.server().log().contains("canceling statement due to user request");
    for _ in 0..100 {
        if cancelled() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(cancelled(), "{}", server.server().log());
    // One more connection came for it. Each begins by asking for TLS, and says nothing else in
    // plain text; a request to cancel would begin with a 16.
    let requests = [before, tap.heard()].concat();
    let asks_for_tls = [0, 0, 0, 8, 4, 210, 22, 47];
    let begun: Vec<_> = requests.iter().filter(|said| said.starts_with(&[0, 0, 0])).collect();
    assert!(begun.len() >= 3, "{} connections", begun.len());
    for said in begun {
        assert_eq!(said.get(..8), Some(&asks_for_tls[..]));
        // The next byte is that of a handshake.
        assert_eq!(said.get(8), Some(&22));
    }
}
