# shellcheck shell=bash
# Stands before every program that the panel sends. Standard output is the answer; the last line
# on standard error is the sentence for a person; exit statuses are in engine/statuses.py.

set -u
umask 077
unset POSIXLY_CORRECT # `chmod 700 -- FILE` would have a file called --
set +o posix
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# fail STATUS SENTENCE
fail() {
  printf '%s\n' "$2" >&2
  exit "$1"
}

# packager: what installs packages here, by the first of its names that is there.
packager() {
  local manager
  for manager in apt-get dnf zypper yum apk; do
    if command -v "$manager" >/dev/null; then
      echo "$manager"
      return
    fi
  done
}

# own_directory PATH: goes on only if that is a directory, no link to one, and ours.
own_directory() {
  if [ -L "$1" ]; then
    fail 79 "$1 is a symbolic link: whoever made it chooses where backups go."
  elif ! [ -d "$1" ]; then
    fail 79 "$1 is not a directory."
  elif ! [ -O "$1" ]; then
    fail 79 "$1 belongs to $(stat -c %U -- "$1"), not to $(id -un)."
  fi
}

# is_absent PATH: whether nothing is there. Not being allowed to look proves nothing.
is_absent() {
  local error
  error=$(stat -- "$1" 2>&1 >/dev/null) && return 1
  case $error in
    *': No such file or directory' | *': Not a directory') return 0 ;;
    *) fail 77 "Cannot look for $1: ${error##*: }." ;;
  esac
}

# life RUN_DIRECTORY: prints alive, dead, rebooted, none (never began) or gone (no such directory).
# A process is ours if number, start time and boot are those that it wrote down itself: kill -0
# fails for another user's process, and succeeds for whoever has the number now.
life() {
  local pid start boot booted=
  if ! [ -d "$1" ]; then
    is_absent "$1" && echo gone # else not being allowed to look is what is answered
    return
  fi
  read -r pid start boot 2>/dev/null <"$1/pid" || { echo none; return; }
  read -r booted </proc/sys/kernel/random/boot_id
  if [ "$boot" != "$booted" ]; then
    echo rebooted
  elif lives "$pid" "$start"; then
    echo alive
  else
    echo dead
  fi
}

# end_processes MARK RUN_DIRECTORY…: TERM, five seconds later KILL; says so if anything is left.
end_processes() {
  signal_until_gone TERM 100 "$@" || signal_until_gone KILL 60 "$@" ||
    fail 80 "Processes of this run do not end: $(processes "$@" | sort -u | tr '\n' ' ')."
}

# signal_until_gone SIGNAL TIMES MARK RUN_DIRECTORY…: new ones may appear while others end, so each
# look signals. One that is just becoming another program (exec) shows no environment for a moment: where
# there were any, none is there when two looks in a row have found none.
signal_until_gone() {
  local left pids signalled=' ' pid seen=''
  for ((left = $2; left > 0; left--)); do
    pids=$(processes "${@:3}")
    [ -n "$pids$seen" ] || return 0
    seen=$pids
    for pid in $pids; do
      # TERM once: a second one would only disturb the cleaning up.
      [[ $1 = TERM && $signalled = *" $pid "* ]] || signal "$1" "$pid"
      signalled+="$pid "
    done
    sleep 0.05
  done
  return 1
}

# sweep_memory: what was killed has left of its secrets in memory, see `memory` in prelude.sh, and of what it
# counted in /tmp, see preview.sh. The name says whose it is.
sweep_memory() {
  local folder pid start
  for folder in /dev/shm/cloudpilot-"$UID".* /tmp/cloudpilot-"$UID".*; do
    if [ -d "$folder" ] && ! [ -L "$folder" ] && [ -O "$folder" ]; then
      IFS=. read -r _ pid start _ < <(printf '%s\n' "${folder##*/}")
      lives "$pid" "$start" || rm -rf -- "$folder"
    fi
  done
}
