//! What a kernel can refuse.

/// A batch that a kernel cannot work on. Either is a bug of the caller: plans only hold columns of
/// canonical types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The column's Arrow type is not the storage of any canonical type.
    #[error("column {column}: no canonical bytes for {data_type}")]
    Type {
        /// Column.
        column: String,
        /// Arrow type.
        data_type: String,
    },
    /// The batch has fewer columns than the key asks for.
    #[error("no column at position {position}")]
    Column {
        /// Position asked for.
        position: usize,
    },
    /// An array is not stored as its meaning says.
    #[error("a column of {data_type} is not stored as its type asks")]
    Storage {
        /// Arrow type.
        data_type: String,
    },
    /// A plan asks for a conversion that does not exist.
    #[error("{from} cannot be converted to {to}")]
    Conversion {
        /// Meaning of the values.
        from: String,
        /// Meaning asked for.
        to: String,
    },
    /// Arrow refused to build the result.
    #[error("arrow: {0}")]
    Arrow(String),
}
