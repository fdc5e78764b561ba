//! Rows counted and hashed by the server.
//!
//! ```text
//!  sha2( seed , value , value , … )  ─► its first 64 bits ─► sum
//! ```
//!
//! Each value goes in as a text that no other value of its column has, and that shows where it ends.
//! Functions give NULL in place of a text that is larger than `max_allowed_packet`, and `concat` hands
//! that on, so that it cannot be taken for a value. Both forks have one other hash that is not linear as
//! `crc32` is, `md5`: processors have no instruction for it, and new versions of MySQL leave it out.

use rowferry_core::{
    Chunk, Column, ConnectorError, ReadSpec, Result, ServerDigest, TableSchema, TableShape,
};

use crate::snapshot::{self, Lease};
use crate::types::{self, Flavor, Native};
use crate::{error, read, sql};

/// A text that says exactly which value it is; `None` for types that have none.
pub(crate) fn image(column: &Column) -> Option<String> {
    column.canonical.as_ref()?;
    let name = sql::quote(&column.name);
    // Of NULL a word, which no text in quotes and no number is.
    let word = |text: String| format!("ifnull({text}, 'NULL')");
    let bytes = |what: &str, function: String| {
        format!("if({name} is null, 'NULL', concat('{what}', {function}))")
    };
    Some(match Native::parse(&column.native.declared) {
        // As it is, a float would be rounded to six digits. Not `+ 0`: that makes 0 of -0.
        Native::Float { .. } | Native::Double { .. } => word(format!("{name} * 1e0")),
        // By number: the empty text is a label and also how the error value looks. Not a set, whose
        // number MySQL makes a double.
        Native::Enum(_) | Native::Bit(_) => word(format!("{name} + 0")),
        Native::Uuid | Native::Inet { .. } => word(format!("cast({name} as char)")),
        Native::Int { .. }
        | Native::Decimal { .. }
        | Native::Date
        | Native::Time(_)
        | Native::DateTime(_)
        | Native::Timestamp(_)
        | Native::Year => word(name.clone()),
        Native::Json if column.native.engine == Flavor::MySql.word() => {
            bytes("json ", format!("cast({name} as char)"))
        }
        Native::Char(_) | Native::VarChar(_) | Native::Text(_) | Native::Set(_) | Native::Json => {
            match types::charset(column.collation.as_deref().unwrap_or_default()) {
                "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => format!("quote({name})"),
                // What its bytes mean is in the name of the character set.
                charset => bytes(&format!("{charset} "), format!("hex({name})")),
            }
        }
        Native::Binary(_)
        | Native::VarBinary(_)
        | Native::Blob(_)
        | Native::Geometry(_)
        | Native::Vector(_) => bytes("", format!("hex({name})")),
        Native::Other => return None,
    })
}

/// What is selected: how many rows there are, and the sum of their hashes as text. A row that is too
/// large has no hash: a random number makes its sum equal to none, so that it is compared by reading it.
fn selected(spec: &ReadSpec, seed: u64) -> Option<[String; 2]> {
    let images: Option<Vec<String>> = spec.columns.iter().map(image).collect();
    let hash = format!("sha2(concat('{seed},', {}), 256)", images?.join(", ',', "));
    let number = format!(
        "ifnull(cast(conv(left({hash}, 16), 16, 10) as unsigned), cast(rand() * 1e18 as unsigned))"
    );
    Some(["count(*)".to_owned(), format!("cast(ifnull(sum({number}), 0) as char)")])
}

/// Counts and hashes the rows of a chunk inside the view of `lease`.
pub(crate) async fn digest(
    mut lease: Lease,
    table: &TableSchema,
    shape: &TableShape,
    chunk: &Chunk,
    (spec, seed): (&ReadSpec, u64),
) -> Result<ServerDigest> {
    let selected = selected(spec, seed)
        .ok_or_else(|| ConnectorError::bug("a column was to be hashed that has no text"))?;
    let query = read::query_for(&selected, table, chunk, spec)?;
    let attempt = || format!("could not hash rows of table {}", table.table);
    lease.busy = true;
    if !lease.sessions().is_pinned() {
        snapshot::open_view(lease.conn()?).await?;
    }
    let row: Option<(u64, String)> =
        lease.conn()?.query_first(&query).await.map_err(|error| error::of(error, attempt()))?;
    read::leave(&mut lease, table, shape).await?;
    let found = row.and_then(|(rows, sum)| Some(ServerDigest { rows, sum: sum.parse().ok()? }));
    found.ok_or_else(|| ConnectorError::bug("a sum of hashes is not a whole number"))
}
