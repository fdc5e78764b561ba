#!/usr/bin/env bash
# Measures `rowferry copy` against the raw pipe a skilled person would type, in one run on one
# machine: TPC-H lineitem, private servers on loopback, the two taken in turn, medians compared.
# Seconds do not travel between machines; the ratios of one run do. docs/benchmarks.md explains.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: bench/e2e.sh [options]
  --only LIST     directions, with commas: pg-pg, pg-mariadb, mariadb-pg, mariadb-mariadb,
                  pg-mysql, mysql-pg (default: pg-pg,pg-mariadb,mariadb-pg; mysql needs --mysql9)
  --repeat N      repetitions of everything (default 3)
  --pipes-only    measure the pipes alone
  --no-pipes      leave the pipes out (no ratio then)
  --peers         measure sling too
  --before FILE   measure another rowferry in turn, and compare CPU seconds pair by pair
  --mysql9        start a MySQL 9 too and add its two directions
  --scale N       TPC-H scale factor (default 1: 6,001,215 rows)
  --no-check      do not compare the target with the source after each copy
  --args WORDS    further arguments of `rowferry copy`, as one word
  --keep          leave the servers running and say where
environment:
  ROWFERRY_BIN         release binary (default: target/release/rowferry)
  ROWFERRY_BENCH_DATA  cache of data and servers (default: bench/data; 6 GB)
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${ROWFERRY_BENCH_DATA:-$here/data}
rowferry=${ROWFERRY_BIN:-$here/../target/release/rowferry}
only= repeat=3 pipes=yes copies=yes peers=no mysql9=no scale=1 check=yes keep=no extra= before=

while [ $# -gt 0 ]; do
  case $1 in
    --only) only=$2; shift ;;
    --repeat) repeat=$2; shift ;;
    --scale) scale=$2; shift ;;
    --args) extra=$2; shift ;;
    --pipes-only) copies=no ;;
    --no-pipes) pipes=no ;;
    --peers) peers=yes ;;
    --mysql9) mysql9=yes ;;
    --before) before=$2; shift ;;
    --no-check) check=no ;;
    --keep) keep=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$only" ]; then
  only=pg-pg,pg-mariadb,mariadb-pg
  [ $mysql9 = no ] || only=$only,pg-mysql,mysql-pg
fi

. "$here/e2e/data.sh"
. "$here/e2e/servers.sh"
. "$here/e2e/ends.sh"
. "$here/e2e/contestants.sh"
. "$here/e2e/report.sh"

for program in psql mariadb /usr/bin/time python3; do
  command -v "$program" >/dev/null || die "$program is missing (apt-get install postgresql mariadb-server time python3-venv)"
done
[ $copies = no ] || [ -x "$rowferry" ] || die "no $rowferry: cargo build --release, or set ROWFERRY_BIN"

mkdir -p "$data"
exec 9>"$data/lock"
flock -n 9 || die "another run measures in $data; two at once would measure each other"
results=$data/results/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$results"

make_lineitem
trap stop_servers EXIT
start_servers
describe_machine | tee "$results/machine.txt"

contestants=()
[ $pipes = no ] || contestants+=(pipe)
[ $copies = no ] || contestants+=(rowferry)
[ -z "$before" ] || contestants+=(before)
[ $peers = no ] || { install_sling; contestants+=(sling); }

# Every second round the other way round: who goes first finds another machine than who follows.
backwards=()
for contestant in "${contestants[@]}"; do backwards=("$contestant" "${backwards[@]}"); done
for round in $(seq "$repeat"); do
  order=("${contestants[@]}")
  [ $((round % 2)) = 1 ] || order=("${backwards[@]}")
  for direction in ${only//,/ }; do
    for contestant in "${order[@]}"; do
      run_one "$contestant" "$direction" "$round"
    done
  done
done
print_table "$only" "${contestants[@]}" | tee "$results/table.txt"
[ -z "$before" ] || print_pairs "$only" | tee -a "$results/table.txt"
say "raw results: $results"
[ $keep = no ] || { trap - EXIT; show_servers; }
[ ! -s "$results/failed" ] || die "some runs failed: $(tr '\n' ' ' <"$results/failed")"
