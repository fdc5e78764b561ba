//! Certificates of a test's own, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use CertificateKind as Kind;

/// What is wrong with a certificate of a server, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateKind {
    /// For 127.0.0.1 and localhost, by the authority.
    Right,
    /// For another host.
    OtherHost,
    /// By another authority.
    OtherAuthority,
    /// Its last day was years ago.
    Expired,
    /// By nobody but itself.
    SelfSigned,
    /// By the authority, with a common name and no subject alternative name.
    Nameless,
    /// Of X.509 version 1, which has no extensions at all.
    Version1,
}

/// Files of a certificate and of its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// An authority, and what it has signed. The files go with the value.
#[derive(Debug)]
pub struct Certificates {
    folder: tempfile::TempDir,
}

/// Makes a key and has the rest done by what follows.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const HERE: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";

impl Certificates {
    /// Makes the authority, and another one. `None` after a `skipped:` line where there is no
    /// openssl; panics in a run that requires it.
    pub fn new() -> Option<Self> {
        if let Err(reason) = Command::new("openssl").arg("version").output() {
            eprintln!("skipped: certificates (openssl: {reason})");
            assert!(!crate::server::is_required(), "no openssl, and this run requires one");
            return None;
        }
        let new = Self { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        for name in ["ca", "other"] {
            new.itself(name, "critical,CA:TRUE", None);
        }
        Some(new)
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{extension}"))
    }

    /// The root that a client has to trust.
    pub fn root(&self) -> PathBuf {
        self.file("ca", "pem")
    }

    /// A certificate of a server.
    pub fn server(&self, kind: Kind) -> Pair {
        let name = format!("{kind:?}");
        match kind {
            Kind::Right => self.signed(&name, "ca", Some(HERE)),
            Kind::OtherHost => self.signed(&name, "ca", Some("subjectAltName=DNS:db.example.org")),
            Kind::OtherAuthority => self.signed(&name, "other", Some(HERE)),
            Kind::Nameless => self.signed(&name, "ca", Some("keyUsage=digitalSignature")),
            Kind::Version1 => self.signed(&name, "ca", None),
            Kind::SelfSigned => self.itself(&name, "critical,CA:TRUE", Some(HERE)),
            Kind::Expired => self.until(&name, "2021-01-01"),
        }
    }

    /// One that will have expired in so many seconds.
    pub(crate) fn expiring(&self, seconds: u64) -> Pair {
        self.until("Expiring", &format!("+{seconds} seconds"))
    }

    /// The roots of whoever has signed certificates of this kind, its own among them.
    pub(crate) fn roots_of(&self, kind: Kind) -> String {
        let name = match kind {
            Kind::OtherAuthority => "other",
            Kind::SelfSigned => "SelfSigned",
            Kind::Right | Kind::OtherHost | Kind::Expired | Kind::Nameless | Kind::Version1 => "",
        };
        let read = |name| std::fs::read_to_string(self.file(name, "pem")).expect("own file");
        read("ca") + &(if name.is_empty() { String::new() } else { read(name) })
    }

    /// A certificate of the client that logs in as `user`.
    pub fn client(&self, user: &str) -> Pair {
        self.signed(user, "ca", Some("extendedKeyUsage=clientAuth"))
    }

    /// One of an authority that no server trusts.
    pub fn client_of_other_authority(&self, user: &str) -> Pair {
        self.signed(user, "other", Some("extendedKeyUsage=clientAuth"))
    }

    fn pair(&self, name: &str) -> Pair {
        Pair { certificate: self.file(name, "pem"), key: self.file(name, "key") }
    }

    /// A key, and a certificate that it signed itself.
    fn itself(&self, name: &str, constraints: &str, names: Option<&str>) -> Pair {
        let pair = self.pair(name);
        let mut command = openssl(&["req", "-x509", "-days", "2"]);
        command.args(KEY).args(["-subj", &format!("/CN={name}")]);
        command.args(["-addext", &format!("basicConstraints={constraints}")]);
        if let Some(names) = names {
            command.args(["-addext", names]);
        }
        run(command.arg("-keyout").arg(&pair.key).arg("-out").arg(&pair.certificate));
        pair
    }

    /// A key and the request for its certificate.
    fn requested(&self, name: &str) -> (Pair, PathBuf) {
        let (pair, request) = (self.pair(name), self.file(name, "csr"));
        let mut command = openssl(&["req", "-new", "-subj", &format!("/CN={name}")]);
        run(command.args(KEY).arg("-keyout").arg(&pair.key).arg("-out").arg(&request));
        (pair, request)
    }

    fn signed(&self, name: &str, authority: &str, extension: Option<&str>) -> Pair {
        let (pair, request) = self.requested(name);
        let mut command = openssl(&["x509", "-req", "-days", "2", "-set_serial", "7", "-in"]);
        command.arg(request).arg("-CA").arg(self.file(authority, "pem"));
        command.arg("-CAkey").arg(self.file(authority, "key"));
        if let Some(extension) = extension {
            let file = self.file(name, "ext");
            std::fs::write(&file, extension).expect("a temporary file can be written");
            command.arg("-extfile").arg(file);
        }
        run(command.arg("-out").arg(&pair.certificate));
        pair
    }

    /// Only `openssl ca` takes the days of the past in every version. `end` is a date for `date`.
    fn until(&self, name: &str, end: &str) -> Pair {
        let date = Command::new("date").args(["-u", "+%Y%m%d%H%M%SZ", "-d", end]).output();
        let end = String::from_utf8(date.expect("date runs").stdout).expect("digits");
        let (pair, request) = self.requested(name);
        let folder = self.folder.path();
        let config = self.file(name, "cnf");
        let text = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={0}/index\nnew_certs_dir={0}\nserial={0}/serial\n\
             default_md=sha256\npolicy=any\nx509_extensions=names\n[any]\ncommonName=supplied\n\
             [names]\n{HERE}\n",
            folder.display()
        );
        for (file, text) in [
            (config.as_path(), text.as_str()),
            (&folder.join("index"), ""),
            (&folder.join("serial"), "08\n"),
        ] {
            std::fs::write(file, text).expect("a temporary file can be written");
        }
        let mut command = openssl(&["ca", "-batch", "-notext", "-config"]);
        command.arg(config).args(["-startdate", "20200101000000Z", "-enddate", end.trim()]);
        command.arg("-cert").arg(self.root()).arg("-keyfile").arg(self.file("ca", "key"));
        run(command.arg("-in").arg(request).arg("-out").arg(&pair.certificate));
        pair
    }
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("openssl runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
}

/// Puts a pair in the place of another one, readable by the server alone.
pub(crate) fn install(pair: &Pair, folder: &Path, owner: Option<&str>) {
    for (from, name) in [(&pair.certificate, "server.pem"), (&pair.key, "server.key")] {
        let to = folder.join(name);
        std::fs::copy(from, &to).expect("a certificate can be copied");
        give(&to, 0o600, owner);
    }
}

/// Gives a file or folder to the server alone.
pub(crate) fn give(path: &Path, mode: u32, owner: Option<&str>) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("own file");
    if let Some(owner) = owner {
        let status = Command::new("chown").arg(owner).arg(path).status().expect("chown runs");
        assert!(status.success(), "chown {owner} {}", path.display());
    }
}
