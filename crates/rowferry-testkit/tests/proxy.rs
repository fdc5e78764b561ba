//! The proxy does what it is asked to, to the byte.
#![expect(clippy::unwrap_used, reason = "what stands beside a test may stop it")]

use std::time::{Duration, Instant};

use rowferry_testkit::{At, On, Proxy, Way, What, WireFault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A proxy with its upstream.
struct Wire {
    upstream: TcpListener,
    proxy: Proxy,
}

impl Wire {
    async fn new() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(upstream.local_addr().unwrap()).await;
        Self { upstream, proxy }
    }

    /// A client and the server's end of its connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(("127.0.0.1", self.proxy.port())).await.unwrap();
        let (server, _) = self.upstream.accept().await.unwrap();
        (client, server)
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
}

const fn fault(way: Way, at: At, on: On, what: What) -> WireFault {
    WireFault { way, at, on, what }
}

/// Everything until the stream ends, cleanly or not.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut found = Vec::new();
    drop(stream.read_to_end(&mut found).await);
    found
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(Duration::from_millis(100), stream.read(&mut byte)).await.is_err()
}

#[test]
fn it_relays_and_counts() {
    run(async {
        let wire = Wire::new().await;
        let (mut client, mut server) = wire.connect().await;
        client.write_all(b"hello").await.unwrap();
        let mut found = [0; 5];
        server.read_exact(&mut found).await.unwrap();
        server.write_all(b"hi").await.unwrap();
        drop(server);
        assert_eq!((&found, rest(&mut client).await.as_slice()), (b"hello", &b"hi"[..]));
        assert_eq!((wire.proxy.sent(), wire.proxy.answered()), (5, 2));
    });
}

#[test]
fn a_cut_lets_the_bytes_before_it_pass() {
    run(async {
        let wire = Wire::new().await;
        wire.proxy.set([WireFault::cut(Way::Answered, 4)]);
        let (mut client, mut server) = wire.connect().await;
        let (mut other, mut other_server) = wire.connect().await;
        server.write_all(b"answer").await.unwrap();
        assert_eq!(rest(&mut client).await, b"ans");
        other_server.write_all(b"whole").await.unwrap();
        drop(other_server);
        assert_eq!(rest(&mut other).await, b"whole", "the others go on");
    });
}

#[test]
fn what_hits_all_connections_hits_those_to_come() {
    run(async {
        let wire = Wire::new().await;
        let (mut first, _first_server) = wire.connect().await;
        wire.proxy.set([fault(Way::Sent, At::Byte(3), On::All, What::Close)]);
        let (mut second, _second_server) = wire.connect().await;
        second.write_all(b"abc").await.unwrap();
        assert_eq!(rest(&mut second).await, b"");
        assert_eq!(rest(&mut first).await, b"");
        let mut third = TcpStream::connect(("127.0.0.1", wire.proxy.port())).await.unwrap();
        assert_eq!(rest(&mut third).await, b"");
        wire.proxy.heal();
        let (mut fourth, fourth_server) = wire.connect().await;
        drop(fourth_server);
        assert_eq!(rest(&mut fourth).await, b"");
    });
}

#[test]
fn a_half_close_ends_one_way_cleanly() {
    run(async {
        let wire = Wire::new().await;
        wire.proxy.set([fault(Way::Answered, At::Byte(3), On::One, What::HalfClose)]);
        let (mut client, mut server) = wire.connect().await;
        server.write_all(b"abcdef").await.unwrap();
        let mut found = Vec::new();
        client.read_to_end(&mut found).await.expect("a clean end");
        assert_eq!(found, b"ab");
        client.write_all(b"still").await.unwrap();
        let mut found = [0; 5];
        server.read_exact(&mut found).await.unwrap();
        assert_eq!(&found, b"still");
    });
}

#[test]
fn bits_are_flipped_at_their_byte_and_nowhere_else() {
    run(async {
        let wire = Wire::new().await;
        let flip = What::Corrupt { offset: 2, mask: 0x20 };
        wire.proxy.set([fault(Way::Answered, At::Byte(2), On::One, flip)]);
        let (mut client, mut server) = wire.connect().await;
        for piece in [b"abc", b"DEf"] {
            server.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(server);
        assert_eq!(rest(&mut client).await, b"abcdEf");
    });
}

#[test]
fn messages_of_both_protocols_are_found() {
    run(async {
        let wire = Wire::new().await;
        // PostgreSQL: asks for TLS, is told no, starts, asks twice.
        let (mut client, mut server) = wire.connect().await;
        client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
        let mut asked = [0; 8];
        server.read_exact(&mut asked).await.unwrap();
        server.write_all(b"N").await.unwrap();
        let mut no = [0];
        client.read_exact(&mut no).await.unwrap();
        let third = wire.proxy.messages(Way::Sent) + 3;
        wire.proxy.set([fault(Way::Sent, At::Message(third), On::One, What::Close)]);
        client.write_all(b"\0\0\0\x0a\0\x03\0\0a\0Q\0\0\0\x06a\0Q\0\0\0\x06b\0").await.unwrap();
        assert_eq!(rest(&mut server).await, b"\0\0\0\x0a\0\x03\0\0a\0Q\0\0\0\x06a\0");
        assert_eq!((wire.proxy.messages(Way::Sent), wire.proxy.messages(Way::Answered)), (4, 1));
        // MySQL: greets, then two rows.
        let (mut client, mut server) = wire.connect().await;
        wire.proxy.set([fault(Way::Answered, At::Message(4), On::One, What::HalfClose)]);
        server.write_all(b"\x02\0\0\0hi\x01\0\0\x01r\x01").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.write_all(b"\0\0\x02s").await.unwrap();
        assert_eq!(rest(&mut client).await, b"\x02\0\0\0hi\x01\0\0\x01r");
    });
}

const COMMIT: &[u8] = b"Q\0\0\0\x0bcommit\0";

#[test]
fn a_commit_arrives_and_its_answer_does_not() {
    run(async {
        let wire = Wire::new().await;
        wire.proxy.set([WireFault::swallowed_answer(2)]);
        let (mut client, mut server) = wire.connect().await;
        let mut found = [0; COMMIT.len()];
        for answer in [&b"yes"[..], b""] {
            client.write_all(COMMIT).await.unwrap();
            server.read_exact(&mut found).await.unwrap();
            assert_eq!(found, COMMIT);
            server.write_all(b"yes").await.unwrap();
            let mut told = vec![0; answer.len()];
            client.read_exact(&mut told).await.unwrap();
            assert_eq!(told, answer);
        }
        assert_eq!(rest(&mut client).await, b"");
        assert_eq!(wire.proxy.commits(), 2);
    });
}

#[test]
fn a_held_commit_arrives_after_its_client_was_turned_away() {
    run(async {
        let wire = Wire::new().await;
        let pause = Duration::from_millis(300);
        wire.proxy.set([WireFault::held_commit(1, pause)]);
        let (mut client, mut server) = wire.connect().await;
        let start = Instant::now();
        client.write_all(COMMIT).await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        assert!(start.elapsed() < pause);
        assert_eq!(rest(&mut server).await, COMMIT);
        assert!(start.elapsed() >= pause);
    });
}

#[test]
fn bytes_are_late_and_slow() {
    run(async {
        let wire = Wire::new().await;
        let late = What::Delay(Duration::from_millis(100));
        wire.proxy.set([
            fault(Way::Answered, At::Now, On::All, late),
            fault(Way::Answered, At::Now, On::All, What::Slow(1_000)),
        ]);
        let (mut client, mut server) = wire.connect().await;
        let start = Instant::now();
        server.write_all(&[7; 200]).await.unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
        drop(server);
        assert_eq!(rest(&mut client).await.len(), 199);
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    });
}

#[test]
fn a_black_hole_holds_everything_until_it_is_lifted() {
    run(async {
        let wire = Wire::new().await;
        let (mut client, mut server) = wire.connect().await;
        wire.proxy.set(Way::BOTH.map(|way| fault(way, At::Now, On::All, What::Blackhole)));
        client.write_all(b"ask").await.unwrap();
        assert!(is_silent(&mut server).await);
        let (mut later, mut later_server) = wire.connect().await;
        later_server.write_all(b"greeting").await.unwrap();
        assert!(is_silent(&mut later).await);
        wire.proxy.heal();
        let mut found = [0; 3];
        server.read_exact(&mut found).await.unwrap();
        drop(later_server);
        assert_eq!(rest(&mut later).await, b"greeting");
    });
}

#[test]
fn it_tells_how_long_a_client_waited_in_a_black_hole() {
    run(async {
        let wire = Wire::new().await;
        let (mut client, mut server) = wire.connect().await;
        let later = At::After(Duration::from_millis(50));
        wire.proxy.set([fault(Way::Sent, later, On::One, What::Blackhole)]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write_all(b"ask").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.write_all(b" more").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(client);
        assert!(is_silent(&mut server).await, "the server does not learn of it");
        let given_up = wire.proxy.given_up();
        let [waited] = given_up.as_slice() else { panic!("{given_up:?}") };
        let waited = waited.as_millis();
        assert!((180..300).contains(&waited), "{waited} ms since the last byte");
    });
}
