//! For tests only: throw-away servers, faulty source and sink, oracles.
