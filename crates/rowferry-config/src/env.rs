//! Variables: where they come from, and how `${NAME}` is filled in.

use crate::ConfigError;

/// Where variables are looked up.
pub trait Env {
    /// The value of `name`, if it is set and valid text.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; `$${` stands for `${`.
///
/// The values are taken as they are: nothing in them is looked at again. As in a shell, an empty
/// variable counts as unset for `:-` and `:?`. The flag says whether some variable was read.
pub(crate) fn interpolate(text: &str, env: &dyn Env) -> Result<(String, bool), ConfigError> {
    let mut filled = String::with_capacity(text.len());
    let mut used = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            filled.push_str(escaped);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            return Err(ConfigError::new("bad-variable", "`${` without its `}`")
                .with_next("Write `$${` for the characters `${` themselves."));
        };
        filled.push_str(&expand(inside, env)?);
        used = true;
        rest = tail;
    }
    filled.push_str(rest);
    Ok((filled, used))
}

fn expand(inside: &str, env: &dyn Env) -> Result<String, ConfigError> {
    let (name, otherwise) = match inside.split_once(':') {
        Some((name, otherwise)) => (name, Some(otherwise)),
        None => (inside, None),
    };
    let first = name.chars().next();
    let proper = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !proper {
        return Err(ConfigError::new(
            "bad-variable",
            "`${…}` does not hold the name of a variable",
        )
        .with_next("A name has letters, digits and `_`. Write `$${` for `${` itself."));
    }
    let value = env.get(name);
    match otherwise {
        None => value.ok_or_else(|| unset(name, None)),
        Some(otherwise) => match (otherwise.strip_prefix('-'), otherwise.strip_prefix('?')) {
            (Some(default), _) => {
                Ok(value.filter(|v| !v.is_empty()).unwrap_or_else(|| default.to_owned()))
            }
            (None, Some(message)) => {
                value.filter(|v| !v.is_empty()).ok_or_else(|| unset(name, Some(message)))
            }
            (None, None) => Err(ConfigError::new(
                "bad-variable",
                format!("`${{{name}:…}}` needs `-` or `?` after the colon"),
            )
            .with_next("Write `${NAME:-default}` or `${NAME:?message}`.")),
        },
    }
}

pub(crate) fn unset(name: &str, message: Option<&str>) -> ConfigError {
    // What cannot be a name may be a whole connection string, password and all.
    if !name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
        let text = "what stands for a variable is not the name of one";
        return ConfigError::new("unset-variable", text)
            .with_next("Write `env:NAME`, with letters, digits and underscores.");
    }
    let text = match message {
        Some(message) if !message.is_empty() => format!("variable {name} is not set: {message}"),
        Some(_) | None => format!("variable {name} is not set"),
    };
    ConfigError::new("unset-variable", text)
        .with_next(format!("Set {name} in the environment, or write `${{{name}:-default}}`."))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(crate) struct Fixed(pub(crate) BTreeMap<String, String>);

    impl Fixed {
        pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
            Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        }
    }

    impl Env for Fixed {
        fn get(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
    }

    fn fill(text: &str) -> Result<String, String> {
        let env = Fixed::of(&[("A", "x${B}: #y"), ("EMPTY", "")]);
        interpolate(text, &env).map(|(text, _)| text).map_err(|error| error.message)
    }

    #[test]
    fn variables_are_filled_in_once() {
        assert_eq!(fill("<${A}>").unwrap(), "<x${B}: #y>");
        assert_eq!(fill("${NO:-d}${EMPTY:-e}${A:-f}").unwrap(), "dex${B}: #y");
        assert_eq!(fill("$${A} $5 $").unwrap(), "${A} $5 $");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(fill("${NO}").unwrap_err(), "variable NO is not set");
        assert_eq!(fill("${NO:?ask ops}").unwrap_err(), "variable NO is not set: ask ops");
        assert_eq!(fill("${A").unwrap_err(), "`${` without its `}`");
        assert_eq!(fill("${A:=x}").unwrap_err(), "`${A:…}` needs `-` or `?` after the colon");
        assert_eq!(fill("${a b}").unwrap_err(), "`${…}` does not hold the name of a variable");
    }
}
