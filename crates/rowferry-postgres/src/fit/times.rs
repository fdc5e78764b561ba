//! Dates, times and lengths of time.

use rowferry_codec::pgcopy::PgType;
use rowferry_core::{CanonicalType, ValueLimits};

use super::Fit;

/// Day 0 of the server's calendar, 4714-11-24 BC, in days from 1970, …
const DATE_MIN: i64 = -2_440_588;
/// … and its last day, 5874897-12-31 (both from the manual's table of date types).
const DATE_MAX: i64 = 2_145_042_905;
/// The same in microseconds. The server's last instant lies beyond 64 bits.
const TIMESTAMP_MIN: i64 = -210_866_803_200_000_000;
/// The greatest value below Arrow's stand-in for infinity.
const TIMESTAMP_MAX: i64 = i64::MAX - 1;
/// 24:00:00.
const DAY_MICROS: i64 = 86_400_000_000;

pub(super) fn fit(from: &CanonicalType, to: &PgType, own: bool) -> Option<Fit> {
    use CanonicalType as C;
    use PgType as P;
    Some(match (from, to) {
        (C::Date, P::Date) => {
            let limits = temporal(DATE_MIN, DATE_MAX, true, 0);
            if own {
                Fit::exact()
            } else {
                Fit::checked("no zero date", limits).with_options(["text"])
            }
        }
        (C::Time { digits }, P::Time { digits: there }) => {
            digits_fit(*digits, *there, temporal(0, DAY_MICROS, false, *there), "time")
        }
        (C::Time { digits }, P::Interval { digits: there }) => {
            let duration = C::Duration { digits: *digits };
            digits_fit(*digits, *there, temporal(0, DAY_MICROS, false, *there), "interval")
                .converted(duration)
        }
        (C::Duration { digits }, P::Interval { digits: there }) => {
            let limits = temporal(i64::MIN, i64::MAX, false, *there);
            if digits <= there {
                Fit::exact()
            } else {
                digits_fit(*digits, *there, limits, "interval")
            }
        }
        (C::Duration { .. }, P::Time { digits: there }) => {
            Fit::checked("between 00:00 and 24:00", temporal(0, DAY_MICROS, false, *there))
                .with_options(["interval"])
        }
        (C::Timestamp { digits }, P::Timestamp { digits: there })
        | (C::Instant { digits }, P::TimestampTz { digits: there }) => {
            let limits = temporal(TIMESTAMP_MIN, TIMESTAMP_MAX, true, *there);
            let word = if matches!(from, C::Instant { .. }) { "timestamptz" } else { "timestamp" };
            let fit = digits_fit(*digits, *there, limits.clone(), word);
            if own { fit } else { Fit { limits, ..fit.and("no zero date") }.with_options(["text"]) }
        }
        (C::Interval, P::Interval { digits }) => {
            digits_fit(6, *digits, ValueLimits::Any, "interval")
        }
        (C::TimeTz, P::TimeTz { digits }) => digits_fit(6, *digits, ValueLimits::Any, "timetz"),
        _ => return None,
    })
}

fn temporal(min: i64, max: i64, infinite: bool, digits: u8) -> ValueLimits {
    ValueLimits::Temporal { min, max, infinite, zero: false, digits }
}

fn digits_fit(from: u8, to: u8, limits: ValueLimits, word: &str) -> Fit {
    if from <= to {
        return Fit { limits, ..Fit::exact_if(from == to) };
    }
    Fit::checked(format!("at most {to} fraction digits"), limits).with_options([word])
}
