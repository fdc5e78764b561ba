//! Dates as text: those without a month or day, and those of the year 0, which no number of days
//! can say.

/// Why `text` cannot stand in a column of dates, or of dates with a time of so many fraction
/// digits; `None` when it can. The servers read more forms than these, and each of them as a guess.
pub(super) fn reason(text: &str, time: Option<u8>) -> Option<String> {
    let kind = if time.is_some() { "timestamp without zone" } else { "date" };
    let is_one = match (text.split_at_checked(10), time) {
        (Some((date, "")), None) => is_date(date),
        (Some((date, rest)), Some(digits)) => {
            is_date(date)
                && rest.strip_prefix([' ', 'T']).is_some_and(|time| is_clock(time, digits))
        }
        _ => false,
    };
    (!is_one).then(|| format!("the text is no ISO 8601 {kind} that the column holds"))
}

/// `YYYY-MM-DD` of the servers' calendar, in which month and day may be 0.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part = |width| number(parts.next(), width);
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else { return false };
    // The servers' year 0 is none with a leap day.
    let leaps = year > 0
        && year.is_multiple_of(4)
        && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if leaps => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    month <= 12 && day <= last
}

/// `hh:mm[:ss[.f]]`.
fn is_clock(text: &str, digits: u8) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let has_fraction = clock.len() < text.len();
    let parts: Vec<Option<u32>> = clock.split(':').map(|part| number(Some(part), 2)).collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [Some(hours), Some(minutes)] if !has_fraction => (*hours, *minutes, 0),
        [Some(hours), Some(minutes), Some(seconds)] => (*hours, *minutes, *seconds),
        _ => return false,
    };
    let fits = !has_fraction || fraction.len() <= usize::from(digits);
    hours < 24
        && minutes < 60
        && seconds < 60
        && fits
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of exactly so many digits.
fn number(text: Option<&str>, width: usize) -> Option<u32> {
    let text = text?;
    let digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn only_the_form_of_the_servers_is_a_date() {
        for good in ["2024-02-00", "2024-00-00", "0000-00-00", "0000-01-01", "2024-02-29"] {
            assert_eq!(reason(good, None), None, "{good}");
        }
        for bad in [
            "",
            "2024-2-29",
            "24-02-29",
            "2023-02-29",
            "0000-02-29",
            "2024-13-01",
            "2024-04-31",
            "2024-02-29 00:00:00",
            "2024/02/29",
            "0044-03-15 BC",
            "infinity",
            "2024-02-2é",
        ] {
            assert!(reason(bad, None).is_some_and(|reason| reason.contains("ISO")), "{bad}");
        }
    }

    #[test]
    fn a_time_has_no_more_digits_than_its_column() {
        let good = ["2024-02-00 23:59:59", "2024-02-00T00:00:00.12", "0000-01-01 12:34"];
        for good in good {
            assert_eq!(reason(good, Some(2)), None, "{good}");
        }
        for bad in [
            "2024-02-00",
            "2024-02-00 ",
            "2024-02-00 12",
            "2024-02-00 24:00:00",
            "2024-02-00 12:60:00",
            "2024-02-00 12:00:60",
            "2024-02-00 12:00:00.123",
            "2024-02-00 12:00:00.",
            "2024-02-00 12:00.5",
            "2024-02-00 12:00:00+00:00",
            "2024-02-00 12:00:00.1.2",
            "2024-02-00  12:00:00",
        ] {
            assert!(reason(bad, Some(2)).is_some(), "{bad}");
        }
        assert!(reason("2024-02-00 12:00:00.0", Some(0)).is_some());
    }
}
