//! Why the process ends, errors and panics alike, as one line of text.
//!
//! ConnectorX repeats the value that it could not convert. What stands between quotes is therefore
//! blotted out, but in the words of a server, which name tables by them.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// The first panic of any thread: those that follow it are its consequences.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; the words of its end, unless it ended well.
pub(crate) fn of(work: impl FnOnce() -> Result<(), String>) -> Option<String> {
    set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, ToString::to_string);
        let words = info.payload_as_str().unwrap_or("without a word");
        let text = format!("ConnectorX panicked at {place}: {}", without_values(&one_line(words)));
        PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    // A test that fails later has words of its own; the program says no more.
    #[cfg(test)]
    drop(std::panic::take_hook());
    match result {
        Ok(result) => result.err().map(|words| {
            let words = one_line(&words);
            let of_server = SERVER_WORDS.iter().any(|mark| words.contains(mark));
            if of_server { words } else { without_values(&words) }
        }),
        Err(_payload) => {
            let noted = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
            Some(noted.unwrap_or_else(|| "ConnectorX panicked".to_owned()))
        }
    }
}

/// How the drivers of PostgreSQL and MySQL begin the words of a server.
const SERVER_WORDS: [&str; 2] = ["db error: ", "MySqlError { "];

/// `words` with dots in the place of everything between quotes; a quote inside a word is none.
fn without_values(words: &str) -> String {
    let mut clean = String::new();
    let mut inside: Option<char> = None;
    let mut before = ' ';
    for sign in words.chars() {
        match inside {
            Some(quote) if sign == quote => {
                inside = None;
                clean.push(sign);
            }
            Some(_) => {}
            None => {
                clean.push(sign);
                if matches!(sign, '`' | '"' | '\'') && !before.is_alphanumeric() {
                    inside = Some(sign);
                    clean.push('…');
                }
            }
        }
        before = sign;
    }
    clean
}

fn one_line(words: &str) -> String {
    words.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_repeated() {
        for (words, said) in [
            (
                "Couldn't convert the value `Time(\"'-001:00:00'\")` to a desired type",
                "Couldn't convert the value `…` to a desired type",
            ),
            ("no end \"of it", "no end \"…"),
            ("not implemented: timetz", "not implemented: timetz"),
        ] {
            assert_eq!(of(|| Err(words.to_owned())).as_deref(), Some(said));
        }
        let of_server = "db error: ERROR: relation \"t\" does not exist";
        assert_eq!(of(|| Err(of_server.to_owned())).as_deref(), Some(of_server));
    }

    #[test]
    fn the_words_are_one_line_whatever_ends_the_work() {
        assert_eq!(of(|| Ok(())), None);
        assert_eq!(of(|| Err("no\n such  \ntable".to_owned())).as_deref(), Some("no; such; table"));
        let words = of(|| panic!("type {}\nis unknown", "x")).expect("it panicked");
        assert!(words.starts_with("ConnectorX panicked at src/last_words.rs:"), "{words}");
        assert!(words.ends_with(": type x; is unknown"), "{words}");
    }
}
