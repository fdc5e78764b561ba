# The machine, the medians, the ratios.

describe_machine() {
  echo "$(date -u +%FT%TZ)  $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, load $(cut -d' ' -f1 /proc/loadavg)"
  grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'
  [ $copies = no ] || echo "$("$rowferry" --version) $(git -C "$here" rev-parse --short HEAD 2>/dev/null || true)"
  [ -z "${port[pg]:-}" ] || echo "PostgreSQL $(pg_sql postgres 'show server_version')"
  local kind
  for kind in mariadb mysql; do
    [ -z "${port[$kind]:-}" ] || echo "$kind $(my_sql $kind mysql 'select version()')"
  done
  echo "lineitem at scale $scale: $(wc -l <"$lineitem") rows, $(stat -c %s "$lineitem") bytes as text"
}

# Median of column $2 of file $1; two columns (user,system) are added with "2+3".
median() {
  awk -v columns="$2" 'BEGIN { n = split(columns, c, "+") }
    { v = 0; for (i = 1; i <= n; i++) v += $c[i]; print v }' "$1" | sort -n |
    awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

greatest() { awk -v c="$2" '$c > m { m = $c } END { print m + 0 }' "$1"; }

# Client CPU seconds of rowferry over those of the run before it, pair by pair.
print_pairs() {
  local directions=$1 direction
  for direction in ${directions//,/ }; do
    [ -s "$results/before.$direction" ] && [ -s "$results/rowferry.$direction" ] || continue
    paste "$results/rowferry.$direction" "$results/before.$direction" |
      awk '{ print ($2 + $3) / ($6 + $7) }' | sort -n |
      awk -v d="$direction" '{ v[NR] = $1 } END {
        m = (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%s: client CPU now / before: median %.3f of %d pairs (%.3f to %.3f)\n", d, m, NR, v[1], v[NR] }'
  done
}

print_table() {
  local directions=$1 direction contestant file base ratio; shift
  printf '%-16s %-10s %9s %9s %12s %10s %6s\n' direction what seconds 'x pipe' 'client CPU s' 'peak MiB' runs
  for direction in ${directions//,/ }; do
    base=
    [ ! -s "$results/pipe.$direction" ] || base=$(median "$results/pipe.$direction" 1)
    for contestant in "$@"; do
      file=$results/$contestant.$direction
      [ -s "$file" ] || continue
      ratio=-
      [ -z "$base" ] || ratio=$(awk -v a="$(median "$file" 1)" -v b="$base" 'BEGIN { printf "%.2f", a / b }')
      printf '%-16s %-10s %9.1f %9s %12.1f %10.0f %6d\n' "$direction" "$contestant" "$(median "$file" 1)" \
        "$ratio" "$(median "$file" 2+3)" "$(awk -v k="$(greatest "$file" 4)" 'BEGIN { print k / 1024 }')" "$(wc -l <"$file")"
    done
  done
}
