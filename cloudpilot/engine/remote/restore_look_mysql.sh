# shellcheck shell=bash
# shellcheck disable=SC2154 # mysql_start prints mysql_start.sql; the functions of inspect_mysql.sh
# MariaDB and MySQL, where a database is to be restored. After inspect_mysql.sh.

# look_at_mysql ENGINE NAME WORD=TEXT…
look_at_mysql() {
  # shellcheck disable=SC2034 # of `open_mysql` and `ask_mysql`
  local client
  open_mysql "$1" || return
  mysql_target "$2" | ask_mysql --force 2>/dev/null
  mysql_definers "${@:3}"
  free_at "$(ask_mysql --raw < <(printf '%s\n' 'SELECT @@datadir') 2>/dev/null)"
}

# mysql_target NAME: statements. Each word is there even if the answer is none: else it is not known.
mysql_target() {
  local name
  name="_utf8mb4 x'$(printf %s "$1" | hex)'"
  printf '%s\n' "/*M!100101 SET SESSION max_statement_time = 8 */;
/*!50708 SET SESSION max_execution_time = 8000 */;
SET SESSION sql_mode = '';
SELECT 'there', COUNT(*) FROM information_schema.schemata WHERE schema_name = $name;
SELECT 'size', COALESCE(SUM(table_type <> 'VIEW'), 0), COALESCE(SUM(data_length + index_length), 0)
  FROM information_schema.tables WHERE table_schema = $name;
SELECT 'sessions', COUNT(*) FROM information_schema.processlist WHERE db = $name AND id <> CONNECTION_ID();
SELECT DISTINCT 'outside', HEX(CONVERT(CONCAT(constraint_schema, '.', table_name) USING utf8mb4))
  FROM information_schema.referential_constraints
  WHERE unique_constraint_schema = $name AND constraint_schema <> $name LIMIT 20;"
}

# mysql_definers WORD=TEXT…: of those that programs of the archive need.
mysql_definers() {
  local hex
  each_needed definer "$@" | while read -r hex; do
    echo "SELECT 'definer', '$hex', COUNT(*) FROM mysql.user WHERE CONCAT(user, '@', host) = _utf8mb4 x'$hex';"
  done | ask_mysql --force 2>/dev/null
}
