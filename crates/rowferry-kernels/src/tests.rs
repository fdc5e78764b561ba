//! Kernels against naive row loops.
