# shellcheck shell=bash
# shellcheck disable=SC2154 # i, name, new, old, mine, …: see restore_databases.sh
# shellcheck disable=SC2034 # version, views, gently, …: for mysql_asking.sh
# MariaDB and MySQL. Tables move by one RENAME TABLE, all or none of them; triggers, views, routines and
# events cannot move: they are dropped, and made again from text that is on the disk before.

OWNS='SELECT,INSERT,UPDATE,DELETE,CREATE,DROP,REFERENCES,INDEX,ALTER,CREATE VIEW,SHOW VIEW,CREATE ROUTINE'
OWNS+=',ALTER ROUTINE,EXECUTE,EVENT,TRIGGER,LOCK TABLES'
WAIT_SECONDS=$((lock_seconds < 5 ? lock_seconds : 5)) # for a lock while tables change places: who waits is waited for

## prepare

mysql_restore_prepare() {
  mysql_begin
  ! is_a_system_schema "$name" || give_up 81 "$(shown "$name") is the server's own: nothing is restored over it."
  mysql_needs_rights
  if [ "$method" = in_place ]; then
    mysql_exists "$name" || give_up 86 "$brand has no database $(shown "$name") that this user may see."
  else
    mysql_in_the_way
    ! mysql_exists "$name" || mysql_can_come_back
  fi
  begin_journal
}

# mysql_begin: what the other steps need to know.
mysql_begin() {
  ask "$i" 'SELECT VERSION()'
  version=$(<work/answer)
  safely=(--binary-mode --comments --skip-reconnect --local-infile=0 --max-allowed-packet=1G)
  "$client" --no-defaults --help 2>/dev/null | grep -q -e '--sandbox' && safely+=(--sandbox)
}

mysql_is_remote() {
  reveal "login_$i" | grep -q '^host=' && ! reveal "login_$i" | grep -qE '^host="(127\.0\.0\.1|localhost|::1)"$'
}

is_a_system_schema() {
  case ${1,,} in
    mysql | sys | information_schema | performance_schema) return 0 ;;
    *) return 1 ;;
  esac
}

mysql_needs_rights() {
  local number missing databases=("$name")
  [ "$method" = in_place ] || databases+=("$new" "$old")
  mysql_grants "$i"
  cp work/answer work/grants || disk_full
  RIGHTS=$OWNS perl grants.pl "${databases[@]}" <work/grants >work/missing || disk_full
  read -r number missing <work/missing || return 0
  give_up 87 "This user lacks $missing on the database $(shown "${databases[number]}"), which the restore needs."
}

# mysql_in_the_way: names that are taken, and keys of other databases, which would follow the old tables.
mysql_in_the_way() {
  local one names
  for one in "$new" "$old"; do
    ! mysql_exists "$one" || give_up 110 "$brand already has a database $one: it is of another attempt at this restore."
  done
  ask "$i" "SELECT DISTINCT HEX(CONCAT(constraint_schema, '.', table_name)) FROM information_schema.referential_constraints
WHERE unique_constraint_schema = $(mysql_text "$name") AND constraint_schema <> $(mysql_text "$name");"
  ! names_answered ||
    give_up 110 "Tables of other databases have foreign keys into $(shown "$name"), which would follow the old tables: $names."
}

# mysql_can_come_back: what is there now can be written down, and made again.
mysql_can_come_back() {
  cp work/grants work/answer || disk_full
  mysql_routines "$i"
  mysql_write_programs work/programs.trial
  mysql_may_define
}

# mysql_may_define: who is not allowed to would lose the programs of others, or all of them.
mysql_may_define() {
  ! may_everywhere 'SUPER|SET USER|SET_USER_ID|SET_ANY_DEFINER' || return 0
  ask "$i" "SELECT DISTINCT HEX(d) FROM ($(mysql_definers)) AS definers WHERE d <> CURRENT_USER();"
  ! names_answered ||
    give_up 87 "This user may not make programs in the name of others (SET USER, SET_ANY_DEFINER), and $(shown "$name") has some: $names."
  ask "$i" "SELECT @@log_bin AND NOT @@log_bin_trust_function_creators AND EXISTS (SELECT 1 FROM information_schema.triggers
  WHERE trigger_schema = $(mysql_text "$name") UNION SELECT 1 FROM information_schema.routines
  WHERE routine_schema = $(mysql_text "$name"));"
  [ "$(<work/answer)" != 1 ] || may_everywhere 'SUPER|BINLOG ADMIN' ||
    give_up 87 "With the binary log this user may not make triggers and routines (log_bin_trust_function_creators)."
}

# may_everywhere RIGHT|RIGHT: of those of the server; ALL of a database has none of them.
may_everywhere() {
  grep -qE "^GRANT ([A-Z_ ]+, ?)*(ALL PRIVILEGES|$1)(, ?[A-Z_ ]+)* ON \*\.\* TO" work/grants
}

mysql_definers() {
  local text
  text=$(mysql_text "$name")
  echo "SELECT definer AS d FROM information_schema.views WHERE table_schema = $text
UNION SELECT definer FROM information_schema.routines WHERE routine_schema = $text
UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = $text
UNION SELECT definer FROM information_schema.events WHERE event_schema = $text"
}

## what is asked, what is done

# mysql_exists DATABASE
mysql_exists() {
  ask "$i" "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = $(mysql_text "$1")"
  [ "$(<work/answer)" != 0 ]
}

# mysql_act OPTION…: does what comes in, in a session that holds the lock of this restore: so it is found
# and ended, whatever became of its client.
mysql_act() {
  "$client" --defaults-file=<(reveal "login_$i") --batch --default-character-set=utf8mb4 --connect-timeout=10 \
    "${safely[@]}" --init-command="DO GET_LOCK('$asks_as', 30)" "$@" 2>work/sql.errors >/dev/null
}

# mysql_acted OPTION…: the same; fails if the server does not do it.
mysql_acted() {
  mysql_act "$@" && return
  mysql_explain work/sql.errors
}

# mysql_end_ours: sessions of this restore whose clients were killed.
mysql_end_ours() {
  local left id
  for ((left = 120; left > 0; left--)); do
    ask "$i" "SELECT IS_USED_LOCK('$asks_as')"
    id=$(<work/answer)
    [[ $id =~ ^[0-9]+$ ]] || return 0
    mysql_sql "$i" < <(printf '%s\n' "KILL $id") 2>/dev/null
    sleep 0.25
  done
  give_up 89 "A former session of this restore is still at work in $brand (number $id)."
}

# is_a_table: of the rows of information_schema.tables.
is_a_table() {
  echo "table_schema = $(mysql_text "$1") AND table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'TEMPORARY', 'TEMPORARY SEQUENCE')"
}

# mysql_tables DATABASE: work/answer gets their names in hexadecimal.
mysql_tables() {
  ask "$i" "SELECT HEX(table_name) FROM information_schema.tables WHERE $(is_a_table "$1") ORDER BY 1"
}

# mysql_among FILE: the names in it, in hexadecimal, as a list in SQL.
mysql_among() {
  printf "(''"
  grep -E '^[0-9A-F]+$' "$1" | sed "s/.*/,'&'/"
  printf ')'
}

# mysql_moves FROM TO [CONDITION]: work/moves gets what RENAME TABLE is to do, if there is anything.
mysql_moves() {
  ask "$i" "SELECT CONCAT($(mysql_text "$(mysql_name "$1")"), '.\`', REPLACE(table_name, '\`', '\`\`'), '\` TO ',
  $(mysql_text "$(mysql_name "$2")"), '.\`', REPLACE(table_name, '\`', '\`\`'), '\`,')
FROM information_schema.tables WHERE $(is_a_table "$1") ${3:+AND $3};"
  cat work/answer >>work/moves || disk_full
}

# mysql_rename: all that is in work/moves, in one statement.
mysql_rename() {
  local left
  [ -s work/moves ] || return 0
  {
    echo "SET SESSION lock_wait_timeout = $WAIT_SECONDS;"
    echo 'RENAME TABLE'
    sed '$ s/,$/;/' work/moves
  } >work/rename.sql || disk_full
  for ((left = 3; left > 0; left--)); do
    mysql_act <work/rename.sql && return
    grep -qE 'ERROR (1205|1213) ' work/sql.errors || break
  done
  mysql_explain work/sql.errors
}

# mysql_drops DATABASE apart|others: statements that drop its triggers and events, or its views and routines.
mysql_drops() {
  local quoted text
  quoted=$(mysql_text "$(mysql_name "$1")") text=$(mysql_text "$1")
  if [ "$2" = apart ]; then
    ask "$i" "SELECT CONCAT('DROP EVENT IF EXISTS ', $quoted, '.\`', REPLACE(event_name, '\`', '\`\`'), '\`;')
  FROM information_schema.events WHERE event_schema = $text
UNION ALL SELECT CONCAT('DROP TRIGGER IF EXISTS ', $quoted, '.\`', REPLACE(trigger_name, '\`', '\`\`'), '\`;')
  FROM information_schema.triggers WHERE trigger_schema = $text;"
  else
    ask "$i" "SELECT CONCAT('DROP VIEW IF EXISTS ', $quoted, '.\`', REPLACE(table_name, '\`', '\`\`'), '\`;')
  FROM information_schema.tables WHERE table_schema = $text AND table_type = 'VIEW';
SELECT CONCAT('SET SESSION sql_mode = ''', IF(routine_type LIKE 'PACKAGE%', 'ORACLE', ''), '''; ',
  'DROP ', routine_type, ' IF EXISTS ', $quoted, '.\`', REPLACE(routine_name, '\`', '\`\`'), '\`;')
  FROM information_schema.routines WHERE routine_schema = $text
  ORDER BY FIELD(routine_type, 'PACKAGE BODY', 'PACKAGE', 'PROCEDURE', 'FUNCTION');"
  fi
  { echo "SET SESSION lock_wait_timeout = $WAIT_SECONDS;"; cat work/answer; } >work/drops.sql || disk_full
}

## what there was

# mysql_write_programs FILE: the database's triggers, routines, events and views, as statements. Fails
# unless all are in it, but for views whose tables are gone: nothing can make those again.
mysql_write_programs() {
  local views=() apart=() hex options gently=(timeout -k 5 "$lock_seconds") before odd_events
  rm -f work/counted
  mysql_objects "$i" "$name"
  before=$(<work/answer)
  mysql_broken_views
  ask "$i" "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = $(mysql_text "$name") AND table_type = 'VIEW'"
  while read -r hex; do
    grep -qxF "$hex" work/broken && continue
    from_hex "$hex"
    views+=("$text")
  done <work/answer
  mysql_options
  mysql_odd_events "$i" "$name"
  (mysql_programs "$i" "$name") >"$1" 2>work/sql.errors || mysql_not_written "$?" # it becomes the tool
  perl programs.pl "$name" "$name" all keep work/counted <"$1" >/dev/null
  # What the second dump, that of views, has of them is said by its own end.
  if [ "$(($(counted program) + $(counted event))) $(counted view)" != "$(mysql_sum "$before") ${#views[@]}" ] ||
    ! grep -qx E work/counted; then
    give_up 90 "The programs of $(shown "$name") cannot all be written down, so there would be no way back to it."
  fi
}

mysql_not_written() {
  (($1 != 124 && $1 != 137)) || give_up 89 "$tool waited $lock_seconds seconds for a lock on a table of $(shown "$name")."
  mysql_explain work/sql.errors
}

# counted KIND: what programs.pl has found.
counted() {
  sed -n "s/^O $1 //p" work/counted 2>/dev/null | grep . || echo 0
}

# mysql_broken_views: work/broken gets them; only who is asked for their size opens them.
mysql_broken_views() {
  local names
  ask "$i" "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = $(mysql_text "$name")
AND table_type = 'VIEW' AND data_length IS NULL AND table_comment <> 'VIEW';"
  cp work/answer work/broken || disk_full
  ! names_answered ||
    warn "These views of $(shown "$name") are broken: what they read is not there. An undo cannot bring them back: $names."
}

# mysql_write_grants: those of single routines, which go with the routine. What of these names is not ASCII
# MariaDB writes into that table as if it had been Latin-1.
mysql_write_grants() {
  local rights="REPLACE(REPLACE(CONCAT(',', Proc_priv, ','), ',Grant,', ','), ',,', ',')"
  if mysql_sql "$i" >work/grants.sql 2>work/sql.errors; then return; fi < <(printf '%s\n' "SET SESSION sql_mode = '';
SELECT CONCAT('GRANT ', COALESCE(NULLIF(TRIM(BOTH ',' FROM $rights), ''), 'USAGE'), ' ON ', r.routine_type, ' ',
  $(mysql_text "$(mysql_name "$name")"), '.\`', REPLACE(r.routine_name, '\`', '\`\`'), '\` TO ', QUOTE(User),
  IF(Host = '', '', CONCAT('@', QUOTE(Host))), IF(FIND_IN_SET('Grant', Proc_priv), ' WITH GRANT OPTION', ''), ';')
FROM mysql.procs_priv p JOIN information_schema.routines r ON r.routine_schema = $(mysql_text "$name")
  AND CONVERT(r.routine_type USING utf8mb4) = CONVERT(p.Routine_type USING utf8mb4)
  AND HEX(LOWER(CONVERT(p.Routine_name USING utf8mb4))) IN ($(either "LOWER(CONVERT(r.routine_name USING utf8mb4))"))
WHERE HEX(CONVERT(p.Db USING utf8mb4)) IN ($(either "$(mysql_text "$name")"));")
  : >work/grants.sql
  [[ $before == *$'\nroutines 0'* ]] ||
    warn "This user may not read mysql.procs_priv: rights to single routines of $(shown "$name") are not kept."
}

# either EXPRESSION: its bytes in hexadecimal, as they are and as if they had been Latin-1.
either() {
  printf 'HEX(%s), HEX(CONVERT(CONVERT(CAST(%s AS BINARY) USING latin1) USING utf8mb4))' "$1" "$1"
}

# mysql_description: the character set, as ALTER DATABASE wants it.
mysql_description() {
  ask "$i" "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
FROM information_schema.schemata WHERE schema_name = $(mysql_text "$name");"
}

# mysql_keep_all: everything that is needed to go back, on the disk before anything is changed.
mysql_keep_all() {
  local before one
  if mysql_exists "$name"; then
    mysql_description && keep old_charset <work/answer
    mysql_tables "$name" && keep old_tables <work/answer
    mysql_write_programs work/programs.old && keep old_programs <work/programs.old
    mysql_objects "$i" "$name"
    before=$(<work/answer)
    mysql_write_grants && keep old_grants <work/grants.sql
    echo present | keep was
  else
    for one in tables charset programs grants; do
      : | keep "old_$one"
    done
    echo absent | keep was
  fi
  mysql_tables "$new" && keep new_tables <work/answer
}

## import

mysql_restore_import() {
  mysql_begin
  ask "$i" 'SELECT @@datadir'
  mysql_is_remote || room_at "$(<work/answer)"
  say "Importing $(shown "${backed_up[i]}") of the archive for $(shown "$name")."
  mysql_unpack_programs
  if [ "$method" = in_place ]; then return; fi
  note import
  mysql_make "$new" new
  mysql_load "$new" tables.sql
  mysql_acted --database="$new" <work/programs.beside
  mysql_compare_import
  mysql_missing_definers
}

# mysql_unpack_programs: as they are to be made in their place, and without events beside it.
mysql_unpack_programs() {
  local definers='keep'
  [ -z "${strip_definers[i]}" ] || definers='strip'
  members_of "$number" create.sql >work/create.in || give_up 94 'The archive cannot be read.'
  tr '\n' ' ' <work/create.in | sed -nE 's/.*DEFAULT (CHARACTER SET [a-z0-9_]+)( COLLATE [a-z0-9_]+)?.*/\1\2/p' | keep new_charset
  members_of "$number" programs.sql >work/programs.in || give_up 94 'The archive cannot be read.'
  mysql_unmarked <work/programs.in >work/programs || disk_full
  mysql_programs_for "$new" no-events >work/programs.beside
  mysql_programs_for "$name" all >work/programs.new
  keep new_counted <work/counted
  keep new_programs <work/programs.new
}

# mysql_programs_for DATABASE all|no-events
mysql_programs_for() {
  perl programs.pl "${backed_up[i]}" "$1" "$2" "$definers" work/counted <work/programs ||
    give_up 90 "The programs of $(shown "${backed_up[i]}") in the archive cannot be read."
}

# mysql_unmarked: without the mark for MariaDB's clients, which others take for a command.
mysql_unmarked() {
  local line
  IFS= read -r line || [ -n "$line" ] || return 0
  [[ $line == '/*M!999999'* ]] || printf '%s\n' "$line"
  cat
}

# mysql_load DATABASE MEMBER
mysql_load() {
  local status
  # The last one has a status of its own, so it may not be the function that explains.
  members_of "$number" "$2" | mysql_unmarked | mysql_act --database="$1"
  status=("${PIPESTATUS[@]}")
  ((status[2] <= 128)) || give_up 76 "$client was killed on the server."
  ((status[2] == 0)) || mysql_explain work/sql.errors
  ((status[0] == 0)) || give_up 94 "The dump of $(shown "${backed_up[i]}") in the archive cannot be read to its end."
}

# mysql_compare_import: tables and rows by the archive's census, programs by their own text.
mysql_compare_import() {
  mysql_objects "$i" "$new"
  cp work/answer work/counts || disk_full
  mysql_count_rows
  cat work/answer >>work/counts || disk_full
  compared work/counts
  mysql_holds views "$(counted view)" "$(is_there views)"
  mysql_holds 'triggers and routines' "$(counted program)" "$(mysql_sum "$(<work/counts)")"
}

# mysql_count_rows: work/answer gets those of each table; - where the archive cannot have them.
mysql_count_rows() {
  ask "$i" "SELECT CONCAT('SELECT ''R'', ''', HEX(table_name), ''', ', IF(engine IN ($ELSEWHERE), '''-''', CONCAT('COUNT(*) FROM ',
  $(mysql_text "$(mysql_name "$new")"), '.\`', REPLACE(table_name, '\`', '\`\`'), '\`',
  IF(table_type = 'SYSTEM VERSIONED', ' FOR SYSTEM_TIME ALL', ''))), ';')
FROM information_schema.tables WHERE $(is_a_table "$new") AND table_type <> 'SEQUENCE';"
  cp work/answer work/count.sql || disk_full
  ask "$i" "$(<work/count.sql)"
}

# mysql_holds WHAT DUMPED IMPORTED
mysql_holds() {
  [ "$2" = "$3" ] || give_up 90 "What was imported of $(shown "$name") has $3 $1; the archive has $2."
}

mysql_missing_definers() {
  local hex missing=''
  [ -z "${strip_definers[i]}" ] || return 0
  while read -r hex; do
    mysql_sql "$i" < <(printf '%s\n' "SELECT COUNT(*) FROM mysql.user WHERE CONCAT(user, '@', host) = _utf8mb4 x'$hex'") \
      >work/answer 2>/dev/null || return 0 # this user may not know
    [ "$(<work/answer)" = 0 ] || continue
    from_hex "$hex"
    missing+="${missing:+, }$(shown "$text")"
  done < <(of_census definer)
  [ -z "$missing" ] ||
    warn "Programs of $(shown "$name") work with the rights of users that are not there, and will fail: $missing."
}

## swap

mysql_restore_swap() {
  mysql_begin
  if [ "$method" = in_place ]; then mysql_in_place; return; fi
  mysql_keep_all
  note swap
  recall was
  if [ "$recalled" = absent ]; then mysql_create; fi
  mysql_is_unlocked
  note drop
  mysql_make "$old" old
  mysql_drops "$new" apart
  mysql_acted <work/drops.sql
  mysql_drops "$name" apart
  mysql_acted <work/drops.sql
  note rename
  : >work/moves
  mysql_moves "$name" "$old"
  mysql_moves "$new" "$name"
  mysql_rename
  note programs
  mysql_programs_of new
  mysql_compare_swapped
  note swapped
  mysql_acted < <(printf '%s\n' "DROP DATABASE IF EXISTS $(mysql_name "$new")")
}

# mysql_is_unlocked: before anything is dropped that would have to wait for the same lock to come back.
mysql_is_unlocked() {
  ask "$i" "SELECT CONCAT($(mysql_text "$(mysql_name "$name")"), '.\`', REPLACE(table_name, '\`', '\`\`'), '\` WRITE,')
FROM information_schema.tables WHERE $(is_a_table "$name");"
  [ -s work/answer ] || return 0
  { echo "SET SESSION lock_wait_timeout = $WAIT_SECONDS; LOCK TABLES"; sed '$ s/,$/;/' work/answer; } >work/locks.sql || disk_full
  mysql_act <work/locks.sql || ! grep -qE 'ERROR (1205|1213) ' work/sql.errors || mysql_explain work/sql.errors
}

# mysql_create: only a database that this has made is dropped again.
mysql_create() {
  note create
  mysql_make "$name" new
  note created
}

# mysql_make DATABASE old|new: with the character set of that one.
mysql_make() {
  recall "$2_charset"
  mysql_acted < <(printf '%s\n' "CREATE DATABASE $(mysql_name "$1") $recalled")
}

# mysql_programs_of new|old: in place of those that are there.
mysql_programs_of() {
  mysql_drops "$name" apart
  mysql_acted <work/drops.sql
  mysql_drops "$name" others
  mysql_acted <work/drops.sql
  recall "$1_charset"
  [ -z "$recalled" ] || mysql_acted < <(printf '%s\n' "ALTER DATABASE $(mysql_name "$name") $recalled")
  [ -f "$mine/$1_programs" ] || give_up 96 "The programs of $(shown "$name") were not kept."
  mysql_acted --database="$name" <"$mine/$1_programs"
  # A right to a routine that is not there any more has nothing to be given to.
  if [ -s "$mine/old_grants" ]; then mysql_act --force <"$mine/old_grants"; fi
  [ "$1" = new ] || ! grep -q ERROR work/sql.errors || ! [ -s "$mine/old_grants" ] ||
    warn "Rights to single routines of $(shown "$name") could not be given back: $(grep -m 1 ERROR work/sql.errors)"
}

# mysql_compare_swapped: what was made a second time. A server drops an event at once whose only time is over.
mysql_compare_swapped() {
  local lacking
  cp "$mine/new_counted" work/counted || disk_full
  mysql_objects "$i" "$name"
  cp work/answer work/counts || disk_full
  mysql_holds views "$(counted view)" "$(is_there views)"
  mysql_holds 'triggers and routines' "$(counted program)" "$(($(is_there triggers) + $(is_there routines)))"
  lacking=$(($(counted event) - $(is_there events)))
  ((lacking <= 0)) || warn "$lacking events of $(shown "$name") were for a time that is over, and are not there."
}

# is_there KIND: how many the server has told.
is_there() {
  sed -n "s/^$1 //p" work/counts
}

# mysql_in_place: statement by statement over what is there; nothing rolls that back.
mysql_in_place() {
  note swap
  note in-place
  mysql_load "$name" tables.sql
  mysql_acted --database="$name" <"$mine/new_programs"
  note swapped
}

## back, discard, forget

# mysql_restore_undoable: where it cannot be, `back` says so.
mysql_restore_undoable() {
  return 0
}

mysql_restore_back() {
  may_go_back || { mysql_finish_back; return; }
  ! noted in-place || only_way_back
  [ "$method" != in_place ] || return 0
  mysql_begin
  mysql_end_ours
  note back
  recall was
  if [ "$recalled" = absent ]; then
    mysql_back_to_none
  else
    mysql_exists "$name" || mysql_make "$name" old
    mysql_tables_back
    if noted drop; then mysql_programs_of old; fi
  fi
  note went_back
  mysql_drop_ours
}

# mysql_finish_back: nothing is to be put back, or nothing any more.
mysql_finish_back() {
  mysql_restore_discard
  if noted went_back && [ "$method" != in_place ]; then mysql_drop_ours; fi
}

# mysql_tables_back: those that are in `old` go home, and what has their place goes out.
mysql_tables_back() {
  mysql_exists "$old" || return 0 # it is made before anything moves, and dropped when all is done
  mysql_tables "$old"
  cp work/answer work/away || disk_full
  [ -s work/away ] || [ ! -s "$mine/old_tables" ] || return 0 # nothing has moved
  noted rename || return 0
  mysql_exists "$new" || mysql_make "$new" new
  mysql_make_room
  mysql_drops "$name" apart
  mysql_acted <work/drops.sql
  mysql_drops "$name" others # a view may have the name of a table
  mysql_acted <work/drops.sql
  : >work/moves
  mysql_moves "$name" "$new" "(HEX(table_name) IN $(mysql_among work/away) OR HEX(table_name) NOT IN $(mysql_among "$mine/old_tables"))"
  mysql_moves "$old" "$name"
  mysql_rename
}

# mysql_make_room: what is left in `new` has no name that comes there.
mysql_make_room() {
  mysql_drops "$new" others
  mysql_acted <work/drops.sql
}

# mysql_back_to_none: of a database that was not there before nothing is left, if it was ours.
mysql_back_to_none() {
  noted create && mysql_exists "$name" || return 0
  noted created || mysql_is_empty || give_up 96 "Somebody else has made a database $(shown "$name") meanwhile: it is left as it is."
  mysql_acted < <(printf '%s\n' "DROP DATABASE IF EXISTS $(mysql_name "$name")")
}

mysql_is_empty() {
  mysql_objects "$i" "$name"
  ! grep -qE '^[a-z]+ [1-9]' work/answer
}

mysql_drop_ours() {
  mysql_tables "$old"
  [ ! -s work/answer ] || give_up 96 "Tables of $(shown "$name") are still in $old: it is kept."
  mysql_acted < <(printf '%s\n' "DROP DATABASE IF EXISTS $(mysql_name "$old"); DROP DATABASE IF EXISTS $(mysql_name "$new")")
}

mysql_restore_discard() {
  [ "$method" != in_place ] || return 0
  noted import || return 0
  mysql_begin
  mysql_end_ours
  mysql_acted < <(printf '%s\n' "DROP DATABASE IF EXISTS $(mysql_name "$new")")
}

mysql_restore_forget() {
  may_forget || { mysql_restore_discard; return; }
  [ "$method" != in_place ] || return 0
  mysql_begin
  mysql_end_ours
  note forget
  mysql_acted < <(printf '%s\n' "DROP DATABASE IF EXISTS $(mysql_name "$old"); DROP DATABASE IF EXISTS $(mysql_name "$new")")
}

# mysql_bounds: what dumps here is told from no other dump; see mysql_connections.sh.
mysql_bounds() { :; }

# mysql_sum COUNTS: of triggers, routines and events together.
mysql_sum() {
  printf '%s\n' "$1" | awk '/^(triggers|routines|events) / { sum += $2 } END { print sum + 0 }'
}
