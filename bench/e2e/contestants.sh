# One run of one contestant: empty target, clock, copy, comparison.

# Appends "seconds user system kilobytes" of the command and its children to a file.
timed() {
  local file=$1; shift
  /usr/bin/time -q -a -o "$file" -f '%e %U %S %M' "$@"
}

run_one() {
  local contestant=$1 direction=$2 round=$3 from=${2%-*} to=${2#*-}
  local file=$results/$contestant.$direction
  clear_target "$to"
  if "run_$contestant" "$from" "$to" "$file" >"$file.$round.out" 2>"$file.$round.err"; then
    if [ $check = yes ] && [ "$contestant" != pipe ] && ! arrived_equal "$to"; then
      say "NOT EQUAL: $contestant $direction, round $round"
      echo "$contestant.$direction.$round" >>"$results/failed"
    fi
  else
    say "FAILED: $contestant $direction, round $round: $(tail -n 3 "$file.$round.err")"
    echo "$contestant.$direction.$round" >>"$results/failed"
  fi
  say "$round $direction $contestant: $(tail -n 1 "$file")"
}

# A table with its key in place, then one pipe between the two clients.
run_pipe() {
  local from=$1 to=$2 file=$3
  case $to in
    pg) pg_sql bench_target "$(lineitem_ddl)" ;;
    *) my_sql "$to" bench_target "$(lineitem_ddl)" ;;
  esac
  local pg="psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U bench" my="mariadb --no-defaults --quick --batch
    --skip-column-names --local-infile=1 --default-character-set=utf8mb4 --protocol=tcp -h 127.0.0.1 -u bench"
  pg="$pg -p ${port[pg]:-0}"
  local reader writer form=
  [ "$direction" != pg-pg ] || form='(format binary)'
  case $from in
    pg) reader="$pg -d bench_source -c 'copy lineitem to stdout $form'" ;;
    *) reader="$(echo $my) -P ${port[$from]} bench_source -e 'select * from lineitem'" ;;
  esac
  case $to in
    pg) writer="$pg -d bench_target -c 'copy lineitem from stdin $form'" ;;
    *) writer="$(echo $my) -P ${port[$to]} bench_target -e \"load data local infile '/dev/stdin' into table lineitem\"" ;;
  esac
  MYSQL_PWD=bench timed "$file" bash -o pipefail -c "$reader | $writer"
}

run_rowferry() { copy_with "$rowferry" "$@"; }

run_before() { copy_with "$before" "$@"; }

copy_with() {
  local program=$1 from=$2 to=$3 file=$4
  # shellcheck disable=SC2086 # the extra arguments are words
  timed "$file" "$program" copy "$(url "$from" source)" "$(url "$to" target)" --table lineitem \
    --state "$file.state.db" --output json --progress none $extra
}

run_sling() {
  local from=$1 to=$2 file=$3 schema_from=public schema_to=public
  [ "$from" = pg ] || schema_from=bench_source
  [ "$to" = pg ] || schema_to=bench_target
  local source target
  source=$(url "$from" source) target=$(url "$to" target)
  SLING_HOME_DIR=$data/sling/home SRC=${source/mariadb:/mysql:} TGT=${target/mariadb:/mysql:} timed "$file" \
    "$sling" run --src-conn SRC --src-stream "$schema_from.lineitem" \
    --tgt-conn TGT --tgt-object "$schema_to.lineitem" --mode full-refresh --primary-key id
}
