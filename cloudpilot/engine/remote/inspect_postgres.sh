# shellcheck shell=bash
# shellcheck disable=SC2154 # `until` and the functions named below stand before this:
#   postgres_start, postgres_within: print postgres_start.sql and postgres_within.sql
# PostgreSQL. After clients.sh, before inspect.sh.

# inspect_postgres all-but|only NAME…
inspect_postgres() {
  local folder name said status
  folder=$(newest_postgres)
  for name in psql pg_dump pg_restore; do
    if [ -x "$folder/$name" ]; then tool "$name" "$folder/$name"; fi
  done
  [ -x "$folder/psql" ] || return
  if [ "$1" = only ]; then begin_in "${@:2}" postgres template1; else begin_in postgres template1; fi
  if ((status)); then
    refused "$status" "$said"
    return
  fi
  printf '%s\n' "$said"
  within_each "$@" < <(printf '%s\n' "$said")
}

# begin_in NAME…: a server has no place outside of its databases, and any of them may be closed to us.
# Sets `said` and `status`, of the first attempt if none succeeds. A password that is wrong is not
# tried again: three of them may lock a user out.
begin_in() {
  local name words=''
  for name; do
    said=$(postgres_start | ask_postgres "$name" 2>&1)
    status=$?
    ((status)) || return
    [ -n "$words" ] || words=$said
    case $said in
      *'FATAL:  database "'*'" does not exist'* | *'permission denied for database'* | *'not currently accepting'* | *'no pg_hba.conf entry'*) ;;
      *) break ;;
    esac
  done
  said=$words
}

# ask_postgres DATABASE: the statements come on standard input.
ask_postgres() {
  postgres_client "$(left)" "$folder/psql" "$1" --no-psqlrc --quiet --no-align --tuples-only \
    --field-separator=' ' --set=ON_ERROR_STOP=1
}

# within_each all-but|only NAME…: first those that are backed up, as long as there is time.
within_each() {
  local word encoded name may
  local -a wanted=() others=()
  while read -r word encoded _ may _; do
    if [ "$word $may" != 'database t' ]; then continue; fi
    if is_wanted "$encoded" "$@"; then wanted+=("$encoded"); else others+=("$encoded"); fi
  done
  for encoded in "${wanted[@]}" "${others[@]:0:20}"; do
    if ((SECONDS + 3 > until)); then
      echo 'unfinished databases'
      return
    fi
    within "$encoded"
  done
}

# is_wanted ENCODED all-but|only NAME…
is_wanted() {
  local name
  for name in "${@:3}"; do
    if [ "$(printf %s "$name" | hex)" = "$1" ]; then
      [ "$2" = only ]
      return
    fi
  done
  [ "$2" = all-but ]
}

# within ENCODED
within() {
  local name said
  printf -v name %b "$(printf %s "$1" | sed 's/../\\x&/g')"
  printf 'within %s\n' "$1"
  if said=$(postgres_within | ask_postgres "$name" 2>&1); then
    printf '%s\n' "$said"
  else
    printf 'closed %s\n' "$(printf %s "$said" | tail -c 2000 | hex)"
  fi
}
