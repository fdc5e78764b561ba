//! What a plan wants of a table once its rows are there.

use rowferry_core::{Result, TablePlan, TableRef};
use tokio_postgres::types::Type;

use crate::client::Client;
use crate::error::failed;
use crate::shape::{self, Part};
use crate::{create, sql};

/// Keys, indexes and the next number of a new table.
#[derive(Debug, Default)]
pub(crate) struct Finish {
    /// Unique keys and indexes, for a target that is new.
    pub(crate) parts: Vec<Part>,
    /// The number that the source would give next.
    next_identity: Option<i64>,
}

impl Finish {
    pub(crate) fn of(plan: &TablePlan) -> Self {
        Self { parts: create::parts(plan), next_identity: plan.source.next_identity }
    }

    /// Sets every sequence of the table's columns to at least the greatest value that was copied,
    /// and the first one to at least where the source's stands.
    pub(crate) async fn advance_sequences(&self, client: &Client, table: &TableRef) -> Result<()> {
        const MAY: &str = "select pg_catalog.has_sequence_privilege($1, 'update') \
             and pg_catalog.has_sequence_privilege($1, 'select')";
        // The source's last number belongs to its first numbered column.
        let mut last = self.next_identity.map(|next| next.saturating_sub(1));
        for sequence in shape::sequences(client, table).await? {
            let attempt = || failed(format!("could not advance sequence {}", sequence.name));
            let quoted = sql::table(&sequence.name);
            let may: bool = client
                .query_typed_one(MAY, &[(&quoted, Type::TEXT)])
                .await
                .map_err(attempt())?
                .get(0)?;
            let source = last.take();
            if !may {
                tracing::warn!(
                    sequence = %sequence.name,
                    "no right to advance the sequence; grant update and select on it, or run setval"
                );
                continue;
            }
            // A descending sequence is left alone: its greatest value is not its last.
            let query = format!(
                "select pg_catalog.setval({name}::pg_catalog.regclass, m.value, true) \
                 from (select greatest(max({column})::int8, $1) as value from {table}) m, \
                     {quoted} s, pg_catalog.pg_sequence q \
                 where q.seqrelid = {name}::pg_catalog.regclass and q.seqincrement > 0 \
                     and m.value between q.seqmin and q.seqmax \
                     and (m.value > s.last_value or (m.value = s.last_value and not s.is_called))",
                name = sql::literal(&quoted),
                column = sql::quote(&sequence.column),
                table = sql::table(table),
            );
            client.query_typed(&query, &[(&source, Type::INT8)]).await.map_err(attempt())?;
        }
        Ok(())
    }
}
