//! What hangs on a table and must hang on its successor: keys, indexes, constraints, rights.
//!
//! A swap replaces the table object, so everything that belongs to the object is read from the
//! catalogue beforehand and made anew on the staging table under a name that carries the run. The
//! names are given back in the swap, after the old table has let go of them. What belongs to *other*
//! objects (views, triggers) cannot be moved; [`dependents`] lists it, and [`references`] the foreign keys.

use rowferry_core::{Reference, Result, TableRef};
use tokio_postgres::types::Type;

use crate::client::Client;
use crate::error::failed;
use crate::row::Row;
use crate::sql;

/// Kinds of things with a name of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Primary key, unique or exclusion constraint: owns an index of the same name.
    Key,
    /// Foreign key to another table.
    ForeignKey,
    /// Foreign key to the table itself; made in the swap, when the name is the successor's.
    SelfReference,
    /// Index without a constraint.
    Index,
}

/// One key, index or constraint of a table.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// Name on the old table.
    pub(crate) name: String,
    /// Constraint definition, or what follows `on table` of an index.
    definition: String,
    unique: bool,
}

impl Part {
    /// A unique constraint.
    pub(crate) fn unique(name: &str, definition: &str) -> Self {
        let definition = definition.to_owned();
        Self { kind: Kind::Key, name: name.to_owned(), definition, unique: true }
    }

    /// An index; `definition` is what follows the table's name.
    pub(crate) fn index(name: &str, definition: &str, unique: bool) -> Self {
        let definition = definition.to_owned();
        Self { kind: Kind::Index, name: name.to_owned(), definition, unique }
    }

    /// The statement that makes this part on `table` under `name`.
    pub(crate) fn create(&self, table: &TableRef, name: &str) -> String {
        let (table, name) = (sql::table(table), sql::quote(name));
        match self.kind {
            Kind::Key | Kind::ForeignKey | Kind::SelfReference => {
                format!("alter table {table} add constraint {name} {}", self.definition)
            }
            Kind::Index => {
                let unique = if self.unique { "unique " } else { "" };
                format!("create {unique}index {name} on {table} {}", self.definition)
            }
        }
    }

    /// The statement that renames this part of `table`.
    pub(crate) fn rename(&self, table: &TableRef, from: &str, to: &str) -> String {
        let (quoted, to) = (sql::table(table), sql::quote(to));
        match self.kind {
            Kind::Key | Kind::ForeignKey | Kind::SelfReference => {
                format!("alter table {quoted} rename constraint {} to {to}", sql::quote(from))
            }
            Kind::Index => {
                let index = TableRef { schema: table.schema.clone(), name: from.to_owned() };
                format!("alter index {} rename to {to}", sql::table(&index))
            }
        }
    }
}

async fn rows(client: &Client, table: &TableRef, query: &str) -> Result<Vec<Row>> {
    client
        .query_typed(query, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)])
        .await
        .map_err(failed(format!("could not read what hangs on table {table}")))
}

/// Keys, foreign keys and indexes of `table`, primary key first. Must run where names are resolved
/// by `pg_catalog` alone, so that definitions name every object with its schema.
pub(crate) async fn parts(client: &Client, table: &TableRef) -> Result<Vec<Part>> {
    const PARTS: &str = "with target as (select c.oid, n.nspname, c.relname \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text) \
         select case k.contype when 'f' then \
                 case when k.confrelid = k.conrelid then 's' else 'f' end else 'k' end, \
             k.conname::text, pg_catalog.pg_get_constraintdef(k.oid), false, \
             pg_catalog.array_position('{p,u,x,f}'::text[], k.contype::text) as place \
         from pg_catalog.pg_constraint k join target on k.conrelid = target.oid \
         where k.contype in ('p', 'u', 'x', 'f') \
         union all \
         select 'i', i.relname::text, \
             pg_catalog.substr(pg_catalog.pg_get_indexdef(x.indexrelid), 1 + pg_catalog.length( \
                 pg_catalog.format('CREATE %sINDEX %I ON %I.%I ', \
                     case when x.indisunique then 'UNIQUE ' else '' end, \
                     i.relname, target.nspname, target.relname))), \
             x.indisunique, 4 \
         from pg_catalog.pg_index x join target on x.indrelid = target.oid \
         join pg_catalog.pg_class i on i.oid = x.indexrelid \
         where x.indisvalid and not exists (select from pg_catalog.pg_constraint k \
             where k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x')) \
         order by 5, 2";
    let part = |row: &Row| {
        Ok(Part {
            kind: match row.get::<String>(0)?.as_str() {
                "f" => Kind::ForeignKey,
                "s" => Kind::SelfReference,
                "i" => Kind::Index,
                _ => Kind::Key,
            },
            name: row.get(1)?,
            definition: row.get(2)?,
            unique: row.get(3)?,
        })
    };
    rows(client, table, PARTS).await?.iter().map(part).collect()
}

/// Name on a staging table, before the swap, of what shall be `part`. It depends on the name and
/// the definition, so that a target that was changed during the copy is noticed.
pub(crate) fn part_name(staging: &TableRef, part: &Part) -> String {
    // FNV-1a, since a later process, maybe of another build, must find the same name.
    let text = format!("{:?} {} {}", part.kind, part.name, part.definition);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    sql::with_suffix(&staging.name, &format!("_p{hash:016x}"))
}

/// Names of the constraints and indexes that `table` has now.
pub(crate) async fn part_names(client: &Client, table: &TableRef) -> Result<Vec<String>> {
    const NAMES: &str = "select k.conname::text from pg_catalog.pg_constraint k \
             join pg_catalog.pg_class c on c.oid = k.conrelid \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text \
         union select i.relname::text from pg_catalog.pg_index x \
             join pg_catalog.pg_class i on i.oid = x.indexrelid \
             join pg_catalog.pg_class c on c.oid = x.indrelid \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text and x.indisvalid";
    rows(client, table, NAMES).await?.iter().map(|row| row.get(0)).collect()
}

/// A sequence that numbers a column.
pub(crate) struct Sequence {
    pub(crate) column: String,
    pub(crate) name: TableRef,
    /// Part of the column (`identity`) rather than named in its default (`serial`).
    pub(crate) identity: bool,
}

/// The sequences that belong to columns of `table`.
pub(crate) async fn sequences(client: &Client, table: &TableRef) -> Result<Vec<Sequence>> {
    const SEQUENCES: &str = "select a.attname::text, sn.nspname::text, s.relname::text, \
             d.deptype = 'i' \
         from pg_catalog.pg_depend d \
         join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S' \
         join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace \
         join pg_catalog.pg_class c on c.oid = d.refobjid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid \
         where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.deptype in ('a', 'i') and n.nspname = $1::text and c.relname = $2::text \
         order by a.attnum";
    let sequence = |row: &Row| {
        Ok(Sequence {
            column: row.get(0)?,
            name: TableRef::new(row.get::<String>(1)?, row.get::<String>(2)?),
            identity: row.get(3)?,
        })
    };
    rows(client, table, SEQUENCES).await?.iter().map(sequence).collect()
}

/// Statements that give `heir` the rights, owner, comment and storage parameters of `table`.
pub(crate) async fn inheritance(
    client: &Client,
    table: &TableRef,
    heir: &TableRef,
) -> Result<Vec<String>> {
    // The owner last: afterwards this login may have no right to grant any more.
    const INHERITANCE: &str = "with target as (select c.* \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text) \
         select 1, pg_catalog.format('grant %s on table HEIR to %s%s', g.privilege_type, \
             case when g.grantee = 0 then 'public' \
                 else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) end, \
             case when g.is_grantable then ' with grant option' else '' end) \
         from target t cross join lateral pg_catalog.aclexplode(t.relacl) g \
         where g.grantee <> t.relowner \
         union all \
         select 1, pg_catalog.format('grant %s (%I) on table HEIR to %s%s', g.privilege_type, \
             a.attname, case when g.grantee = 0 then 'public' \
                 else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) end, \
             case when g.is_grantable then ' with grant option' else '' end) \
         from target t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 \
         cross join lateral pg_catalog.aclexplode(a.attacl) g \
         where g.grantee <> t.relowner \
         union all \
         select 2, pg_catalog.format('comment on table HEIR is %L', \
             pg_catalog.obj_description(t.oid, 'pg_class')) \
         from target t where pg_catalog.obj_description(t.oid, 'pg_class') is not null \
         union all \
         select 3, pg_catalog.format('alter table HEIR set (%s)', \
             pg_catalog.array_to_string(t.reloptions, ', ')) \
         from target t where t.reloptions is not null \
         union all \
         select 4, pg_catalog.format('alter table HEIR owner to %I', \
             pg_catalog.pg_get_userbyid(t.relowner)) \
         from target t where pg_catalog.pg_get_userbyid(t.relowner) <> current_user \
         order by 1, 2";
    let heir = sql::table(heir);
    let statement = |row: &Row| Ok(row.get::<String>(1)?.replacen("HEIR", &heir, 1));
    rows(client, table, INHERITANCE).await?.iter().map(statement).collect()
}

/// Foreign keys of other tables that point at `table`, in name order.
pub(crate) async fn references(client: &Client, table: &TableRef) -> Result<Vec<Reference>> {
    const REFERENCES: &str = "select n.nspname::text, c.relname::text, k.conname::text \
         from pg_catalog.pg_constraint k \
         join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_class t on t.oid = k.confrelid \
         join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace \
         where k.contype = 'f' and k.conrelid <> t.oid and k.conparentid = 0 \
             and tn.nspname = $1::text and t.relname = $2::text \
         order by 1, 2, 3";
    let reference = |row: &Row| {
        Ok(Reference {
            table: TableRef::new(row.get::<String>(0)?, row.get::<String>(1)?),
            name: row.get(2)?,
        })
    };
    rows(client, table, REFERENCES).await?.iter().map(reference).collect()
}

/// Objects that a swap would cut off, each as `kind name`, in name order.
pub(crate) async fn dependents(client: &Client, table: &TableRef) -> Result<Vec<String>> {
    const DEPENDENTS: &str = "with target as (select c.* \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = $1::text and c.relname = $2::text) \
         select case v.relkind when 'm' then 'materialized view ' else 'view ' end \
             || v.oid::pg_catalog.regclass::text \
         from pg_catalog.pg_depend d join target t on d.refobjid = t.oid \
         join pg_catalog.pg_rewrite r on r.oid = d.objid \
         join pg_catalog.pg_class v on v.oid = r.ev_class \
         where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and v.oid <> t.oid \
         union select 'rule ' || r.rulename \
         from pg_catalog.pg_rewrite r join target t on r.ev_class = t.oid \
         where r.rulename <> '_RETURN' \
         union select 'trigger ' || g.tgname \
         from pg_catalog.pg_trigger g join target t on g.tgrelid = t.oid where not g.tgisinternal \
         union select 'policy ' || p.polname \
         from pg_catalog.pg_policy p join target t on p.polrelid = t.oid \
         union select 'row security ' || t.relname from target t where t.relrowsecurity \
         union select 'publication ' || b.pubname \
         from pg_catalog.pg_publication_rel l join target t on l.prrelid = t.oid \
         join pg_catalog.pg_publication b on b.oid = l.prpubid \
         union select 'child table ' || i.inhrelid::pg_catalog.regclass::text \
         from pg_catalog.pg_inherits i join target t on i.inhparent = t.oid \
         union select 'parent table ' || i.inhparent::pg_catalog.regclass::text \
         from pg_catalog.pg_inherits i join target t on i.inhrelid = t.oid \
         union select 'partitioning of ' || t.relname from target t where t.relkind = 'p' \
         order by 1";
    rows(client, table, DEPENDENTS).await?.iter().map(|row| row.get(0)).collect()
}
