//! A panic is a bug of ours: said in one line, with the place and without the panic's own words,
//! because those may quote a row (an index that is not a character boundary quotes its text).

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

/// Takes over what a panic prints. With `RUST_BACKTRACE` set, whoever set it gets everything but
/// passwords.
pub(crate) fn install() {
    let whole = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        crate::out::talk(&line(info));
        if whole {
            crate::out::talk(&format!("{info}\n{}", Backtrace::force_capture()));
        }
    }));
}

fn line(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    format!(
        "error[bug]: rowferry met a broken invariant{place}\n  next: Please report this with the \
         command that led here; RUST_BACKTRACE=1 shows more, row values among them."
    )
}
