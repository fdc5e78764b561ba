//! Statements that a person wrote, over the simple protocol: it takes several at once, and answers in
//! texts.

use async_trait::async_trait;
use rowferry_core::{Endpoint, Result, ScriptAnswer, ScriptSession, ScriptWords};

use crate::config::Purpose;
use crate::error::failed;
use crate::session::{Connector, Session};

/// A session for scripts.
pub struct PostgresScript {
    session: Session,
}

impl PostgresScript {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    ///
    /// Class `Transient` when the server cannot be reached, `Refused` when it does not let this
    /// login in or TLS fails, `Setup` for an unknown database.
    pub async fn open(endpoint: &Endpoint) -> Result<Self> {
        let session = Connector::new(endpoint)?.open(Purpose::Script, None).await?;
        Ok(Self { session })
    }
}

impl ScriptWords for PostgresScript {
    fn inside_quotes(&self, text: &str) -> String {
        text.replace('\'', "''")
    }

    fn separator(&self) -> &'static str {
        "chr(31)"
    }
}

#[async_trait]
impl ScriptSession for PostgresScript {
    async fn run(&mut self, statement: &str, rows_max: usize) -> Result<ScriptAnswer> {
        self.session.set_busy(true);
        let answer = self.session.client.script(statement, rows_max).await;
        self.session.set_busy(false);
        answer.map_err(failed("could not run a statement"))
    }
}
