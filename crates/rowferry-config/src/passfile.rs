//! libpq's password file: `host:port:database:user:password`, the first line that fits counts.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::path::{Path, PathBuf};

use rowferry_core::{Endpoint, Secret};

use crate::private_file::{self, Access};
use crate::{ConfigError, Env};

/// The password of `endpoint`, from the file that was named, that of `PGPASSFILE`, or
/// `~/.pgpass`. A file that others may read is not used, as libpq has it, and warned of.
pub(crate) fn password(
    named: Option<&Path>,
    endpoint: &Endpoint,
    env: &dyn Env,
    warnings: &mut Vec<String>,
) -> Result<Option<Secret>, ConfigError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => match usual(env) {
            Some(path) if path.is_file() => path,
            Some(_) | None => return Ok(None),
        },
    };
    if private_file::access(&path) == Access::Others {
        warnings.push(format!(
            "the password file {} may be read by others and is not used: chmod 600 it",
            path.display()
        ));
        return Ok(None);
    }
    let text = private_file::read(&path, "the password file")?;
    Ok(find(&text, &wanted(endpoint)).map(Secret::new))
}

fn usual(env: &dyn Env) -> Option<PathBuf> {
    let named = env.get("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(Path::new(&env.get("HOME")?).join(".pgpass")))
}

/// The four fields that a line must fit.
fn wanted(endpoint: &Endpoint) -> [String; 4] {
    // The folders that libpq is built with, upstream and in Debian, stand as localhost.
    let host = match endpoint.socket.as_deref().and_then(Path::to_str) {
        Some("/tmp" | "/var/run/postgresql" | "/run/postgresql") => "localhost",
        Some(folder) => folder,
        None => &endpoint.host,
    };
    let port = endpoint.port.to_string();
    [host.to_owned(), port, endpoint.database.clone(), endpoint.user.clone()]
}

fn find(text: &str, wanted: &[String; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let (field, tail) = field(rest)?;
            if field != "*" && unescape(field) != *value {
                return None;
            }
            rest = tail;
        }
        Some(unescape(rest)).filter(|password| !password.is_empty())
    })
}

/// Up to the next `:` that no backslash stands before.
fn field(line: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((line.get(..end)?, line.get(end + 1..)?))
}

/// A backslash takes the next character as it is.
fn unescape(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut input = field.chars();
    while let Some(c) = input.next() {
        match c {
            '\\' => plain.extend(input.next()),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escape(text: &str) -> String {
        text.replace('\\', "\\\\").replace(':', "\\:")
    }

    fn wanted(fields: [&str; 4]) -> [String; 4] {
        fields.map(str::to_owned)
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = "# h:5432:d:u:comment\n\nshort:line\nother:*:*:*:a\nh:5433:*:*:b\r\n\
                    h:5432:d:u:c\\:\\\\d:e\n*:*:*:*:f\n";
        for (fields, expected) in [
            (["h", "5432", "d", "u"], Some("c:\\d:e")),
            (["h", "5433", "d", "u"], Some("b")),
            (["other", "1", "x", "y"], Some("a")),
            (["\\*", "1", "x", "y"], Some("f")),
        ] {
            assert_eq!(find(file, &wanted(fields)).as_deref(), expected, "{fields:?}");
        }
        assert_eq!(find("\\*:1:d:u:p", &wanted(["h", "1", "d", "u"])), None);
        assert_eq!(find("h:1:d:u:", &wanted(["h", "1", "d", "u"])), None);
    }

    proptest! {
        /// Whatever stands in the fields, a line written for them is found again among others.
        #[test]
        fn what_was_escaped_is_found(
            fields in prop::array::uniform4("[ -~äß]{1,9}"),
            password in "[ -~äß]{1,20}",
            wild in prop::array::uniform4(any::<bool>()),
            noise in prop::collection::vec("[ -~]{0,30}", 0..5),
        ) {
            let written: Vec<String> = fields
                .iter()
                .zip(wild)
                .map(|(field, wild)| if wild { "*".to_owned() } else { escape(field) })
                .collect();
            let line = format!("{}:{}", written.join(":"), escape(&password));
            prop_assume!(!line.starts_with('#'));
            let before: Vec<String> =
                noise.iter().filter(|line| find(line, &fields).is_none()).cloned().collect();
            let file = [before.join("\n"), line].join("\n");
            prop_assert_eq!(find(&file, &fields), Some(password));
        }

        #[test]
        fn any_text_is_read(text in "(?s).{0,80}", fields in prop::array::uniform4("[ -~]{0,4}")) {
            let _found = find(&text, &fields);
        }
    }
}
