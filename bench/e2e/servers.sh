# Private servers with data folders inside the cache; durable as shipped, only sized up.

declare -A pid=() port=()

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_servers() {
  local wanted=$only
  case $wanted in *pg*) start_pg ;; esac
  case $wanted in *mariadb*) start_mariadb ;; esac
  case $wanted in *mysql*) [ $mysql9 = yes ] || die "$wanted needs --mysql9"; start_mysql ;; esac
}

# PostgreSQL refuses to be root, so root lends it the user of that name.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid postgres --regid postgres --clear-groups -- "$@"
  else
    exec "$@"
  fi
}

start_pg() {
  local programs folder=$data/pg-$scale
  programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ ! -e "$folder/loaded" ]; then
    rm -rf "$folder"; mkdir "$folder"
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    (cd / && as_postgres "$programs/initdb" -A trust -U bench -E UTF8 --locale=C.UTF-8 "$folder/data") >"$folder.log"
  fi
  port[pg]=$(free_port)
  (cd / && as_postgres setsid "$programs/postgres" -D "$folder/data" -p "${port[pg]}" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=2GB -c max_wal_size=8GB) \
    >>"$folder.log" 2>&1 9>&- &
  pid[pg]=$!
  wait_until pg pg_sql postgres 'select 1'
  if [ ! -e "$folder/loaded" ]; then
    say "loading lineitem into PostgreSQL"
    pg_sql postgres 'create database bench_source' 'create database bench_target'
    pg_sql bench_source "$(lineitem_ddl)" "\\copy lineitem from '$lineitem'" \
      'vacuum (freeze, analyze) lineitem'
    touch "$folder/loaded"
  fi
}

start_mariadb() {
  local folder=$data/mariadb-$scale
  if [ ! -e "$folder/loaded" ]; then
    rm -rf "$folder"; mkdir "$folder"
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$folder/data" --skip-test-db \
      --auth-root-authentication-method=normal >"$folder.log"
  fi
  start_mysqld mariadb "$folder" /usr/sbin/mariadbd --log-bin="$folder/data/binlog"
}

# A MySQL 9 that stands in a folder of its own is run by that folder's loader and libraries.
start_mysql() {
  local folder=$data/mysql-$scale root=${ROWFERRY_MYSQL_ROOT:-/opt/mysql9}
  local program=("$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu"
    "$root/usr/sbin/mysqld" --no-defaults --basedir="$root/usr" --user="$(id -un)")
  if [ ! -e "$folder/loaded" ]; then
    rm -rf "$folder"; mkdir "$folder"
    "${program[@]}" --initialize-insecure --datadir="$folder/data" >"$folder.log" 2>&1
  fi
  start_mysqld mysql "$folder" "${program[@]}" --mysqlx=OFF --log-bin=binlog
}

start_mysqld() {
  local kind=$1 folder=$2; shift 2
  port[$kind]=$(free_port)
  local program=$1; shift
  case $kind in mariadb) set -- --no-defaults --user="$(id -un)" "$@" ;; esac
  printf '%s\n' "create user if not exists bench@'%' identified by 'bench';" \
    "grant all on *.* to bench@'%' with grant option;" >"$folder/init.sql"
  setsid "$program" "$@" --datadir="$folder/data" --port="${port[$kind]}" --socket="$folder/socket" \
    --pid-file="$folder/pid" --init-file="$folder/init.sql" --bind-address=127.0.0.1 \
    --skip-name-resolve --innodb-buffer-pool-size=2G --local-infile=1 --server-id=1 \
    --secure-file-priv="$folder" >>"$folder.log" 2>&1 9>&- &
  pid[$kind]=$!
  wait_until "$kind" my_sql "$kind" mysql 'select 1'
  if [ ! -e "$folder/loaded" ]; then
    say "loading lineitem into $kind"
    my_sql "$kind" mysql 'create database bench_source; create database bench_target'
    my_sql "$kind" bench_source "$(lineitem_ddl)"
    my_sql "$kind" bench_source "load data local infile '$lineitem' into table lineitem" \
      'analyze table lineitem'
    touch "$folder/loaded"
  fi
}

wait_until() {
  local kind=$1 tries=0; shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "${pid[$kind]}" 2>/dev/null && [ $tries -lt 300 ] || die "$kind did not start, see $data/$kind-$scale.log"
    sleep 0.3
  done
}

show_servers() {
  local kind
  for kind in "${!pid[@]}"; do say "$kind runs on port ${port[$kind]}, pid ${pid[$kind]}"; done
}

stop_servers() {
  local kind
  for kind in "${!pid[@]}"; do
    # PostgreSQL: INT is a fast shutdown, TERM would wait for clients.
    kill -INT "${pid[$kind]}" 2>/dev/null || true
    [ "$kind" = pg ] || kill -TERM "${pid[$kind]}" 2>/dev/null || true
  done
  wait || true
}
