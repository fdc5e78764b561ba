//! Who stands in the way of a statement that waited for a lock.

use rowferry_core::{ConnectorError, ErrorClass, Result, TableRef};

use crate::config::{self, Purpose, Server};
use crate::error;
use crate::progress::Progress;
use crate::sql;
use crate::types::Flavor;

/// The last word on a lock that never came: others are busy with the tables, and these are they.
pub(crate) async fn named(
    error: ConnectorError,
    server: &Server,
    tables: &[&TableRef],
    progress: &Progress,
) -> ConnectorError {
    let holders = match holders(server, tables, progress).await {
        Ok(holders) if holders.is_empty() => "sessions that this login cannot see".to_owned(),
        Ok(holders) => holders.join(", "),
        Err(error) => {
            tracing::debug!(%error, "could not look for the holders of a lock");
            "other sessions; grant PROCESS and select on performance_schema to see which".to_owned()
        }
    };
    let mut error = error;
    error.class = ErrorClass::Busy;
    let words = error.server.take().unwrap_or_default();
    error.with_server(format!("{words}; locked by {holders}")).with_next(
        "Let them finish or end them, then run again; raise `lock_timeout` to wait longer.",
    )
}

/// Other sessions that hold these tables, or rows of them. Their statements may hold values and are
/// not told.
async fn holders(
    server: &Server,
    tables: &[&TableRef],
    progress: &Progress,
) -> Result<Vec<String>> {
    let query = match server.flavor {
        Flavor::MySql => {
            let names: Vec<String> =
                tables.iter().map(|table| sql::text(&sql::table(table))).collect();
            let (stream, chunk) = (sql::text(&progress.stream), sql::text(&progress.chunk));
            format!(
                "select distinct concat('connection ', t.processlist_id, ' of ', \
                     t.processlist_user, ', ', lower(t.processlist_command), ' for ', \
                     t.processlist_time, ' s') \
                 from performance_schema.metadata_locks l \
                 join performance_schema.threads t on t.thread_id = l.owner_thread_id \
                 where l.lock_status = 'GRANTED' and t.processlist_id <> connection_id() \
                     and concat('`', l.object_schema, '`.`', l.object_name, '`') in \
                         ({}, {stream}, {chunk})",
                names.join(", ")
            )
        }
        // Its table of metadata locks is a plugin that few servers have.
        Flavor::MariaDb => "select concat('connection ', p.id, ' of ', p.user, ', ', \
                 lower(p.command), ', in a transaction for ', \
                 timestampdiff(second, x.trx_started, now()), ' s') \
             from information_schema.innodb_trx x \
             join information_schema.processlist p on p.id = x.trx_mysql_thread_id \
             where p.id <> connection_id() and p.db = database()"
            .to_owned(),
    };
    let mut conn = server.open(Purpose::Read).await?;
    let found = conn
        .query(query)
        .await
        .map_err(|error| error::of(error, "could not look for the holders of a lock"));
    config::close(conn).await;
    found
}
