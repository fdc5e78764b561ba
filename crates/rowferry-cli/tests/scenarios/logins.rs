//! Ways to log in: certificates of clients, passwords bound to the server's certificate, the login
//! methods of MySQL and MariaDB, and the files in which the databases' own clients keep passwords.
//!
//! The first three run inside the tests of module `tls`, whose servers they share.

use std::os::unix::fs::PermissionsExt as _;

use rowferry_testkit::{CertificateKind as Kind, Engine, Impostor, Pair, Tap, TlsServer};

use crate::ends::database;
use crate::tls::{Outcome, Wire, contains};
use crate::world::{Told, World};

/// URL options of a client certificate, in libpq's words; MySQL's mean the same.
fn with<'a>(mode: &'a str, certificate: &'a str, key: &'a str) -> [(&'a str, &'a str); 3] {
    [("sslmode", mode), ("sslcert", certificate), ("sslkey", key)]
}

fn files(pair: &Pair) -> (String, String) {
    (pair.certificate.display().to_string(), pair.key.display().to_string())
}

impl Wire {
    #[track_caller]
    fn comes_in(&self, user: &str, options: &[(&str, &str)], expected: Outcome) {
        let (outcome, told) = self.outcome(&self.url_of(user, options), user);
        assert_eq!(outcome, expected, "{user} {options:?}: {told:?}");
    }

    /// Refused with 77, these slug and words.
    #[track_caller]
    fn stays_out(&self, user: &str, options: &[(&str, &str)], slug: &str, words: &str) {
        let told = self.world.run(&["tables", &self.url_of(user, options)]);
        is_refused(&told, slug, words);
    }
}

#[track_caller]
fn is_refused(told: &Told, slug: &str, words: &str) {
    assert_eq!((told.code, told.slugs()), (77, vec![slug]), "{told:?}");
    assert!(told.stderr.contains(words), "{words}: {told:?}");
}

pub(crate) fn of_postgres(server: &TlsServer, wire: &Wire) -> usize {
    for user in ["certified", "named", "encrypted", "unencrypted"] {
        wire.database.exec(&format!("create role {user} login password 'secret'"));
    }
    certificates_in_postgres(wire);
    binding(server, wire);
    every_connection_is_encrypted(server, wire);
    15
}

fn certificates_in_postgres(wire: &Wire) {
    let (certificate, key) = files(&wire.certificates.client("named"));
    let own = with("require", &certificate, &key);
    wire.comes_in("certified", &own, Outcome::Encrypted);
    wire.comes_in("named", &own, Outcome::Encrypted);
    let none = [("sslmode", "require")];
    wire.stays_out("certified", &none, "login-refused", "sslcert");
    wire.stays_out("encrypted", &[("sslmode", "disable")], "login-refused", "sslmode");
    wire.comes_in("encrypted", &[("sslmode", "prefer")], Outcome::Encrypted);
    // As libpq does it: what refuses TLS is asked again without, and only under `prefer`.
    wire.comes_in("unencrypted", &[("sslmode", "disable")], Outcome::Plain);
    let told = wire.world.run(&["tables", &wire.url_of("unencrypted", &[("sslmode", "prefer")])]);
    told.expect(0);
    wire.stays_out("unencrypted", &none, "login-refused", "");
    let (certificate, key) = files(&wire.certificates.client("somebody"));
    let other = with("require", &certificate, &key);
    wire.stays_out("named", &other, "login-refused", "named");
    let (certificate, key) = files(&wire.certificates.client_of_other_authority("named"));
    let foreign = with("require", &certificate, &key);
    wire.stays_out("certified", &foreign, "tls-refused", "sslcert");
}

/// A password that is bound to the certificate is worth nothing to somebody in between.
fn binding(server: &TlsServer, wire: &Wire) {
    let require = [("sslmode", "require"), ("channel_binding", "require")];
    wire.comes_in("encrypted", &require, Outcome::Encrypted);
    let user = "unencrypted";
    wire.stays_out(user, &[("sslmode", "disable"), require[1]], "not-bound", "channel_binding");

    let port = wire.tap.port();
    let through = |impostor: Impostor, binding: &str| {
        let url = wire.url_of("encrypted", &[("sslmode", "require"), ("channel_binding", binding)]);
        let url = url.replace(&format!(":{port}/"), &format!(":{}/", impostor.port()));
        wire.world.run(&["tables", &url])
    };
    let own = Impostor::start(server.server().port(), &wire.certificates.server(Kind::SelfSigned));
    // Unbound, nothing tells it from the server.
    through(own, "disable").expect(0);
    is_refused(&through(own, "prefer"), "login-refused", "channel binding");
    is_refused(&through(own, "require"), "login-refused", "channel binding");
    // A copy of the server's own certificate, without its key, binds nothing.
    let stranger = wire.certificates.server(Kind::OtherHost);
    let copy = Pair { certificate: server.certificate(), key: stranger.key };
    let copied = Impostor::start(server.server().port(), &copy);
    is_refused(&through(copied, "require"), "not-bound", "channel_binding");

    // What cannot be read cannot be bound to, and works as before.
    server.show(&wire.certificates, Kind::Version1);
    wire.comes_in("encrypted", &[("sslmode", "require")], Outcome::Encrypted);
    wire.stays_out("encrypted", &require, "not-bound", "channel_binding");
    server.show(&wire.certificates, Kind::Right);
}

/// A copy with all of its connections: workers, the lock, questions.
fn every_connection_is_encrypted(server: &TlsServer, wire: &Wire) {
    let target = server.server().database("tls_target");
    wire.database.exec("insert into t select i from generate_series(1, 1000) i");
    let tap = Tap::start(server.server().port());
    let at = |database: &rowferry_testkit::Database, port: u16| {
        let own = database.endpoint().port;
        let url = database.url().replace(&format!(":{own}/"), &format!(":{port}/"));
        format!("{url}?sslmode=require&channel_binding=require")
    };
    drop(wire.tap.heard());
    let (from, to) = (at(&wire.database, wire.tap.port()), at(&target, tap.port()));
    let words = ["copy", &from, &to, "--table", "t", "--chunk-rows", "200", "--workers", "2"];
    wire.world.run(&words).expect(0);
    assert_eq!(target.value("select count(*) from t"), "1000");
    let heard = [wire.tap.heard(), tap.heard()].concat();
    assert!(heard.len() >= 4, "{} connections", heard.len());
    for said in heard {
        assert!(said.starts_with(&[0, 0, 0, 8, 4, 210, 22, 47]), "no request for TLS comes first");
        assert!(!contains(&said, b"rowferry") && !contains(&said, b"select"), "plain text is sent");
    }
}

/// Users whom MySQL and MariaDB let in over TLS only, or with a certificate only.
fn certificates_in_mysql(wire: &Wire) -> usize {
    let name = wire.database.name();
    for (user, demand) in [("certified", "x509"), ("encrypted", "ssl")] {
        wire.database.exec(&format!(
            "create user {user}@'%' identified by 'secret' require {demand}; \
             grant all on {name}.* to {user}@'%'"
        ));
    }
    let (certificate, key) = files(&wire.certificates.client("certified"));
    let own = [("ssl-mode", "REQUIRED"), ("ssl-cert", &*certificate), ("ssl-key", &*key)];
    wire.comes_in("certified", &own, Outcome::Encrypted);
    wire.stays_out("certified", &[("ssl-mode", "REQUIRED")], "wrong-password", "ssl-cert");
    wire.stays_out("encrypted", &[("ssl-mode", "DISABLED")], "wrong-password", "ssl-mode");
    wire.comes_in("encrypted", &[("ssl-mode", "PREFERRED")], Outcome::Encrypted);
    let (certificate, key) = files(&wire.certificates.client_of_other_authority("certified"));
    wire.stays_out("certified", &with("require", &certificate, &key), "tls-refused", "ssl-cert");
    let told = wire.world.run(&["tables", &wire.url(&with("require", &certificate, "none.key"))]);
    assert_eq!((told.code, told.slugs()), (78, vec!["tls-identity"]), "{told:?}");
    6
}

pub(crate) fn of_mysql(wire: &Wire) -> usize {
    let looked_at = certificates_in_mysql(wire);
    let plain = [("ssl-mode", "DISABLED")];
    wire.database.exec(
        "create user hashed@'%' identified with caching_sha2_password by 'secret'; \
         grant select on *.* to hashed@'%'",
    );
    // The first login sends the password through TLS, the next ones need only a hash of it.
    wire.comes_in("hashed", &[("ssl-mode", "REQUIRED")], Outcome::Encrypted);
    wire.comes_in("hashed", &plain, Outcome::Plain);
    // And without TLS the first one encrypts it by the server's RSA key.
    wire.database.exec("flush privileges");
    drop(wire.tap.heard());
    wire.world.run(&["tables", &wire.url_of("hashed", &plain)]).expect(0);
    for said in wire.tap.heard() {
        assert!(!contains(&said, b"secret"), "the password is sent as it is");
    }
    looked_at + 3
}

pub(crate) fn of_mariadb(wire: &Wire) -> usize {
    let looked_at = certificates_in_mysql(wire);
    let plain = [("ssl-mode", "DISABLED")];
    wire.database.exec("install soname 'auth_ed25519'");
    wire.database.exec(
        "create user curved@'%' identified via ed25519 using password('secret'); \
         grant select on *.* to curved@'%'",
    );
    wire.comes_in("curved", &plain, Outcome::Plain);
    looked_at + 1
}

/// Writes a file below the home of the test.
fn at_home(world: &World, name: &str, text: &str, mode: u32) {
    let path = world.path("home").join(name);
    std::fs::create_dir_all(world.path("home")).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn passwords_come_from_the_files_of_libpq() {
    let world = World::new();
    let Some(database) = database(Engine::Postgres, &world, "pass_files") else { return };
    let endpoint = database.endpoint();
    let (port, name, user) = (endpoint.port, database.name(), &endpoint.user);
    let password = endpoint.password.as_ref().map(rowferry_core::Secret::reveal).unwrap();
    let url = format!("postgres://{user}@127.0.0.1:{port}/{name}");
    is_refused(&world.run(&["tables", &url]), "wrong-password", "");
    let line = format!("127.0.0.1:{port}:*:{user}:{password}\n");
    at_home(&world, ".pgpass", &line, 0o600);
    world.run(&["tables", &url]).expect(0);
    at_home(&world, ".pgpass", &line, 0o644);
    let told = world.run(&["tables", &url]);
    is_refused(&told, "wrong-password", "may be read by others and is not used");
    let service = format!("[shop]\nhost=127.0.0.1\nport={port}\nuser={user}\ndbname={name}\n");
    at_home(&world, ".pg_service.conf", &service, 0o644);
    at_home(&world, "other", &line, 0o600);
    world.run(&["tables", "service=shop passfile=home/other"]).expect(0);
    world.write(
        "shop.yaml",
        "version: 1\njobs:\n  - name: shop\n    source: { type: postgres, service: shop, \
         passfile: home/other }\n    target: sqlite:b.db\n    tables: [\"*\"]\n",
    );
    database.exec("create table t (id int primary key)");
    world.run(&["run", "shop.yaml"]).expect(0);
}

#[test]
fn passwords_come_from_the_option_file_of_mysql() {
    let world = World::new();
    let Some(database) = database(Engine::Mariadb, &world, "option_files") else { return };
    let endpoint = database.endpoint();
    let (port, name, user) = (endpoint.port, database.name(), &endpoint.user);
    let password = endpoint.password.as_ref().map(rowferry_core::Secret::reveal).unwrap();
    let text = format!(
        "[client]\nuser={user}\npassword=\"{password}\"\nhost=127.0.0.1\nport={port}\n\
         ssl-mode=DISABLED\n"
    );
    at_home(&world, ".my.cnf", &text, 0o600);
    world.run(&["tables", &format!("mysql://127.0.0.1:{port}/{name}")]).expect(0);
    at_home(&world, ".my.cnf", "", 0o600);
    let url = format!("mysql://127.0.0.1:{port}/{name}");
    is_refused(&world.run(&["tables", &format!("{url}?user={user}")]), "wrong-password", "");
    at_home(&world, "other.cnf", &text, 0o600);
    world.run(&["tables", &format!("mysql:///{name}?defaults_file=home/other.cnf")]).expect(0);
}
