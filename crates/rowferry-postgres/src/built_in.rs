//! The types that most columns have, as every server numbers them.

use crate::type_catalog::{CatalogType, Kind};

/// The schema of all of them.
pub(crate) const SCHEMA: &str = "pg_catalog";

/// Number, own name and SQL's name of types that are made of nothing else: the rows of `pg_type` that
/// the server is built with (`pg_type.dat`), whose numbers never change.
const SCALARS: [(u32, &str, &str); 20] = [
    (16, "bool", "boolean"),
    (17, "bytea", "bytea"),
    (20, "int8", "bigint"),
    (21, "int2", "smallint"),
    (23, "int4", "integer"),
    (25, "text", "text"),
    (114, "json", "json"),
    (700, "float4", "real"),
    (701, "float8", "double precision"),
    (1042, "bpchar", "character"),
    (1043, "varchar", "character varying"),
    (1082, "date", "date"),
    (1083, "time", "time without time zone"),
    (1114, "timestamp", "timestamp without time zone"),
    (1184, "timestamptz", "timestamp with time zone"),
    (1186, "interval", "interval"),
    (1266, "timetz", "time with time zone"),
    (1700, "numeric", "numeric"),
    (2950, "uuid", "uuid"),
    (3802, "jsonb", "jsonb"),
];

/// The type of this number, if it is one of those.
pub(crate) fn scalar(oid: u32) -> Option<CatalogType> {
    let index = SCALARS.binary_search_by_key(&oid, |(oid, _, _)| *oid).ok()?;
    let (oid, bare, name) = SCALARS.get(index)?;
    Some(CatalogType {
        oid: *oid,
        name: (*name).to_owned(),
        bare: (*bare).to_owned(),
        schema: SCHEMA.to_owned(),
        kind: Kind::Base,
        extension: None,
        definition: String::new(),
        no_binary: false,
    })
}

#[cfg(test)]
mod tests {
    use tokio_postgres::types::{Kind, Type};

    use super::*;

    #[test]
    fn the_driver_knows_them_by_the_same_numbers() {
        for (oid, bare, _) in SCALARS {
            let known = Type::from_oid(oid).unwrap();
            assert_eq!((known.name(), known.schema(), known.kind()), (bare, SCHEMA, &Kind::Simple));
            assert_eq!(scalar(oid).unwrap().bare, bare);
        }
    }
}
