//! Where tokio and rayon meet: compute pool, byte budget, retry, shutdown.
