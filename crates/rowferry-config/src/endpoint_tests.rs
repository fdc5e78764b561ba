use proptest::prelude::*;

use super::*;
use crate::env::tests::Fixed;
use crate::url::encode;

fn parse(text: &str) -> Result<(Endpoint, Vec<String>), ConfigError> {
    parse_endpoint(text, &Fixed::of(&[("DB", "mysql://u:p@h/d")]), Path::new("/jobs"))
}

fn shown(text: &str) -> String {
    match parse(text) {
        Ok((endpoint, warnings)) => {
            let plain = warnings.iter().filter(|warning| *warning == PLAIN_PASSWORD).count();
            let tls = tls_word(endpoint.tls);
            format!("{endpoint} {tls} plain={plain} other={}", warnings.len() - plain)
        }
        Err(error) => format!("{}: {error}", error.slug),
    }
}

#[test]
fn every_dialect_is_read() {
    for (text, expected) in [
        ("postgres://u@db1/shop", "postgres://u@db1:5432/shop verify-full plain=0 other=0"),
        (
            "postgresql://u:p@127.0.0.1:5433/s?sslmode=require",
            "postgres://u@127.0.0.1:5433/s require plain=1 other=0",
        ),
        ("postgres://u@[::1]:6000/s", "postgres://u@::1:6000/s prefer plain=0 other=0"),
        ("postgres://u@%2Frun%2Fpg/s", "postgres://u@[/run/pg]/s disable plain=0 other=0"),
        (
            "mysql://u:p@h:3307/db?ssl-mode=VERIFY_IDENTITY",
            "mysql://u@h:3307/db verify-full plain=1 other=0",
        ),
        ("mariadb://u@localhost/db", "mysql://u@localhost:3306/db prefer plain=0 other=0"),
        (
            "host=db1 dbname=shop user=app password='it\\'s' sslmode=verify-ca",
            "postgres://app@db1:5432/shop verify-ca plain=1 other=0",
        ),
        ("u:p@tcp(h:3306)/db?parseTime=true", "mysql://u@h:3306/db disable plain=1 other=1"),
        ("u@unix(/run/my.sock)/db", "mysql://u@[/run/my.sock]/db disable plain=0 other=0"),
        ("u:p@tcp([::1]:3307)/db", "mysql://u@::1:3307/db disable plain=1 other=0"),
        (
            "server=h;port=3306;database=d;User ID=u;password=p",
            "mysql://u@h:3306/d prefer plain=1 other=1",
        ),
        (
            "Host=h;Database=d;Username=u;Password=\"a;b\"\"c\";SSL Mode=VerifyFull",
            "postgres://u@h:5432/d verify-full plain=1 other=0",
        ),
        ("jdbc:postgresql://h/db?user=u", "postgres://u@h:5432/db prefer plain=0 other=1"),
        (
            "jdbc:mysql://localhost:3306/db?user=u&password=p&useSSL=false",
            "mysql://u@localhost:3306/db disable plain=1 other=0",
        ),
        (
            "connectorx+mariadb://u:p@h/db",
            "connectorx+mysql://u@h:3306/db verify-full plain=1 other=0",
        ),
        ("sqlite:data/a.db", "sqlite:/jobs/data/a.db disable plain=0 other=0"),
        ("sqlite:///abs/a%20b.db?mode=ro", "sqlite:/abs/a b.db disable plain=0 other=1"),
        ("Data Source=/x/y.db", "sqlite:/x/y.db disable plain=0 other=0"),
        ("null:", "null: disable plain=0 other=0"),
        ("generate:shop", "generate:shop disable plain=0 other=0"),
        ("env:DB", "mysql://u@h:3306/d verify-full plain=0 other=0"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_explained_without_the_text() {
    for (text, expected) in [
        ("env:NO", "unset-variable: variable NO is not set"),
        ("postgres://u:p%zz@h/d", "bad-escape: a `%` in the URL is not followed by two hex digits"),
        ("postgres://u:pa/ss@h/d", "bad-endpoint: the port is not a number from 1 to 65535"),
        ("postgres://u@h/d?sslmode=maybe", "bad-tls: the TLS mode is not a known word"),
        (
            "postgres://u@h/d?connect_timeout=5",
            "not-supported-yet: not supported yet: connect_timeout in a connection string",
        ),
        (
            "connectorx+sqlite:a.db",
            "bad-endpoint: connectorx+ stands before no scheme that it is known for",
        ),
        (
            "connectorx+env:DB",
            "bad-endpoint: connectorx+ stands before no scheme that it is known for",
        ),
        ("postgres://u@h1,h2/d", "not-supported-yet: not supported yet: several hosts in one URL"),
        ("mysql://u@h", "bad-endpoint: the connection string names no database"),
        ("mysql://h/d", "bad-endpoint: the connection string names no user"),
        (
            "server=h;secret part;database=d",
            "bad-endpoint: an unknown option in the connection string",
        ),
        (
            "Host=h;Username=u;Password='x",
            "bad-endpoint: a part of the connection string is not of the form Key=value",
        ),
        ("sqlite::memory:", "not-supported-yet: not supported yet: SQLite databases in memory"),
        ("sqlite:", "bad-endpoint: the SQLite file is missing"),
        ("s3://bucket", "not-supported-yet: not supported yet: s3://"),
        ("some words", "unknown-endpoint: the connection string is of no known form"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

/// The same login in every dialect that carries a password.
fn dialects(password: &str) -> Vec<String> {
    let libpq = password.replace('\\', "\\\\").replace('\'', "\\'");
    let url = encode(password);
    vec![
        format!("postgres://u:{url}@h:1/d"),
        format!("mysql://u:{url}@h:1/d"),
        format!("jdbc:postgresql://h:1/d?user=u&password={url}"),
        format!("host=h port=1 dbname=d user=u password='{libpq}'"),
        format!("password='{libpq}' host=h port=1 dbname=d user=u"),
        format!("u:{password}@tcp(h:1)/d"),
        format!(
            "server=h;port=1;database=d;User ID=u;password=\"{}\"",
            password.replace('"', "\"\"")
        ),
        format!("Host=h;Port=1;Database=d;Username=u;Password='{}';", password.replace('\'', "''")),
    ]
}

fn survives(password: &str) {
    for text in dialects(password) {
        let (endpoint, warnings) = parse(&text).unwrap();
        let place = (
            endpoint.host.as_str(),
            endpoint.port,
            endpoint.database.as_str(),
            endpoint.user.as_str(),
        );
        assert_eq!(place, ("h", 1, "d", "u"), "{text}");
        assert_eq!(endpoint.password.as_ref().unwrap().reveal(), password, "{text}");
        if password.len() > 12 {
            let printed = format!("{endpoint:?} {endpoint} {warnings:?}");
            assert!(!printed.contains(password), "{printed}");
        }
    }
}

#[test]
fn a_password_of_all_printable_ascii_survives_each_dialect() {
    let all: String = (' '..='~').collect();
    survives(&all);
}

proptest! {
    #[test]
    fn passwords_survive_each_dialect(password in "[ -~]{1,24}") {
        survives(&password);
    }

    /// Whatever is cut off or doubled, an error never holds a piece of the password.
    #[test]
    fn no_error_repeats_a_password(
        at in 0_usize..8, cut in 0_usize..90, twice in 0_usize..90, odd in "[@:/?#;='\"% ]{0,3}",
    ) {
        let canary = format!("CANARY{odd}CANARY");
        let text = dialects(&canary).swap_remove(at);
        let mut broken: Vec<char> = text.chars().collect();
        if cut < broken.len() { broken.remove(cut); }
        if let Some(c) = broken.get(twice).copied() { broken.insert(twice, c); }
        let broken: String = broken.into_iter().collect();
        if let Err(error) = parse(&broken) {
            let printed = format!("{error} {error:?}");
            prop_assert!(!printed.contains("CANARY"), "{}", printed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _outcome = parse(&text);
    }
}

/// A folder of files, `HOME` among the variables.
fn home(files: &[(&str, &str, u32)]) -> (tempfile::TempDir, Fixed) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (name, text, mode) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
    let env = Fixed::of(&[("HOME", folder.path().to_str().unwrap())]);
    (folder, env)
}

/// Endpoint, password and what the warnings say, for a string whose files are in `home`.
fn filled(text: &str, files: &[(&str, &str, u32)]) -> String {
    let (folder, env) = home(files);
    match parse_endpoint(text, &env, folder.path()) {
        Ok((endpoint, warnings)) => {
            let password = endpoint.password.as_ref().map_or("-", |password| password.reveal());
            let tls = tls_word(endpoint.tls);
            format!("{endpoint} {password} {tls} {warnings:?}")
                .replace(folder.path().to_str().unwrap(), "~")
        }
        Err(error) => format!("{}: {error}", error.slug),
    }
}

#[test]
fn libpq_files_fill_in_what_is_not_said() {
    let pass = ".pgpass";
    let line = "h:5432:d:u:secret\n";
    let service = "[shop]\nhost=h\ndbname=d\nuser=u\nsslmode=require\n";
    assert_eq!(
        filled("postgres://u@h/d", &[(pass, line, 0o600)]),
        "postgres://u@h:5432/d secret verify-full []"
    );
    assert_eq!(
        filled("postgres://u@h/d", &[(pass, line, 0o640)]),
        "postgres://u@h:5432/d - verify-full [\"the password file ~/.pgpass may be read by others \
         and is not used: chmod 600 it\"]"
    );
    assert_eq!(
        filled("postgres://u:own@h/d?passfile=x", &[("x", line, 0o600)]),
        format!("postgres://u@h:5432/d own verify-full [{PLAIN_PASSWORD:?}]")
    );
    assert_eq!(
        filled("host=h dbname=d user=u passfile=x", &[("x", line, 0o600)]),
        "postgres://u@h:5432/d secret verify-full []"
    );
    assert!(filled("host=h dbname=d passfile=none user=u", &[]).starts_with("unreadable-secret"));
    assert_eq!(
        filled("service=shop port=5433", &[(".pg_service.conf", service, 0o644)]),
        "postgres://u@h:5433/d - require []"
    );
    assert_eq!(
        filled("postgres:///other?service=shop&servicefile=s", &[("s", service, 0o644)]),
        "postgres://u@h:5432/other - require []"
    );
    assert_eq!(
        filled("service=none", &[(".pg_service.conf", service, 0o644)]),
        "unknown-service: no service file defines \"none\""
    );
}

#[test]
fn mysql_files_fill_in_what_is_not_said() {
    let file = "[client]\nuser=u\npassword=secret\nhost=h\nport=3307\nssl-mode=REQUIRED\n";
    assert_eq!(
        filled("mysql:///d?defaults_file=x", &[("x", file, 0o600)]),
        "mysql://u@h:3307/d secret require []"
    );
    assert_eq!(
        filled("mysql://h2/d", &[(".my.cnf", file, 0o644)]),
        "mysql://u@h2:3306/d secret verify-full [\"the option file ~/.my.cnf may be read by \
         others: chmod 600 it\"]"
    );
    // One user's password is not for another one.
    assert_eq!(
        filled("mysql://other@h2/d", &[(".my.cnf", file, 0o600)]),
        "mysql://other@h2:3306/d - verify-full []"
    );
    assert_eq!(
        filled("mysql://u@h2/d", &[(".my.cnf", file, 0o666)]),
        "mysql://u@h2:3306/d - verify-full [\"the option file ~/.my.cnf may be written by anybody \
         and is not used\"]"
    );
    assert!(filled("mysql://u@h/d?defaults_file=none", &[]).starts_with("unreadable-secret"));
}

#[test]
fn roots_are_there_to_verify_with() {
    for (text, expected) in [
        ("postgres://u@h/d?sslmode=require&sslrootcert=ca.pem", "verify-ca"),
        ("mysql://u@h/d?ssl-mode=REQUIRED&ssl-ca=ca.pem", "verify-ca"),
        ("postgres://u@localhost/d?sslrootcert=ca.pem", "verify-full"),
        ("postgres://u@localhost/d?sslrootcert=system", "verify-full"),
        ("postgres://u@h/d?sslmode=verify-full&sslrootcert=system", "verify-full"),
    ] {
        let (endpoint, warnings) = parse(text).unwrap();
        assert_eq!((tls_word(endpoint.tls), warnings.len()), (expected, 0), "{text}");
        let file = (!text.contains("system")).then(|| "/jobs/ca.pem".into());
        assert_eq!(endpoint.tls_root, file, "{text}");
    }
    let (endpoint, warnings) = parse("postgres://u@h/d?sslmode=prefer&sslrootcert=ca.pem").unwrap();
    assert_eq!((endpoint.tls, warnings.len()), (TlsMode::Prefer, 1));
    assert_eq!(
        parse("postgres://u@h/d?sslmode=require&sslrootcert=system").unwrap_err().slug,
        "bad-tls"
    );
    assert_eq!(parse("postgres://u@h/d?channel_binding=no").unwrap_err().slug, "bad-tls");
}

#[test]
fn certificates_of_clients_are_named_in_every_dialect() {
    for text in [
        "postgres://u@h/d?sslcert=c.pem&sslkey=k.pem&channel_binding=require",
        "host=h user=u dbname=d sslcert=c.pem sslkey=k.pem channel_binding=require",
        "Host=h;Username=u;Database=d;SSL Certificate=c.pem;SSL Key=k.pem;Channel Binding=Require",
        "mysql://u@h/d?ssl-cert=c.pem&ssl-key=k.pem&channel_binding=require",
    ] {
        let (endpoint, _) = parse(text).unwrap();
        assert_eq!(endpoint.tls_cert.as_deref(), Some(Path::new("/jobs/c.pem")), "{text}");
        assert_eq!(endpoint.tls_key.as_deref(), Some(Path::new("/jobs/k.pem")), "{text}");
        assert_eq!(endpoint.channel_binding, ChannelBinding::Require, "{text}");
    }
}
