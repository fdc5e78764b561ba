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
    /// Arrow refused to build the result.
    #[error("arrow: {0}")]
    Arrow(String),
}
