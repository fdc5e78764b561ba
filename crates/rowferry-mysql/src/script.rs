//! Statements that a person wrote, over the text protocol.

use async_trait::async_trait;
use rowferry_core::{Endpoint, ErrorClass, Result, ScriptAnswer, ScriptSession, ScriptWords};
use rowferry_runtime::ComputePool;

use crate::config::{Purpose, Server};
use crate::conn::Conn;
use crate::{error, sql};

/// A session for scripts.
pub struct MysqlScript {
    conn: Conn,
}

impl MysqlScript {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    ///
    /// Class `Transient` when the server cannot be reached, `Refused` for login and TLS, `Setup` for
    /// an unknown database.
    pub async fn open(endpoint: &Endpoint, compute: ComputePool) -> Result<Self> {
        let conn = Server::reach(endpoint, compute).await?.open(Purpose::Script).await?;
        Ok(Self { conn })
    }
}

impl ScriptWords for MysqlScript {
    fn inside_quotes(&self, text: &str) -> String {
        sql::inside_quotes(text)
    }

    fn separator(&self) -> &'static str {
        "char(31)"
    }
}

#[async_trait]
impl ScriptSession for MysqlScript {
    async fn run(&mut self, statement: &str, rows_max: usize) -> Result<ScriptAnswer> {
        let answer = self.conn.script(statement, rows_max).await;
        answer.map_err(|error| {
            let mut ours = error::of(error, "could not run a statement");
            // The statement is none of ours.
            if ours.code == "bad-statement" {
                ours.class = ErrorClass::Setup;
            }
            ours
        })
    }
}
