//! What the server says of itself, shared by both ends.

use std::sync::Arc;

use rowferry_core::{CheckLine, Endpoint, Result};
use tokio::sync::{Mutex, OnceCell};

use crate::config::Purpose;
use crate::error::failed;
use crate::pool::SessionPool;
use crate::session::{Connector, Session};

/// Oldest server that the catalogue queries fit (generated columns came with it).
const OLDEST_VERSION: u32 = 120_000;

/// A server, with a session for questions that is reopened when it was lost.
pub(crate) struct Server {
    pub(crate) connector: Arc<Connector>,
    pub(crate) pool: Arc<SessionPool>,
    questions: Mutex<Option<Arc<Session>>>,
    identity: OnceCell<String>,
    /// The login's own search path, of schemas that exist.
    pub(crate) schemas: Vec<String>,
    /// Fraction digits of the database's currency.
    pub(crate) money_digits: u8,
}

/// Begins a transaction with the login's own search path and the database's own currency.
const OWN_SETTINGS: &str = "begin; set local search_path to default; \
     select pg_catalog.set_config('lc_monetary', s.reset_val, true) \
         from pg_catalog.pg_settings s where s.name = 'lc_monetary'";

/// Fraction digits of `money`, which depend on the database's own `lc_monetary` and are part of no
/// value.
const MONEY_DIGITS: &str = "select pg_catalog.scale('0'::pg_catalog.money::pg_catalog.numeric)";

impl Server {
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Self> {
        // Those that this login may not use as well, so that what is in them is refused and not
        // called unknown.
        const SCHEMAS: &str = "select pg_catalog.current_schemas(false)::text[] || array( \
                 select n.nspname::text from pg_catalog.regexp_split_to_table( \
                     pg_catalog.current_setting('search_path'), '\\s*,\\s*') \
                     with ordinality p(word, place) \
                 join pg_catalog.pg_namespace n \
                     on n.nspname = case when p.word = '\"$user\"' then current_user::text \
                         else pg_catalog.btrim(p.word, '\"') end \
                 where not pg_catalog.has_schema_privilege(n.oid, 'usage') order by p.place)";
        let connector = Connector::new(endpoint)?;
        let session = connector.open(Purpose::Read, None).await?;
        // Our sessions have a path and a locale of their own. Sent together, answered in order: one
        // round trip.
        let (began, schemas, digits, ended) = tokio::join!(
            session.client.batch_execute(OWN_SETTINGS),
            session.client.query_typed_one(SCHEMAS, &[]),
            session.client.query_typed_one(MONEY_DIGITS, &[]),
            session.client.batch_execute("rollback"),
        );
        // The first error is the cause of those behind it.
        let attempt = || failed("could not read the settings of this login");
        began.map_err(attempt())?;
        let (schemas, digits) = (schemas.map_err(attempt())?, digits.map_err(attempt())?);
        ended.map_err(attempt())?;
        let money_digits = u8::try_from(digits.get::<i32>(0)?).unwrap_or(2);
        Ok(Self {
            pool: SessionPool::new(&connector),
            connector,
            questions: Mutex::new(Some(Arc::new(session))),
            identity: OnceCell::new(),
            schemas: schemas.get(0)?,
            money_digits,
        })
    }

    /// The session for catalogue queries; it resolves names by `pg_catalog` alone.
    pub(crate) async fn questions(&self) -> Result<Arc<Session>> {
        let mut questions = self.questions.lock().await;
        if let Some(session) = questions.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.connector.open(Purpose::Read, None).await?);
        *questions = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The schema in which unqualified tables are made.
    pub(crate) fn own_schema(&self) -> Option<&str> {
        self.schemas.first().map(String::as_str)
    }

    /// System identifier and database name. Where the control file may not be read (some managed
    /// services), the database's number stands in: it survives a rename of the host, and a dropped
    /// and recreated database gets another one.
    pub(crate) async fn identity(&self) -> Result<String> {
        self.identity.get_or_try_init(|| self.ask_identity()).await.cloned()
    }

    async fn ask_identity(&self) -> Result<String> {
        const CONTROL: &str = "select system_identifier::text from pg_catalog.pg_control_system()";
        const DATABASE: &str = "select datname::text, oid::text \
             from pg_catalog.pg_database where datname = pg_catalog.current_database()";
        let session = self.questions().await?;
        let database = session
            .client
            .query_typed_one(DATABASE, &[])
            .await
            .map_err(failed("could not read the identity of the database"))?;
        let name: String = database.get(0)?;
        let oid: String = database.get(1)?;
        match session.client.query_typed_one(CONTROL, &[]).await {
            Ok(row) => Ok(format!("postgres:{}/{name}", row.get::<String>(0)?)),
            Err(error) if error.as_db_error().is_some() => {
                Ok(format!("postgres:database-{oid}/{name}"))
            }
            Err(error) => Err(failed("could not read the identity of the server")(error)),
        }
    }

    /// The version line of `check`.
    pub(crate) async fn check_version(&self) -> Result<CheckLine> {
        let session = self.questions().await?;
        let (major, minor) = (session.version / 10_000, session.version % 10_000);
        let old = session.version < OLDEST_VERSION;
        Ok(CheckLine {
            name: "version".to_owned(),
            found: format!("PostgreSQL {major}.{minor}"),
            advice: old.then(|| "Use a server of version 12 or later.".to_owned()),
            fatal: old,
        })
    }
}
