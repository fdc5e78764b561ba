//! MySQL's option files: of `my.cnf`, what a client says below `[client]` and `[rowferry]`.
//!
//! <https://dev.mysql.com/doc/refman/8.4/en/option-files.html>

use std::path::{Path, PathBuf};

use rowferry_core::{Secret, TlsMode};

use crate::endpoint::{Parts, port, tls_mode};
use crate::private_file::{self, Access};
use crate::{ConfigError, Env};

/// Groups that are read; of the same option, the last one counts.
const GROUPS: [&str; 4] = ["client", "client-server", "client-mariadb", "rowferry"];

/// The options of the file that was named, else user and password of `~/.my.cnf`: that one was
/// written for other programs, and must not send this one to another server.
///
/// `user` is the one that the connection names.
pub(crate) fn read(
    named: Option<&Path>,
    user: Option<&str>,
    env: &dyn Env,
    warnings: &mut Vec<String>,
) -> Result<Parts, ConfigError> {
    let path = match (named, env.get("HOME")) {
        (Some(path), _) => path.to_owned(),
        (None, Some(home)) => Path::new(&home).join(".my.cnf"),
        (None, None) => return Ok(Parts::default()),
    };
    if named.is_none() && !path.is_file() {
        return Ok(Parts::default());
    }
    if private_file::access(&path) == Access::Anybody {
        // MySQL's own rule.
        let path = path.display();
        warnings.push(format!("the option file {path} may be written by anybody and is not used"));
        return Ok(Parts::default());
    }
    let text = match private_file::read(&path, "the option file") {
        Err(_) if named.is_none() => return Ok(Parts::default()),
        text => text?,
    };
    let mut parts = match (parse(&text), named) {
        (parts, Some(_)) => parts?,
        (Ok(Parts { user, password, .. }), None) => Parts { user, password, ..Parts::default() },
        (Err(error), None) => {
            warnings.push(format!("the option file {} is not used: {error}", path.display()));
            return Ok(Parts::default());
        }
    };
    // One user's password is not for another one.
    if user.is_some_and(|user| parts.user.as_deref().is_some_and(|own| own != user)) {
        parts.password = None;
    }
    if parts.password.is_some() {
        private_file::warn_if_open(&path, "the option file", warnings);
    }
    Ok(parts)
}

fn parse(text: &str) -> Result<Parts, ConfigError> {
    let mut parts = Parts::default();
    let mut is_ours = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('!') {
            return Err(ConfigError::not_supported_yet("!include in an option file")
                .with_next("Name the file that holds the options itself as defaults_file."));
        }
        if let Some(rest) = line.strip_prefix('[') {
            is_ours = rest.split_once(']').is_some_and(|(name, _)| GROUPS.contains(&name.trim()));
            continue;
        }
        if is_ours {
            let (name, value) = option(line);
            take(&name, value.as_deref(), &mut parts)?;
        }
    }
    Ok(parts)
}

/// Options that say nothing of the connection belong to other programs.
fn take(name: &str, value: Option<&str>, parts: &mut Parts) -> Result<(), ConfigError> {
    let path = || value.map(PathBuf::from);
    let is_on = !matches!(value, Some("0" | "OFF" | "off" | "FALSE" | "false"));
    match (name.strip_prefix("loose-").unwrap_or(name), value) {
        ("user", Some(value)) => parts.user = Some(value.to_owned()),
        ("password", Some(value)) => parts.password = Some(Secret::new(value)),
        ("host", Some(value)) => parts.host = Some(value.to_owned()),
        ("port", Some(value)) => parts.port = Some(port(value)?),
        ("database", Some(value)) => parts.database = Some(value.to_owned()),
        ("socket", Some(_)) => parts.socket = path(),
        ("ssl-mode", Some(value)) => parts.tls = Some(tls_mode(value)?),
        ("ssl-ca", Some(_)) => parts.tls_root = path(),
        ("ssl-cert", Some(_)) => parts.tls_cert = path(),
        ("ssl-key", Some(_)) => parts.tls_key = path(),
        // MariaDB's clients have these in place of a mode.
        ("ssl-verify-server-cert", _) if is_on => parts.tls = Some(TlsMode::VerifyFull),
        ("ssl", _) if is_on => parts.tls = Some(parts.tls.unwrap_or(TlsMode::Require)),
        ("ssl" | "skip-ssl", _) => parts.tls = Some(TlsMode::Disable),
        _ => {}
    }
    Ok(())
}

/// Name and value of a line, by the rules of MySQL's own reader.
fn option(line: &str) -> (String, Option<String>) {
    let line = before_comment(line);
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value.trim())),
        None => (line, None),
    };
    let value = value.map(|value| {
        let inner = ['"', '\''].into_iter().find_map(|quote| {
            value.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.is_empty())
        });
        unescape(inner.unwrap_or(value))
    });
    (name.trim().replace('_', "-"), value)
}

/// A `#` outside of quotes ends the line; inside, a backslash hides a quote.
fn before_comment(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in line.char_indices() {
        if matches!(c, '"' | '\'') && !escaped {
            match quote {
                None => quote = Some(c),
                Some(open) if open == c => quote = None,
                Some(_) => {}
            }
        }
        if c == '#' && quote.is_none() {
            return line.get(..at).unwrap_or(line);
        }
        escaped = quote.is_some() && c == '\\' && !escaped;
    }
    line
}

/// `\b \t \n \r \s \" \' \\`; before anything else a backslash stands for itself.
fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut input = value.chars();
    while let Some(c) = input.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match input.next() {
            Some('b') => plain.push('\u{8}'),
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('s') => plain.push(' '),
            Some(c @ ('"' | '\'' | '\\')) => plain.push(c),
            Some(c) => plain.extend(['\\', c]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(line: &str) -> Option<String> {
        option(line).1
    }

    #[test]
    fn lines_are_read_as_mysql_reads_them() {
        for (line, expected) in [
            ("password=secret", Some("secret")),
            ("password = secret  # comment", Some("secret")),
            ("password=\"se#cret\" # comment", Some("se#cret")),
            ("password='a\\'b'", Some("a'b")),
            ("password=a\\\\b\\sc\\q", Some("a\\b c\\q")),
            ("password=\"", Some("\"")),
            ("password=\"\"", Some("\"\"")),
            ("password=a=b", Some("a=b")),
            ("password=", Some("")),
            ("password", None),
        ] {
            assert_eq!(value(line).as_deref(), expected, "{line}");
        }
        assert_eq!(option("ssl_ca = x").0, "ssl-ca");
    }

    #[test]
    fn only_the_groups_of_clients_count() {
        let text = "[mysqld]\nuser=mysql\n[client]\nuser=u\nport=3307\nssl_mode=VERIFY_CA\n\
                    ; comment\ndefault-character-set=utf8mb4\n[mysqldump]\nuser=x\n\
                    [rowferry]\npassword=p\nssl-ca=/ca.pem\n";
        let parts = parse(text).unwrap();
        assert_eq!((parts.user.as_deref(), parts.port), (Some("u"), Some(3307)));
        assert_eq!(parts.password.unwrap().reveal(), "p");
        assert_eq!(parts.tls, Some(TlsMode::VerifyCa));
        assert_eq!(parts.tls_root, Some(PathBuf::from("/ca.pem")));
        let mariadb = parse("[client-mariadb]\nssl\nssl-verify-server-cert\n").unwrap();
        assert_eq!(mariadb.tls, Some(TlsMode::VerifyFull));
        assert_eq!(parse("[client]\nskip-ssl\n").unwrap().tls, Some(TlsMode::Disable));
        assert!(parse("!includedir /etc/mysql/conf.d\n").is_err());
    }

    proptest! {
        /// A password in quotes, with quotes and backslashes escaped, is read as it was.
        #[test]
        fn a_quoted_password_is_read_as_it_was(password in "[ -~äß]{1,24}", single in any::<bool>()) {
            let quote = if single { '\'' } else { '"' };
            let mut escaped = password.replace('\\', "\\\\");
            escaped = escaped.replace(quote, &format!("\\{quote}"));
            let file = format!("[client]\npassword = {quote}{escaped}{quote}\n");
            let read = parse(&file).unwrap().password.unwrap();
            prop_assert_eq!(read.reveal(), password);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(?s)\\[client\\]\n(password|ssl|=|[ -~\n]){0,30}") {
            let _outcome = parse(&text);
        }
    }
}
