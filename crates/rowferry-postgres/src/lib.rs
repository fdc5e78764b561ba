//! Source and sink over tokio-postgres.
