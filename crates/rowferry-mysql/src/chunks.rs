//! Looking up keys for cutting: the server orders and renders them, the client only carries them.

use async_trait::async_trait;
use mysql_async::{Row, Value};
use rowferry_core::{
    ConnectorError, ErrorClass, KeyColumns, KeyProbe, KeyTuple, KeyValue, Result, TableRef,
    TableSchema,
};

use crate::error;
use crate::snapshot::Lease;
use crate::sql;
use crate::types::Native;

/// How a key column is asked for, so that its text is exact.
enum Rendering {
    /// Decimal digits.
    Int,
    /// The server's own text.
    Text,
    /// Hex digits of its bytes.
    Hex,
}

fn rendering(declared: &str) -> Option<Rendering> {
    match Native::parse(declared) {
        Native::Int { .. } | Native::Bit(_) | Native::Year => Some(Rendering::Int),
        Native::Decimal { .. }
        | Native::Char(_)
        | Native::VarChar(_)
        | Native::Date
        | Native::Time(_)
        | Native::DateTime(_)
        | Native::Timestamp(_)
        | Native::Uuid => Some(Rendering::Text),
        Native::Binary(_) | Native::VarBinary(_) => Some(Rendering::Hex),
        // Floats have no exact text, enums and sets compare by label and sort by number, and texts
        // and blobs have prefix indexes only, so that each lookup would sort the table.
        Native::Float { .. }
        | Native::Double { .. }
        | Native::Text(_)
        | Native::Blob(_)
        | Native::Enum(_)
        | Native::Set(_)
        | Native::Json
        | Native::Inet { .. }
        | Native::Geometry(_)
        | Native::Vector(_)
        | Native::Other => None,
    }
}

/// Refuses keys whose order cannot be followed.
pub(crate) fn check_key(table: &TableRef, key: &KeyColumns) -> Result<()> {
    match key.0.iter().find(|column| rendering(&column.native.declared).is_none()) {
        None => Ok(()),
        Some(column) => Err(ConnectorError::new(
            ErrorClass::Setup,
            "unsupported-key",
            format!(
                "table {table} cannot be cut by column {:?} of type {}",
                column.name, column.native.declared
            ),
        )
        .with_next("Name other columns in `cut_by`, such as an indexed number or date.")),
    }
}

/// `force index` for an index that starts with the key, so that no lookup scans the table.
pub(crate) fn force_index(table: &TableSchema, key: &KeyColumns) -> String {
    let names = key.names();
    let keys = table.keys.iter().map(|key| (&key.name, &key.columns));
    let indexes = table.indexes.iter().map(|index| (&index.name, &index.columns));
    keys.chain(indexes)
        .find(|(_, columns)| columns.starts_with(&names))
        .map(|(name, _)| format!(" force index ({})", sql::quote(name)))
        .unwrap_or_default()
}

/// The key columns as a select list.
fn select_list(key: &KeyColumns) -> String {
    let parts: Vec<String> = key
        .0
        .iter()
        .map(|column| {
            let name = sql::quote(&column.name);
            match Native::parse(&column.native.declared) {
                Native::Bit(_) | Native::Year => format!("{name} + 0"),
                Native::Binary(_) | Native::VarBinary(_) => format!("hex({name})"),
                Native::Int { .. }
                | Native::Float { .. }
                | Native::Double { .. }
                | Native::Decimal { .. }
                | Native::Char(_)
                | Native::VarChar(_)
                | Native::Text(_)
                | Native::Blob(_)
                | Native::Date
                | Native::Time(_)
                | Native::DateTime(_)
                | Native::Timestamp(_)
                | Native::Enum(_)
                | Native::Set(_)
                | Native::Json
                | Native::Uuid
                | Native::Inet { .. }
                | Native::Geometry(_)
                | Native::Vector(_)
                | Native::Other => name,
            }
        })
        .collect();
    parts.join(", ")
}

fn order_by(key: &KeyColumns, direction: &str) -> String {
    let parts: Vec<String> =
        key.0.iter().map(|column| format!("{}{direction}", sql::quote(&column.name))).collect();
    format!(" order by {}", parts.join(", "))
}

/// The key order of a read.
pub(crate) fn ascending(key: &KeyColumns) -> String {
    order_by(key, "")
}

/// Looks up the greatest key above `lower`, for the receipt of an unbounded span.
pub(crate) fn greatest_query(
    table: &TableSchema,
    key: &KeyColumns,
    lower: Option<&KeyTuple>,
) -> String {
    let filter = sql::span(key, lower, None).map(|text| format!(" where {text}"));
    format!(
        "select {} from {}{}{}{} limit 1",
        select_list(key),
        sql::table(&table.table),
        force_index(table, key),
        filter.unwrap_or_default(),
        order_by(key, " desc")
    )
}

/// Reads a row of the text protocol into a bound.
pub(crate) fn tuple(key: &KeyColumns, row: Row) -> Result<KeyTuple> {
    let broken = || ConnectorError::bug("a key column came back in an unexpected form");
    let mut values = Vec::with_capacity(key.0.len());
    for (column, value) in key.0.iter().zip(row.unwrap()) {
        let Value::Bytes(bytes) = value else { return Err(broken()) };
        let text = String::from_utf8(bytes).map_err(|_invalid| broken())?;
        values.push(match rendering(&column.native.declared) {
            Some(Rendering::Int) => KeyValue::Int(text.parse().map_err(|_invalid| broken())?),
            Some(Rendering::Text) => KeyValue::Text(text),
            Some(Rendering::Hex) => KeyValue::Bytes(unhex(&text).ok_or_else(broken)?),
            None => return Err(broken()),
        });
    }
    Ok(KeyTuple(values))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Looks up keys on a session of the view.
pub(crate) struct MysqlKeyProbe {
    pub(crate) lease: Lease,
    pub(crate) table: TableSchema,
    pub(crate) key: KeyColumns,
}

#[async_trait]
impl KeyProbe for MysqlKeyProbe {
    async fn nth_key(
        &mut self,
        after: Option<&KeyTuple>,
        upto: Option<&KeyTuple>,
        rows: u64,
    ) -> Result<Option<KeyTuple>> {
        let filter = sql::span(&self.key, after, upto).map(|text| format!(" where {text}"));
        let query = format!(
            "select {} from {}{}{}{} limit 1 offset {}",
            select_list(&self.key),
            sql::table(&self.table.table),
            force_index(&self.table, &self.key),
            filter.unwrap_or_default(),
            order_by(&self.key, ""),
            rows.saturating_sub(1)
        );
        let attempt = || format!("could not look up a key of table {}", self.table.table);
        let row: Option<Row> = self
            .lease
            .conn()?
            .query_first(&query)
            .await
            .map_err(|error| error::of(error, attempt()))?;
        row.map(|row| tuple(&self.key, row)).transpose()
    }
}
