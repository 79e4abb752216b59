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
  local pid start boot
  if ! [ -d "$1" ]; then
    is_absent "$1" && echo gone # else not being allowed to look is what is answered
    return
  fi
  read -r pid start boot 2>/dev/null <"$1/pid" || { echo none; return; }
  if [ "$boot" != "$(cat /proc/sys/kernel/random/boot_id)" ]; then
    echo rebooted
  elif lives "$pid" "$start"; then
    echo alive
  else
    echo dead
  fi
}

# lives PID START: field 22 of its stat is START and it is no zombie. The second field, the name,
# may hold anything, so fields are counted from its closing parenthesis.
lives() {
  local fields
  fields=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -r -a fields <<<"${fields##*) }"
  [ "${fields[19]}" = "$2" ] && [[ ${fields[0]} != [ZX] ]]
}

# processes MARK: the numbers of all that work for it; MARK is BACKUP_ID/RUN_ID or BACKUP_ID/.*
# Every process of a run has the mark in its environment: none is missed, whatever its parent.
processes() {
  grep -lzxs "CLOUDPILOT_RUN=$1" /proc/[0-9]*/environ | cut -d / -f 3
}

# end_processes MARK: TERM, five seconds later KILL; says so if anything is left.
end_processes() {
  signal_until_gone TERM 100 "$1" || signal_until_gone KILL 60 "$1" ||
    fail 80 "Processes of this run do not end: $(processes "$1" | tr '\n' ' ')."
}

# signal_until_gone SIGNAL TIMES MARK: new ones may appear while others end, so each look signals.
signal_until_gone() {
  local left pids signalled=' ' pid
  for ((left = $2; left > 0; left--)); do
    pids=$(processes "$3")
    [ -n "$pids" ] || return 0
    for pid in $pids; do
      # TERM once: a second one would only disturb the cleaning up.
      [[ $1 = TERM && $signalled = *" $pid "* ]] || kill "-$1" "$pid" 2>/dev/null
      signalled+="$pid "
    done
    sleep 0.05
  done
  return 1
}

# discard RUN_DIRECTORY: what an ended run has left of an archive; its log and words stay.
discard() {
  local name
  rm -rf -- "$1/work" "$1/reserve"
  [ -f "$1/made" ] || return 0
  while IFS= read -r name; do
    rm -f -- "${1%/*}/$name"
  done <"$1/made"
}
