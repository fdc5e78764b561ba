//! The two ends under the names that edg's users know: flags, variables, drivers.

use rowferry_core::{Endpoint, EndpointKind};

use crate::failure::{Failure, Result};

/// One of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Target,
}

impl End {
    /// Its name in flags and messages.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    /// The variable `EDG_SOURCE_URL` or its like.
    pub(crate) fn variable(self, what: &str) -> Option<String> {
        let name = format!("EDG_{}_{what}", self.word().to_uppercase());
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// Where it is: as given, else in its variable.
    pub(crate) fn place(self, given: Option<&String>) -> Result<String> {
        given.cloned().or_else(|| self.variable("URL")).ok_or_else(|| {
            let word = self.word();
            let variable = word.to_uppercase();
            Failure::usage(
                "no-end",
                format!("the {word} is not named"),
                format!("Name it as an argument, with --{word}-url, or in EDG_{variable}_URL."),
            )
        })
    }

    /// Refuses a URL of another database than the driver that was named for it.
    pub(crate) fn check_driver(self, endpoint: &Endpoint, flag: Option<&String>) -> Result<()> {
        const DRIVERS: [(&str, EndpointKind); 7] = [
            ("pgx", EndpointKind::Postgres),
            ("postgres", EndpointKind::Postgres),
            ("postgresql", EndpointKind::Postgres),
            ("mysql", EndpointKind::Mysql),
            ("mariadb", EndpointKind::Mysql),
            ("sqlite", EndpointKind::Sqlite),
            ("sqlite3", EndpointKind::Sqlite),
        ];
        let end = self.word();
        let Some(driver) = flag.cloned().or_else(|| self.variable("DRIVER")) else { return Ok(()) };
        match DRIVERS.iter().find(|(name, _)| *name == driver) {
            None => Err(Failure::not_supported_yet(&format!("--{end}-driver {driver}"))),
            Some((_, kind)) if *kind != endpoint.kind => Err(Failure::usage(
                "wrong-driver",
                format!("the {end} is {}, but its driver is {driver}", endpoint.kind.word()),
                format!("Leave --{end}-driver out: the URL says it."),
            )),
            Some(_) => Ok(()),
        }
    }
}

/// Whether variables name both ends.
pub(crate) fn variables_name_both() -> bool {
    [End::Source, End::Target].iter().all(|end| end.variable("URL").is_some())
}
