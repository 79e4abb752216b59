# shellcheck shell=bash
# shellcheck disable=SC2154 # postgres_start prints postgres_start.sql; the functions of inspect_postgres.sh
# PostgreSQL, where a database is to be restored. After inspect_postgres.sh.

# look_at_postgres NAME WORD=TEXT…
look_at_postgres() {
  # shellcheck disable=SC2034 # of `open_postgres`, `ask_postgres` and `refused`
  local folder said home name homes=()
  for name in postgres template1; do
    [ "$name" = "$1" ] || homes+=("$name") # from within it, it cannot be renamed
  done
  open_postgres "${homes[@]}" || return
  # Other databases are nobody's business here.
  grep -v '^database ' < <(printf '%s\n' "$said")
  postgres_target "$@" | ask_postgres "$home" 2>/dev/null
  tables_within "$1"
  free_at "$(ask_postgres "$home" < <(printf '%s\n' 'SHOW data_directory') 2>/dev/null)"
}

tables_within() {
  ask_postgres "$1" 2>/dev/null < <(printf '%s\n' 'SET statement_timeout = '\''4s'\'';
SELECT '\''tables'\'', count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE relkind IN ('\''r'\'', '\''p'\'') AND nspname <> '\''information_schema'\'' AND nspname !~ '\''^pg_'\'';
SELECT '\''subscriptions'\'', count(subname) FROM pg_catalog.pg_subscription s
  WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database());')
}

# postgres_target NAME WORD=TEXT…: statements.
postgres_target() {
  local name
  name="convert_from(decode('$(printf %s "$1" | hex)', 'hex'), 'UTF8')"
  printf '%s\n' "SET search_path = pg_catalog;
SET statement_timeout = '6s';
SELECT 'may', 'create' FROM pg_roles WHERE rolname = current_user AND (rolcreatedb OR rolsuper);
SELECT 'there', count(*) FROM pg_database WHERE datname = $name;
SELECT 'may', 'own' FROM pg_database WHERE datname = $name AND pg_has_role(datdba, 'MEMBER');
SELECT 'bytes', pg_database_size(oid) FROM pg_database
  WHERE datname = $name AND has_database_privilege(oid, 'CONNECT');
SELECT 'sessions', count(*) FROM pg_stat_activity
  WHERE datname = $name AND usesysid IS NOT NULL AND pid <> pg_backend_pid();
SELECT 'held', count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
  WHERE datname = $name AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND (r.rolsuper OR NOT (pg_has_role(r.oid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER')));
SELECT 'prepared', count(*) FROM pg_prepared_xacts WHERE database = $name;
SELECT 'slots', count(*) FROM pg_replication_slots WHERE database = $name;"
  needed_of_postgres role "SELECT count(*) FROM pg_roles WHERE rolname" "${@:2}"
  needed_of_postgres extension "SELECT count(*) FROM pg_available_extensions WHERE name" "${@:2}"
}

# needed_of_postgres WORD COUNT WORD=TEXT…: whether each is there.
needed_of_postgres() {
  local hex
  each_needed "$1" "${@:3}" | while read -r hex; do
    echo "SELECT '$1', '$hex', ($2 = convert_from(decode('$hex', 'hex'), 'UTF8'));"
  done
}
