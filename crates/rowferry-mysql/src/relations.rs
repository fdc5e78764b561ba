//! What belongs to a table beside its columns and indexes: foreign keys, checks, triggers, partitions.

use mysql_async::params;
use rowferry_core::{CheckConstraint, ForeignKey, TableRef, Untranslated};

use crate::conn::Conn;
use crate::defaults;
use crate::types::Flavor;

/// Name, column, referenced database, table and column, and the two rules of a key's part.
type KeyRow = (String, String, String, String, String, String, String);

/// Foreign keys to other tables, by name.
pub(crate) async fn foreign_keys(
    conn: &mut Conn,
    database: &str,
    name: &str,
) -> Result<Vec<ForeignKey>, mysql_async::Error> {
    let rows: Vec<KeyRow> = conn
        .exec(
            "select k.constraint_name, k.column_name, k.referenced_table_schema, \
             k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule \
             from information_schema.key_column_usage k \
             join information_schema.referential_constraints r \
             on r.constraint_schema = k.constraint_schema \
             and r.constraint_name = k.constraint_name and r.table_name = k.table_name \
             where k.table_schema = :db and k.table_name = :name \
             and k.referenced_table_name is not null \
             order by k.constraint_name, k.ordinal_position",
            params! { "db" => database, "name" => name },
        )
        .await?;
    // InnoDB does the same for both, and MariaDB calls it by the second name.
    let action = |rule: &str| {
        let rule = rule.to_ascii_lowercase();
        (!matches!(rule.as_str(), "no action" | "restrict")).then_some(rule)
    };
    let mut keys: Vec<ForeignKey> = Vec::new();
    for (name, column, schema, table, to_column, on_delete, on_update) in rows {
        match keys.last_mut() {
            Some(key) if key.name == name => {
                key.columns.push(column);
                key.to_columns.push(to_column);
            }
            _ => keys.push(ForeignKey {
                name,
                columns: vec![column],
                to: TableRef::new(schema, table),
                to_columns: vec![to_column],
                on_delete: action(&on_delete),
                on_update: action(&on_update),
            }),
        }
    }
    Ok(keys)
}

/// Check constraints, by name, but those that make a text MariaDB's JSON.
pub(crate) async fn checks(
    conn: &mut Conn,
    flavor: Flavor,
    database: &str,
    name: &str,
) -> Result<Vec<CheckConstraint>, mysql_async::Error> {
    let query = match flavor {
        Flavor::MySql => {
            "select c.constraint_name, c.check_clause from information_schema.check_constraints c \
             join information_schema.table_constraints t \
             on t.constraint_schema = c.constraint_schema \
             and t.constraint_name = c.constraint_name and t.constraint_type = 'CHECK' \
             where t.table_schema = :db and t.table_name = :name order by c.constraint_name"
        }
        Flavor::MariaDb => {
            "select constraint_name, check_clause from information_schema.check_constraints \
             where constraint_schema = :db and table_name = :name order by constraint_name"
        }
    };
    let rows: Vec<(String, String)> =
        conn.exec(query, params! { "db" => database, "name" => name }).await?;
    let json = |clause: &str| {
        flavor == Flavor::MariaDb
            && clause.trim().strip_prefix("json_valid(`").is_some_and(|rest| rest.ends_with("`)"))
    };
    Ok(rows
        .into_iter()
        .filter(|(_, clause)| !json(clause))
        .map(|(name, clause)| CheckConstraint {
            name,
            expression: defaults::expression(&clause, flavor),
        })
        .collect())
}

/// Triggers, and how the table is split.
pub(crate) async fn others(
    conn: &mut Conn,
    database: &str,
    name: &str,
) -> Result<Vec<Untranslated>, mysql_async::Error> {
    let params = || params! { "db" => database, "name" => name };
    let triggers: Vec<(String, String, String, String)> = conn
        .exec(
            "select trigger_name, action_timing, event_manipulation, action_statement \
             from information_schema.triggers where event_object_schema = :db \
             and event_object_table = :name order by trigger_name",
            params(),
        )
        .await?;
    let split: Option<(Option<String>, Option<String>)> = conn
        .exec_first(
            "select partition_method, partition_expression from information_schema.partitions \
             where table_schema = :db and table_name = :name and partition_method is not null \
             limit 1",
            params(),
        )
        .await?;
    let mut found: Vec<Untranslated> = triggers
        .into_iter()
        .map(|(name, timing, event, statement)| Untranslated {
            kind: "trigger".to_owned(),
            name,
            definition: format!("{} {} {statement}", timing.to_lowercase(), event.to_lowercase()),
        })
        .collect();
    if let Some((method, expression)) = split {
        let method = method.unwrap_or_default().to_lowercase();
        let expression = expression.unwrap_or_default();
        found.push(Untranslated {
            kind: "partition key".to_owned(),
            name: name.to_owned(),
            definition: format!("partition by {method} ({expression})"),
        });
    }
    Ok(found)
}
