# shellcheck shell=bash
# shellcheck disable=SC2154 # gently, chosen, …: see databases.sh
# shellcheck disable=SC2034 # there, version: for databases.sh
# PostgreSQL. Its programs read one service file, through a descriptor.

# postgresql_home LOGIN: the database in which questions about all are asked: one that we are to dump,
# since no other may be open to us.
postgresql_home() {
  local -n wanted=names_$1 all_but=all_but_$1
  if [ -n "$all_but" ]; then echo postgres; else printf '%s' "${wanted[0]}"; fi
}

# postgresql_list LOGIN
postgresql_list() {
  local hex size home
  home=$(postgresql_home "$1")
  ask "$1" 'SHOW server_version' "$home"
  version=$(<work/answer)
  ask "$1" "SELECT encode(convert_to(datname, 'UTF8'), 'hex'),
  CASE WHEN has_database_privilege(datname, 'CONNECT')
    THEN GREATEST(pg_database_size(datname) - 7500000, 0) -- what an empty one takes
    ELSE 0 END
FROM pg_database WHERE datallowconn AND datname NOT IN ('template0', 'template1');" "$home"
  declare -gA there=()
  while read -r hex size; do
    from_hex "$hex"
    there[$text]=$((size + 1))
  done <work/answer
  postgresql_closed "$1" "$home"
}

# postgresql_closed LOGIN HOME: if all databases are wanted, those that nobody may connect to are told.
postgresql_closed() {
  local -n all_but=all_but_$1
  local hex
  [ -n "$all_but" ] || return 0
  ask "$1" "SELECT encode(convert_to(datname, 'UTF8'), 'hex') FROM pg_database
WHERE NOT datallowconn AND datname NOT IN ('template0', 'template1');" "$2"
  while read -r hex; do
    from_hex "$hex"
    warn "The database $(shown "$text") allows no connections: it is not in the backup."
  done <work/answer
}

# postgresql_preflight: pg_dump itself says what it may not read; what it leaves out is told when it is dumped.
postgresql_preflight() {
  :
}

## dump

# postgresql_dump LOGIN DATABASE: in the format that is checked while it is read, with nothing packed:
# that is done for the whole archive.
postgresql_dump() {
  local login=$1 name=$2 target
  conninfo "$name"
  about version "$version"
  about tool "$tool_version"
  postgresql_roles "$login"
  pass "$into/dump.pgdump" archive with_service "$login" "${gently[@]}" "$tool" --format=custom --compress=0 \
    --no-password --lock-wait-timeout="${lock_seconds}s" --dbname="$target"
  sed -n '/^T /p' work/said >work/rows || disk_full
  postgresql_contents
  postgresql_objects
  postgresql_elsewhere "$login" "$name"
}

# postgresql_elsewhere LOGIN DATABASE: of foreign tables pg_dump dumps no rows, and says nothing of it.
postgresql_elsewhere() {
  local names
  ask "$1" "SELECT encode(convert_to(n.nspname || '.' || c.relname, 'UTF8'), 'hex')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'f' ORDER BY 1;" "$2"
  names_answered &&
    warn "In $(shown "$2") the rows of these tables are kept elsewhere and are not in the dump: $names."
  return 0
}

# postgresql_contents: work/toc gets what the dump says that it holds, by the tool that restores it.
postgresql_contents() {
  "${bin}pg_restore" --list work/head >work/toc 2>work/read.errors && return
  ! no_room work || disk_full
  give_up 90 "pg_restore cannot read the dump of $(shown "$name"): $(tail -n 1 work/read.errors)"
}

# postgresql_roles LOGIN: roles and their settings, which no dump of a database has; without passwords.
postgresql_roles() {
  if with_service "$1" "${bin}pg_dumpall" --globals-only --no-role-passwords --no-password \
    --dbname="$target" >work/roles.sql 2>work/roles.errors; then
    member "$into/roles.sql" <work/roles.sql
  else
    warn "The roles of $brand are not in the archive: $(tail -n 1 work/roles.errors)"
  fi
}

## ends, failures

# postgresql_cancel LOGIN: what this run has asked is known by its name.
postgresql_cancel() {
  local target run=${CLOUDPILOT_RUN##*/}
  export -n CLOUDPILOT_RUN # who ends the run's processes would end this one
  conninfo "$(postgresql_home "$1")"
  printf '%s\n' "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'cloudpilot-$run' AND pid <> pg_backend_pid();" |
    with_service "$1" timeout 3 "${bin}psql" -X --no-password -At -d "$target"
}
