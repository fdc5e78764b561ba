# The two ends: their clients, their URLs, the empty target, the comparison.

pg_sql() {
  local database=$1 words=() statement; shift
  for statement in "$@"; do words+=(-c "$statement"); done
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "${port[pg]}" -U bench -d "$database" "${words[@]}"
}

my_sql() {
  local kind=$1 database=$2 IFS=';'; shift 2
  MYSQL_PWD=bench mariadb --no-defaults --quick --batch --skip-column-names --local-infile=1 \
    --default-character-set=utf8mb4 --protocol=tcp -h 127.0.0.1 -P "${port[$kind]}" -u bench "$database" -e "$*"
}

lineitem_ddl() {
  cat <<'SQL'
create table lineitem (id bigint primary key, l_orderkey integer not null, l_partkey integer not null,
  l_suppkey integer not null, l_linenumber integer not null, l_quantity decimal(15,2) not null,
  l_extendedprice decimal(15,2) not null, l_discount decimal(15,2) not null, l_tax decimal(15,2) not null,
  l_returnflag char(1) not null, l_linestatus char(1) not null, l_shipdate date not null,
  l_commitdate date not null, l_receiptdate date not null, l_shipinstruct char(25) not null,
  l_shipmode char(10) not null, l_comment varchar(44) not null)
SQL
}

url() {
  case $1 in
    pg) echo "postgres://bench@127.0.0.1:${port[pg]}/bench_$2?sslmode=disable" ;;
    mariadb) echo "mariadb://bench:bench@127.0.0.1:${port[mariadb]}/bench_$2" ;;
    mysql) echo "mysql://bench:bench@127.0.0.1:${port[mysql]}/bench_$2" ;;
  esac
}

# An empty target database, and a server that does not still write what the run before left.
clear_target() {
  case $1 in
    pg)
      pg_sql postgres 'drop database if exists bench_target with (force)' 'create database bench_target' 'checkpoint' ;;
    mariadb | mysql)
      my_sql "$1" mysql 'drop database if exists bench_target; create database bench_target'
      my_sql "$1" mysql 'flush binary logs; purge binary logs before now()'
      sync ;;
  esac
  sleep 1
}

# Dump in key order as text, through the database's own client.
dump() {
  case $1 in
    pg) pg_sql bench_target 'copy (select * from lineitem order by id) to stdout' ;;
    mariadb | mysql) my_sql "$1" bench_target 'select * from lineitem order by id' ;;
  esac
}

has_primary_key() {
  local found
  case $1 in
    pg) found=$(pg_sql bench_target "select count(*) from pg_index where indrelid = 'lineitem'::regclass and indisprimary and indisvalid") ;;
    mariadb | mysql) found=$(my_sql "$1" bench_target "select count(*) from information_schema.statistics where table_schema = 'bench_target' and table_name = 'lineitem' and index_name = 'PRIMARY'") ;;
  esac
  [ "$found" = 1 ]
}

arrived_equal() {
  has_primary_key "$1" || { say "no primary key in the target"; return 1; }
  # char(n) comes back padded from PostgreSQL and stripped from MySQL: spaces before a tab go.
  [ "$(dump "$1" | sed 's/ *\t/\t/g' | md5sum | cut -d' ' -f1)" = "$reference" ]
}
