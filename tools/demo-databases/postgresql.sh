# PostgreSQL in tools/demo. Every file here defines the same names; $MNT is the mount.
DB_TITLE="PostgreSQL 15"
DB_PACKAGES=postgresql-15
DB_SETUP=

db_configure() {
  PORT=$(free_port)
  DB_OPTIONS=(--version 15 --set "port=$PORT")
}
db_command() { echo "runuser -u postgres -- psql -h $MNT/run -p $PORT -d postgres -XAtqc"; }
db_answers() { db_sql 'select 1'; }
db_sql() { $(db_command) "$1"; }
db_version() { db_sql 'select version()' | cut -d' ' -f1,2; }

# Tab-separated lines: name, version, section, size, summary.
db_load_packages() {
  db_sql "create table package (name text, version text, section text, size bigint, summary text)"
  db_sql "copy package from stdin"
}
db_flush() { db_sql checkpoint; }
# The number of rows, a blank, and a sum over all of them.
db_checksum() {
  db_sql "select count(*) || ' rows, md5 ' || md5(string_agg(md5(p::text), '' order by name, version, size))
          from package p"
}
# Below the mount: the table's file or directory, and a text file of a few lines.
db_table() { echo "pgdata/$(db_sql "select pg_relation_filepath('package')")"; }
db_text_file() { echo pgdata/postgresql.conf; }

db_bench() { runuser -u postgres -- /usr/lib/postgresql/15/bin/pgbench -h "$MNT/run" -p "$PORT" "$@" postgres; }
db_prepare_work() { db_bench -i -q -s 2 >/dev/null 2>&1; }
# Works for some seconds; prints what was done, fails if any of it failed.
db_work() {
  local said
  said=$(db_bench -n -c 4 -T "$1")
  grep -q 'failed transactions: 0 ' <<<"$said" || { echo "$said" >&2; return 1; }
  sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1 transactions/p' <<<"$said"
}
