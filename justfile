# `just` alone lists the recipes.
default:
    @just --list

# Formatting, lints, tests without shared servers.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Everything, with servers, as CI runs it.
test:
    scripts/test

# One crate's tests against three shared servers: `just test-db rowferry-postgres`.
test-db crate *args:
    cargo build -q -p rowferry-testkit --bin with-servers
    target/debug/with-servers cargo test -p {{crate}} {{args}}

# A shell with three servers and their URLs in ROWFERRY_TEST_*_URL; leaving it stops them.
db-up:
    cargo build -q -p rowferry-testkit --bin with-servers
    target/debug/with-servers "${SHELL:-sh}"

# Criterion benches of kernels and codecs.
kernels *args:
    cargo bench -p rowferry-bench {{args}}

# Instructions per row of codecs and kernels beside those on record; `--record` writes them.
instructions *args:
    scripts/instructions {{args}}

# Copies beside raw pipes and other tools; results in bench/results.
bench *args:
    python3 bench/e2e {{args}}

# What a run must keep to beside its speed: start, memory, growth, round trips, other users of the source.
limits *args:
    python3 bench/limits {{args}}

# Comparisons beside plain reads and reladiff, and planted differences in nine directions.
compare *args:
    python3 bench/verify {{args}}

# Every direction and kind of key with a million rows, in release.
directions *args:
    scripts/directions {{args}}

# SIGKILL at random moments of a copy of a million rows, in release.
kill *args:
    scripts/kill {{args}}

# The whole matrix of faults; rewrites docs/reliability.md.
reliability *args:
    scripts/reliability {{args}}

# Ten million damaged tuples through everything that reads COPY bytes, in release.
mutations:
    ROWFERRY_MUTATIONS=10000000 cargo test --release -p rowferry-codec mutation -- --nocapture

# Random tables of 20,000 rows in every direction from 20 seeds, in release.
oracle *args:
    scripts/oracle {{args}}

# ConnectorX's helper program: `just connectorx build [DIRECTORY]`, `just connectorx test`.
connectorx *args:
    scripts/connectorx {{args}}

# The first row of six million within a second, in release.
start-at-once:
    scripts/start-at-once

# The demo: generated shop, into SQLite, into another SQLite file.
demo:
    cargo run --release -- run config/demo.yaml

# Documentation of all crates.
doc:
    cargo doc --workspace --no-deps

# Licences, advisories, sources and doubled crates.
deny:
    cargo deny --all-features check

# Accepts changed snapshots and the tables of docs/types.md, to be reviewed as a diff.
bless:
    INSTA_UPDATE=always cargo test --workspace
