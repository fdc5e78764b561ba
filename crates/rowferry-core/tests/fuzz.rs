//! What comes back from a target's progress tables, and conditions as four databases print them:
//! read or refused, never with a panic, and what is taken can be written and read again.

use rowferry_core::{Dialect, Expression, Fingerprint, KeyTuple, Receipt, TableRef};
use rowferry_testkit::fuzz;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn state() {
    let words =
        ["{", "}", "]", ",", ":", "\"i\"", "\"t\"", "\"b\"", "\"no\"", "\\u0000", "\\ud800"];
    fuzz("state", &words, |input| {
        let text = text(input);
        if let Some(key) = KeyTuple::from_json(&text) {
            assert_eq!(KeyTuple::from_json(&key.to_json()), Some(key));
            return true;
        }
        if let Ok(receipt) = serde_json::from_str::<Receipt>(&text) {
            let again = serde_json::to_string(&receipt).expect("a receipt can be written");
            assert_eq!(serde_json::from_str::<Receipt>(&again).ok(), Some(receipt));
            return true;
        }
        serde_json::from_str::<Fingerprint>(&text).is_ok()
            || serde_json::from_str::<TableRef>(&text).is_ok()
    });
}

#[test]
fn conditions() {
    let words = [
        "and ",
        "or ",
        "not ",
        "in (",
        "is null",
        "between ",
        "like ",
        "::text",
        "::numeric",
        "(",
        ")",
        "`",
        "\"",
        "'",
        "''",
        "\\'",
        "= ANY (ARRAY[",
        "_utf8mb4'",
        "--",
        "/*",
        ";",
        "<>",
        "E'",
    ];
    // MySQL's, and that of the others.
    let dialects = [
        Dialect { name_quote: '`', backslash_escapes: true },
        Dialect { name_quote: '"', backslash_escapes: false },
    ];
    fuzz("condition", &words, |input| {
        let text = text(input);
        let mut taken = false;
        for from in dialects {
            let Some(read) = Expression::parse(&text, from) else { continue };
            taken = true;
            for to in dialects {
                let written = read.render(to, &str::to_owned);
                let again = Expression::parse(&written, to);
                let again = again.map(|again| again.render(to, &str::to_owned));
                assert_eq!(again.as_ref(), Some(&written), "{text:?} of {from:?} in {to:?}");
            }
        }
        taken
    });
}
