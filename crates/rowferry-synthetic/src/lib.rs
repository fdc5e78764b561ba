//! The generate: source, the null: sink and the memory sink.
