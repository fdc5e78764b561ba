//! Which JSON texts MySQL's own JSON type keeps exactly.
//!
//! MySQL stores a number with a fraction or an exponent, and an integer beyond 64 bits, as a
//! double. A text is kept when each of its numbers is numerically equal to the shortest digits of
//! the double it becomes.

/// Why a text would change, or `None` when all its numbers survive.
pub(super) fn change_by_doubles(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
                    })
                    .unwrap_or(rest.len());
                let token = rest.get(..length).unwrap_or_default();
                if !std::str::from_utf8(token).is_ok_and(number_survives) {
                    return Some("a number in the json would be rounded to a double");
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// Index behind the closing quote of a string whose content starts at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn number_survives(token: &str) -> bool {
    if token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let Ok(value) = token.parse::<f64>() else { return false };
    value.is_finite()
        && parts(token).is_some_and(|parts_| Some(parts_) == parts(&format!("{value:e}")))
}

/// Sign, significant digits and power of ten of the last one: equal for equal numbers.
fn parts(token: &str) -> Option<(bool, String, i64)> {
    let (token, negative) = match token.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (token, false),
    };
    let (mantissa, exponent) = match token.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (token, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let power = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    Some((negative, kept.to_owned(), power))
}
