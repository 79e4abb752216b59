# shellcheck shell=bash
# shellcheck disable=SC2154 # gently, engines, chosen, …: see databases.sh
# shellcheck disable=SC2034 # there, version: for databases.sh
# MariaDB and MySQL. Their clients read one option file, through a descriptor, and no other.

SYSTEM_SCHEMAS="'information_schema', 'performance_schema', 'mysql', 'sys'"
ELSEWHERE="'MRG_MyISAM', 'MRG_ISAM', 'CONNECT', 'OQGRAPH', 'SPIDER', 'VP', 'FEDERATED', 'S3'" # engines
raw=(--raw)   # rows as they are; names are asked for in hexadecimal

# mysql_list LOGIN
mysql_list() {
  local hex size
  ask "$1" 'SELECT VERSION()'
  version=$(<work/answer)
  ask "$1" "SELECT HEX(s.schema_name), COALESCE(SUM(t.data_length), 0)
FROM information_schema.schemata s
LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name AND t.table_type <> 'VIEW'
WHERE s.schema_name NOT IN ($SYSTEM_SCHEMAS) GROUP BY s.schema_name;"
  declare -gA there=()
  while read -r hex size; do
    from_hex "$hex"
    there[$text]=$((size + 1)) # an empty one is there, too
  done <work/answer
}

# mysql_preflight LOGIN: without these rights a dump lacks something, and neither the tool nor its
# status says so.
mysql_preflight() {
  local number missing
  mysql_grants "$1"
  perl grants.pl "${chosen[@]}" <work/answer >work/missing || disk_full
  if read -r number missing <work/missing; then
    give_up 87 "This user lacks $missing on the database $(shown "${chosen[number]}")."
  fi
  mysql_sees_all "$1" || warn "$brand may have databases that this user may not see: they are not in the backup."
  mysql_routines "$1"
  for number in "${!chosen[@]}"; do
    mysql_tables_apart "$1" "${chosen[number]}"
    mysql_elsewhere "$1" "${chosen[number]}"
    mysql_history "$1" "${chosen[number]}"
  done
}

# mysql_sees_all LOGIN: whether, if all databases are wanted, none is hidden from this user.
mysql_sees_all() {
  local -n all_but=all_but_$1
  [ -z "$all_but" ] || [ -z "$(perl grants.pl "of no name $RANDOM$RANDOM" <work/answer)" ]
}

# mysql_tables_apart LOGIN DATABASE: tables without transactions go on changing while they are read.
mysql_tables_apart() {
  local names
  ask "$1" "SELECT HEX(t.table_name) FROM information_schema.tables t
JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = $(mysql_text "$2") AND t.table_type <> 'VIEW' AND e.transactions = 'NO'
AND t.engine NOT IN ('MEMORY', $ELSEWHERE) ORDER BY t.table_name;"
  names_answered &&
    warn "In $(shown "$2") these tables know no transactions and may change while they are read: $names."
}

# mysql_elsewhere LOGIN DATABASE: of some engines the tools dump no rows, since others hold them, and say
# nothing of it.
mysql_elsewhere() {
  local names
  ask "$1" "SELECT HEX(table_name) FROM information_schema.tables
WHERE table_schema = $(mysql_text "$2") AND engine IN ($ELSEWHERE) ORDER BY table_name;"
  names_answered &&
    warn "In $(shown "$2") the rows of these tables are kept elsewhere and are not in the dump: $names."
}

# mysql_history LOGIN DATABASE: only a newer tool dumps what rows were before.
mysql_history() {
  local names
  [[ $knows != *--dump-history* ]] || return 0
  ask "$1" "SELECT HEX(table_name) FROM information_schema.tables
WHERE table_schema = $(mysql_text "$2") AND table_type = 'SYSTEM VERSIONED' ORDER BY table_name;"
  names_answered &&
    warn "In $(shown "$2") the history of these tables is not in the dump, since $tool is too old: $names."
}

## dump

# mysql_dump LOGIN DATABASE: tables and programs apart, since triggers stand in the way of a swap when
# it is restored, and views, routines and events are made again from their text.
mysql_dump() {
  local login=$1 name=$2 before views=() apart=() hex options=() since='' until=''
  mysql_objects "$login" "$name"
  before=$(<work/answer)
  mysql_views "$login" "$name"
  about version "$version"
  about tool "$tool_version"
  mysql_description "$login" "$name"
  mysql_options
  mysql_odd_events "$login" "$name"
  local dumping=$BASHPID
  mysql_watch "$login" >/dev/null 2>&1 & # it must not keep open what pack.pl reads
  watch=$!
  trap mysql_unwatch EXIT
  pass "$into/tables.sql" mysql mysql_run "$login" "${options[@]}" --single-transaction --quick --hex-blob \
    --skip-triggers "${apart[@]}" -- "$name"
  cp work/said work/rows || disk_full
  pass "$into/programs.sql" programs mysql_programs "$login" "$name"
  mysql_unwatch
  mysql_compare "$login" "$name" "$before"
}

# mysql_description LOGIN DATABASE: how it was made, and whose rights its programs have.
mysql_description() {
  local definer name
  name=$(mysql_text "$2")
  ask "$1" "SHOW CREATE DATABASE $(mysql_name "$2")"
  cut -f 2- work/answer >work/create.sql || disk_full
  member "$into/create.sql" <work/create.sql
  ask "$1" "SELECT definer FROM information_schema.views WHERE table_schema = $name
UNION SELECT definer FROM information_schema.routines WHERE routine_schema = $name
UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = $name
UNION SELECT definer FROM information_schema.events WHERE event_schema = $name;"
  while IFS= read -r definer; do
    about definer "$definer"
  done <work/answer
}

# mysql_compare LOGIN DATABASE BEFORE: what the dump holds is what there was before it, or is now.
mysql_compare() {
  local kind count dumped after now
  mysql_objects "$1" "$2"
  after=$(<work/answer)
  cat work/rows work/said >work/both || disk_full
  while read -r kind count; do
    now=$(printf '%s\n' "$after" | sed -n "s/^$kind //p")
    about "$kind" "$count"
    dumped=$(mysql_said "${kind%s}")
    # What a program is may not be seen, for the sake of whose it is: then it counts for any.
    [[ $kind != @(triggers|routines|events) ]] || ((dumped += $(mysql_said program)))
    mysql_is "$kind" "$dumped" "$count" "$now"
  done < <(printf '%s\n' "$3")
  ! grep -qx '?' work/rows || exact=''
}

mysql_is() {
  # More is no loss: something was there only meanwhile.
  [ "$2" -ge "$3" ] || [ "$2" -ge "$4" ] ||
    give_up 90 "The dump of $(shown "$name") holds $2 $1; the server has $4."
}

mysql_said() {
  sed -n "s/^O $1 //p" work/both | grep . || echo 0
}

## failures
