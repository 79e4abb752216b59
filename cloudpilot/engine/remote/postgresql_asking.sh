# shellcheck shell=bash
# shellcheck disable=SC2154 # engines, …: stand before this, as in databases.sh
# shellcheck disable=SC2034 # tool_version: for who comes after
# How PostgreSQL is asked. Its programs read one service file, through a descriptor. After asking.sh.

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
  target="service=cloudpilot dbname='$quoted' application_name='${asks_as:-cloudpilot-${CLOUDPILOT_RUN##*/}}'"
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

# postgresql_explain FILE: fails with what its first error means: the others follow from it.
postgresql_explain() {
  local said all
  all=$(head -c 8000 "$1")
  said=$(printf '%s\n' "$all" | grep -E 'error:|FATAL:|ERROR:|detail:' | head -n 2 | sed -E 's/^.*(error|detail): //' | tr '\n' ' ')
  case $all in
    *'password authentication failed'* | *'no password supplied'* | *'no pg_hba.conf entry'* | \
      *'FATAL:  role "'*'" does not exist'* | *'authentication failed'* | *'is not permitted to log in'*)
      give_up 85 "$brand refuses this user: $said" ;;
    *'database "'*'" does not exist'*) give_up 86 "$brand: $said" ;;
    *'permission denied'* | *'not currently accepting connections'* | *'row-level security'* | *'must be superuser'* | *'must be owner'*)
      give_up 87 "$brand: $said" ;;
    *'lock timeout'* | *'could not obtain lock'* | *'statement timeout'*'LOCK TABLE'*)
      give_up 89 "$brand: waited $lock_seconds seconds for a lock: $said" ;;
    *'server version mismatch'*)
      give_up 78 "$tool_version is older than the server, which is $version." ;;
    *'server closed the connection'* | *'terminating connection'* | *'connection to server was lost'* | \
      *'no connection to the server'* | *'SSL connection has been closed'*)
      give_up 88 "$brand ended the connection: $said" ;;
    *'connection to server'* | *'could not connect'* | *'the database system is'* | \
      *'too many'*'connections'* | *'remaining connection slots'* | *'could not translate host'*)
      give_up 84 "$brand cannot be reached: $said" ;;
    *) give_up "${unexplained:-90}" "${said:-$(tail -n 1 "$1")}" ;;
  esac
}
