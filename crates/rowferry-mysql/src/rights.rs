//! Which grants a login lacks for a copy, as the statements that give them.
//!
//! The catalogue shows the grants of an account but not those of its roles; `show grants` has both.

use rowferry_core::{Access, Result, TableRef, WriteMode};

use crate::config::Server;
use crate::conn::Conn;
use crate::{error, sql, staging};

/// What an account may do, and its name as `grant` takes it.
pub(crate) struct Rights {
    account: String,
    grants: Vec<Grant>,
}

/// One line of `show grants`.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    /// Lower-case words.
    rights: Vec<String>,
    /// Pattern of databases; `None` = all.
    database: Option<String>,
    /// `None` = all of the database.
    table: Option<String>,
}

/// Rights on all of a database that making and exchanging tables needs.
const REPLACE: &[&str] = &["select", "insert", "update", "delete", "create", "alter", "drop"];

impl Rights {
    pub(crate) async fn of_login(conn: &mut Conn) -> Result<Self> {
        let failed = |error| error::of(error, "could not read the rights of this login");
        let account: Option<String> =
            conn.query_first("select current_user()").await.map_err(failed)?;
        let mut lines: Vec<String> = conn.query("show grants").await.map_err(failed)?;
        // MySQL lists roles by their name alone; asked with them, it lists their grants too.
        let roles = conn.query_first::<Option<String>, _>("select current_role()").await;
        if let Some(roles) =
            roles.ok().flatten().flatten().filter(|roles| roles != "NONE" && roles.contains('@'))
        {
            let query = format!("show grants for current_user() using {roles}");
            lines = conn.query(query).await.map_err(failed)?;
        }
        let account = account.unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((account.as_str(), "%"));
        let account = format!("{}@{}", sql::text(user), sql::text(host));
        Ok(Self { account, grants: lines.iter().filter_map(|line| Grant::parse(line)).collect() })
    }

    /// Grants that reading `table` needs and this login lacks.
    pub(crate) fn to_read(&self, database: &str, table: &TableRef) -> Vec<String> {
        self.on_table(database, &table.name, &["select"]).into_iter().collect()
    }

    /// Grants that writing needs and this login lacks.
    pub(crate) async fn to_write(
        &self,
        server: &Server,
        conn: &mut Conn,
        access: &Access,
    ) -> Result<Vec<String>> {
        let target = TableRef::new(server.database_of(&access.table), &access.table.name);
        let database = server.database_of(&access.table);
        let progress = access.progress_schema.as_deref().unwrap_or(&server.database);
        let mut missing: Vec<String> = match access.write {
            WriteMode::Replace => self.on_database(database, REPLACE).into_iter().collect(),
            _ if !staging::exists(conn, &target).await? => {
                self.on_database(database, REPLACE).into_iter().collect()
            }
            WriteMode::Append => {
                self.on_table(database, &target.name, &["select", "insert"]).into_iter().collect()
            }
            WriteMode::Upsert => {
                let rights = ["select", "insert", "update", "delete"];
                let temporary = self.on_database(database, &["create temporary tables"]);
                self.on_table(database, &target.name, &rights)
                    .into_iter()
                    .chain(temporary)
                    .collect()
            }
        };
        for name in ["_rowferry_stream", "_rowferry_chunk"] {
            let rights: &[&str] = if staging::exists(conn, &TableRef::new(progress, name)).await? {
                &["select", "insert", "update", "delete"]
            } else {
                &["select", "insert", "update", "delete", "create"]
            };
            // A single table can only be granted on when it is there.
            if self.on_table(progress, name, rights).is_some() {
                missing.extend(self.on_database(progress, rights));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        missing.retain(|statement| seen.insert(statement.clone()));
        Ok(missing)
    }

    fn on_database(&self, database: &str, wanted: &[&str]) -> Option<String> {
        let lacks = |right: &&&str| {
            !self.grants.iter().any(|grant| grant.table.is_none() && grant.gives(right, database))
        };
        let place = format!("{}.*", sql::quote(database));
        let missing: Vec<&str> = wanted.iter().filter(lacks).copied().collect();
        self.statement(&missing, &place)
    }

    fn on_table(&self, database: &str, table: &str, wanted: &[&str]) -> Option<String> {
        let lacks = |right: &&&str| {
            !self.grants.iter().any(|grant| {
                grant.table.as_deref().is_none_or(|own| own == table)
                    && grant.gives(right, database)
            })
        };
        let place = format!("{}.{}", sql::quote(database), sql::quote(table));
        let missing: Vec<&str> = wanted.iter().filter(lacks).copied().collect();
        self.statement(&missing, &place)
    }

    fn statement(&self, rights: &[&str], place: &str) -> Option<String> {
        let account = &self.account;
        (!rights.is_empty())
            .then(|| format!("grant {} on {place} to {account};", rights.join(", ")))
    }
}

impl Grant {
    /// Reads `` GRANT SELECT (`a`), INSERT ON `shop`.* TO … ``; `None` for roles and proxies.
    fn parse(line: &str) -> Option<Self> {
        let (rights, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
        let (database, rest) = name(rest)?;
        let (table, _) = name(rest.strip_prefix('.')?)?;
        // Of a column's right only that there is one counts.
        let (mut inside, mut quoted) = (false, false);
        let plain: String = rights
            .chars()
            .filter(|sign| {
                // A doubled quote opens and closes once more.
                quoted ^= *sign == '`';
                let was_inside = inside;
                inside = (inside || *sign == '(') && (quoted || *sign != ')');
                !inside && !was_inside
            })
            .collect();
        let rights = plain.split(',').map(|right| right.trim().to_ascii_lowercase()).collect();
        Some(Self { rights, database, table })
    }

    fn gives(&self, right: &str, database: &str) -> bool {
        let named = self.rights.iter().any(|own| own == right || own == "all privileges");
        named && self.database.as_deref().is_none_or(|pattern| like(pattern, database))
    }
}

/// A quoted name, or `*`, and what follows it.
fn name(text: &str) -> Option<(Option<String>, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some((None, rest));
    }
    let mut rest = text.strip_prefix('`')?;
    let mut name = String::new();
    loop {
        let (part, behind) = rest.split_once('`')?;
        name.push_str(part);
        match behind.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return Some((Some(name), behind)),
        }
    }
}

/// Whether `text` fits `pattern`, in which `%` and `_` stand for any characters and any one.
fn like(pattern: &str, text: &str) -> bool {
    let mut signs = pattern.chars();
    let Some(sign) = signs.next() else { return text.is_empty() };
    let behind = |text: &str, wanted: Option<char>| {
        let mut rest = text.chars();
        let first = rest.next()?;
        wanted.is_none_or(|wanted| wanted == first).then(|| rest.as_str().to_owned())
    };
    match sign {
        '%' => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| like(signs.as_str(), text.get(at..).unwrap_or_default())),
        '_' => behind(text, None).is_some_and(|rest| like(signs.as_str(), &rest)),
        '\\' => {
            let wanted = signs.next().unwrap_or('\\');
            behind(text, Some(wanted)).is_some_and(|rest| like(signs.as_str(), &rest))
        }
        wanted => behind(text, Some(wanted)).is_some_and(|rest| like(signs.as_str(), &rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_show_grants_is_read() {
        let line = "GRANT SELECT (`a`, `b``)`), INSERT ON `my``shop\\_1`.* TO `me`@`%`";
        let grant = Grant::parse(line).unwrap();
        assert_eq!(grant.rights, ["select", "insert"]);
        assert!(grant.gives("insert", "my`shop_1") && !grant.gives("insert", "my`shopx1"));
        assert_eq!(grant.table, None);
        let grant =
            Grant::parse("GRANT ALL PRIVILEGES ON *.* TO `me`@`%` WITH GRANT OPTION").unwrap();
        assert!(grant.gives("drop", "anything"));
        assert_eq!(Grant::parse("GRANT `reader`@`%` TO `me`@`%`"), None);
        let grant = Grant::parse("GRANT SELECT ON `a`.`b.c` TO `me`@`%`").unwrap();
        assert_eq!(grant.table.as_deref(), Some("b.c"));
    }

    #[test]
    fn what_is_missing_is_one_statement() {
        let lines =
            ["GRANT USAGE ON *.* TO `me`@`%`", "GRANT SELECT, CREATE ON `shop%`.* TO `me`@`%`"];
        let grants = lines.iter().filter_map(|line| Grant::parse(line)).collect();
        let rights = Rights { account: "'me'@'%'".to_owned(), grants };
        assert_eq!(
            rights.on_database("shop_2", &["select", "insert", "create", "drop"]).as_deref(),
            Some("grant insert, drop on `shop_2`.* to 'me'@'%';")
        );
        assert_eq!(rights.on_table("shop", "t", &["select"]), None);
    }
}
