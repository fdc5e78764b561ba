//! What the catalogue says of a table.

use rowferry_core::{
    Column, ConnectorError, ErrorClass, Identity, Index, Key, NativeType, Result, TableListing,
    TableRef, TableSchema, TypeDefinition, nearest,
};
use tokio_postgres::types::Type;

use crate::error::failed;
use crate::meaning::meaning;
use crate::row::Row;
use crate::session::Session;
use crate::type_catalog::TypeCatalog;
use crate::{defaults, objects};

/// Engine word of native types.
pub(crate) const ENGINE: &str = "postgres";

/// Most tables looked at when a near name is sought. Guessed: a listing that a person still reads.
const NEAR_NAME_TABLES: i64 = 10_000;

/// A relation found by name.
pub(crate) struct Relation {
    /// `pg_class.oid`.
    pub(crate) oid: u32,
    /// With its schema.
    pub(crate) table: TableRef,
    /// `pg_class.relkind`: `r`, `p`, `v`, `m`, `f`.
    pub(crate) kind: char,
    comment: Option<String>,
}

/// Finds `table`; a name without schema is looked up in `schemas`, in order.
pub(crate) async fn find(
    session: &Session,
    table: &TableRef,
    schemas: &[String],
) -> Result<Option<Relation>> {
    const FIND: &str = "select c.oid, n.nspname::text, c.relname::text, c.relkind::text, \
             pg_catalog.obj_description(c.oid, 'pg_class') \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.relname = $2::text and n.nspname::text = any($1) \
             and c.relkind in ('r', 'p', 'v', 'm', 'f') \
         order by pg_catalog.array_position($1, n.nspname::text) limit 1";
    let named = table.schema.as_ref().map(|schema| vec![schema.clone()]);
    let schemas = named.unwrap_or_else(|| schemas.to_vec());
    let row = session
        .client
        .query_typed_opt(FIND, &[(&schemas, Type::TEXT_ARRAY), (&table.name, Type::TEXT)])
        .await
        .map_err(failed(format!("could not look for table {table}")))?;
    let relation = |row: Row| {
        Ok(Relation {
            oid: row.get(0)?,
            table: TableRef::new(row.get::<String>(1)?, row.get::<String>(2)?),
            kind: row.get::<String>(3)?.chars().next().unwrap_or('r'),
            comment: row.get(4)?,
        })
    };
    row.map(relation).transpose()
}

/// Describes a relation that was found. The session must resolve names by `pg_catalog` alone, so
/// that types of users come with their schema. `money_digits` as in [`meaning`].
pub(crate) async fn describe(
    session: &Session,
    relation: &Relation,
    money_digits: u8,
) -> Result<TableSchema> {
    // Nine questions at once make a large future, too large for the stacks of those who wait.
    let questions = Box::pin(async {
        tokio::try_join!(
            TypeCatalog::of_table(&session.client, relation.oid),
            rows(session, relation, COLUMNS),
            keys(session, relation),
            indexes(session, relation),
            size(session, relation),
            objects::foreign_keys(session, relation),
            objects::checks(session, relation),
            objects::next_identity(session, relation),
            objects::untranslated(session, relation),
        )
    });
    let (types, columns, keys, indexes, size, foreign_keys, checks, next_identity, untranslated) =
        questions.await?;
    let columns: Vec<Column> =
        columns.iter().map(|row| column(row, &types, money_digits)).collect::<Result<_>>()?;
    let mut needed: Vec<TypeDefinition> = Vec::new();
    for need in columns.iter().flat_map(|column| &column.native.needs) {
        if !needed.contains(need) {
            needed.push(need.clone());
        }
    }
    Ok(TableSchema {
        table: relation.table.clone(),
        columns,
        keys,
        indexes,
        foreign_keys,
        checks,
        types: needed,
        next_identity,
        definition: None,
        untranslated,
        rows_estimated: size.0,
        bytes_estimated: size.1,
        comment: relation.comment.clone(),
    })
}

/// Rows of a catalogue query with the relation as its parameter.
pub(crate) async fn rows(session: &Session, relation: &Relation, sql: &str) -> Result<Vec<Row>> {
    session
        .client
        .query_typed(sql, &[(&relation.oid, Type::OID)])
        .await
        .map_err(failed(format!("could not describe table {}", relation.table)))
}

/// Columns of a relation, in their order.
const COLUMNS: &str = "select a.attname::text, a.atttypid, a.atttypmod, \
         pg_catalog.format_type(a.atttypid, a.atttypmod), \
         a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, \
         a.attgenerated::text, \
         case when c.relkind in ('r', 'p') then pg_catalog.pg_get_serial_sequence( \
             pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname) end, \
         case when a.attcollation = 0 then null \
             when l.collname = 'default' then (select db.datcollate \
                 || coalesce('@' || (pg_catalog.to_jsonb(db) ->> 'datcollversion'), '') \
                 from pg_catalog.pg_database db where db.datname = pg_catalog.current_database()) \
             else l.collname::text || coalesce('@' || l.collversion, '') \
                 || case pg_catalog.to_jsonb(l) ->> 'collisdeterministic' \
                     when 'false' then ' nondeterministic' else '' end end, \
         pg_catalog.col_description(a.attrelid, a.attnum) \
     from pg_catalog.pg_attribute a \
     join pg_catalog.pg_class c on c.oid = a.attrelid \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
     left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum \
     left join pg_catalog.pg_collation l on l.oid = a.attcollation \
     where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum";

fn column(row: &Row, types: &TypeCatalog, money_digits: u8) -> Result<Column> {
    let (oid, modifier): (u32, i32) = (row.get(1)?, row.get(2)?);
    let stored = types.stored(oid, modifier);
    let canonical = meaning(types, oid, modifier, money_digits);
    let native = NativeType {
        engine: ENGINE.to_owned(),
        declared: row.get(3)?,
        base: stored.words.map(str::to_owned),
        text_only: types.text_only(oid),
        needs: types.needs(oid),
    };
    let not_null: bool = row.get(4)?;
    let words: Option<String> = row.get(5)?;
    let attidentity: String = row.get(6)?;
    let attgenerated: String = row.get(7)?;
    let sequence: Option<String> = row.get(8)?;
    let generated = !attgenerated.is_empty();
    let identity = match attidentity.as_str() {
        "a" => Some(Identity::Always),
        "d" => Some(Identity::ByDefault),
        _ => sequence.map(|_| Identity::ByDefault),
    };
    // The catalogue keeps the expression of a generated column where other columns have a default.
    let (default, expression) = if generated { (None, words) } else { (words, None) };
    let default_meaning = match (&default, &canonical) {
        (Some(words), Some(canonical)) => defaults::default_meaning(words, canonical),
        _ => None,
    };
    Ok(Column {
        name: row.get(0)?,
        canonical,
        native,
        nullable: !(not_null || stored.not_null),
        default,
        default_meaning,
        identity,
        generated,
        expression,
        collation: row.get(9)?,
        comment: row.get(10)?,
        seen: None,
    })
}

/// How [`Column::collation`] ends where it takes unequal bytes for equal.
pub(crate) const NONDETERMINISTIC: &str = " nondeterministic";

/// Primary key first, then unique keys by name. Not those whose own collation takes for equal what
/// their column tells apart.
pub(crate) async fn keys(session: &Session, relation: &Relation) -> Result<Vec<Key>> {
    const KEYS: &str = "select i.relname::text, x.indisprimary, \
             array(select a.attname::text \
                 from pg_catalog.unnest(x.indkey::int2[]) with ordinality k(attnum, place) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = x.indrelid and a.attnum = k.attnum \
                 where k.place <= x.indnkeyatts order by k.place) \
         from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid \
         where x.indrelid = $1 and x.indisunique and x.indisvalid and x.indimmediate \
             and x.indpred is null and x.indexprs is null \
             and not exists (select from rows from ( \
                     pg_catalog.unnest(x.indkey::int2[]), \
                     pg_catalog.unnest(x.indcollation::oid[])) k(attnum, collated) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = x.indrelid and a.attnum = k.attnum \
                 join pg_catalog.pg_collation l on l.oid = k.collated \
                 where k.collated <> a.attcollation \
                     and pg_catalog.to_jsonb(l) ->> 'collisdeterministic' = 'false') \
         order by not x.indisprimary, i.relname";
    let key = |row: &Row| Ok(Key { name: row.get(0)?, primary: row.get(1)?, columns: row.get(2)? });
    rows(session, relation, KEYS).await?.iter().map(key).collect()
}

async fn indexes(session: &Session, relation: &Relation) -> Result<Vec<Index>> {
    // Portable: a tree over whole columns, ascending with nulls last, in their own collation and
    // their type's usual order.
    const INDEXES: &str = "select i.relname::text, \
             case when x.indexprs is null then array(select a.attname::text \
                 from pg_catalog.unnest(x.indkey::int2[]) with ordinality k(attnum, place) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = x.indrelid and a.attnum = k.attnum \
                 where k.place <= x.indnkeyatts order by k.place) else '{}' end, \
             pg_catalog.pg_get_indexdef(x.indexrelid), \
             m.amname = 'btree' and x.indexprs is null and x.indpred is null \
                 and not x.indisunique and x.indnatts = x.indnkeyatts \
                 and 0 = all (x.indoption::int2[]) \
                 and not exists (select from rows from ( \
                         pg_catalog.unnest(x.indkey::int2[]), \
                         pg_catalog.unnest(x.indcollation::oid[]), \
                         pg_catalog.unnest(x.indclass::oid[])) k(attnum, collated, class) \
                     join pg_catalog.pg_attribute a \
                         on a.attrelid = x.indrelid and a.attnum = k.attnum \
                     join pg_catalog.pg_opclass o on o.oid = k.class \
                     where k.collated <> a.attcollation or not o.opcdefault) \
         from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid \
         join pg_catalog.pg_am m on m.oid = i.relam \
         where x.indrelid = $1 and not (x.indisunique and x.indisvalid and x.indimmediate \
                 and x.indpred is null and x.indexprs is null) \
             and not exists (select from pg_catalog.pg_constraint e \
                 where e.conindid = x.indexrelid and e.contype = 'x') \
         order by i.relname";
    let index = |row: &Row| {
        Ok(Index {
            name: row.get(0)?,
            columns: row.get(1)?,
            definition: row.get(2)?,
            portable: row.get(3)?,
        })
    };
    rows(session, relation, INDEXES).await?.iter().map(index).collect()
}

/// Rows and bytes of the table with its partitions, by statistics. As the server's planner does,
/// rows per page of the last analyze are multiplied with the pages of now.
async fn size(session: &Session, relation: &Relation) -> Result<(Option<u64>, Option<u64>)> {
    const SIZE: &str = "with recursive tree(oid) as ( \
             select $1::oid union all \
             select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid) \
         select (sum(case when c.reltuples < 0 then null when c.relpages > 0 \
                 then c.reltuples / c.relpages * (pg_catalog.pg_relation_size(c.oid) \
                     / pg_catalog.current_setting('block_size')::int) \
                 else c.reltuples end))::int8, \
             count(*) filter (where c.reltuples < 0 or (c.reltuples = 0 \
                 and pg_catalog.pg_relation_size(c.oid) > 0)), \
             sum(pg_catalog.pg_table_size(c.oid))::int8 \
         from pg_catalog.pg_class c join tree on tree.oid = c.oid where c.relkind in ('r', 'm')";
    let found = rows(session, relation, SIZE).await?;
    let Some(row) = found.first() else { return Ok((None, None)) };
    let count: Option<i64> = row.get(0)?;
    let unknown: i64 = row.get(1)?;
    let bytes: Option<i64> = row.get(2)?;
    let count = count.filter(|_| unknown == 0).and_then(|count| u64::try_from(count).ok());
    Ok((count, bytes.and_then(|bytes| u64::try_from(bytes).ok())))
}

/// All tables that this login may read, in name order.
pub(crate) async fn listing(session: &Session) -> Result<Vec<TableListing>> {
    const LISTING: &str = "select n.nspname::text, c.relname::text, \
             array(select a.attname::text from pg_catalog.pg_index x \
                 cross join pg_catalog.unnest(x.indkey::int2[]) with ordinality k(attnum, place) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = x.indrelid and a.attnum = k.attnum \
                 where x.indrelid = c.oid and x.indisprimary and k.place <= x.indnkeyatts \
                 order by k.place), \
             nullif(c.reltuples, -1)::int8, \
             case when c.relkind = 'r' then pg_catalog.pg_table_size(c.oid) end \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't' \
             and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
             and c.relname !~ '^_rowferry_' \
             and pg_catalog.has_schema_privilege(n.oid, 'usage') \
             and (pg_catalog.has_table_privilege(c.oid, 'select') \
                 or pg_catalog.has_any_column_privilege(c.oid, 'select')) \
         order by n.nspname::text collate \"C\", c.relname::text collate \"C\"";
    let found = session
        .client
        .query_typed(LISTING, &[])
        .await
        .map_err(failed("could not list the tables"))?;
    let unsigned = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    let listing = |row: &Row| {
        Ok(TableListing {
            table: TableRef::new(row.get::<String>(0)?, row.get::<String>(1)?),
            key: row.get(2)?,
            rows_estimated: unsigned(row.get(3)?),
            bytes_estimated: unsigned(row.get(4)?),
        })
    };
    found.iter().map(listing).collect()
}

/// The error for a table that does not exist, with names that come close.
pub(crate) async fn unknown_table(session: &Session, table: &TableRef) -> ConnectorError {
    const NAMES: &str = "select n.nspname::text, c.relname::text \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> 'information_schema' \
             and n.nspname !~ '^pg_' order by 1, 2 limit $1";
    let error = ConnectorError::new(
        ErrorClass::Setup,
        "unknown-table",
        format!("table {table} does not exist"),
    );
    let Ok(names) = session.client.query_typed(NAMES, &[(&NEAR_NAME_TABLES, Type::INT8)]).await
    else {
        return error.with_next("Check the name; `rowferry tables` lists what is there.");
    };
    let names: Vec<TableRef> = names
        .iter()
        .filter_map(|row| {
            Some(TableRef::new(row.get::<String>(0).ok()?, row.get::<String>(1).ok()?))
        })
        .collect();
    let near = nearest(&table.name, names.iter().map(|other| other.name.as_str()))
        .and_then(|near| names.iter().find(|other| other.name == near));
    error.with_next(match near {
        Some(near) => format!("Did you mean {near}?"),
        None => "Check the name; `rowferry tables` lists what is there.".to_owned(),
    })
}
