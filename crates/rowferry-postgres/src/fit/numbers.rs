//! Numbers, truth values and bits that are read as numbers.

use rowferry_codec::pgcopy::{PgType, can_encode};
use rowferry_core::{CanonicalType, ValueLimits};

use super::Fit;

pub(super) fn fit(from: &CanonicalType, to: &PgType) -> Option<Fit> {
    use CanonicalType as C;
    use PgType as P;
    if let (Some(bounds), true) = (bounds(from), can_encode(from, to)) {
        return Some(integer(from, bounds, to));
    }
    Some(match (from, to) {
        (C::Bits { bits }, P::Bit { bits: there }) => {
            (u32::from(*bits) == *there).then(Fit::exact)?
        }
        (C::Float32, P::Float4) | (C::Float64, P::Float8) => Fit::exact(),
        (C::Float32, P::Float8) => Fit::widened(),
        (C::Float64, P::Float4) => {
            Fit::checked("exact in four bytes", ValueLimits::Float { nan: true, infinite: true })
                .with_options(["double precision"])
        }
        (C::Decimal { precision, scale }, P::Numeric { precision_scale }) => {
            decimal(Some((*precision, *scale)), *precision_scale)
        }
        (C::Decimal { precision, scale }, P::Money { digits }) => {
            decimal(Some((*precision, *scale)), Some((19, i16::from(*digits))))
        }
        (C::DecimalText, P::Numeric { precision_scale }) => decimal(None, *precision_scale),
        _ => return None,
    })
}

/// `from` = digits and scale, or any number as text.
fn decimal(from: Option<(u8, u8)>, to: Option<(u16, i16)>) -> Fit {
    let Some((precision, scale)) = to else { return Fit::exact() };
    let whole = i32::from(precision) - i32::from(scale);
    if let Some((digits, fraction)) = from {
        let (digits, fraction) = (i32::from(digits), i32::from(fraction));
        if digits - fraction <= whole && fraction <= i32::from(scale) {
            return Fit::exact_if(digits == i32::from(precision) && fraction == i32::from(scale));
        }
    }
    let limits = ValueLimits::Decimal {
        precision: u32::from(precision),
        scale: u32::try_from(scale).unwrap_or(0),
        nan: true,
        infinite: false,
    };
    let rule = if scale < 0 {
        format!("at most {whole} digits, the last {} of them zero", -scale)
    } else {
        format!("at most {} digits before the point and {scale} behind it", whole.max(0))
    };
    let option = match from {
        Some((precision, scale)) => format!("numeric({precision},{scale})"),
        None => "numeric".to_owned(),
    };
    Fit::checked(rule, limits).with_options([option])
}

/// Least and greatest number of an integer meaning.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these are integers")]
pub(super) fn bounds(from: &CanonicalType) -> Option<(i128, i128)> {
    use CanonicalType as C;
    Some(match from {
        C::Boolean => (0, 1),
        C::Int8 => (i8::MIN.into(), i8::MAX.into()),
        C::Int16 => (i16::MIN.into(), i16::MAX.into()),
        C::Int32 => (i32::MIN.into(), i32::MAX.into()),
        C::Int64 => (i64::MIN.into(), i64::MAX.into()),
        C::UInt8 => (0, u8::MAX.into()),
        C::UInt16 => (0, u16::MAX.into()),
        C::UInt32 => (0, u32::MAX.into()),
        C::UInt64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other columns bound no integer")]
fn integer(from: &CanonicalType, (least, greatest): (i128, i128), to: &PgType) -> Fit {
    use CanonicalType as C;
    use PgType as P;
    let (min, max) = match to {
        P::Bool => (0, 1),
        P::Int2 => (i16::MIN.into(), i16::MAX.into()),
        P::Int4 => (i32::MIN.into(), i32::MAX.into()),
        P::Int8 => (i64::MIN.into(), i64::MAX.into()),
        P::Oid | P::Xid => (0, u32::MAX.into()),
        P::Xid8 | P::Lsn => (0, u64::MAX.into()),
        // Whole numbers up to here all have a float of their own.
        P::Float4 => (-(1 << 24), 1 << 24),
        P::Float8 => (-(1 << 53), 1 << 53),
        P::Numeric { precision_scale: Some((precision, scale)) } => {
            let whole = i32::from(*precision) - i32::from(*scale);
            let digits = u32::try_from(whole).unwrap_or(0);
            let most = 10_i128.checked_pow(digits).map_or(i128::MAX, |power| power - 1);
            (-most, most)
        }
        _ => (i128::MIN, i128::MAX),
    };
    let same = matches!(
        (from, to),
        (C::Boolean, P::Bool)
            | (C::Int16, P::Int2)
            | (C::Int32, P::Int4)
            | (C::Int64, P::Int8)
            | (C::UInt32, P::Oid | P::Xid)
            | (C::UInt64, P::Xid8 | P::Lsn)
    );
    let tens = matches!(to, P::Numeric { precision_scale: Some((_, scale)) } if *scale < 0);
    if min <= least && greatest <= max && !tens {
        return Fit::exact_if(same);
    }
    let wide = if greatest > i64::MAX.into() { "numeric(20,0)" } else { "bigint" };
    let rule = match to {
        P::Bool => "0 or 1".to_owned(),
        P::Float4 | P::Float8 => format!("whole numbers from {min} to {max}"),
        _ => format!("from {min} to {max}"),
    };
    Fit::checked(rule, ValueLimits::Integer { min, max }).with_options([wide])
}
