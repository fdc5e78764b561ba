//! A server that asks for files of this machine, as `LOAD DATA LOCAL` lets it.
//!
//! Something that stands between the client and a real MariaDB answers one of its queries with the
//! request for a file: not a byte of it may be sent, and the run ends and says what happened. Or it
//! puts another name into the server's own request: it gets the rows of the load.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rowferry_testkit::{Database, Engine};

use crate::ends::database;
use crate::mixed::is_full;
use crate::world::{Told, World};

/// What stands in the file that is asked for.
const CANARY: &[u8] = b"file-canary-9Qd";
/// First byte of a request for a file, and of a query.
const WANT_FILE: u8 = 0xfb;
const QUERY: u8 = 3;

/// When a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// In place of the answer to the query of this number, counted over all connections.
    Query(u64),
    /// Whenever the server asks for rows.
    Load,
}

/// What stands in between.
struct Rogue {
    port: u16,
    state: Arc<State>,
}

struct State {
    ask: Ask,
    file: String,
    queries: Mutex<u64>,
    /// All that clients have sent, and how often a file was asked for.
    sent: Mutex<Vec<u8>>,
    asked: Mutex<u64>,
}

impl Rogue {
    fn start(upstream: u16, ask: Ask, file: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (queries, asked) = (Mutex::new(0), Mutex::new(0));
        let sent = Mutex::new(Vec::new());
        let state = Arc::new(State { ask, file: file.to_owned(), queries, sent, asked });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).unwrap();
                let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
                let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || up.of_client(&ends.0, &ends.1));
                thread::spawn(move || down.of_server(&server, &client));
            }
        });
        Self { port, state }
    }

    fn asked(&self) -> u64 {
        *self.state.asked.lock().unwrap()
    }

    fn has_heard_the_file(&self) -> bool {
        let sent = self.state.sent.lock().unwrap();
        sent.windows(CANARY.len()).any(|window| window == CANARY)
    }
}

impl State {
    fn of_client(&self, mut client: &TcpStream, mut server: &TcpStream) {
        let mut has_asked = false;
        while let Some((header, payload)) = packet(client) {
            self.sent.lock().unwrap().extend_from_slice(&payload);
            let is_query = header[3] == 0 && payload.first() == Some(&QUERY);
            if is_query && self.is_the_one() {
                let name = [&[WANT_FILE], self.file.as_bytes()].concat();
                if client.write_all(&framed(1, &name)).is_err() {
                    break;
                }
                *self.asked.lock().unwrap() += 1;
                has_asked = true;
            }
            // What follows would be the file.
            if !has_asked && server.write_all(&[&header[..], &payload].concat()).is_err() {
                break;
            }
        }
        drop((client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both)));
    }

    fn is_the_one(&self) -> bool {
        let mut queries = self.queries.lock().unwrap();
        *queries += 1;
        self.ask == Ask::Query(*queries)
    }

    fn of_server(&self, server: &TcpStream, mut client: &TcpStream) {
        while let Some((header, mut payload)) = packet(server) {
            let is_request = header[3] == 1 && payload.first() == Some(&WANT_FILE);
            if is_request && self.ask == Ask::Load {
                payload = [&[WANT_FILE], self.file.as_bytes()].concat();
                *self.asked.lock().unwrap() += 1;
            }
            if client.write_all(&framed(header[3], &payload)).is_err() {
                break;
            }
        }
        drop((client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both)));
    }
}

/// Header and payload; `None` when the other end is gone.
fn packet(mut from: &TcpStream) -> Option<([u8; 4], Vec<u8>)> {
    let mut header = [0; 4];
    from.read_exact(&mut header).ok()?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length.try_into().ok()?];
    from.read_exact(&mut payload).ok()?;
    Some((header, payload))
}

fn framed(number: u8, payload: &[u8]) -> Vec<u8> {
    let [first, second, third, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[first, second, third, number], payload].concat()
}

/// A database's URL with this something in between; without TLS, or it could not.
fn through(rogue: &Rogue, database: &Database) -> String {
    let port = database.endpoint().port;
    let url = database.url().replace(&format!(":{port}/"), &format!(":{}/", rogue.port));
    format!("{url}?ssl-mode=DISABLED")
}

struct Scene {
    world: World,
    file: String,
    source: Database,
    target: Database,
}

impl Scene {
    fn new() -> Option<Self> {
        let world = World::new();
        world.write("private", std::str::from_utf8(CANARY).unwrap());
        let file = world.path("private").display().to_string();
        let source = database(Engine::Mariadb, &world, "rogue_source")?;
        let target = database(Engine::Mariadb, &world, "rogue_target")?;
        source.exec("create table t (id int primary key, name text)");
        source.exec("insert into t values (1, 'a'), (2, 'b')");
        Some(Self { world, file, source, target })
    }

    /// A copy whose source or target is not what it seems.
    fn copy(&self, of_target: bool, ask: Ask) -> (Rogue, Told) {
        let end = if of_target { &self.target } else { &self.source };
        let rogue = Rogue::start(end.endpoint().port, ask, &self.file);
        let false_end = through(&rogue, end);
        let (source, target) =
            if of_target { (self.source.url(), false_end) } else { (false_end, self.target.url()) };
        let arguments =
            ["copy", &source, &target, "--table", "t", "--restart", "--retry-for", "1s"];
        let told = self.world.run(&arguments);
        assert!(!rogue.has_heard_the_file(), "{ask:?}: the file was sent: {told:?}");
        (rogue, told)
    }
}

#[track_caller]
fn is_told(told: &Told) {
    assert_eq!(told.code, 77, "{told:?}");
    assert!(told.slugs().contains(&"file-asked-for"), "{told:?}");
    assert!(told.stderr.contains("nothing of it was sent"), "{told:?}");
}

#[test]
fn a_load_is_answered_with_our_rows_whatever_is_asked_for() {
    let Some(scene) = Scene::new() else { return };
    let (rogue, told) = scene.copy(true, Ask::Load);
    assert!(rogue.asked() > 0, "{told:?}");
    told.expect(0);
    assert_eq!(scene.target.value("select count(*) from t"), "2");
}

#[test]
fn no_query_is_answered_with_a_file() {
    let Some(scene) = Scene::new() else { return };
    let mut asked = 0;
    for of_target in [false, true] {
        let (rogue, told) = scene.copy(of_target, Ask::Query(1));
        assert_eq!(rogue.asked(), 1);
        is_told(&told);
        let step = if is_full() { 1 } else { 25 };
        for number in (2_u64..).step_by(step) {
            let (rogue, told) = scene.copy(of_target, Ask::Query(number));
            if rogue.asked() == 0 {
                told.expect(0);
                break;
            }
            // Of some answers nothing hangs, such as those at closing.
            assert!([0, 1, 69, 75, 77].contains(&told.code), "query {number}: {told:?}");
            asked += 1;
        }
    }
    println!("faults: {asked}");
}

#[test]
fn even_the_password_file_of_the_system_stays() {
    let Some(scene) = Scene::new() else { return };
    let port = scene.source.endpoint().port;
    let rogue = Rogue::start(port, Ask::Query(1), "/etc/passwd");
    for command in ["tables", "plan"] {
        let mut arguments = vec![command.to_owned(), through(&rogue, &scene.source)];
        if command != "tables" {
            arguments.extend([scene.target.url(), "--table=t".to_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        *rogue.state.queries.lock().unwrap() = 0;
        let told = scene.world.run(&arguments);
        is_told(&told);
        let sent = rogue.state.sent.lock().unwrap();
        assert!(!sent.windows(5).any(|window| window == b"root:"), "{told:?}");
    }
}
