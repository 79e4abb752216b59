# shellcheck shell=bash
# stop ROOT BACKUP_ID RUN_ID: ends a run and confirms it. Where nothing runs it leaves only its
# mark, which also keeps a launch that is still under way from beginning.

stop() {
  local run=$1/$2/run-$3
  if [ -d "$1" ] && ! [ -L "$1" ] && [ -O "$1" ]; then
    mkdir -p -- "$run" 2>/dev/null
    touch -- "$run/stop" 2>/dev/null || fail 77 "The mark to stop cannot be left in $run."
  fi
  end_processes "$2/$3" "$run"
  sweep_memory
  [ -e "$run/exit" ] || discard "$run"
}

stop "$@"
