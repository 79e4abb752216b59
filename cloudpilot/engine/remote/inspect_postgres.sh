# shellcheck shell=bash
# shellcheck disable=SC2154 # `until` and the functions named below stand before this:
#   postgres_start, postgres_within: print postgres_start.sql and postgres_within.sql
# PostgreSQL. After clients.sh, before inspect.sh.

# inspect_postgres all-but|only NAME…
inspect_postgres() {
  # shellcheck disable=SC2034 # set by `open_postgres`
  local folder said home
  if [ "$1" = only ]; then open_postgres "${@:2}" postgres template1; else open_postgres postgres template1; fi || return
  printf '%s\n' "$said"
  within_each "$@" < <(printf '%s\n' "$said")
}

# open_postgres NAME…: what is there, asked in the first of these databases that lets us in. Sets folder,
# said and home, which are the caller's. 1: none does.
open_postgres() {
  local name status
  folder=$(newest_postgres)
  for name in psql pg_dump pg_restore; do
    if [ -x "$folder/$name" ]; then tool "$name" "$folder/$name"; fi
  done
  [ -x "$folder/psql" ] || return
  begin_in "$@"
  ((status)) || return 0
  refused "$status" "$said"
  return 1
}

# begin_in NAME…: a server has no place outside of its databases, and any of them may be closed to us.
# Sets `said` and `status`, of the first attempt if none succeeds, and `home`, the last tried. A password
# that is wrong is not tried again: three of them may lock a user out.
begin_in() {
  local words=''
  for home; do
    said=$(postgres_start | ask_postgres "$home" 2>&1)
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
