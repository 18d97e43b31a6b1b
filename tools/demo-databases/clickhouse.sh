# ClickHouse in tools/demo; what each name is, tools/demo-databases/postgresql.sh says.
DB_TITLE=ClickHouse
DB_PACKAGES="clickhouse-server, clickhouse-client"
DB_SETUP=clickhouse

db_configure() {
  PORT=$(free_port)
  DB_OPTIONS=(--set "port=$PORT" --set "http_port=$(free_port)" --set "interserver_port=$(free_port)")
}
db_command() { echo "clickhouse-client --port $PORT -q"; }
db_sql() { $(db_command) "$1"; }
db_answers() { db_sql 'select 1'; }
db_version() { echo "ClickHouse $(db_sql 'select version()')"; }

db_load_packages() {
  db_sql "create table package (name String, version String, section String, size UInt64, summary String)
          engine = MergeTree order by (name, version)"
  db_sql "insert into package format TSV"
}
db_flush() { :; }  # what is answered is in files
db_checksum() {
  echo "$(db_sql 'select count() from package') rows, sum of cityHash64 $(db_sql 'select sum(cityHash64(*)) from package')"
}
db_table() { echo clickhouse/data/default/package; }
db_text_file() { echo clickhouse/metadata/default/package.sql; }

db_prepare_work() { db_sql "create table work (number UInt64, text String) engine = MergeTree order by number"; }
db_work() {
  local end=$((SECONDS + $1)) inserts=0
  while [ $SECONDS -lt "$end" ]; do
    db_sql "insert into work select number, toString(cityHash64(number)) from system.numbers limit 10000"
    inserts=$((inserts + 1))
  done
  [ "$(db_sql 'select count() from work')" = $((inserts * 10000)) ]
  echo "$inserts INSERTs of 10000 rows"
}
