//! A server of one test alone that shows one certificate after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::certificates::{CertificateKind as Kind, Certificates, give, install};
use crate::database::Database;
use crate::server::{Engine, Server, given};
use crate::{mysqld, postgres as pg};

/// How long PostgreSQL may take to read its files again.
const RELOAD: Duration = Duration::from_secs(10);

/// What a certificate has left for MySQL to read it, in seconds; more where a busy machine is late.
const LEFT: [u64; 3] = [2, 8, 30];

/// `pg_hba.conf`: who may come in how. Users of other names may come in by password, over TLS or not.
const DOORS: &str = "hostssl all certified all scram-sha-256 clientcert=verify-ca\n\
     hostssl all named all cert\n\
     hostssl all encrypted all scram-sha-256\n\
     host all certified,named,encrypted all reject\n\
     hostnossl all unencrypted all scram-sha-256\n\
     host all unencrypted all reject\n\
     host all all all scram-sha-256\n";

/// A server and the folder of the certificate that it shows.
#[derive(Debug)]
pub struct TlsServer {
    server: Server,
    folder: PathBuf,
    owner: Option<&'static str>,
}

impl TlsServer {
    /// Starts `engine` with the right certificate, which PostgreSQL begins to show by
    /// [`Self::show`]; `None` after a `skipped:` line. It asks clients for certificates of the same
    /// authority and does not insist.
    pub fn start(engine: Engine, certificates: &Certificates) -> Option<Self> {
        // A server that cannot be had leaves nothing behind.
        let folder = tempfile::tempdir().ok()?.keep();
        let owner = (engine == Engine::Postgres).then(pg::owner).flatten();
        install(&certificates.server(Kind::Right), &folder, owner);
        std::fs::copy(certificates.root(), folder.join("ca.pem")).ok()?;
        std::fs::write(folder.join("pg_hba.conf"), DOORS).ok()?;
        for name in ["ca.pem", "pg_hba.conf"] {
            give(&folder.join(name), 0o600, owner);
        }
        give(&folder, 0o755, owner);
        let options = |names: [&str; 3]| {
            let files = names.into_iter().zip(["server.pem", "server.key", "ca.pem"]);
            let options =
                files.map(|(name, file)| format!("{name}={}", folder.join(file).display()));
            options.collect::<Vec<String>>()
        };
        let server = match engine {
            Engine::Postgres => {
                let mut settings = options(["ssl_cert_file", "ssl_key_file", "ssl_ca_file"]);
                settings.push(format!("hba_file={}", folder.join("pg_hba.conf").display()));
                pg::launch_with(&texts(&settings))
            }
            Engine::Mariadb => mysqld::launch_mariadb_with(&texts(&options([
                "--ssl-cert",
                "--ssl-key",
                "--ssl-ca",
            ]))),
            Engine::Mysql => {
                mysqld::launch_mysql_with(&texts(&options(["--ssl-cert", "--ssl-key", "--ssl-ca"])))
            }
            Engine::Sqlite => unreachable!("SQLite has no server"),
        };
        let Some(server) = given(engine, server) else {
            drop(std::fs::remove_dir_all(&folder));
            return None;
        };
        Some(Self { server, folder, owner })
    }

    /// The server itself.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The certificate that it shows now.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// Shows another certificate from now on.
    pub fn show(&self, certificates: &Certificates, kind: Kind) {
        let mysql = self.server.engine() == Engine::Mysql;
        if mysql && kind == Kind::Expired {
            return self.let_expire(certificates);
        }
        install(&certificates.server(kind), &self.folder, self.owner);
        if mysql {
            // It takes no certificate that its own roots do not reach.
            let roots = certificates.roots_of(kind);
            std::fs::write(self.folder.join("ca.pem"), roots).expect("own file");
        }
        let database = self.server.maintenance();
        match self.server.engine() {
            Engine::Postgres => reload(&database, "alter system set ssl = on"),
            Engine::Mariadb => database.exec("flush ssl"),
            Engine::Mysql => database.exec("alter instance reload tls"),
            Engine::Sqlite => {}
        }
    }

    /// MySQL takes no certificate that has expired, so it is given one that soon will have.
    fn let_expire(&self, certificates: &Certificates) {
        let taken = LEFT.into_iter().find(|seconds| {
            install(&certificates.expiring(*seconds), &self.folder, self.owner);
            let reload = self.server.maintenance().try_query("alter instance reload tls");
            // The last second of a certificate is still part of it.
            std::thread::sleep(Duration::from_secs(seconds + 1));
            reload.is_ok()
        });
        assert!(taken.is_some(), "MySQL took no certificate in time");
    }

    /// Offers no TLS from now on; MariaDB cannot do that while it runs.
    pub fn offer_none(&self) {
        let database = self.server.maintenance();
        match self.server.engine() {
            Engine::Postgres => reload(&database, "alter system set ssl = off"),
            Engine::Mysql => {
                // MySQL turns TLS off when it may not go back to what worked.
                std::fs::write(self.folder.join("server.pem"), "").expect("own file");
                database.exec("alter instance reload tls no rollback on error");
            }
            Engine::Mariadb | Engine::Sqlite => unreachable!("it cannot"),
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// Changes a setting, and waits until new sessions have it: they say when their files were read.
fn reload(database: &Database, setting: &str) {
    let read = || database.value("select pg_conf_load_time()");
    let before = read();
    database.exec(setting);
    database.exec("select pg_reload_conf()");
    let deadline = Instant::now() + RELOAD;
    while read() == before {
        assert!(Instant::now() < deadline, "PostgreSQL did not read its files again");
        std::thread::sleep(Duration::from_millis(10));
    }
}
