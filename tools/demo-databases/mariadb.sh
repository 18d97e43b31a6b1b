# MariaDB in tools/demo; what each name is, tools/demo-databases/postgresql.sh says.
DB_TITLE=MariaDB
DB_PACKAGES="mariadb-server, sysbench"
DB_SETUP=mariadb

db_configure() { DB_OPTIONS=(--set "port=$(free_port)"); }
db_command() { echo "mariadb --no-defaults --socket=$MNT/run/mariadb.sock -BN demo -e"; }
db_answers() { mariadb --no-defaults --socket="$MNT/run/mariadb.sock" -e "create database if not exists demo"; }
db_sql() { $(db_command) "$1"; }
db_version() { echo "MariaDB $(db_sql 'select version()')"; }

db_load_packages() {
  db_sql "create table package (name text, version text, section text, size bigint, summary text)"
  mariadb --no-defaults --socket="$MNT/run/mariadb.sock" --local-infile demo -e \
    "load data local infile '/dev/stdin' into table package"
}
db_flush() { db_sql 'flush tables package for export; unlock tables'; }
db_checksum() {
  echo "$(db_sql 'select count(*) from package') rows, CHECKSUM TABLE $(db_sql 'checksum table package extended' | cut -f2)"
}
db_table() { echo mysql/demo/package.ibd; }
db_text_file() { echo mysql/demo/db.opt; }

db_bench() {
  sysbench oltp_read_write --mysql-socket="$MNT/run/mariadb.sock" --mysql-user=root --mysql-db=demo \
    --tables=2 --table-size=10000 "$@"
}
db_prepare_work() { db_bench prepare >/dev/null; }
db_work() {  # sysbench ends with an error at the first statement that fails
  local said
  said=$(db_bench --threads=4 --time="$1" run) || { echo "$said" >&2; return 1; }
  sed -n 's/^ *transactions: *\([0-9]*\).*/\1 transactions/p' <<<"$said"
}
