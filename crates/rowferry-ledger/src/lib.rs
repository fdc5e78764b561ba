//! The SQLite progress store: runs, tables, chunks, statistics.
