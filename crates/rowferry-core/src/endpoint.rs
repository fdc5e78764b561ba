//! Where a database is and how to log in: plain values, parsed once by the configuration.

use std::fmt;
use std::path::PathBuf;

use crate::TimeLimits;
use crate::secret::Secret;

/// Which connector serves an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointKind {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB; the server says which.
    Mysql,
    /// A SQLite file.
    Sqlite,
    /// Generated rows (`generate:`), source only.
    Generate,
    /// Rows are counted and dropped (`null:`), sink only.
    Null,
}

impl EndpointKind {
    /// The word used in job files and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
            Self::Generate => "generate",
            Self::Null => "null",
        }
    }
}

/// How the wire is protected, in libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server offers it; nothing is verified.
    Prefer,
    /// Encrypted or refused; nothing is verified.
    Require,
    /// Encrypted, and the certificate's chain is verified.
    VerifyCa,
    /// Encrypted, chain and host name are verified.
    VerifyFull,
}

/// Whether a password is bound to the certificate that the server showed, in libpq's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Or refused: whoever stands between both ends with a certificate of its own is found out.
    Require,
}

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Connector.
    pub kind: EndpointKind,
    /// Rows are read by ConnectorX, in a helper program; everything else is done by the connector.
    pub through_connectorx: bool,
    /// Host name or address; empty for files.
    pub host: String,
    /// Port; 0 for files.
    pub port: u16,
    /// Unix socket: PostgreSQL's folder or MySQL's file. Takes the place of host.
    pub socket: Option<PathBuf>,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: Option<Secret>,
    /// Protection of the wire.
    pub tls: TlsMode,
    /// PEM file of the roots to trust instead of the system's.
    pub tls_root: Option<PathBuf>,
    /// How long its server may take.
    pub limits: TimeLimits,
    /// PEM file of the client's own certificate, with its chain.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the key of that certificate.
    pub tls_key: Option<PathBuf>,
    /// Binding of the password to the server's certificate; PostgreSQL has it.
    pub channel_binding: ChannelBinding,
    /// File of a SQLite endpoint.
    pub path: PathBuf,
    /// What a `generate:` endpoint is asked for, verbatim.
    pub generate: String,
    /// Shown to the server as the application's name where it has one.
    pub application: String,
}

impl Endpoint {
    /// An endpoint of `kind` with nothing filled in; the parser fills in the rest.
    pub fn empty(kind: EndpointKind) -> Self {
        Self {
            kind,
            through_connectorx: false,
            host: String::new(),
            port: 0,
            socket: None,
            database: String::new(),
            user: String::new(),
            password: None,
            tls: TlsMode::Disable,
            tls_root: None,
            limits: TimeLimits::documented(),
            tls_cert: None,
            tls_key: None,
            channel_binding: ChannelBinding::Prefer,
            path: PathBuf::new(),
            generate: String::new(),
            application: "rowferry".to_owned(),
        }
    }
}

impl fmt::Display for Endpoint {
    /// Kind, user, host, port and database; never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EndpointKind::Sqlite => write!(f, "sqlite:{}", self.path.display()),
            EndpointKind::Null => f.write_str("null:"),
            EndpointKind::Generate => write!(f, "generate:{}", self.generate),
            EndpointKind::Postgres | EndpointKind::Mysql => {
                let way = if self.through_connectorx { "connectorx+" } else { "" };
                write!(f, "{way}{}://{}@", self.kind.word(), self.user)?;
                match &self.socket {
                    Some(socket) => write!(f, "[{}]", socket.display())?,
                    None => write!(f, "{}:{}", self.host, self.port)?,
                }
                write!(f, "/{}", self.database)
            }
        }
    }
}
