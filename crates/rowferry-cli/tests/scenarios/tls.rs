//! How the wire is protected: each mode against a server with each kind of certificate.
//!
//! A relay between both keeps what the client said, so that a test sees what somebody on the wire
//! would: the user's name stands in it where the login was not encrypted. A connection that is
//! refused must not have said it either. Certificates are made for the test, and its server shows
//! one after the other; then come the logins of module `logins`.

use rowferry_testkit::{CertificateKind as Kind, Certificates, Database, Engine, Tap, TlsServer};

use crate::logins;
use crate::world::{Told, World};

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Plain,
    Encrypted,
    Refused,
}
use Outcome::{Encrypted, Plain, Refused};

/// libpq's words and MySQL's.
const MODES: [(&str, &str); 5] = [
    ("disable", "DISABLED"),
    ("prefer", "PREFERRED"),
    ("require", "REQUIRED"),
    ("verify-ca", "VERIFY_CA"),
    ("verify-full", "VERIFY_IDENTITY"),
];

/// What the manuals of libpq and MySQL say becomes of it; `None` is a server without TLS.
/// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>
///
/// The driver of MySQL is stricter: it always looks at the names, and reads no version 1.
fn documented(engine: Engine, mode: &str, shown: Option<Kind>) -> Outcome {
    let strict = engine != Engine::Postgres;
    match (mode, shown) {
        ("disable", _) | ("prefer", None) => Plain,
        ("prefer", Some(Kind::Version1)) if strict => Plain,
        ("require", Some(Kind::Version1)) | ("verify-ca", Some(Kind::Nameless)) if strict => {
            Refused
        }
        ("prefer" | "require", Some(_))
        | ("verify-ca", Some(Kind::Right | Kind::OtherHost | Kind::Nameless))
        | ("verify-full", Some(Kind::Right)) => Encrypted,
        _ => Refused,
    }
}

/// A database behind a relay.
pub(crate) struct Wire {
    pub(crate) world: World,
    pub(crate) certificates: Certificates,
    pub(crate) database: Database,
    pub(crate) tap: Tap,
}

impl Wire {
    fn to(server: &rowferry_testkit::Server, certificates: Certificates) -> Self {
        let database = server.database("tls");
        database.exec("create table t (id int primary key)");
        let tap = Tap::start(server.port());
        Self { world: World::new(), certificates, database, tap }
    }

    /// The database's URL through the relay, with options.
    pub(crate) fn url(&self, options: &[(&str, &str)]) -> String {
        let port = self.database.endpoint().port;
        let url =
            self.database.url().replace(&format!(":{port}/"), &format!(":{}/", self.tap.port()));
        let options: Vec<String> =
            options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{url}?{}", options.join("&"))
    }

    /// The same for another user, whose password is `secret`.
    pub(crate) fn url_of(&self, user: &str, options: &[(&str, &str)]) -> String {
        let endpoint = self.database.endpoint();
        let password = endpoint.password.as_ref().map_or("", |password| password.reveal());
        self.url(options)
            .replace(&format!("{}:{password}@", endpoint.user), &format!("{user}:secret@"))
    }

    /// Connects, and looks at how.
    #[track_caller]
    pub(crate) fn outcome(&self, url: &str, user: &str) -> (Outcome, Told) {
        drop(self.tap.heard());
        let told = self.world.run(&["tables", url]);
        let mut heard = self.tap.heard();
        assert!(!heard.is_empty(), "{told:?}");
        // MySQL's server speaks first, and a client that wants more than it offers says nothing.
        heard.retain(|said| !said.is_empty());
        let readable = heard.iter().filter(|said| contains(said, user.as_bytes())).count();
        let outcome = match (told.code, readable) {
            (0, 0) => Encrypted,
            // What was tried over TLS before says nothing.
            (0, _) => Plain,
            (77, 0) => Refused,
            _ => panic!("{readable} of {} connections say {user:?}: {told:?}", heard.len()),
        };
        (outcome, told)
    }

    #[track_caller]
    fn expect(&self, options: &[(&str, &str)], expected: Outcome, what: &str) -> Told {
        let user = self.database.endpoint().user;
        let (outcome, told) = self.outcome(&self.url(options), &user);
        assert_eq!(outcome, expected, "{what}, {options:?}: {told:?}");
        if outcome == Refused {
            assert_eq!(told.slugs(), ["tls-refused"], "{told:?}");
            assert!(
                told.stderr.contains("sslmode") || told.stderr.contains("sslrootcert"),
                "{told:?}"
            );
        }
        told
    }

    /// All five modes against what the server shows now.
    fn every_mode(&self, shown: Option<Kind>) -> usize {
        let root = self.certificates.root().display().to_string();
        for (libpq, mysql) in MODES {
            let (key, mode, ca) = match self.database.engine() {
                Engine::Postgres => ("sslmode", libpq, "sslrootcert"),
                Engine::Mariadb | Engine::Mysql | Engine::Sqlite => ("ssl-mode", mysql, "ssl-ca"),
            };
            let mut options = vec![(key, mode)];
            if libpq.starts_with("verify") {
                options.push((ca, &root));
            }
            self.expect(
                &options,
                documented(self.database.engine(), libpq, shown),
                &format!("{shown:?}"),
            );
        }
        // With roots, `require` is `verify-ca`.
        let options = [("sslmode", "require"), ("sslrootcert", root.as_str())];
        self.expect(
            &options,
            documented(self.database.engine(), "verify-ca", shown),
            &format!("{shown:?}"),
        );
        MODES.len() + 1
    }
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Every kind of certificate under every mode; returns how many connections were looked at.
fn matrix(server: &TlsServer, wire: &Wire) -> usize {
    let kinds =
        [Kind::Right, Kind::OtherHost, Kind::OtherAuthority, Kind::Expired, Kind::SelfSigned];
    let looked_at = kinds.into_iter().chain([Kind::Nameless, Kind::Version1]).map(|kind| {
        server.show(&wire.certificates, kind);
        let looked_at = wire.every_mode(Some(kind));
        words(server, wire, kind);
        looked_at
    });
    looked_at.sum()
}

/// What is said where it is refused, and what works for those whose certificate cannot be better.
fn words(server: &TlsServer, wire: &Wire, kind: Kind) {
    let root = wire.certificates.root().display().to_string();
    let full = [("sslmode", "verify-full"), ("sslrootcert", root.as_str())];
    let expected = match kind {
        Kind::Right => return,
        Kind::OtherHost => "db.example.org",
        Kind::OtherAuthority => "sslrootcert",
        Kind::Expired => "Renew",
        Kind::Nameless => "subjectAltName=DNS:",
        Kind::Version1 => "X.509 version 1",
        Kind::SelfSigned if wire.database.engine() != Engine::Postgres => "CA:TRUE",
        Kind::SelfSigned => {
            // Named as its own root, it is verified.
            let own = server.certificate().display().to_string();
            let pinned = [("sslmode", "verify-full"), ("sslrootcert", own.as_str())];
            wire.expect(&pinned, Encrypted, "its own root");
            "CA:TRUE"
        }
    };
    let told = wire.expect(&full, Refused, "words");
    assert!(told.stderr.contains(expected), "{expected}: {told:?}");
}

fn start(engine: Engine) -> Option<(TlsServer, Wire)> {
    let certificates = Certificates::new()?;
    let server = TlsServer::start(engine, &certificates)?;
    let wire = Wire::to(server.server(), certificates);
    Some((server, wire))
}

#[test]
fn postgres_keeps_what_each_mode_promises() {
    let Some((server, wire)) = start(Engine::Postgres) else { return };
    let mut looked_at = matrix(&server, &wire);
    server.offer_none();
    looked_at += wire.every_mode(None);
    server.show(&wire.certificates, Kind::Right);
    looked_at += logins::of_postgres(&server, &wire);
    println!("faults: {looked_at}");
}

#[test]
fn mysql_keeps_what_each_mode_promises() {
    let Some((server, wire)) = start(Engine::Mysql) else { return };
    let mut looked_at = matrix(&server, &wire);
    server.offer_none();
    looked_at += wire.every_mode(None);
    server.show(&wire.certificates, Kind::Right);
    looked_at += logins::of_mysql(&wire);
    println!("faults: {looked_at}");
}

#[test]
fn mariadb_keeps_what_each_mode_promises() {
    let Some((server, wire)) = start(Engine::Mariadb) else { return };
    let mut looked_at = matrix(&server, &wire);
    server.show(&wire.certificates, Kind::Right);
    looked_at += logins::of_mariadb(&wire);
    // It cannot be told to stop offering TLS; the server of all other tests has never begun to.
    if let Some(other) = rowferry_testkit::mariadb() {
        looked_at += Wire::to(other, wire.certificates).every_mode(None);
    }
    println!("faults: {looked_at}");
}
