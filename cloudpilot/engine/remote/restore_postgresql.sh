# shellcheck shell=bash
# shellcheck disable=SC2154 # i, name, new, old, mine, …: see restore_databases.sh
# PostgreSQL. The database that was made beside and the one that it replaces change names in one
# transaction: whatever is killed, it is the old one or the new one. Which is which is known by their
# numbers (oid), never by a name. What is restored in place is so in one transaction; whether that was
# committed is known by a mark, which is made in it, never by what was noted about it.

## prepare

postgresql_restore_prepare() {
  ((${#name} <= 63)) || give_up 81 "$(shown "$name") is too long for a database of $brand."
  case $name in
    template0 | template1) give_up 81 "$(shown "$name") is the server's own: nothing is restored over it." ;;
  esac
  postgresql_elsewhere_home
  postgresql_facts
  if [ "$method" = in_place ]; then
    [ -n "${fact[oid]}" ] || give_up 86 "$brand has no database $(shown "$name")."
    [ "${fact[owner]}" = t ] || give_up 87 "This user does not own the database $(shown "$name"), and is not in the role that does."
    "${bin}pg_restore" --help | grep -q -e --restrict-key || too_old_for_in_place
  else
    postgresql_may_swap
    postgresql_in_the_way
  fi
  begin_journal
}

too_old_for_in_place() {
  give_up 78 'pg_restore is too old to restore in place: 13.22, 14.19, 15.14, 16.10, 17.6 and later ones can.'
}

# postgresql_elsewhere_home: sets `home`, a database from which others can be renamed, so another one.
postgresql_elsewhere_home() {
  local one
  for one in postgres template1; do
    [ "$one" != "$name" ] || continue
    home=$one
    if postgresql_sql "$i" "$one" < <(printf '%s\n' 'SELECT 1') >/dev/null 2>work/sql.errors; then return; fi
    grep -qE 'database ".*" does not exist|permission denied for database|not currently accepting|no pg_hba' work/sql.errors || break
  done
  postgresql_explain work/sql.errors
}

# postgresql_facts: sets fact[…], of the user, of the server and of the database.
postgresql_facts() {
  local key value
  ask "$i" "SELECT 'super', rolsuper FROM pg_roles WHERE rolname = current_user;
SELECT 'creates', rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user;
SELECT 'oid', oid FROM pg_database WHERE $(is_named "$name");
SELECT 'owner', pg_has_role(datdba, 'MEMBER') FROM pg_database WHERE $(is_named "$name");
SELECT 'taken', count(*) FROM pg_database WHERE $(is_named "$new") OR $(is_named "$old");
SELECT 'above', count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
  WHERE $(is_named "$name") AND rolsuper AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
SELECT 'others', count(*) FROM pg_stat_activity WHERE $(is_named "$name") AND usesysid IS NOT NULL
  AND NOT pg_has_role(usesysid, 'MEMBER') AND NOT pg_has_role('pg_signal_backend', 'MEMBER');
SELECT 'prepared', count(*) FROM pg_prepared_xacts WHERE $(is_named "$name" database);
SELECT 'slots', count(*) FROM pg_replication_slots WHERE $(is_named "$name" database);
SELECT 'subscribed', count(subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE $(is_named "$name");" "$home"
  declare -gA fact=([oid]='' [owner]=t)
  while read -r key value; do
    fact[$key]=$value
  done <work/answer
}

# is_named NAME [COLUMN]: by its bytes, whatever it holds.
is_named() {
  printf "%s = convert_from(decode('%s', 'hex'), 'UTF8')" "${2:-datname}" "$(in_hex "$1")"
}

# postgresql_name TEXT: as a name; postgresql_text TEXT: as a text.
postgresql_name() {
  printf '"%s"' "${1//\"/\"\"}"
}

postgresql_text() {
  printf "convert_from(decode('%s', 'hex'), 'UTF8')" "$(in_hex "$1")"
}

postgresql_may_swap() {
  [ "${fact[creates]}" = t ] || give_up 87 'This user may not create databases (ALTER ROLE … CREATEDB).'
  [ "${fact[owner]}" = t ] || give_up 87 "This user does not own the database $(shown "$name"), and is not in the role that does."
  [ -z "${owners[i]}" ] || postgresql_has_role
}

postgresql_has_role() {
  ask "$i" "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE $(is_named "${owners[i]}" rolname)" "$home"
  case $(<work/answer) in
    t) ;;
    f) give_up 87 "This user is not in the role $(shown "${owners[i]}"), which is to own what is restored." ;;
    *) give_up 110 "There is no role $(shown "${owners[i]}"), which is to own what is restored." ;;
  esac
}

postgresql_in_the_way() {
  local shown_name
  shown_name=$(shown "$name")
  ((fact[taken] == 0)) || give_up 110 "$brand already has a database $new or $old: it is of another attempt at this restore."
  ((fact[above] == 0)) ||
    give_up 110 "A superuser is in the database $shown_name, whose session this user may not end: end it and restore again."
  ((fact[others] == 0)) ||
    give_up 110 "Somebody is in the database $shown_name whose sessions this user may not end (pg_signal_backend)."
  ((fact[prepared] == 0)) || give_up 110 "The database $shown_name has prepared transactions: end them first."
  ((fact[slots] + fact[subscribed] == 0)) ||
    give_up 110 "The database $shown_name has replication slots or subscriptions, which would stay with its previous state."
}

postgresql_room() {
  if reveal "login_$i" | grep -q '^host=/' &&
    postgresql_sql "$i" "$home" < <(printf '%s\n' 'SHOW data_directory') >work/answer 2>/dev/null; then
    room_at "$(<work/answer)"
  fi
}

## what is done

# postgresql_do DATABASE: what comes in; fails if the server does not do it.
postgresql_do() {
  postgresql_sql "$i" "$1" >work/answer 2>work/sql.errors && return
  postgresql_not_done
}

# postgresql_not_done: what a restore meets beside what a dump meets.
postgresql_not_done() {
  local said
  said=$(grep -m 1 -oE 'ERROR: .*' work/sql.errors)
  case $said in
    *'role "'*'" does not exist'* | *'extension "'*'" is not available'* | *'could not open extension control'* | \
      *'is being accessed by other users'* | *'encoding'*'does not match'* | *'unrecognized configuration parameter'*)
      give_up 110 "$brand: ${said#ERROR: }" ;;
    *'terminate superuser'* | *'terminate process'* | *'must be a member of the role whose process'* | *'permission denied to terminate'*)
      give_up 110 "Somebody is in the database $(shown "$name") whose session this user may not end." ;;
  esac
  postgresql_explain work/sql.errors
}

# postgresql_end_ours: sessions of this restore whose clients were killed, until none is left.
postgresql_end_ours() {
  local left
  for ((left = 100; left > 0; left--)); do
    ask "$i" "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '$asks_as' AND pid <> pg_backend_pid();" "$home"
    [ "$(<work/answer)" != 0 ] || return 0
    sleep 0.1
  done
  give_up 89 "A former session of this restore is still at work in $brand."
}

# postgresql_oid NAME: prints the number of the database, or nothing. postgresql_called OID: sets `called`.
postgresql_oid() {
  ask "$i" "SELECT oid FROM pg_database WHERE $(is_named "$1")" "$home"
  cat work/answer
}

postgresql_called() {
  ask "$i" "SELECT encode(convert_to(datname, 'UTF8'), 'hex') FROM pg_database WHERE oid = $(($1))" "$home"
  from_hex "$(<work/answer)"
  # shellcheck disable=SC2154 # set by from_hex
  called=$text
}

# postgresql_drop DATABASE: whoever is in it.
postgresql_drop() {
  local left quoted
  [ -n "$(postgresql_oid "$1")" ] || return 0
  quoted=$(postgresql_name "$1")
  for ((left = 20; left > 0; left--)); do
    if postgresql_sql "$i" "$home" 2>work/sql.errors >work/answer < <(printf '%s\n' "ALTER DATABASE $quoted IS_TEMPLATE false;
ALTER DATABASE $quoted ALLOW_CONNECTIONS false;
$(ends_sessions "$1")
DROP DATABASE $quoted;"); then return; fi
    grep -q 'being accessed by other users' work/sql.errors || break
  done
  postgresql_not_done
}

# ends_sessions DATABASE…: of everybody but us.
ends_sessions() {
  local one
  for one; do
    echo "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE $(is_named "$one") AND usesysid IS NOT NULL AND pid <> pg_backend_pid();"
  done
}

## import

postgresql_restore_import() {
  local options=()
  postgresql_elsewhere_home
  postgresql_room
  say "Importing $(shown "${backed_up[i]}") of the archive for $(shown "$name")."
  if [ "$method" = in_place ]; then return; fi
  postgresql_read_lines
  note import
  postgresql_create
  ask "$i" "SELECT oid FROM pg_database WHERE $(is_named "$new")" "$home"
  grep -qE '^[0-9]+$' work/answer || give_up 111 "$brand did not make the database $new."
  keep new_oid <work/answer
  # Subscriptions would ask another server for the same changes, and a database that has some cannot be dropped.
  options=(--exit-on-error --no-subscriptions)
  [ -z "${owners[i]}" ] || options+=(--no-owner --no-privileges --role="${owners[i]}")
  postgresql_load "$new" "${options[@]}"
  postgresql_compare_import
  postgresql_sql "$i" "$new" < <(printf '%s\n' 'ANALYZE') >/dev/null 2>&1 # or plans are bad until the server does it itself
  return 0
}

# postgresql_read_lines: how the database was made, and what was set for it; from the beginning of the dump.
postgresql_read_lines() {
  members_of "$number" dump.pgdump 2>/dev/null | "${bin}pg_restore" --list --create >work/toc 2>work/sql.errors
  ((PIPESTATUS[1] == 0)) || give_up 111 "pg_restore cannot read the dump: $(head -n 1 work/sql.errors)"
  grep -E '^[0-9]+; [0-9]+ [0-9]+ (DATABASE|DATABASE PROPERTIES|COMMENT - DATABASE|ACL - DATABASE) ' work/toc >work/list
  members_of "$number" dump.pgdump 2>/dev/null |
    "${bin}pg_restore" --create --schema-only --use-list=work/list --file=/dev/stdout 2>work/sql.errors |
    perl database_lines.pl "${backed_up[i]}" "$name" >work/lines
  ((PIPESTATUS[1] == 0)) || give_up 111 "pg_restore cannot read the dump: $(head -n 1 work/sql.errors)"
  keep lines <work/lines
}

# postgresql_create: as it was made; where there is no such locale, as this server makes them. Nobody else
# gets in.
postgresql_create() {
  local options
  options=$(sed -n 's/^C //p' "$mine/lines")
  if postgresql_try_create "$options"; then return; fi
  grep -qiE 'locale|lc_collate|lc_ctype|collation' work/sql.errors || postgresql_not_done
  warn "$brand here cannot make a database with $options: $(shown "$name") has the server's own order of texts."
  postgresql_try_create "$(grep -oE "ENCODING = '[^']*'" < <(printf '%s\n' "$options"))" || postgresql_not_done
}

postgresql_try_create() {
  postgresql_sql "$i" "$home" >work/answer 2>work/sql.errors < <(printf '%s\n' "SELECT concat('CREATE DATABASE $new WITH TEMPLATE template0 ', $(postgresql_text "$1"),
  ' OWNER ', quote_ident(coalesce($(owner_here), current_user)),
  (SELECT ' TABLESPACE ' || quote_ident(spcname) FROM pg_database JOIN pg_tablespace t ON t.oid = dattablespace
    WHERE $(is_named "$name") AND spcname <> 'pg_default'))
\\gexec
REVOKE CONNECT ON DATABASE $new FROM PUBLIC;")
}

# owner_here: whose the restored database is, as an expression; null is ours.
owner_here() {
  if [ -n "${owners[i]}" ]; then
    postgresql_text "${owners[i]}"
  else
    echo "(SELECT pg_get_userbyid(datdba) FROM pg_database WHERE $(is_named "$name"))"
  fi
}

# postgresql_load DATABASE OPTION…
postgresql_load() {
  local target status
  conninfo "$1"
  members_of "$number" dump.pgdump |
    with_service "$i" "${bin}pg_restore" --no-password --dbname="$target" "${@:2}" >/dev/null 2>work/sql.errors
  status=("${PIPESTATUS[@]}")
  ((status[1] <= 128)) || give_up 76 'pg_restore was killed on the server.'
  ((status[1] == 0)) || postgresql_not_done
  ((status[0] == 0)) || give_up 94 "The dump of $(shown "${backed_up[i]}") in the archive cannot be read to its end."
}

# postgresql_compare_import: objects by the same list of contents that the backup has counted.
postgresql_compare_import() {
  local target
  conninfo "$new"
  with_service "$i" "$tool" --format=custom --schema-only --no-password --lock-wait-timeout="${lock_seconds}s" \
    --dbname="$target" 2>work/sql.errors | "${bin}pg_restore" --list >work/toc
  ((PIPESTATUS[0] == 0)) || postgresql_not_done
  : >work/about
  postgresql_objects
  tr '\0' '\n' <work/about >work/counts
  postgresql_count_rows
  cat work/answer >>work/counts || disk_full
  compared work/counts
}

# about KEY VALUE: what postgresql_objects has counted.
about() {
  printf '%s %s\0' "$1" "$2" >>work/about || disk_full
}

# postgresql_count_rows: work/answer gets those of each table; - where they cannot be compared: extensions
# fill their own, and row security may hide some.
postgresql_count_rows() {
  ask "$i" "$(counts_rows)" "$new"
}

# counts_rows [CONDITION]: of the tables for which it is true.
counts_rows() {
  printf '%s\n' 'SET search_path = pg_catalog;
SELECT CASE WHEN row_security_active(c.oid) OR EXISTS (SELECT 1 FROM pg_depend d
    WHERE d.classid = '\''pg_class'\''::regclass AND d.objid = c.oid AND d.deptype = '\''e'\'')
  THEN format('\''SELECT '\'''\''R %s -'\'''\'''\'', hex)
  ELSE format('\''SELECT '\'''\''R %s '\'''\'' || count(*) FROM ONLY %I.%I'\'', hex, n.nspname, c.relname) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
  LATERAL (SELECT encode(convert_to(n.nspname || '\''.'\'' || c.relname, getdatabaseencoding()), '\''hex'\'')) AS h (hex)
WHERE c.relkind = '\''r'\'' AND n.nspname <> '\''information_schema'\'' AND n.nspname !~ '\''^pg_'\'" AND ${1:-true}" '\gexec'
}

## swap

postgresql_restore_swap() {
  local left old_oid new_oid allowed
  postgresql_elsewhere_home
  if [ "$method" = in_place ]; then postgresql_in_place; return; fi
  ask "$i" "SELECT oid FROM pg_database WHERE $(is_named "$name")" "$home"
  keep old_oid <work/answer
  ask "$i" "SELECT datallowconn::text FROM pg_database WHERE $(is_named "$name")" "$home"
  keep allowed <work/answer
  postgresql_recall
  note swap
  for ((left = 5; left > 0; left--)); do
    postgresql_swap_sql | postgresql_sql "$i" "$home" >work/answer 2>work/sql.errors && break
    grep -q 'being accessed by other users' work/sql.errors || postgresql_not_done
  done
  ((left)) || postgresql_not_done
  postgresql_called "$new_oid"
  [ "$called" = "$name" ] || postgresql_not_done
  postgresql_not_carried
  note swapped
}

# postgresql_recall: sets what was kept of the two databases.
postgresql_recall() {
  recall old_oid && old_oid=$recalled
  recall new_oid && new_oid=$recalled
  recall allowed && allowed=$recalled
}

# postgresql_swap_sql: if the old one is not there, the new one only gets its name.
postgresql_swap_sql() {
  local here gone
  here=$(postgresql_name "$name") gone=$(postgresql_name "$old")
  echo '\set ON_ERROR_ROLLBACK off'
  echo "SET lock_timeout = '${lock_seconds}s'; BEGIN;"
  if [ -n "$old_oid" ]; then
    echo "ALTER DATABASE $here ALLOW_CONNECTIONS false;"
    ends_sessions "$name" "$new"
    echo "ALTER DATABASE $here RENAME TO $gone;"
  else
    ends_sessions "$new"
  fi
  echo "ALTER DATABASE $new RENAME TO $here;"
  # What cannot be set is told, and keeps nothing from its place.
  printf '%s\n' '\set ON_ERROR_ROLLBACK on' '\set ON_ERROR_STOP off'
  if [ -n "$old_oid" ]; then settings_of "$old_oid"; else settings_of_dump; fi
  [ "$allowed" != false ] || echo "ALTER DATABASE $here ALLOW_CONNECTIONS false;"
  printf '%s\n' '\set ON_ERROR_STOP on' 'COMMIT;'
}

# settings_of OID: those of the database that is replaced, for the one that has its name now.
settings_of() {
  local here
  here=$(postgresql_text "$name")
  printf '%s\n' "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $here)
UNION ALL SELECT format('REVOKE ALL ON DATABASE %I FROM %I', $here, pg_get_userbyid(datdba))
  FROM pg_database WHERE datname = $here
UNION ALL SELECT format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, $here,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) WHERE d.oid = $1
UNION ALL SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', $here, datconnlimit)
  FROM pg_database WHERE oid = $1 AND datconnlimit <> -1
UNION ALL SELECT format('ALTER DATABASE %I IS_TEMPLATE true', $here) FROM pg_database WHERE oid = $1 AND datistemplate
UNION ALL SELECT format('COMMENT ON DATABASE %I IS %L', $here, shobj_description($1, 'pg_database'))
  WHERE shobj_description($1, 'pg_database') IS NOT NULL
UNION ALL SELECT CASE setrole WHEN 0 THEN format('ALTER DATABASE %I', $here)
    ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), $here) END
  || format(' SET %I TO ', split_part(one, '=', 1))
  -- A list is kept as it is written; anything else is one text.
  || CASE WHEN split_part(one, '=', 1) IN ('local_preload_libraries', 'search_path', 'session_preload_libraries',
      'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
    THEN coalesce(nullif(substr(one, strpos(one, '=') + 1), ''), '''''')
    ELSE quote_literal(substr(one, strpos(one, '=') + 1)) END
  FROM pg_db_role_setting, unnest(setconfig) AS one WHERE setdatabase = $1
\\gexec"
}

# settings_of_dump: those that it had when it was backed up.
settings_of_dump() {
  local word hex
  echo "SELECT format('GRANT CONNECT ON DATABASE %I TO PUBLIC', $(postgresql_text "$name"))" '\gexec'
  while read -r word hex; do
    [[ "$word $hex" =~ ^S\ [0-9a-f]+$ ]] || continue
    [ -z "${owners[i]}" ] || ! [[ $hex =~ ^$(in_hex ALTER).*$(in_hex ' OWNER TO ') ]] || continue
    echo "SELECT convert_from(decode('$hex', 'hex'), 'UTF8') \\gexec"
  done <"$mine/lines"
  return 0
}

# postgresql_not_carried: what the server has refused of settings.
postgresql_not_carried() {
  local refused
  refused=$(grep -c 'ERROR:' work/sql.errors)
  ! grep -qx '?' "$mine/lines" || [ -n "$old_oid" ] || ((refused += 1))
  ((refused == 0)) ||
    warn "$refused settings or rights of the database $(shown "$name") itself could not be given to it: $(grep -m 1 -oE 'ERROR: .*' work/sql.errors)"
}

# postgresql_in_place: in one transaction, which is compared before it is committed: all of it or nothing.
postgresql_in_place() {
  local status
  members_of "$number" census.json >work/census.in || give_up 94 'The census in the archive cannot be read.'
  note swap
  note in-place
  one_transaction | postgresql_sql "$i" "$name" >/dev/null 2>work/sql.errors
  status=("${PIPESTATUS[@]}")
  [ -s work/committed ] || postgresql_not_committed "${status[@]}"
  note swapped
  postgresql_unmark
}

# one_transaction: for psql. Whose dump cannot be read to its end does not come to the COMMIT.
one_transaction() {
  local status options=(--single-transaction --clean --if-exists --no-subscriptions)
  [ -z "${owners[i]}" ] || options+=(--no-owner --no-privileges --role="${owners[i]}")
  # Only what is on the server's disk is committed, whatever the server is set to.
  printf '%s\n' "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';" \
    "SET lock_timeout = '${lock_seconds}s'; BEGIN; CREATE SCHEMA $(postgresql_mark);"
  members_of "$number" dump.pgdump | "${bin}pg_restore" --file=/dev/stdout "${options[@]}" 2>work/restore.errors |
    perl uncommitted.pl
  status=("${PIPESTATUS[@]}")
  ((status[0] == 0)) || give_up 94 "The dump of $(shown "${backed_up[i]}") in the archive cannot be read to its end."
  ((status[1] == 0)) || give_up 111 "pg_restore cannot read the dump: $(head -n 1 work/restore.errors)"
  ((status[2] != 78)) || too_old_for_in_place
  ((status[2] == 0)) || give_up 111 "What pg_restore makes of the dump of $(shown "${backed_up[i]}") is not whole."
  commits_if_compared
}

# commits_if_compared: what this transaction has made is counted in it. What the dump does not know stays, so
# of objects there may be more.
commits_if_compared() {
  echo '\o work/counts'
  counts_rows "c.xmin::text = (txid_current() % 4294967296)::text"
  counts_objects
  # shellcheck disable=SC2016 # psql has it done
  printf '%s\n' '\o' \
    '\set is_whole `perl compare.pl postgresql_over work/census.in <work/counts >work/said && echo true || echo false`' \
    '\if :is_whole' 'COMMIT;' '\o work/committed' '\qecho yes' '\o' '\endif'
}

# counts_objects: as postgresql_objects does, of what nobody else sees yet; without those of extensions.
counts_objects() {
  local own="NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = c.tableoid AND d.deptype = 'e')
    AND nspname <> 'information_schema' AND nspname !~ '^pg_'"
  echo "SELECT kind || ' ' || count(c.oid) FROM (VALUES ('tables', 'rpf'), ('views', 'vm'), ('sequences', 'S')) AS k (kind, letters)
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = relnamespace) ON strpos(letters, relkind::text) > 0 AND $own GROUP BY kind;
SELECT 'routines ' || count(*) FROM pg_proc c JOIN pg_namespace n ON n.oid = pronamespace WHERE $own;
SELECT 'triggers ' || (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) + (SELECT count(*) FROM pg_event_trigger);"
}

# postgresql_not_committed STATUS STATUS: of who writes for psql, and of psql.
postgresql_not_committed() {
  (($2 <= 128)) || give_up 76 'psql was killed on the server.'
  (($2 == 0)) || postgresql_not_done
  (($1 == 0)) || exit "$1" # its sentence stands
  give_up 90 "What was imported of $(shown "$name") is not what the archive holds: $(head -n 1 work/said)"
}

# postgresql_mark: prints the name of the schema that is in the database if, and only if, the transaction of
# this restore was committed; nothing is ever in it.
postgresql_mark() {
  echo "cp_${restore_key}_${i}_restored"
}

# postgresql_is_marked: nothing of the transaction is under way any more.
postgresql_is_marked() {
  postgresql_end_ours
  ask "$i" "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = '$(postgresql_mark)';" "$name"
  [ "$(<work/answer)" != 0 ]
}

# postgresql_unmark: what the mark has said is noted.
postgresql_unmark() {
  postgresql_sql "$i" "$name" >/dev/null 2>work/sql.errors < <(printf '%s\n' "SET client_min_messages = error; SET lock_timeout = '${lock_seconds}s';
DROP SCHEMA IF EXISTS $(postgresql_mark);") ||
    warn "The empty schema $(postgresql_mark) is left in the database $(shown "$name"): drop it."
}

## back, discard, forget

postgresql_restore_back() {
  may_go_back || { postgresql_restore_discard; return; }
  postgresql_elsewhere_home
  postgresql_end_ours
  if [ "$method" = in_place ]; then postgresql_back_in_place; return; fi
  note back
  postgresql_names_back
  note went_back
  postgresql_drop "$new"
}

# postgresql_names_back: whoever has the name gives it to whose it was; known by their numbers.
postgresql_names_back() {
  local left old_oid new_oid allowed called
  postgresql_recall
  if [ -n "$old_oid" ]; then
    postgresql_called "$old_oid"
    [ -n "$called" ] || give_up 96 "The previous state of $(shown "$name") is not there any more."
    [ "$called" != "$name" ] || return 0
  fi
  for ((left = 10; left > 0; left--)); do
    postgresql_back_sql | postgresql_sql "$i" "$home" >work/answer 2>work/sql.errors && return
    grep -q 'being accessed by other users' work/sql.errors || break
  done
  postgresql_not_done
}

# postgresql_back_sql: a database that is neither the old one nor the new one is nobody's to rename.
postgresql_back_sql() {
  local here
  here=$(postgresql_name "$name")
  postgresql_called "$new_oid"
  echo "SET lock_timeout = '${lock_seconds}s'; BEGIN;"
  if [ "$called" = "$name" ]; then
    ends_sessions "$name"
    echo "ALTER DATABASE $here RENAME TO $new;"
  fi
  if [ -n "$old_oid" ]; then
    echo "ALTER DATABASE $(postgresql_name "$old") RENAME TO $here;"
    echo "ALTER DATABASE $here ALLOW_CONNECTIONS $allowed;"
  fi
  echo 'COMMIT;'
}

# postgresql_restore_undoable: 100 if it was restored in place, which is for good.
postgresql_restore_undoable() {
  [ "$method" = in_place ] && noted in-place && ! noted went_back || return 0
  if ! noted swapped; then
    postgresql_elsewhere_home
    postgresql_is_marked || return 0
    note swapped
  fi
  postgresql_unmark
  give_up 100 "The database $(shown "$name") was restored in place: that is done, and stays."
}

# postgresql_back_in_place: if its transaction was not committed, nothing has changed.
postgresql_back_in_place() {
  noted in-place || return 0
  if noted swapped || postgresql_is_marked; then only_way_back; fi
  note went_back
}

postgresql_restore_discard() {
  [ "$method" != in_place ] || return 0
  noted import || return 0
  postgresql_elsewhere_home
  postgresql_end_ours
  postgresql_drop "$new"
}

postgresql_restore_forget() {
  may_forget || { postgresql_restore_discard; return; }
  if [ "$method" = in_place ]; then return; fi
  postgresql_elsewhere_home
  postgresql_end_ours
  recall old_oid
  note forget
  [ -z "$recalled" ] || [ "$(postgresql_oid "$old")" != "$recalled" ] || postgresql_drop "$old"
  postgresql_drop "$new"
}
