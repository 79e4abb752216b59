# shellcheck shell=bash
# shellcheck disable=SC2154 # gently, engines, chosen, …: see databases.sh
# shellcheck disable=SC2034 # there, version: for databases.sh
# MariaDB and MySQL. Their clients read one option file, through a descriptor, and no other.

WATCH_EVERY=5 # seconds

# mysql_list LOGIN
mysql_list() {
  local hex size
  ask "$1" <<<'SELECT VERSION()'
  version=$(<work/answer)
  ask "$1" <<SQL
SELECT HEX(s.schema_name), COALESCE(SUM(t.data_length), 0)
FROM information_schema.schemata s
LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name AND t.table_type <> 'VIEW'
WHERE s.schema_name NOT IN ($SYSTEM_SCHEMAS) GROUP BY s.schema_name;
SQL
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
    mysql_endless "$1" "${chosen[number]}"
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
  ask "$1" <<SQL
SELECT HEX(t.table_name) FROM information_schema.tables t
JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = $(mysql_text "$2") AND t.table_type <> 'VIEW' AND e.transactions = 'NO'
AND t.engine NOT IN ('MEMORY', $ELSEWHERE) ORDER BY t.table_name;
SQL
  names_answered &&
    warn "In $(shown "$2") these tables know no transactions and may change while they are read: $names."
}

# mysql_elsewhere LOGIN DATABASE: of some engines the tools dump no rows, since others hold them, and say
# nothing of it.
mysql_elsewhere() {
  local names
  ask "$1" <<SQL
SELECT HEX(table_name) FROM information_schema.tables
WHERE table_schema = $(mysql_text "$2") AND engine IN ($ELSEWHERE) ORDER BY table_name;
SQL
  names_answered &&
    warn "In $(shown "$2") the rows of these tables are kept elsewhere and are not in the dump: $names."
}

# mysql_history LOGIN DATABASE: only a newer tool dumps what rows were before.
mysql_history() {
  local names
  ! grep -q -e --dump-history <<<"$knows" || return 0
  ask "$1" <<SQL
SELECT HEX(table_name) FROM information_schema.tables
WHERE table_schema = $(mysql_text "$2") AND table_type = 'SYSTEM VERSIONED' ORDER BY table_name;
SQL
  names_answered &&
    warn "In $(shown "$2") the history of these tables is not in the dump, since $tool is too old: $names."
}

## dump

# mysql_dump LOGIN DATABASE: tables and programs apart, since triggers stand in the way of a swap when
# it is restored, and views, routines and events are made again from their text.
mysql_dump() {
  local login=$1 name=$2 before views=() apart=() hex options=()
  mysql_objects "$login" "$name"
  before=$(<work/answer)
  mysql_views "$login" "$name"
  about version "$version"
  about tool "$tool_version"
  mysql_description "$login" "$name"
  mysql_options
  local dumping=$BASHPID
  ask "$login" <<<'SELECT CONNECTION_ID()'
  read -r since <work/answer
  about_to_dump "$number" "$since"
  mysql_watch "$login" >/dev/null 2>&1 & # it must not keep open what pack.pl reads
  watch=$!
  trap mysql_unwatch EXIT
  reads=mysql
  pass "$into/tables.sql" mysql_run "$login" "${options[@]}" --single-transaction --quick --hex-blob \
    --skip-triggers "${apart[@]}" -- "$name"
  cp work/said work/rows || disk_full
  reads=programs
  pass "$into/programs.sql" mysql_programs "$login" "$name"
  mysql_unwatch
  mysql_compare "$login" "$name" "$before"
}

# mysql_read: what passes, for work/said.
mysql_read() {
  perl rows.pl "$reads" >work/said 2>work/read.errors
}

# mysql_description LOGIN DATABASE: how it was made, and whose rights its programs have.
mysql_description() {
  local definer name
  name=$(mysql_text "$2")
  ask "$1" <<<"SHOW CREATE DATABASE $(mysql_name "$2")"
  cut -f 2- work/answer >work/create.sql || disk_full
  member "$into/create.sql" <work/create.sql
  ask "$1" <<SQL
SELECT definer FROM information_schema.views WHERE table_schema = $name
UNION SELECT definer FROM information_schema.routines WHERE routine_schema = $name
UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = $name
UNION SELECT definer FROM information_schema.events WHERE event_schema = $name;
SQL
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
    now=$(sed -n "s/^$kind //p" <<<"$after")
    about "$kind" "$count"
    case $kind in
      tables) dumped=$(mysql_said create-table) ;;
      sequences) dumped=$(mysql_said sequence) ;;
      views) dumped=$(mysql_said view) ;;
      *) continue ;;
    esac
    mysql_is "$kind" "$dumped" "$count" "$now"
  done <<<"$3"
  mysql_is 'triggers, routines and events' "$(mysql_said program)" \
    "$(mysql_sum "$3")" "$(mysql_sum "$after")"
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

## locks, ends, failures

# What the tools that dump ask, of our database, in connections that are younger than this dump: the
# server's numbers only grow. Another dump by the same user that began before it is left alone, and so
# is one of another database. (A connection that has not chosen one yet may be ours.)
mysql_asked_by_us() {
  cat <<SQL
FROM information_schema.processlist WHERE user = SUBSTRING_INDEX(USER(), '@', 1)
AND id <> CONNECTION_ID() AND id > $((since)) AND (db IS NULL OR db = $(mysql_text "$name"))
AND command = 'Query' AND (info LIKE 'SELECT /*!40001 SQL_NO_CACHE */%'
OR info LIKE 'show fields from %' OR info LIKE 'show create %' OR info LIKE 'show triggers like %'
OR info LIKE 'show table status like %' OR info LIKE 'lock tables %')
SQL
}

# mysql_watch LOGIN: a dump that waits for a lock is ended; the tools have no limit of their own, and
# the server's is a day.
mysql_watch() {
  local id
  mkfifo work/never
  exec 8<>work/never
  while ! read -rt "$WATCH_EVERY" -u 8; do # a sleep would be one more process to end
    [ -d "/proc/$dumping" ] || return # who was killed has not ended this
    mysql_sql "$1" 2>/dev/null <<SQL | head -n 1 >work/waiting
SELECT id $(mysql_asked_by_us) AND time >= $lock_seconds AND state LIKE 'Waiting for%lock%';
SQL
    read -r id <work/waiting || continue
    : >work/locked
    mysql_sql "$1" <<<"KILL $((id))" 2>/dev/null
    return
  done
}

mysql_unwatch() {
  trap - EXIT
  kill "$watch"
  wait "$watch"
} 2>/dev/null

# mysql_cancel LOGIN
mysql_cancel() {
  local id
  [ -n "$since" ] || return # we have not asked anything yet
  export -n CLOUDPILOT_RUN # who ends the run's processes would end this one
  timeout 2 "$client" --defaults-file=<(reveal "login_$1") --batch --skip-column-names \
    <<<"SELECT id $(mysql_asked_by_us)" | while read -r id; do
    echo "KILL $((id));"
  done >work/kills
  timeout 2 "$client" --defaults-file=<(reveal "login_$1") --force <work/kills
}
