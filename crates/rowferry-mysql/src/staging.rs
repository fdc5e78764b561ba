//! Tables that a run makes, with their names and DDL. Each name carries stream and run, so that a
//! late statement of an earlier run finds nothing.

use mysql_async::params;
use rowferry_core::{Index, Result, TablePlan, TableRef};

use crate::config::Server;
use crate::conn::Conn;
use crate::types::Flavor;
use crate::{definition, error, shape, sql};

fn short(stream_id: &str) -> String {
    stream_id.chars().take(12).collect()
}

/// The staging table of a run, in the target's database.
pub(crate) fn name(server: &Server, target: &TableRef, stream_id: &str, run: i64) -> TableRef {
    let database = server.database_of(target);
    TableRef::new(database, format!("_rowferry_s_{}_r{run}", short(stream_id)))
}

/// The swapped-out table of a run.
pub(crate) fn old_name(server: &Server, target: &TableRef, stream_id: &str, run: i64) -> TableRef {
    let database = server.database_of(target);
    TableRef::new(database, format!("_rowferry_o_{}_r{run}", short(stream_id)))
}

/// The session's own table that rows are merged from.
pub(crate) fn merge_name(server: &Server, target: &TableRef, stream_id: &str) -> TableRef {
    TableRef::new(server.database_of(target), format!("_rowferry_m_{}", short(stream_id)))
}

/// Tables of a stream whose names begin as those of `sample` do, up to the run.
pub(crate) async fn siblings(conn: &mut Conn, sample: &TableRef) -> Result<Vec<TableRef>> {
    let prefix = sample.name.rsplit_once('r').map_or(sample.name.as_str(), |(prefix, _)| prefix);
    let names: Vec<String> = conn
        .exec(
            "select table_name from information_schema.tables \
             where table_schema = :db and left(table_name, char_length(:prefix)) = :prefix",
            params! { "db" => sample.schema.as_deref(), "prefix" => prefix },
        )
        .await
        .map_err(|error| error::of(error, "could not look for staging tables"))?;
    Ok(names.into_iter().map(|name| TableRef { schema: sample.schema.clone(), name }).collect())
}

/// Whether a table is there.
pub(crate) async fn exists(conn: &mut Conn, table: &TableRef) -> Result<bool> {
    let found: Option<u8> = conn
        .exec_first(
            "select 1 from information_schema.tables \
             where table_schema = :db and table_name = :name",
            params! { "db" => table.schema.as_deref(), "name" => &table.name },
        )
        .await
        .map_err(|error| error::of(error, format!("could not look for table {table}")))?;
    Ok(found.is_some())
}

/// `create table` for a new table of the plan.
pub(crate) fn create(server: &Server, plan: &TablePlan, table: &TableRef) -> String {
    let primary: &[String] = if plan.key_enforced { &plan.key } else { &[] };
    let mut parts = definition::columns(plan, server.flavor);
    if !primary.is_empty() {
        parts.push(format!("primary key ({})", sql::list(primary.iter().map(String::as_str))));
    }
    parts.extend(checks(server, plan, table));
    let comment = definition::comment(plan);
    // The server goes on from here or from beyond the greatest number, whichever is more.
    let counts = plan.columns.iter().any(|column| {
        column.target.identity.is_some() && primary.first() == Some(&column.target.name)
    });
    let next = plan
        .source
        .next_identity
        .filter(|next| counts && *next > 0)
        .map(|next| format!(" auto_increment = {next}"))
        .unwrap_or_default();
    format!(
        "create table {} (\n  {}\n) engine = InnoDB{next} character set utf8mb4 \
         collate {}{comment}",
        sql::table(table),
        parts.join(",\n  "),
        server.flavor.binary_collation()
    )
}

/// The checks of a new table. MySQL names them after the table, in each renaming anew, and fails when
/// that makes a name too long; so those of a table with a long name get one that it leaves alone.
fn checks(server: &Server, plan: &TablePlan, table: &TableRef) -> Vec<String> {
    let checks = definition::checks(plan, server.flavor);
    if !needs_names_for_checks(server, &plan.target) {
        return checks;
    }
    let named = |(at, check): (usize, String)| {
        format!("constraint {} {check}", check_name(table, &plan.stream.stream_id, at))
    };
    checks.into_iter().enumerate().map(named).collect()
}

/// Whether the server would give checks of `target` names that are too long for it.
pub(crate) fn needs_names_for_checks(server: &Server, target: &TableRef) -> bool {
    /// `_chk_` and a number, off 64 characters.
    const NAME_CHARS_MAX: usize = 56;
    server.flavor != Flavor::MariaDb && target.name.chars().count() > NAME_CHARS_MAX
}

fn check_name(table: &TableRef, stream_id: &str, at: usize) -> String {
    let base = match table.name.strip_prefix("_rowferry_s_") {
        Some(of_run) => of_run.to_owned(),
        None => short(stream_id),
    };
    sql::quote(&format!("_rowferry_c_{base}_{}", at + 1))
}

/// The statement that names the checks of a table which was made like another: they got names after
/// the table again. `shown` is its definition as the server shows it, a line for each check; `None`
/// when they have their names, or there are none.
pub(crate) fn name_checks(table: &TableRef, stream_id: &str, shown: &str) -> Option<String> {
    let (mut parts, mut checks) = (Vec::new(), 0);
    for line in shown.lines() {
        let Some(rest) = line.strip_prefix("  CONSTRAINT ") else { continue };
        let Some(end) = rest.find("` CHECK ") else { continue };
        let (name, check) = rest.split_at(end + 1);
        let check = check.strip_suffix(',').unwrap_or(check);
        let named = check_name(table, stream_id, checks);
        checks += 1;
        if name == named {
            continue;
        }
        parts.extend([format!("drop check {name}"), format!("add constraint {named}{check}")]);
    }
    (!parts.is_empty()).then(|| format!("alter table {} {}", sql::table(table), parts.join(", ")))
}

/// A secondary index of the new table: its name here and at the source, and its part of
/// `alter table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secondary {
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) clause: String,
}

/// Unique keys and indexes of the source that the target's types can carry. They are built after
/// the load, when one sort is cheaper than many small inserts.
pub(crate) fn secondaries(plan: &TablePlan, flavor: Flavor) -> Vec<Secondary> {
    let unique = plan
        .source
        .keys
        .iter()
        .filter(|key| !key.primary)
        .filter_map(|key| secondary(plan, "unique key", &key.name, &key.columns, flavor));
    let plain = plan.source.indexes.iter().filter_map(|index| {
        if index.portable {
            secondary(plan, "key", &index.name, &index.columns, flavor)
        } else {
            verbatim(plan, index, flavor)
        }
    });
    unique.chain(plain).collect()
}

fn secondary(
    plan: &TablePlan,
    kind: &str,
    name: &str,
    columns: &[String],
    flavor: Flavor,
) -> Option<Secondary> {
    if columns.is_empty() {
        return None;
    }
    let computed = definition::computed(plan, flavor);
    let mut bytes = 0;
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let planned = plan.columns.iter().find(|planned| planned.source.name == *column);
        let target = match planned {
            Some(planned) => &planned.target,
            None => computed.iter().find(|own| own.name == *column)?,
        };
        bytes += shape::index_bytes(target)?;
        names.push(target.name.as_str());
    }
    if bytes > shape::INDEX_BYTES {
        return None;
    }
    let source = name.to_owned();
    let name: String = name.chars().take(64).collect();
    let clause = format!("add {kind} {} ({})", sql::quote(&name), sql::list(names));
    Some(Secondary { source, name, clause })
}

/// An index of the same fork, in its own words, where its columns kept their names and types.
fn verbatim(plan: &TablePlan, index: &Index, flavor: Flavor) -> Option<Secondary> {
    let computed = definition::computed(plan, flavor);
    let own = plan.source.columns.iter().all(|column| {
        let kept = computed.iter().any(|own| own.name == column.name)
            || plan.columns.iter().any(|planned| {
                planned.source.name == column.name
                    && planned.target.name == column.name
                    && planned.target.native.declared == column.native.declared
            });
        column.native.engine == flavor.word()
            && (kept || !index.definition.contains(&sql::quote(&column.name)))
    });
    // The catalogue does not tell every expression.
    let whole = !index.definition.contains("(…)");
    (own && whole && !index.definition.is_empty()).then(|| Secondary {
        source: index.name.clone(),
        name: index.name.clone(),
        clause: format!("add {}", index.definition),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_named_after_a_staging_table_get_names_that_stay() {
        let table = TableRef::new("d", "_rowferry_s_1f0c_r2");
        let shown = "CREATE TABLE `_rowferry_s_1f0c_r2` (\n  `a` int DEFAULT NULL,\n  KEY `k` (`a`),\n  \
             CONSTRAINT `_rowferry_s_1f0c_r2_chk_1` CHECK ((`a` > 1)),\n  \
             CONSTRAINT `_rowferry_c_1f0c_r2_2` CHECK ((`a` < 9)),\n  \
             CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `t` (`a`),\n  \
             CONSTRAINT `x``y` CHECK ((`a` <> _utf8mb4'` CHECK ')) /*!80016 NOT ENFORCED */\n) ENGINE=InnoDB";
        assert_eq!(
            name_checks(&table, "1f0c", shown).unwrap(),
            "alter table `d`.`_rowferry_s_1f0c_r2` \
             drop check `_rowferry_s_1f0c_r2_chk_1`, \
             add constraint `_rowferry_c_1f0c_r2_1` CHECK ((`a` > 1)), \
             drop check `x``y`, \
             add constraint `_rowferry_c_1f0c_r2_3` CHECK ((`a` <> _utf8mb4'` CHECK ')) /*!80016 NOT ENFORCED */"
        );
        assert_eq!(name_checks(&table, "1f0c", "CREATE TABLE `t` (\n  `a` int\n)"), None);
    }
}
