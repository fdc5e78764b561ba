//! Single rows put right. Literals are of the kind that their column compares without converting it.

use async_trait::async_trait;
use rowferry_core::{CanonicalType as C, Column, Mend, MendWords, Mender, Result, TableRef};

use crate::config::{self, Purpose};
use crate::error;
use crate::sink::MysqlSink;
use crate::sql;

struct Words;

impl MendWords for Words {
    fn quote(&self, name: &str) -> String {
        sql::quote(name)
    }

    fn literal(&self, column: &Column, value: &str) -> Result<String> {
        Ok(match &column.canonical {
            Some(C::Boolean) => if value == "true" { "1" } else { "0" }.to_owned(),
            Some(
                C::Int8
                | C::Int16
                | C::Int32
                | C::Int64
                | C::UInt8
                | C::UInt16
                | C::UInt32
                | C::UInt64
                | C::Decimal { .. }
                | C::DecimalText
                | C::Float32
                | C::Float64,
            ) if is_number(value) => value.to_owned(),
            Some(
                C::Text { .. }
                | C::Json { .. }
                | C::Enum { .. }
                | C::Set { .. }
                | C::BitString { .. }
                | C::TimeTz
                | C::Uuid
                | C::Opaque { .. }
                | C::Date
                | C::Time { .. }
                | C::Duration { .. },
            ) => sql::text(value),
            // The session's clock is that of UTC, and an offset is not understood everywhere.
            Some(C::Timestamp { .. } | C::Instant { .. }) => {
                sql::text(value.strip_suffix("+00:00").unwrap_or(value))
            }
            Some(C::Binary { .. }) => match value.strip_prefix("\\x") {
                Some(digits) => format!("x'{digits}'"),
                None => format!("x'{}'", sql::hex(value.as_bytes())),
            },
            Some(C::Bits { .. }) => format!("b'{value}'"),
            Some(_) | None => return Err(Mend::no_literal(column)),
        })
    }
}

/// Whether a text is a number literal: NaN and the infinities have none.
fn is_number(value: &str) -> bool {
    value.bytes().all(|sign| sign.is_ascii_digit() || b"+-.e".contains(&sign))
}

#[async_trait]
impl Mender for MysqlSink {
    fn statement(&self, table: &TableRef, mend: &Mend) -> Result<String> {
        mend.statement(&sql::table(table), &Words)
    }

    async fn apply(&self, table: &TableRef, statements: &[String]) -> Result<()> {
        let failed = |error| error::of(error, format!("could not repair table {table}"));
        let mut conn = self.server().open(Purpose::Chunk).await?;
        // Single rows are no load: what points at them counts.
        conn.query_drop("set session foreign_key_checks = 1").await.map_err(failed)?;
        for statement in statements {
            conn.query_drop(statement).await.map_err(failed)?;
            let (changed, warnings) = (conn.affected_rows(), conn.get_warnings());
            if changed != 1 || warnings > 0 {
                conn.query_drop("rollback").await.map_err(failed)?;
                return Err(Mend::moved(table, changed));
            }
        }
        conn.query_drop("commit").await.map_err(failed)?;
        config::close(conn).await;
        Ok(())
    }
}
