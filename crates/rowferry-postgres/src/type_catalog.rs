//! What the catalogue says of types: the types of a table's columns, and all that they are made of.
//!
//! ```text
//!  domain ──▶ base      array ──▶ element      range ──▶ subtype      composite ──▶ fields
//! ```
//!
//! One query follows these arrows from a set of types, so that everything that is decided from a
//! type (its meaning, whether it has a binary form that means something elsewhere, which
//! definitions a target needs) is decided in memory.

use std::collections::BTreeMap;

use rowferry_core::{Result, TypeDefinition};
use tokio_postgres::types::Type;

use crate::built_in;
use crate::client::Client;
use crate::error::failed;
use crate::row::Row;

/// Types by number, closed under what they are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeCatalog {
    types: BTreeMap<u32, CatalogType>,
}

/// One row of `pg_type` with what hangs on it.
#[derive(Clone, Debug)]
pub(crate) struct CatalogType {
    /// `pg_type.oid`.
    pub(crate) oid: u32,
    /// As `format_type` writes it: a type of a user comes with its schema.
    pub(crate) name: String,
    /// `pg_type.typname`.
    pub(crate) bare: String,
    /// Its schema.
    pub(crate) schema: String,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// The extension that brings it.
    pub(crate) extension: Option<String>,
    /// The statement that makes it; empty for what nobody can make: arrays and multiranges.
    pub(crate) definition: String,
    /// Without a send or receive function.
    pub(crate) no_binary: bool,
}

/// What a type is made of.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Nothing else.
    Base,
    /// Labels in sort order.
    Enum(Vec<String>),
    /// Another type under a rule.
    Domain {
        /// Type under it.
        base: u32,
        /// That type's modifier.
        modifier: i32,
        /// That type with its modifier, in words.
        words: String,
        /// Whether the domain refuses NULL.
        not_null: bool,
    },
    /// Elements.
    Array(u32),
    /// Fields without dropped ones, in order.
    Composite(Vec<u32>),
    /// Bounds of a subtype.
    Range(u32),
    /// Ranges.
    Multirange(u32),
}

/// Schemas whose types every server has.
const OWN_SCHEMAS: [&str; 2] = [built_in::SCHEMA, "information_schema"];

/// Built-in types whose binary form is refused on the way in, or holds numbers of objects that
/// mean nothing on another server, or is rewritten on the way (`xml` gets another encoding in its
/// declaration). An empty `int2vector` or `tsquery` is refused by its own
/// receive function.
const TEXT_ONLY: [&str; 24] = [
    "aclitem",
    "gtsvector",
    "int2vector",
    "oidvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
    "regclass",
    "regcollation",
    "regconfig",
    "regdatabase",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "tsquery",
    "xml",
];

impl TypeCatalog {
    /// The types of the columns of `relation`, and all that they are made of.
    ///
    /// The server plans the long question for longer than it takes to answer a short one before it:
    /// whether there is anything to ask about.
    pub(crate) async fn of_table(client: &Client, relation: u32) -> Result<Self> {
        const ROOTS: &str = "select a.atttypid from pg_catalog.pg_attribute a \
             where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped";
        let rows = client
            .query_typed(ROOTS, &[(&relation, Type::OID)])
            .await
            .map_err(failed("could not read the types of the catalogue"))?;
        let types = rows.iter().map(|row| Ok(built_in::scalar(row.get(0)?)));
        let types: Option<BTreeMap<_, _>> = types
            .map(|found: Result<_>| found.map(|found| found.map(|found| (found.oid, found))))
            .collect::<Result<_>>()?;
        if let Some(types) = types {
            return Ok(Self { types });
        }
        Self::load(client, ROOTS, Some(relation)).await
    }

    /// All types that a column can have, but for row types of tables: there may be as many of them
    /// as tables.
    pub(crate) async fn of_database(client: &Client) -> Result<Self> {
        const ROOTS: &str = "select t.oid from pg_catalog.pg_type t \
             left join pg_catalog.pg_type e on e.oid = t.typelem and e.typarray = t.oid \
             left join pg_catalog.pg_class c on c.oid = coalesce(e.typrelid, t.typrelid) \
             where t.typtype in ('b', 'c', 'd', 'e', 'r', 'm') \
                 and (c.relkind is null or c.relkind = 'c')";
        Self::load(client, ROOTS, None).await
    }

    async fn load(client: &Client, roots: &str, relation: Option<u32>) -> Result<Self> {
        let query = CLOSURE.replacen("ROOTS", roots, 1);
        let rows = match &relation {
            Some(oid) => client.query_typed(&query, &[(oid, Type::OID)]).await,
            None => client.query_typed(&query, &[]).await,
        }
        .map_err(failed("could not read the types of the catalogue"))?;
        let types = rows.iter().map(|row| Ok((row.get(0)?, catalog_type(row)?)));
        Ok(Self { types: types.collect::<Result<_>>()? })
    }

    /// A type by its number.
    pub(crate) fn get(&self, oid: u32) -> Option<&CatalogType> {
        self.types.get(&oid)
    }

    /// All types.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CatalogType> {
        self.types.values()
    }

    /// Follows domains down to the type whose values are stored.
    pub(crate) fn stored(&self, oid: u32, modifier: i32) -> Stored<'_> {
        let mut stored = Stored { oid, modifier, words: None, not_null: false };
        while let Some(Kind::Domain { base, modifier, words, not_null }) =
            self.get(stored.oid).map(|found| &found.kind)
        {
            stored = Stored {
                oid: *base,
                modifier: *modifier,
                words: Some(words),
                not_null: stored.not_null || *not_null,
            };
        }
        stored
    }

    /// The types that one type is made of directly.
    fn parts(&self, oid: u32) -> Vec<u32> {
        match self.get(oid).map(|found| &found.kind) {
            Some(Kind::Domain { base, .. }) => vec![*base],
            Some(Kind::Array(part) | Kind::Range(part) | Kind::Multirange(part)) => vec![*part],
            Some(Kind::Composite(fields)) => fields.clone(),
            Some(Kind::Base | Kind::Enum(_)) | None => Vec::new(),
        }
    }

    /// Whether values must cross as text: the type, or something it is made of, has no binary form
    /// that another server understands.
    pub(crate) fn text_only(&self, oid: u32) -> bool {
        let this = self.get(oid).is_none_or(|found| {
            found.no_binary || (found.is_own() && TEXT_ONLY.contains(&found.bare.as_str()))
        });
        this || self.parts(oid).into_iter().any(|part| self.text_only(part))
    }

    /// Definitions of the types of users that `oid` is made of, itself last. A type that comes with
    /// an extension stands for all it is made of.
    pub(crate) fn needs(&self, oid: u32) -> Vec<TypeDefinition> {
        let mut needs = Vec::new();
        self.collect(oid, &mut needs);
        needs
    }

    fn collect(&self, oid: u32, needs: &mut Vec<TypeDefinition>) {
        let Some(found) = self.get(oid) else { return };
        if found.is_own() || needs.iter().any(|need| need.name == found.name) {
            return;
        }
        if found.extension.is_none() {
            for part in self.parts(oid) {
                self.collect(part, needs);
            }
        }
        if !found.definition.is_empty() {
            needs.push(TypeDefinition {
                name: found.name.clone(),
                definition: found.definition.clone(),
                extension: found.extension.clone(),
            });
        }
    }
}

/// A stored type: what is left when domains are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    /// Its number.
    pub(crate) oid: u32,
    /// Its modifier.
    pub(crate) modifier: i32,
    /// For a domain the type under it, in words.
    pub(crate) words: Option<&'a str>,
    /// Whether a domain on the way refuses NULL.
    pub(crate) not_null: bool,
}

impl CatalogType {
    /// Whether every server has it.
    pub(crate) fn is_own(&self) -> bool {
        OWN_SCHEMAS.contains(&self.schema.as_str())
    }
}

/// The definition of a type that only comes with the table it belongs to.
pub(crate) const ROW_TYPE: &str = "row type ";
/// The definition of a type that is written in C without an extension.
pub(crate) const FOREIGN_TYPE: &str = "base type ";

/// Everything about the types of ROOTS and what they are made of. `to_jsonb` hides columns that
/// older servers do not have (`rngmultitypid` came with version 14).
const CLOSURE: &str = "with recursive need(oid) as ( ROOTS \
      union select part.oid from need join pg_catalog.pg_type t on t.oid = need.oid \
      cross join lateral ( \
          select t.typelem where t.typcategory = 'A' and t.typelem <> 0 \
          union all select t.typbasetype where t.typtype = 'd' \
          union all select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid \
          union all select r.rngtypid from pg_catalog.pg_range r where t.typtype = 'm' \
              and (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid \
          union all select a.atttypid from pg_catalog.pg_attribute a \
              where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 \
                  and not a.attisdropped \
      ) part(oid)) \
  select t.oid, pg_catalog.format_type(t.oid, null), t.typname::text, n.nspname::text, \
      case when e.oid is not null then 'A' else t.typtype::text end, \
      t.typsend = 0 or t.typreceive = 0, \
      (select x.extname::text from pg_catalog.pg_depend d \
          join pg_catalog.pg_extension x on x.oid = d.refobjid \
          where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid \
              and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
              and d.deptype = 'e' limit 1), \
      array(select l.enumlabel::text from pg_catalog.pg_enum l \
          where l.enumtypid = t.oid order by l.enumsortorder), \
      t.typbasetype, t.typtypmod, pg_catalog.format_type(t.typbasetype, t.typtypmod), \
      t.typnotnull, t.typelem, fields.types, \
      coalesce(r.rngsubtype, 0::oid), coalesce(m.rngtypid, 0::oid), \
      case t.typtype \
      when 'e' then pg_catalog.format('create type %s as enum (%s)', \
          pg_catalog.format_type(t.oid, null), \
          (select pg_catalog.string_agg('''' || pg_catalog.replace(l.enumlabel, '''', '''''') \
              || '''', ', ' order by l.enumsortorder) \
              from pg_catalog.pg_enum l where l.enumtypid = t.oid)) \
      when 'd' then pg_catalog.format('create domain %s as %s%s%s%s%s', \
          pg_catalog.format_type(t.oid, null), \
          pg_catalog.format_type(t.typbasetype, t.typtypmod), \
          case when t.typcollation <> b.typcollation \
              then ' collate ' || t.typcollation::pg_catalog.regcollation::text else '' end, \
          ' default ' || t.typdefault, case when t.typnotnull then ' not null' else '' end, \
          (select pg_catalog.string_agg(pg_catalog.format(' constraint %I %s', k.conname, \
              pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), \
                  ' NOT VALID$', '')), '' order by k.conname) \
              from pg_catalog.pg_constraint k where k.contypid = t.oid and k.contype = 'c')) \
      when 'c' then case when c.relkind = 'c' then pg_catalog.format('create type %s as (%s)', \
              pg_catalog.format_type(t.oid, null), fields.words) \
          else pg_catalog.format('row type %s (%s)', pg_catalog.format_type(t.oid, null), \
              fields.words) end \
      when 'r' then pg_catalog.format('create type %s as range (subtype = %s%s%s%s%s%s)', \
          pg_catalog.format_type(t.oid, null), pg_catalog.format_type(r.rngsubtype, null), \
          (select ', subtype_opclass = ' || pg_catalog.quote_ident(on_.nspname) || '.' \
              || pg_catalog.quote_ident(o.opcname) from pg_catalog.pg_opclass o \
              join pg_catalog.pg_namespace on_ on on_.oid = o.opcnamespace \
              where o.oid = r.rngsubopc and not o.opcdefault), \
          case when r.rngcollation <> 0 and r.rngcollation <> s.typcollation \
              then ', collation = ' || r.rngcollation::pg_catalog.regcollation::text end, \
          case when r.rngcanonical <> 0 then ', canonical = ' || r.rngcanonical::text end, \
          case when r.rngsubdiff <> 0 then ', subtype_diff = ' || r.rngsubdiff::text end, \
          ', multirange_type_name = ' || pg_catalog.format_type( \
              (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid, null)) \
      when 'b' then case when e.oid is not null then '' \
          else pg_catalog.format('base type %s (input = %s, output = %s)', \
              pg_catalog.format_type(t.oid, null), t.typinput::text, t.typoutput::text) end \
      else '' end \
  from (select distinct oid from need) need join pg_catalog.pg_type t on t.oid = need.oid \
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace \
  left join pg_catalog.pg_type e on e.oid = t.typelem and e.typarray = t.oid \
  left join pg_catalog.pg_type b on b.oid = t.typbasetype \
  left join pg_catalog.pg_class c on c.oid = t.typrelid \
  left join pg_catalog.pg_range r on r.rngtypid = t.oid \
  left join pg_catalog.pg_type s on s.oid = r.rngsubtype \
  left join pg_catalog.pg_range m on t.typtype = 'm' \
      and (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::oid = t.oid \
  left join lateral (select pg_catalog.array_agg(a.atttypid order by a.attnum) as types, \
          pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || ' ' \
              || pg_catalog.format_type(a.atttypid, a.atttypmod) \
              || case when a.attcollation <> f.typcollation \
                  then ' collate ' || a.attcollation::pg_catalog.regcollation::text else '' end, \
              ', ' order by a.attnum) as words \
      from pg_catalog.pg_attribute a join pg_catalog.pg_type f on f.oid = a.atttypid \
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) fields \
      on t.typtype = 'c'";

fn catalog_type(row: &Row) -> Result<CatalogType> {
    let kind: String = row.get(4)?;
    let extension: Option<String> = row.get(6)?;
    let kind = match kind.as_str() {
        "A" => Kind::Array(row.get(12)?),
        "e" => Kind::Enum(row.get(7)?),
        "d" => Kind::Domain {
            base: row.get(8)?,
            modifier: row.get(9)?,
            words: row.get(10)?,
            not_null: row.get(11)?,
        },
        "c" => Kind::Composite(row.get::<Option<Vec<u32>>>(13)?.unwrap_or_default()),
        "r" => Kind::Range(row.get(14)?),
        "m" => Kind::Multirange(row.get(15)?),
        _ => Kind::Base,
    };
    let definition = match (&extension, &kind) {
        (_, Kind::Array(_) | Kind::Multirange(_)) => String::new(),
        (Some(extension), _) => {
            format!("create extension {}", crate::sql::quote(extension))
        }
        (None, _) => row.get(16)?,
    };
    Ok(CatalogType {
        oid: row.get(0)?,
        name: row.get(1)?,
        bare: row.get(2)?,
        schema: row.get(3)?,
        kind,
        extension,
        definition,
        no_binary: row.get(5)?,
    })
}
