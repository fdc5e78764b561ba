//! Why the process ends, errors and panics alike, as text of which the last line says it.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// The first panic of any thread: those that follow it are its consequences.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; the words of its end, unless it ended well.
pub(crate) fn of(work: impl FnOnce() -> Result<(), String>) -> Option<String> {
    set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, ToString::to_string);
        let words = info.payload_as_str().unwrap_or("without a word");
        let text = format!("ConnectorX panicked at {place}: {}", one_line(words));
        PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }));
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.err().map(|words| one_line(&words)),
        Err(_payload) => {
            let noted = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
            Some(noted.unwrap_or_else(|| "ConnectorX panicked".to_owned()))
        }
    }
}

fn one_line(words: &str) -> String {
    words.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_one_line_whatever_ends_the_work() {
        assert_eq!(of(|| Ok(())), None);
        assert_eq!(of(|| Err("no\n such  \ntable".to_owned())).as_deref(), Some("no; such; table"));
        let words = of(|| panic!("type {}\nis unknown", "x")).expect("it panicked");
        assert!(words.starts_with("ConnectorX panicked at src/last_words.rs:"), "{words}");
        assert!(words.ends_with(": type x; is unknown"), "{words}");
    }
}
