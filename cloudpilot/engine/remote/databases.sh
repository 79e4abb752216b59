# shellcheck shell=bash
# shellcheck disable=SC2154 # what to dump stands before this, written by engine/script.py, for each
#   login N: engines[N]=mariadb|mysql|postgresql, names_N=(…), all_but_N=yes|'', known_N=(…): what the
#   last backup held, where_N=…; and lock_seconds. Its option file is the secret login_N.
# After clients.sh. Databases of a backup: which there are, and each dumped into members of the archive. What an engine
# does in its own way is in mysql.sh and postgresql.sh, as FAMILY_….

versions=() # of each login's server

lonely_clients

## measure: each server answers, each database is there and all of it may be read

measure_databases() {
  local login
  for login in "${!engines[@]}"; do
    family "$login"
    local -n where=where_$login
    "${family}_tools" "$login"
    say "Asking ${brand} at $(shown "$where")."
    "${family}_list" "$login"
    versions[login]=$version
    choose_databases "$login"
    "${family}_preflight" "$login"
  done
  write_instructions >work/RESTORE.txt
}

# choose_databases LOGIN: of what FAMILY_list has put into `there` (name => bytes, roughly).
choose_databases() {
  local name
  local -n wanted=names_$1 all_but=all_but_$1 known=known_$1
  chosen=()
  if [ -n "$all_but" ]; then
    for name in "${!there[@]}"; do
      is_one_of "$name" "${wanted[@]}" || chosen+=("$name")
    done
    for name in "${known[@]}"; do
      [ -n "${there[$name]:-}" ] || is_one_of "$name" "${wanted[@]}" ||
        warn "The database $(shown "$name") was in the last backup and is not there any more."
    done
    ((${#chosen[@]})) || give_up 86 "$brand has no database that this user may see and that is to be backed up."
    mapfile -d '' -t chosen < <(printf '%s\0' "${chosen[@]}" | sort -z)
  else
    for name in "${wanted[@]}"; do
      [ -n "${there[$name]:-}" ] || give_up 86 "$brand has no database $(shown "$name") that this user may see."
      chosen+=("$name")
    done
  fi
  for name in "${chosen[@]}"; do
    dumps+=("$1")
    dump_names+=("$name")
    ((dump_bytes += ${there[$name]}))
  done
}

# is_one_of WORD WORD…
is_one_of() {
  local word
  for word in "${@:2}"; do
    [ "$word" = "$1" ] && return
  done
  return 1
}



## dump: in the process that feeds pack.pl; its standard output is the tar

# dump_all: each database as members databases/NUMBER/…, counted from 1.
dump_all() {
  local number login
  member RESTORE.txt <work/RESTORE.txt
  for number in "${!dumps[@]}"; do
    login=${dumps[number]}
    local -n where=where_$login
    family "$login"
    "${family}_tools" "$login"
    version=${versions[login]}
    about_to_dump "$number"
    into=databases/$((number + 1)) bytes=0 exact=1
    : >work/about
    : >work/rows
    about engine "${engines[login]}"
    about name "${dump_names[number]}"
    about where "$where"
    "${family}_dump" "$login" "${dump_names[number]}"
    about exact "$exact"
    about bytes "$bytes"
    perl census.pl "$((number + 1))" >work/census.json || give_up 71 'What is in the dump cannot be written down.'
    member "$into/census.json" <work/census.json
    [ "$number" = 0 ] || echo ',' >>work/all.json || disk_full
    cat work/census.json >>work/all.json || disk_full
  done
  rm -f work/dumping
}

# about_to_dump NUMBER [SINCE [UNTIL]]: for let_go; between which connections ours is. Replaced whole.
about_to_dump() {
  { echo "$*" >"work/dumping.$BASHPID" && mv -f "work/dumping.$BASHPID" work/dumping; } || disk_full
}

# about KEY VALUE: what there is to know of a dump, for census.pl.
about() {
  printf '%s %s\0' "$1" "$2" >>work/about || disk_full
}

# member NAME: what comes in, as one member of the tar.
member() {
  perl members.pl "$1" whole || exit 70 # who reads it says why
}

# pass NAME FORMAT COMMAND…: what COMMAND says goes into the archive as members of that NAME. Meanwhile it
# is read, too, for work/said. Fails unless all of them did well.
pass() {
  local status
  "${@:3}" 2>work/dump.errors | perl members.pl "$1" "$2" 2>work/read.errors
  status=("${PIPESTATUS[@]}")
  head -c 100000 work/dump.errors >&2
  ((status[0] <= 128 || status[0] == 141)) || give_up 76 "$tool was killed on the server."
  ((status[0] == 0 && status[1] == 0)) || judge_passed "${status[@]}"
  grep -qx E work/said || give_up 90 "The dump of $(shown "$name") lacks its end: $tool did not finish."
  ((bytes += $(cat work/bytes)))
}

# judge_passed TOOL READER: fails with the cause. Who writes to one that has ended gets SIGPIPE (141) or
# error 32 and is not it; who reads from one that has failed misses its end and is not it either.
judge_passed() {
  local why
  ! no_room work || disk_full
  (($2 != 70 && $2 != 141)) || exit 70 # who reads what members.pl writes says why
  (($1 == 0 || $1 == 141)) || grep -qiE 'errno:? 32\b|broken pipe' work/dump.errors ||
    "${family}_explain" work/dump.errors
  (($2 <= 128)) || give_up 76 "What reads the dump of $(shown "$name") was killed on the server."
  why=$(tail -n 3 work/read.errors | tr '\n' ' ' | cut -c 1-500)
  give_up 90 "The dump of $(shown "$name") cannot be read to its end${why:+: ${why% }}."
}

# let_go: a run that fails may have left its question at the database server: a client that is gone
# is noticed only when there is something to say to it. Called when the clients have been ended.
let_go() {
  local number login name since until
  # shellcheck disable=SC2034 # for mysql.sh
  read -r number since until 2>/dev/null <work/dumping || return
  login=${dumps[number]} name=${dump_names[number]}
  family "$login"
  "${family}_tools" "$login"
  "${family}_cancel" "$login" >/dev/null 2>&1
}

# write_instructions: how a person restores by hand what is in the archive.
write_instructions() {
  local number
  printf '%s\n' 'Databases in this archive, and how to restore them by hand.' ''
  for number in "${!dumps[@]}"; do
    family "${dumps[number]}"
    printf 'databases/%s  %s  %s\n' "$((number + 1))" "$brand" "$(shown "${dump_names[number]}")"
  done
  printf '%s\n' '' \
    'ARCHIVE is the archive, N the number of the database, NAME the database to make: an empty one' \
    'that nothing uses yet. census.json beside a dump says how many rows each table has.' \
    '' \
    'MariaDB, MySQL (create.sql says with which character set it was made):' \
    '' \
    "  tar -xOf ARCHIVE --wildcards 'databases/N/tables.sql.*' | mariadb NAME" \
    "  tar -xOf ARCHIVE --wildcards 'databases/N/programs.sql.*' | mariadb NAME" \
    '' \
    'PostgreSQL (roles.sql has the roles and settings of its server, without passwords):' \
    '' \
    '  createdb --template=template0 NAME' \
    "  tar -xOf ARCHIVE --wildcards 'databases/N/dump.pgdump.*' >dump.pgdump" \
    '  pg_restore --exit-on-error --dbname=NAME dump.pgdump'
}
