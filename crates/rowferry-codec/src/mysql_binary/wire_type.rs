//! How the values of a column stand in a row.

/// The form of a column's values on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// An integer, least byte first.
    Int {
        /// 1, 2, 4 or 8.
        bytes: u8,
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// Date, or date and time: a length of 0, 4, 7 or 11, then the parts.
    Date,
    /// A length of time: 0, 8 or 12, then the parts.
    Time,
    /// A length and so many bytes: texts, blobs, decimals in digits.
    Bytes,
}

impl WireType {
    /// The form of a type code, as a column definition has it; `None` for an unknown one.
    ///
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html>
    pub fn of(code: u8, unsigned: bool) -> Option<Self> {
        Some(match code {
            // TINY; SHORT and YEAR; LONG and INT24; LONGLONG.
            1 => Self::Int { bytes: 1, unsigned },
            2 | 13 => Self::Int { bytes: 2, unsigned },
            3 | 9 => Self::Int { bytes: 4, unsigned },
            8 => Self::Int { bytes: 8, unsigned },
            4 => Self::Float,
            5 => Self::Double,
            // TIMESTAMP, DATE, DATETIME.
            7 | 10 | 12 => Self::Date,
            11 => Self::Time,
            // DECIMAL, VARCHAR, BIT; VECTOR, JSON, NEWDECIMAL, ENUM, SET, the blobs, VAR_STRING,
            // STRING, GEOMETRY.
            0 | 15 | 16 | 242 | 245..=255 => Self::Bytes,
            _ => return None,
        })
    }

    /// Bytes of each value that is not NULL; `None` where a length says it.
    pub(super) const fn width(self) -> Option<u8> {
        match self {
            Self::Int { bytes, .. } => Some(bytes),
            Self::Float => Some(4),
            Self::Double => Some(8),
            Self::Date | Self::Time | Self::Bytes => None,
        }
    }
}
