# shellcheck shell=bash
# stop ROOT BACKUP_ID RUN_ID: ends a run and confirms it. Where nothing runs it leaves only its
# mark, which also keeps a launch that is still under way from beginning. What was deleted meanwhile
# (see remove.sh) is not brought back by it.

stop() {
  local run=$1/$2/run-$3 unmarked='' ours=''
  ! { [ -d "$1" ] && ! [ -L "$1" ] && [ -O "$1" ]; } || ours=yes
  if [ -n "$ours" ] && ! [ -e "$1/.removed/$2" ]; then
    mkdir -p -- "$run" 2>/dev/null
    touch -- "$run/stop" 2>/dev/null || make_room "$run" || unmarked=yes
  fi
  end_processes "$2/$3" "$run"
  sweep_memory
  [ -e "$run/exit" ] || discard "$run"
  if [ -n "$ours" ] && [ -e "$1/.removed/$2" ]; then
    rm -rf -- "${1:?}/$2"
  elif [ -n "$unmarked" ]; then
    mark "$run"
  fi
}

# make_room RUN_DIRECTORY: what it keeps for its last words is enough for our mark as well.
make_room() {
  rm -f -- "$1/reserve" && touch -- "$1/stop" 2>/dev/null
}

# mark RUN_DIRECTORY: there was no room for it while the run was at work.
mark() {
  touch -- "$1/stop" 2>/dev/null && return
  ! no_room "${1%/*}" || fail 71 "The disk of ${1%/*} is full: not even the mark to stop can be left there."
  ! is_read_only "${1%/*}" || fail 112 "The disk of ${1%/*} is mounted read-only."
  fail 117 "The mark to stop cannot be left in $1."
}

stop "$@"
