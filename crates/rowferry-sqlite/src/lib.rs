//! Source and sink over rusqlite.
