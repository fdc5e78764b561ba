//! Job file to Job: native YAML and the older shapes; connection strings; secrets.
