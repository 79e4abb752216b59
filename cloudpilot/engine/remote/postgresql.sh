# shellcheck shell=bash
# shellcheck disable=SC2154 # gently, chosen, …: see databases.sh
# shellcheck disable=SC2034 # there, version: for databases.sh
# PostgreSQL. Its programs read one service file, through a descriptor.

# postgresql_tools: of several versions the newest, since an older pg_dump refuses a newer server.
postgresql_tools() {
  bin=$(newest_postgres)
  bin=${bin:+$bin/}
  tool=${bin}pg_dump
  if [ -z "$bin" ] || ! has "${bin}pg_restore"; then
    give_up 78 'pg_dump, pg_restore and psql are not installed.'
  fi
  tool_version=$("$tool" --version 2>/dev/null)
}

# conninfo DATABASE: sets `target`. A name is quoted: psql and pg_dump take one for a whole address.
conninfo() {
  local quoted=${1//\\/\\\\}
  quoted=${quoted//\'/\\\'}
  target="service=cloudpilot dbname='$quoted' application_name='cloudpilot-${CLOUDPILOT_RUN##*/}'"
  target+=' connect_timeout=10'
}

# with_service LOGIN COMMAND…
with_service() {
  PGSERVICEFILE=/dev/fd/7 "${@:2}" 7< <(reveal "login_$1")
}

# postgresql_sql LOGIN DATABASE
postgresql_sql() {
  local target
  conninfo "${2:-postgres}"
  with_service "$1" "${bin}psql" -X --no-password -At -F $'\t' -v ON_ERROR_STOP=1 -d "$target"
}

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

# postgresql_objects: how many there are of each kind, from the dump's own table of contents.
postgresql_objects() {
  local key value
  while read -r key value; do
    about "$key" "$value"
  done < <(awk '
    BEGIN {
      split("tables views routines triggers sequences", keys)
      kind["TABLE"] = "tables"; kind["VIEW"] = "views"; kind["TRIGGER"] = "triggers"
      kind["FUNCTION"] = kind["PROCEDURE"] = kind["AGGREGATE"] = "routines"
      kind["SEQUENCE"] = "sequences"
    }
    !/^[0-9]+; [0-9]+ [0-9]+ / { next }
    {
      type = $4; next_word = $5
      if (type ~ /^(FOREIGN|MATERIALIZED|EVENT)$/) { type = $5; next_word = $6 }
      # TABLE DATA, TABLE ATTACH, SEQUENCE SET, SEQUENCE OWNED BY and the like are about one.
      if (type in kind && next_word !~ /^(DATA|ATTACH|SET|OWNED)$/) count[kind[type]]++
      if (type == "EXTENSION") print "extension", $6
    }
    END { for (number in keys) print keys[number], count[keys[number]] + 0 }
  ' work/toc)
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

# postgresql_explain FILE: fails with what its first error means: the others follow from it.
postgresql_explain() {
  local said all
  all=$(head -c 8000 "$1")
  said=$(printf '%s\n' "$all" | grep -E 'error:|FATAL:|ERROR:|detail:' | head -n 2 | sed -E 's/^.*(error|detail): //' | tr '\n' ' ')
  case $all in
    *'password authentication failed'* | *'no password supplied'* | *'no pg_hba.conf entry'* | \
      *'role "'*'" does not exist'* | *'authentication failed'* | *'is not permitted to log in'*)
      give_up 85 "$brand refuses this user: $said" ;;
    *'database "'*'" does not exist'*) give_up 86 "$brand: $said" ;;
    *'permission denied'* | *'not currently accepting connections'* | *'row-level security'* | *'must be superuser'* | *'must be owner'*)
      give_up 87 "$brand: $said" ;;
    *'lock timeout'* | *'could not obtain lock'* | *'statement timeout'*'LOCK TABLE'*)
      give_up 89 "$brand: pg_dump waited $lock_seconds seconds for a lock: $said" ;;
    *'server version mismatch'*)
      give_up 78 "$tool_version is older than the server, which is $version." ;;
    *'server closed the connection'* | *'terminating connection'* | *'connection to server was lost'* | \
      *'no connection to the server'* | *'SSL connection has been closed'*)
      give_up 88 "$brand ended the connection: $said" ;;
    *'connection to server'* | *'could not connect'* | *'the database system is'* | \
      *'too many'*'connections'* | *'remaining connection slots'* | *'could not translate host'*)
      give_up 84 "$brand cannot be reached: $said" ;;
    *) give_up 90 "${said:-$(tail -n 1 "$1")}" ;;
  esac
}
