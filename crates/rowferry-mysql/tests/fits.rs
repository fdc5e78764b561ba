//! What is found before a row moves.
