//! What a program of another make has to say to a server in order to read the chunks of a view.

use async_trait::async_trait;

use crate::{Chunk, KeyTuple, ReadSpec, Result};

/// The words in which a session that is not ours reads what a [`crate::Snapshot`] sees. Our own
/// connection keeps watch beside it: it knows the view, the keys and the shape of the table.
#[async_trait]
pub trait ReadScript: Send + Sync {
    /// Statements that the session runs first, one by one: settings on which values depend, and the
    /// way into the view. The session stays in a transaction and is closed after its one read.
    fn before(&self) -> Vec<String>;

    /// The query of a chunk. `forms` has an expression for each column of `spec`, in which `{}`
    /// stands for the column.
    fn query(&self, chunk: &Chunk, spec: &ReadSpec, forms: &[String]) -> Result<String>;

    /// The greatest key of a span without upper bound, with the filter left out of account; `None`
    /// for an empty span and for other ranges.
    async fn last_key(&self, chunk: &Chunk) -> Result<Option<KeyTuple>>;

    /// Fails when the view is gone, or the table is not that of the view any more; to be asked when a
    /// read is over, or has failed.
    async fn check_unaltered(&self) -> Result<()>;
}
