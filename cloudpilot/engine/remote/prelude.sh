# shellcheck shell=bash
# After ending.sh and before the steps of every detached script, in its run directory: how it begins
# once, says where it is, and ends with a status and a sentence. Only KILL goes unnoticed.

set -u
umask 077
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What these hold would change what the tools do.
set +o posix
unset TAR_OPTIONS GZIP PIGZ ZSTD_CLEVEL ZSTD_NBTHREADS POSIXLY_CORRECT PERL5OPT PERL5LIB PERLIO

run=$PWD
# shellcheck disable=SC2034 # where the archive will be, for the steps
backup=${run%/*}
stage_now=''
sentence=''
memory_folder=''

# begin: of several that were started, one goes on. Its pid file appears whole, by ln.
begin() {
  take_secrets
  identity "$$" >"pid.$$" || { rm -f -- "pid.$$"; exit 71; } # the disk is full: launch says so
  read -r _ started _ <"pid.$$"
  ln -- "pid.$$" pid 2>/dev/null || { rm -f -- "pid.$$"; exit 0; }
  rm -f -- "pid.$$"
  trap on_exit EXIT
  trap on_term TERM INT HUP
  ! [ -e stop ] || on_term
  mkdir work
  # A full disk must have room for our last words.
  head -c 65536 /dev/zero >reserve || fail 71 "$(full "$run")"
  export TMPDIR=$run/work # /tmp may be small, full or closed; what lies here is ours to remove
}

# take_secrets: what `launch` hands over through descriptor 9; a script that is started by hand has
# none. They stay encoded, in a variable that is not exported.
take_secrets() {
  local name encoded
  declare -gA secrets=()
  { : <&9; } 2>/dev/null || return 0
  while read -r name encoded; do
    secrets[$name]=$encoded
  done <&9
  exec 9<&-
}

# reveal NAME: a secret, for the input of the command that needs it: never for its arguments.
reveal() {
  printf %s "${secrets[$1]}" | base64 -d
}

# memory: makes the folder that `memory_folder` names, which is on no disk and for us alone: for
# secrets that a tool takes from a file and from nothing else. Who is killed leaves it to the sweep.
memory() {
  [ -n "$memory_folder" ] && return
  memory_folder=$(mktemp -d "/dev/shm/cloudpilot-$UID.$$.$started.XXXXXXXX") ||
    fail "$(no_room /dev/shm && echo 71 || echo 70)" 'No folder can be made in /dev/shm, the memory of the server.'
}

# stage NAME: what is being done now.
stage() {
  stage_now=$1
  progress 0 -
}

# progress DONE TOTAL: in bytes; TOTAL is - while unknown. Replaced whole, for who looks meanwhile.
progress() {
  { printf '%s %s %s\n' "$stage_now" "$1" "$2" >work/progress && mv -f work/progress progress; } 2>/dev/null
}

# need_own_disk: for who waits for what is asked for, or said, in a file of ours: on a disk that takes nothing any
# more it would wait for ever.
need_own_disk() {
  { : >work/alive; } 2>/dev/null || ! is_read_only . ||
    fail 112 "The disk of $(shown "$backup") became read-only while the run was at work."
}

# say SENTENCE: a line of the log.
say() {
  TZ=UTC printf '%(%H:%M:%S)T UTC  %s\n' -1 "$1" 2>/dev/null
  return 0 # the disk may be full; that is not what the run is judged by
}

# warn SENTENCE: one line; the run goes on.
warn() {
  printf '%s\n' "$1" >>warnings
}

# fail STATUS SENTENCE: the run ends.
fail() {
  [ -e stop ] && on_term # what fails now fails because it was stopped
  sentence=$2
  exit "$1"
}

# in_background COMMAND…: waits for it in such a way that a signal is heard at once.
in_background() {
  "$@" &
  wait "$!"
}

# A child that hears TERM before bash has taken our traps from it would run them, too.
on_term() {
  ((BASHPID == $$)) || exit 143
  trap '' TERM INT HUP
  if [ -e stop ]; then
    sentence='Stopped on request.'
    exit 75
  fi
  sentence='Something on the server told the process to end.'
  exit 76
}

on_exit() {
  local status=$?
  ((BASHPID == $$)) || return
  trap '' TERM INT HUP
  if [ -n "$(jobs -p)" ] || { ((status)) && [ -n "${CLOUDPILOT_RUN:-}" ]; }; then end_children; fi
  ((status == 0)) || ! declare -F let_go >/dev/null || let_go
  wipe work reserve
  [ -n "$(readers "${CLOUDPILOT_RUN:-}" "$run")" ] || rm -f reader # else who stops or deletes needs it
  [ -z "$memory_folder" ] || rm -rf -- "$memory_folder"
  if ((status != 0)); then
    discard "$run"
    [ -n "$sentence" ] && printf '%s\n' "$sentence" >error && say "$sentence"
  fi
  # An empty one would be no word at all.
  say_exit "$status" || { sync -f .; say_exit "$status"; } || { rm -f exit.new; return; }
  sync exit.new 2>/dev/null
  mv -f exit.new exit
}

# say_exit STATUS: some file systems count what was removed as used until they have written that down.
say_exit() {
  { printf '%s\n' "$1" >exit.new; } 2>/dev/null && [ -s exit.new ]
}

# end_children: all of our process group, which is all that we have started; what reads as root
# hears it from root. Who has lost its parent, because that was killed, is nobody's to wait for: it
# is looked for until it is gone. What does not hear TERM hears KILL.
end_children() {
  local pid left strays
  kill -TERM 0
  for pid in $(readers "${CLOUDPILOT_RUN:-}" "$run"); do
    signal TERM "$pid"
  done
  for ((left = 100; left > 0; left--)); do
    find_strays
    ((${#strays[@]})) || { wait; return 0; }
    for pid in "${strays[@]}"; do
      ((left > 40)) || signal KILL "$pid"
    done
    sleep 0.05
  done
}

# find_strays: sets `strays`, all that work for this run but ourselves and who looks for them.
find_strays() {
  local pid found
  strays=()
  [ -n "${CLOUDPILOT_RUN:-}" ] || return 0 # started by hand
  mapfile -t found < <(echo "$BASHPID"; export -n CLOUDPILOT_RUN; processes "$CLOUDPILOT_RUN" "$run")
  for pid in "${found[@]:1}"; do
    ((pid == $$ || pid == found[0])) || strays+=("$pid")
  done
}

# human BYTES: as people read it.
human() {
  local units=(bytes kB MB GB TB PB) unit=0 tenths=$(($1 * 10))
  while ((tenths >= 10000)); do
    tenths=$((tenths / 1000))
    ((unit += 1))
  done
  if ((tenths % 10 && unit)); then
    printf '%s.%s %s' "$((tenths / 10))" "$((tenths % 10))" "${units[unit]}"
  else
    printf '%s %s' "$((tenths / 10))" "${units[unit]}"
  fi
}
