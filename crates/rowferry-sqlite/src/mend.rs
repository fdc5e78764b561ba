//! Single rows put right. A literal has the storage class that its column is read in.

use std::fmt::Write as _;

use async_trait::async_trait;
use rowferry_core::{CanonicalType as C, Column, Mend, MendWords, Mender, Result, TableRef};

use crate::error::failed;
use crate::sink::SqliteSink;
use crate::sql;

struct Words;

impl MendWords for Words {
    fn quote(&self, name: &str) -> String {
        sql::quote(name)
    }

    fn literal(&self, column: &Column, value: &str) -> Result<String> {
        let refused = || Mend::no_literal(column);
        Ok(match &column.canonical {
            Some(C::Boolean) => if value == "true" { "1" } else { "0" }.to_owned(),
            Some(C::Int8 | C::Int16 | C::Int32 | C::Int64 | C::UInt8 | C::UInt16 | C::UInt32) => {
                value.to_owned()
            }
            Some(C::Float32 | C::Float64) => match value {
                "Infinity" => "9e999".to_owned(),
                "-Infinity" => "-9e999".to_owned(),
                "NaN" => return Err(refused()),
                // A whole number of a float column is a float too.
                value if value.contains(['.', 'e']) => value.to_owned(),
                value => format!("{value}.0"),
            },
            Some(C::Binary { .. }) => match value.strip_prefix("\\x") {
                Some(digits) => format!("x'{digits}'"),
                None => return Err(refused()),
            },
            Some(C::Bits { .. }) => {
                u64::from_str_radix(value, 2).map_err(|_foreign| refused())?.to_string()
            }
            Some(C::Variant | C::Geometry { .. } | C::List { .. }) | None => return Err(refused()),
            // A literal ends at U+0000.
            Some(_) if value.contains('\0') => {
                let mut literal = "cast(x'".to_owned();
                for byte in value.bytes() {
                    // Writing into a String cannot fail.
                    write!(literal, "{byte:02x}").unwrap_or_default();
                }
                literal + "' as text)"
            }
            Some(_) => sql::literal(value),
        })
    }
}

#[async_trait]
impl Mender for SqliteSink {
    fn statement(&self, table: &TableRef, mend: &Mend) -> Result<String> {
        mend.statement(&sql::quote(&table.name), &Words)
    }

    async fn apply(&self, table: &TableRef, statements: &[String]) -> Result<()> {
        let (table, statements) = (table.clone(), statements.to_vec());
        self.database()
            .change("could not commit a repair", move |writing| {
                for statement in &statements {
                    let changed = writing.connection.execute(statement, []).map_err(|error| {
                        failed(format!("could not repair table {table}"), error)
                    })?;
                    if changed != 1 {
                        return Err(Mend::moved(&table, changed as u64));
                    }
                }
                Ok(())
            })
            .await
    }
}
