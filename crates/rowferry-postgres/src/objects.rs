//! What belongs to a table besides columns and keys: foreign keys, checks, the next number of its
//! identity column, and what is only listed because nothing carries it over.

use rowferry_core::{CheckConstraint, ForeignKey, Result, TableRef, Untranslated};
use tokio_postgres::types::Type;

use crate::describe::{Relation, rows};
use crate::error::failed;
use crate::row::Row;
use crate::session::Session;
use crate::sql;

/// Foreign keys, in the order of their names.
pub(crate) async fn foreign_keys(
    session: &Session,
    relation: &Relation,
) -> Result<Vec<ForeignKey>> {
    const FOREIGN_KEYS: &str = "select k.conname::text, \
             array(select a.attname::text \
                 from pg_catalog.unnest(k.conkey) with ordinality c(attnum, place) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = k.conrelid and a.attnum = c.attnum order by c.place), \
             n.nspname::text, t.relname::text, \
             array(select a.attname::text \
                 from pg_catalog.unnest(k.confkey) with ordinality c(attnum, place) \
                 join pg_catalog.pg_attribute a \
                     on a.attrelid = k.confrelid and a.attnum = c.attnum order by c.place), \
             k.confdeltype::text, k.confupdtype::text \
         from pg_catalog.pg_constraint k \
         join pg_catalog.pg_class t on t.oid = k.confrelid \
         join pg_catalog.pg_namespace n on n.oid = t.relnamespace \
         where k.conrelid = $1 and k.contype = 'f' and k.conparentid = 0 \
         order by k.conname::text collate \"C\"";
    let action = |letter: String| {
        let word = match letter.as_str() {
            "r" => "restrict",
            "c" => "cascade",
            "n" => "set null",
            "d" => "set default",
            _ => return None,
        };
        Some(word.to_owned())
    };
    let key = |row: &Row| {
        Ok(ForeignKey {
            name: row.get(0)?,
            columns: row.get(1)?,
            to: TableRef::new(row.get::<String>(2)?, row.get::<String>(3)?),
            to_columns: row.get(4)?,
            on_delete: action(row.get(5)?),
            on_update: action(row.get(6)?),
        })
    };
    rows(session, relation, FOREIGN_KEYS).await?.iter().map(key).collect()
}

/// Checks, in the order of their names. Those that call functions of users are left to
/// [`untranslated`].
pub(crate) async fn checks(session: &Session, relation: &Relation) -> Result<Vec<CheckConstraint>> {
    const CHECKS: &str = "select k.conname::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid) \
         from pg_catalog.pg_constraint k where k.conrelid = $1 and k.contype = 'c' \
             and not exists (select from pg_catalog.pg_depend d \
                 where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass \
                     and d.objid = k.oid \
                     and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) \
         order by k.conname::text collate \"C\"";
    let check = |row: &Row| Ok(CheckConstraint { name: row.get(0)?, expression: row.get(1)? });
    rows(session, relation, CHECKS).await?.iter().map(check).collect()
}

/// The number that the first numbered column would give next; `None` where there is none or this
/// login may not look.
pub(crate) async fn next_identity(session: &Session, relation: &Relation) -> Result<Option<i64>> {
    const SEQUENCE: &str = "select n.nspname::text, c.relname::text, q.seqincrement \
         from pg_catalog.pg_depend d \
         join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S' \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_sequence q on q.seqrelid = c.oid \
         where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.deptype in ('a', 'i') and d.refobjid = $1 and d.refobjsubid > 0 \
             and pg_catalog.has_schema_privilege(n.oid, 'usage') \
             and pg_catalog.has_sequence_privilege(c.oid, 'select') \
         order by d.refobjsubid limit 1";
    let found = rows(session, relation, SEQUENCE).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let sequence = TableRef::new(row.get::<String>(0)?, row.get::<String>(1)?);
    let step: i64 = row.get(2)?;
    let query = format!("select last_value, is_called from {}", sql::table(&sequence));
    let state = session
        .client
        .query_typed_one(&query, &[])
        .await
        .map_err(failed(format!("could not read sequence {sequence}")))?;
    let last: i64 = state.get(0)?;
    Ok(if state.get(1)? { last.checked_add(step) } else { Some(last) })
}

/// What belongs to the table and is carried over by nothing.
pub(crate) async fn untranslated(
    session: &Session,
    relation: &Relation,
) -> Result<Vec<Untranslated>> {
    // The conditions of a policy are put together, since no function of the server does it.
    const UNTRANSLATED: &str = "select 'trigger', g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid) \
         from pg_catalog.pg_trigger g where g.tgrelid = $1 and not g.tgisinternal \
         union all \
         select 'policy', p.polname::text, pg_catalog.format( \
             'create policy %I on %s as %s for %s%s%s', p.polname, \
             p.polrelid::pg_catalog.regclass, \
             case when p.polpermissive then 'permissive' else 'restrictive' end, \
             case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' \
                 when 'd' then 'delete' else 'all' end, \
             ' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', \
             ' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
         from pg_catalog.pg_policy p where p.polrelid = $1 \
         union all \
         select 'rule', r.rulename::text, pg_catalog.pg_get_ruledef(r.oid) \
         from pg_catalog.pg_rewrite r where r.ev_class = $1 and r.rulename <> '_RETURN' \
         union all \
         select 'partition key', c.relname::text, pg_catalog.pg_get_partkeydef(c.oid) \
         from pg_catalog.pg_class c where c.oid = $1 and c.relkind = 'p' \
         union all \
         select 'exclusion constraint', k.conname::text, pg_catalog.pg_get_constraintdef(k.oid) \
         from pg_catalog.pg_constraint k where k.conrelid = $1 and k.contype = 'x' \
         union all \
         select 'options of a foreign key', k.conname::text, pg_catalog.pg_get_constraintdef(k.oid) \
         from pg_catalog.pg_constraint k where k.conrelid = $1 and k.contype = 'f' \
             and (k.condeferrable or k.confmatchtype <> 's') \
         union all \
         select 'check', k.conname::text, pg_catalog.pg_get_constraintdef(k.oid) \
         from pg_catalog.pg_constraint k where k.conrelid = $1 and k.contype = 'c' \
             and exists (select from pg_catalog.pg_depend d \
                 where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass \
                     and d.objid = k.oid \
                     and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) \
         union all \
         select 'default', a.attname::text, pg_catalog.pg_get_expr(v.adbin, v.adrelid) \
         from pg_catalog.pg_attrdef v join pg_catalog.pg_attribute a \
             on a.attrelid = v.adrelid and a.attnum = v.adnum \
         where v.adrelid = $1 and exists (select from pg_catalog.pg_depend d \
             where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid = v.oid \
                 and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) \
         union all \
         select 'options of a unique key', i.relname::text, \
             pg_catalog.pg_get_indexdef(x.indexrelid) \
         from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid \
         where x.indrelid = $1 and x.indisunique and x.indisvalid and x.indimmediate \
             and x.indpred is null and x.indexprs is null and not x.indisprimary \
             and (x.indnatts <> x.indnkeyatts \
                 or coalesce((pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct')::bool, false)) \
         order by 1, 2";
    let item = |row: &Row| {
        Ok(Untranslated { kind: row.get(0)?, name: row.get(1)?, definition: row.get(2)? })
    };
    session
        .client
        .query_typed(UNTRANSLATED, &[(&relation.oid, Type::OID)])
        .await
        .map_err(failed(format!("could not describe what hangs on table {}", relation.table)))?
        .iter()
        .map(item)
        .collect()
}
