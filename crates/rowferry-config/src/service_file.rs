//! libpq's services: `service=NAME` stands for the options below `[NAME]` of a file.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgservice.html>

use std::path::{Path, PathBuf};

use crate::endpoint::Parts;
use crate::{ConfigError, Env, private_file, url};

/// What the file says of the service, for all that the connection string leaves open.
pub(crate) fn read(
    service: &str,
    named: Option<&Path>,
    env: &dyn Env,
    warnings: &mut Vec<String>,
) -> Result<Parts, ConfigError> {
    let places = match named {
        Some(path) => vec![path.to_owned()],
        None => usual(env),
    };
    for path in places.iter().filter(|path| named.is_some() || path.is_file()) {
        let text = private_file::read(path, "the service file")?;
        if let Some(parts) = find(&text, service)? {
            if parts.password.is_some() {
                private_file::warn_if_open(path, "the service file", warnings);
            }
            return Ok(parts);
        }
    }
    Err(ConfigError::new("unknown-service", format!("no service file defines {service:?}"))
        .with_next("Add a section of that name to ~/.pg_service.conf, or name a servicefile."))
}

fn usual(env: &dyn Env) -> Vec<PathBuf> {
    let set = |name| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // One of the user, then one of the system.
    let own = set("PGSERVICEFILE").or_else(|| Some(set("HOME")?.join(".pg_service.conf")));
    let folder = set("PGSYSCONFDIR").unwrap_or_else(|| PathBuf::from("/etc/postgresql-common"));
    own.into_iter().chain([folder.join("pg_service.conf")]).collect()
}

fn find(text: &str, service: &str) -> Result<Option<Parts>, ConfigError> {
    let mut found: Option<Parts> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            if name == service {
                found = Some(Parts::default());
            }
            continue;
        }
        let Some(parts) = &mut found else { continue };
        let (key, value) = line.split_once('=').ok_or_else(|| {
            ConfigError::new(
                "bad-endpoint",
                "a line of the service file is not of the form key=value",
            )
        })?;
        if key.trim() == "service" {
            return Err(ConfigError::new("bad-endpoint", "a service names another service"));
        }
        url::option(key.trim(), value.trim(), parts)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_service_is_read() {
        let text = "# all\n[a]\nhost=h1\n\n[b]\nhost = h2\nport=5433\nuser=u\n[b]\nhost=h3\n";
        let parts = find(text, "b").unwrap().unwrap();
        assert_eq!(parts.host.as_deref(), Some("h2"));
        assert_eq!((parts.port, parts.user.as_deref()), (Some(5433), Some("u")));
        assert!(find(text, "c").unwrap().is_none());
        assert!(find("[a]\nservice=b\n", "a").is_err());
        assert!(find("[a]\nhost\n", "a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s)(\\[a\\]|[ -~\n]){0,30}") {
            let _outcome = find(&text, "a");
        }
    }
}
