//! How a chunk's columns are named, checked and loaded.

use rowferry_codec::mysql_text::TextColumn;
use rowferry_core::{ConnectorError, ErrorClass, Prepared, Result, TableRef};

use crate::types::{self, Flavor, Native};
use crate::{rules, sql};

/// Quoted target columns in the order of the batches.
pub(crate) fn names(prepared: &Prepared) -> String {
    sql::list(prepared.columns.iter().map(|column| column.target.name.as_str()))
}

/// What each column accepts, in the order of the batches.
pub(crate) fn text_columns(prepared: &Prepared, flavor: Flavor) -> Result<Vec<TextColumn>> {
    prepared
        .columns
        .iter()
        .map(|column| {
            let rule = rules::rule(column, flavor).map_err(|reason| {
                ConnectorError::new(
                    ErrorClass::Setup,
                    "type-mismatch",
                    format!("column {:?}: {reason}", column.target.name),
                )
            })?;
            let in_primary = prepared.key_enforced && prepared.key.contains(&column.target.name);
            let nullable = column.target.nullable && !in_primary;
            Ok(TextColumn { name: column.target.name.clone(), nullable, rule })
        })
        .collect()
}

/// The load reads raw bytes. Columns whose characters are not utf8mb4, and those that refuse bytes
/// without a character set, go through a variable that says what the bytes are.
///
/// The server asks for the rows by `name`.
pub(crate) fn load_statement(
    table: &TableRef,
    prepared: &Prepared,
    flavor: Flavor,
    name: &str,
) -> String {
    let mut fields = Vec::with_capacity(prepared.columns.len());
    let mut sets = Vec::new();
    for (index, column) in prepared.columns.iter().enumerate() {
        let name = sql::quote(&column.target.name);
        let native = Native::parse(&column.target.native.declared);
        let utf8mb4 = column
            .target
            .collation
            .as_deref()
            .is_none_or(|collation| types::charset(collation) == "utf8mb4");
        let through = match &native {
            Native::Json => flavor == Flavor::MySql,
            Native::Uuid | Native::Enum(_) | Native::Set(_) | Native::Inet { .. } => true,
            Native::Char(_) | Native::VarChar(_) | Native::Text(_) => !utf8mb4,
            Native::Int { .. }
            | Native::Float { .. }
            | Native::Double { .. }
            | Native::Decimal { .. }
            | Native::Bit(_)
            | Native::Binary(_)
            | Native::VarBinary(_)
            | Native::Blob(_)
            | Native::Date
            | Native::Time(_)
            | Native::DateTime(_)
            | Native::Timestamp(_)
            | Native::Year
            | Native::Geometry(_)
            | Native::Vector(_)
            | Native::Other => false,
        };
        if through {
            fields.push(format!("@v{index}"));
            sets.push(format!("{name} = convert(@v{index} using utf8mb4)"));
        } else {
            fields.push(name);
        }
    }
    let set = if sets.is_empty() { String::new() } else { format!(" set {}", sets.join(", ")) };
    format!(
        "load data local infile '{name}' into table {} character set binary \
         fields terminated by '\\t' escaped by '\\\\' lines terminated by '\\n' ({}){set}",
        sql::table(table),
        fields.join(", ")
    )
}
