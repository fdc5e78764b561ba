//! What can go wrong at the border between threads.

/// A failure of a thread of ours, never of the work's own kind.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A thread could not be started.
    #[error("could not start thread {name:?}")]
    Start {
        /// Thread name.
        name: String,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The compute pool could not be built.
    #[error("could not start the compute pool")]
    Pool(#[source] rayon::ThreadPoolBuildError),
    /// The work panicked. The panic's own message went to stderr; it may hold data and is not
    /// repeated here.
    #[error("{name} panicked")]
    Panicked {
        /// What ran.
        name: String,
    },
}
