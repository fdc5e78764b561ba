//! What the target database knows of types, and by which name a type of the source goes there.

use std::collections::BTreeMap;

use rowferry_core::{Column, NativeType, Result, TypeDefinition};

use crate::describe::ENGINE;
use crate::error::failed;
use crate::meaning::meaning;
use crate::server::Server;
use crate::type_catalog::{FOREIGN_TYPE, ROW_TYPE, TypeCatalog};
use crate::types::{Words, normalized};

/// The types of the target database. `plan_column` cannot ask the server, so they are read when the
/// sink connects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    catalog: TypeCatalog,
    /// For encoders.
    pub(crate) words: Words,
    by_name: BTreeMap<String, u32>,
    schemas: Vec<String>,
    /// Where types go whose schema does not exist.
    own_schema: Option<String>,
}

/// Why a type of the source cannot be had in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The extension that brings it is missing.
    Extension {
        /// Type.
        name: String,
        /// Extension.
        extension: String,
    },
    /// A type of that name is defined differently, or nobody can make it.
    Other,
}

impl Known {
    pub(crate) async fn load(server: &Server) -> Result<Self> {
        const SCHEMAS: &str = "select n.nspname::text from pg_catalog.pg_namespace n";
        let session = server.questions().await?;
        let catalog = TypeCatalog::of_database(&session.client).await?;
        let schemas = session
            .client
            .query_typed(SCHEMAS, &[])
            .await
            .map_err(failed("could not read the schemas"))?;
        let schemas = schemas.iter().map(|row| row.get(0)).collect::<Result<_>>()?;
        Ok(Self::new(catalog, schemas, server.own_schema(), server.money_digits))
    }

    pub(crate) fn new(
        catalog: TypeCatalog,
        schemas: Vec<String>,
        own_schema: Option<&str>,
        money_digits: u8,
    ) -> Self {
        Self {
            words: Words::to_write(&catalog, money_digits),
            by_name: catalog.iter().map(|found| (found.name.clone(), found.oid)).collect(),
            catalog,
            schemas,
            own_schema: own_schema.map(str::to_owned),
        }
    }

    /// Fraction digits of the target's `money`.
    pub(crate) fn money_digits(&self) -> u8 {
        self.words.money_digits
    }

    /// Whether a type of that name was there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The source's type under the names of the target, if it is there or can be made.
    pub(crate) fn adopt(&self, native: &NativeType) -> Result<NativeType, Obstacle> {
        let renames = self.renames(&native.needs);
        let rename = |words: &str| renamed(words, &renames);
        let mut needs = Vec::new();
        for need in &native.needs {
            let need = TypeDefinition {
                name: rename(&need.name),
                definition: rename(&need.definition),
                extension: need.extension.clone(),
            };
            let there = self.by_name.get(&need.name).and_then(|oid| self.catalog.get(*oid));
            match (there, &need.extension) {
                (Some(there), _) if fits(&need.definition, &there.definition) => {}
                (None, Some(extension)) => {
                    return Err(Obstacle::Extension {
                        name: need.name,
                        extension: extension.clone(),
                    });
                }
                (None, None)
                    if !need.definition.starts_with(ROW_TYPE)
                        && !need.definition.starts_with(FOREIGN_TYPE) => {}
                _ => return Err(Obstacle::Other),
            }
            needs.push(need);
        }
        Ok(NativeType {
            engine: ENGINE.to_owned(),
            declared: rename(&native.declared),
            base: native.base.as_deref().map(rename),
            text_only: native.text_only,
            needs,
        })
    }

    /// A type of an extension may live in another schema; a type of a user goes into the login's
    /// own schema where the target does not have the source's.
    pub(crate) fn renames(&self, needs: &[TypeDefinition]) -> Vec<(String, String)> {
        let mut renames = Vec::new();
        for need in needs {
            let Some((schema, bare)) = need.name.split_once('.') else { continue };
            if need.extension.is_some() {
                let there = self.catalog.iter().find(|found| {
                    found.extension == need.extension
                        && crate::sql::quote_if_needed(&found.bare) == bare
                });
                if let Some(there) = there.filter(|there| there.name != need.name) {
                    renames.push((need.name.clone(), there.name.clone()));
                }
            } else if let Some(own) = &self.own_schema
                && !self.schemas.iter().any(|there| crate::sql::quote_if_needed(there) == schema)
            {
                renames
                    .push((format!("{schema}."), format!("{}.", crate::sql::quote_if_needed(own))));
            }
        }
        renames
    }

    /// A column of a type in the words of a user; `None` for words that mean nothing here.
    pub(crate) fn column(&self, name: &str, words: &str) -> Option<Column> {
        let words = normalized(words);
        let head = words.split('(').next().unwrap_or_default().trim();
        let found = self.by_name.get(&words).or_else(|| self.by_name.get(head)).or_else(|| {
            // A name without its schema.
            let bare = |found: &&crate::type_catalog::CatalogType| {
                !found.is_own() && crate::sql::quote_if_needed(&found.bare) == words
            };
            self.catalog.iter().find(bare).and_then(|found| self.by_name.get(&found.name))
        });
        let found = found.and_then(|oid| self.catalog.get(*oid));
        let plain = self.words.of_words(&words, None).is_some();
        let declared = match found {
            Some(found) if !found.is_own() => found.name.clone(),
            _ => words,
        };
        if found.is_none() && !plain {
            return None;
        }
        let canonical =
            found.and_then(|found| meaning(&self.catalog, found.oid, -1, self.money_digits()));
        let mut native = NativeType::new(ENGINE, declared);
        if let Some(found) = found {
            let stored = self.catalog.stored(found.oid, -1);
            native.base = stored.words.map(str::to_owned);
            native.text_only = self.catalog.text_only(found.oid);
            native.needs = self.catalog.needs(found.oid);
        }
        Some(Column::new(name, canonical, native))
    }
}

/// Whether values of the one definition are values of the other: equal, or an enum with more labels.
pub(crate) fn fits(source: &str, target: &str) -> bool {
    if source == target {
        return true;
    }
    match (source.split_once(" as enum ("), target.split_once(" as enum (")) {
        (Some((source, labels)), Some((target, there))) if source == target => {
            let there = labels_of(there);
            labels_of(labels).iter().all(|label| there.contains(label))
        }
        _ => false,
    }
}

/// `'a', 'it''s')` as its labels, quotes still doubled.
fn labels_of(list: &str) -> Vec<&str> {
    list.trim_end_matches(')').trim_matches('\'').split("', '").collect()
}

/// `words` with names replaced where they stand as names: outside of string literals, and not in
/// the middle of another name.
pub(crate) fn renamed(words: &str, renames: &[(String, String)]) -> String {
    let mut out = String::with_capacity(words.len());
    let mut in_literal = false;
    let mut rest = words;
    let mut before = ' ';
    while let Some(character) = rest.chars().next() {
        let at_start = !in_literal && !is_name(before) && before != '.' && before != '"';
        let rename = renames.iter().find(|(from, _)| {
            at_start
                && rest.strip_prefix(from.as_str()).is_some_and(|behind| {
                    from.ends_with('.') || !behind.starts_with(|next| is_name(next) || next == '.')
                })
        });
        let taken = if let Some((from, to)) = rename {
            out.push_str(to);
            from.len()
        } else {
            out.push(character);
            in_literal ^= character == '\'';
            character.len_utf8()
        };
        before = rest.get(..taken).and_then(|taken| taken.chars().last()).unwrap_or(' ');
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_outside_of_literals_only() {
        let renames =
            [("app.".to_owned(), "public.".to_owned()), ("a.hs".to_owned(), "b.hs".to_owned())];
        assert_eq!(
            renamed(
                "create type app.x as (f app.mood, h a.hs[], i a.hstore, j 'app.x' my.app.x)",
                &renames
            ),
            "create type public.x as (f public.mood, h b.hs[], i a.hstore, j 'app.x' my.app.x)"
        );
    }

    #[test]
    fn an_enum_may_have_more_labels_in_the_target() {
        let small = "create type public.m as enum ('a', 'it''s')";
        let large = "create type public.m as enum ('b', 'a', 'it''s')";
        assert!(fits(small, large) && fits(small, small) && !fits(large, small));
        assert!(!fits(small, "create type public.n as enum ('a', 'it''s')"));
    }
}
