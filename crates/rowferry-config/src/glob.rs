//! Patterns of table names: `*` stands for any characters, also none.

/// Whether `text` is a pattern rather than a name.
pub fn is_pattern(text: &str) -> bool {
    text.contains('*')
}

/// Whether `name` matches `pattern`, byte by byte: letters keep their case.
pub fn glob_match(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in
            [("*", ""), ("*", "x"), ("tmp_*", "tmp_"), ("a*b*c", "a-b-b-c"), ("*_log", "x_log")]
        {
            assert!(glob_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("tmp_*", "tm"), ("a*a", "a"), ("x", "xy"), ("*b", "B")] {
            assert!(!glob_match(pattern, name), "{pattern} {name}");
        }
    }
}
