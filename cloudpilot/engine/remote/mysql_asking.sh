# shellcheck shell=bash
# shellcheck disable=SC2154 # gently, engines, …: stand before this, as in databases.sh
# shellcheck disable=SC2034 # version, tool_version: for who comes after
# How MariaDB and MySQL are asked, of what they hold and for what triggers, routines, events and views
# are made of. Their clients read one option file, through a descriptor, and no other. After asking.sh.

SYSTEM_SCHEMAS="'information_schema', 'performance_schema', 'mysql', 'sys'"
ELSEWHERE="'MRG_MyISAM', 'MRG_ISAM', 'CONNECT', 'OQGRAPH', 'SPIDER', 'VP', 'FEDERATED', 'S3'" # engines
raw=(--raw)   # rows as they are; names are asked for in hexadecimal

# mysql_tools LOGIN: the client and what dumps, of MariaDB's or MySQL's name, its own first.
mysql_tools() {
  local clients=(mariadb mysql) dumpers=(mariadb-dump mysqldump)
  [ "${engines[$1]}" = mariadb ] || clients=(mysql mariadb) dumpers=(mysqldump mariadb-dump)
  client=$(first_of "${clients[@]}") || give_up 78 "The client ${clients[0]} is not installed."
  tool=$(first_of "${dumpers[@]}") || give_up 78 "${dumpers[0]} is not installed."
  knows=$("$tool" --no-defaults --help 2>/dev/null)
  tool_version=$("$tool" --no-defaults --version 2>/dev/null)
}

mysql_sql() {
  "$client" --defaults-file=<(reveal "login_$1") --batch "${raw[@]}" --skip-column-names \
    --default-character-set=utf8mb4 --connect-timeout=10
}

# mysql_grants LOGIN: what the user may, roles included. Line breaks come escaped, or the name of a
# database could look like one more line. The hash of the password, which MariaDB tells, is not kept.
mysql_grants() {
  local raw=() let_through=(sed -e '/ ON \*\.\* TO /s/ IDENTIFIED .*//')
  if [[ $version == *MariaDB* ]]; then
    ask "$1" 'SHOW GRANTS'
    local role grants roles
    grants=$(<work/answer)
    # What a role may is said of the role; only one that is on counts.
    ask "$1" "SELECT HEX(role_name) FROM information_schema.enabled_roles WHERE role_name IS NOT NULL"
    mapfile -t roles <work/answer
    for role in "${roles[@]}"; do
      from_hex "$role"
      ask "$1" "SHOW GRANTS FOR $(mysql_name "$text")"
      grants+=$'\n'$(<work/answer)
    done
    printf '%s\n' "$grants" >work/answer || disk_full
  else
    ask "$1" 'SELECT CURRENT_ROLE()'
    local using
    using=$(<work/answer)
    [ "$using" = NONE ] && using='' # nothing that a user may call itself: it is quoted
    ask "$1" "SHOW GRANTS FOR CURRENT_USER()${using:+ USING $using}"
  fi
}

# mysql_routines LOGIN: who may not read them all does not see that there are any.
mysql_routines() {
  if [[ $version == *MariaDB* || $version == 5.* ]]; then
    echo 'SELECT 1 FROM mysql.proc LIMIT 1' | mysql_sql "$1" >work/answer 2>work/sql.errors &
    wait "$!" && return
    ! no_room work || disk_full
    grep -qE '\((42000|HY000)\)' work/sql.errors || mysql_explain work/sql.errors
    give_up 87 'This user may not read mysql.proc: routines would be missing from the dump.'
  fi
  grep -qE '^GRANT ([A-Z_ ]+, ?)*(SELECT|SHOW_ROUTINE|ALL PRIVILEGES)(,[A-Z_, ]*)? ON \*\.\* TO' work/answer ||
    give_up 87 'This user lacks SHOW_ROUTINE: routines would be missing from the dump.'
}

# mysql_odd_events LOGIN DATABASE: sets `odd_events`, and work/events, if the tools cannot dump them: of a
# database with a quote or a backslash in its name they ask for another one's, and they look without end
# for a delimiter that an event with two semicolons does not hold.
mysql_odd_events() {
  local hex statements='SET SESSION character_set_results = binary;' raw=()
  odd_events=''
  [[ $before != *$'\nevents 0'* ]] || return 0
  ask "$1" "SELECT HEX(event_name), CONCAT_WS(' ', definer, event_name, event_definition, event_comment) LIKE '%;;%'
FROM information_schema.events WHERE event_schema = $(mysql_text "$2") ORDER BY event_name;"
  [[ $2 == *[\'\"\\]* ]] || grep -q $'\t1$' work/answer || return 0
  odd_events=yes
  while read -r hex _; do
    from_hex "$hex"
    statements+=$'\n'"SHOW CREATE EVENT $(mysql_name "$2").$(mysql_name "$text");"
  done <work/answer
  ask "$1" "$statements"
  mv -f work/answer work/events || disk_full
}

# mysql_text TEXT: as a literal; mysql_name NAME: as a name.
mysql_text() {
  printf "_utf8mb4 x'%s'" "$(printf %s "$1" | od -An -v -tx1 | tr -d ' \n')"
}

mysql_name() {
  # shellcheck disable=SC2016 # backquotes that are meant
  printf '`%s`' "${1//'`'/'``'}"
}

# mysql_run LOGIN WORD…: the tool that dumps, in place of this process.
mysql_run() {
  mysql_bounds "$1"
  exec "${gently[@]}" "$tool" --defaults-file=<(reveal "login_$1") "${@:2}"
}

# mysql_programs LOGIN DATABASE: triggers, routines and events, then the views.
mysql_programs() {
  local kinds=(--skip-routines --skip-events)
  [[ $before == *$'\nroutines 0'* ]] || kinds[0]=--routines
  if [ -n "$odd_events" ]; then
    perl events.pl <work/events || exit
  elif [[ $before != *$'\nevents 0'* ]]; then
    kinds[1]=--events
  fi
  (mysql_run "$1" "${options[@]}" --single-transaction --no-data --no-create-info --triggers \
    "${kinds[@]}" -- "$2") || exit
  ((${#views[@]} == 0)) ||
    mysql_run "$1" "${options[@]}" --single-transaction --no-data --skip-triggers -- "$2" "${views[@]}"
}

# mysql_views LOGIN DATABASE: sets `views`, and `apart`, which leaves them out of the tables.
mysql_views() {
  ask "$1" "SELECT HEX(table_name) FROM information_schema.tables
WHERE table_schema = $(mysql_text "$2") AND table_type = 'VIEW' ORDER BY 1;"
  while read -r hex; do
    from_hex "$hex"
    views+=("$text")
    apart+=("--ignore-table=$2.$text")
  done <work/answer
}

# mysql_options: what this version of the tool knows.
mysql_options() {
  local option
  options=(--no-tablespaces --default-character-set=utf8mb4 --max-allowed-packet=1G)
  for option in dump-history set-gtid-purged=OFF column-statistics=0; do
    [[ $knows == *"--${option%%=*}"* ]] && options+=("--$option")
  done
}

# mysql_objects LOGIN DATABASE: work/answer gets how many there are of each kind.
mysql_objects() {
  local name
  name=$(mysql_text "$2")
  ask "$1" "SELECT CONCAT('tables ', COUNT(*)) FROM information_schema.tables
  WHERE table_schema = $name AND table_type NOT IN ('VIEW', 'SEQUENCE');
SELECT CONCAT('sequences ', COUNT(*)) FROM information_schema.tables
  WHERE table_schema = $name AND table_type = 'SEQUENCE';
SELECT CONCAT('views ', COUNT(*)) FROM information_schema.tables
  WHERE table_schema = $name AND table_type = 'VIEW';
SELECT CONCAT('routines ', COUNT(*)) FROM information_schema.routines
  WHERE routine_schema = $name;
SELECT CONCAT('triggers ', COUNT(*)) FROM information_schema.triggers WHERE trigger_schema = $name;
SELECT CONCAT('events ', COUNT(*)) FROM information_schema.events WHERE event_schema = $name;"
}

# mysql_explain FILE: fails with what its last error means.
mysql_explain() {
  local said number
  said=$(grep -E 'ERROR|[Ee]rror|Couldn' "$1" | tail -n 1)
  number=$(printf '%s\n' "$said" | grep -oE '([Ee]rror:?|ERROR) [0-9]{4}\b|\([0-9]{4}\)$' | grep -oE '[0-9]{4}' | head -n 1)
  [ ! -e work/locked ] || give_up 89 "$tool waited $lock_seconds seconds for a lock on a table of $(shown "${name:-}")."
  case $number in
    1045 | 1698 | 1130 | 1251 | 1820 | 1862 | 3118 | 3159 | 4151) give_up 85 "$brand refuses this user: $said" ;;
    1049) give_up 86 "$brand: $said" ;;
    1044 | 1142 | 1143 | 1227 | 1345 | 1370) give_up 87 "$brand: $said" ;;
    2002 | 2003 | 2005 | 1040 | 1129 | 1203 | 1226) give_up 84 "$brand cannot be reached: $said" ;;
    2006 | 2013 | 1053 | 1317 | 1927) give_up 88 "$brand ended the connection: $said" ;;
    1205 | 1213) give_up 89 "$brand: $said" ;;
    *) give_up "${unexplained:-90}" "${said:-$(tail -n 1 "$1")}" ;;
  esac
}
