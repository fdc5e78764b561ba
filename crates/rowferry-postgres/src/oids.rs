//! Where values of a type repeat numbers of types, and which those are on this server.

use std::collections::BTreeMap;

use rowferry_codec::pgcopy::TypeShape;
use rowferry_core::{Result, TableRef};
use tokio_postgres::types::Type;

use crate::error::failed;
use crate::session::Session;
use crate::type_catalog::{Kind, TypeCatalog};

/// Numbers below this one are the same on every server (`FirstGenbkiObjectId`).
const FIRST_OWN_OID: u32 = 10_000;

/// The shape of values of type `oid`.
pub(crate) fn shape(catalog: &TypeCatalog, oid: u32) -> TypeShape {
    let oid = catalog.stored(oid, -1).oid;
    match catalog.get(oid).map(|found| &found.kind) {
        Some(Kind::Array(element)) => {
            let inner = shape(catalog, *element);
            if *element < FIRST_OWN_OID && inner.is_plain() {
                TypeShape::Plain
            } else {
                TypeShape::Array { element_oid: *element, element: Box::new(inner) }
            }
        }
        Some(Kind::Composite(fields)) => {
            let fields: Vec<(u32, TypeShape)> =
                fields.iter().map(|field| (*field, shape(catalog, *field))).collect();
            if fields.iter().all(|(field, inner)| *field < FIRST_OWN_OID && inner.is_plain()) {
                TypeShape::Plain
            } else {
                TypeShape::Composite { fields }
            }
        }
        Some(Kind::Range(subtype)) => TypeShape::Range(Box::new(shape(catalog, *subtype))),
        Some(Kind::Multirange(range)) => TypeShape::Multirange(Box::new(shape(catalog, *range))),
        Some(Kind::Base | Kind::Enum(_) | Kind::Domain { .. }) | None => TypeShape::Plain,
    }
}

/// The types of a table that is written to, as they are numbered on this server.
pub(crate) struct TargetTypes {
    columns: BTreeMap<String, u32>,
    pub(crate) catalog: TypeCatalog,
}

impl TargetTypes {
    pub(crate) async fn load(session: &Session, table: &TableRef) -> Result<Self> {
        const COLUMNS: &str = "select a.attname::text, a.atttypid, a.attrelid \
             from pg_catalog.pg_attribute a \
             join pg_catalog.pg_class c on c.oid = a.attrelid \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text \
                 and a.attnum > 0 and not a.attisdropped";
        let client = &session.client;
        let attempt = || failed(format!("could not read the types of table {table}"));
        let rows = client
            .query_typed(COLUMNS, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)])
            .await
            .map_err(attempt())?;
        let columns =
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_>>()?;
        // A type is known by the name that it has where names are resolved by `pg_catalog` alone.
        client
            .batch_execute("begin; set local search_path = pg_catalog")
            .await
            .map_err(attempt())?;
        let relation = rows.first().map_or(Ok(0), |row| row.get(2))?;
        let catalog = TypeCatalog::of_table(client, relation).await?;
        client.batch_execute("commit").await.map_err(attempt())?;
        Ok(Self { columns, catalog })
    }

    /// The shape of a column's values; `as_text` = only their text crosses.
    pub(crate) fn shape(&self, column: &str, as_text: bool) -> (String, TypeShape) {
        let plain = TypeShape::Plain;
        let shape = match self.columns.get(column) {
            Some(oid) if !as_text => shape(&self.catalog, *oid),
            _ => plain,
        };
        (column.to_owned(), shape)
    }
}
