# shellcheck shell=bash
# Stands before the programs that the panel sends and before what they start alike: which processes
# work for a run, how they are ended, and what an ended run leaves.
# A process that reads with more rights than ours hides its environment, and root's does not hear
# us: such a one is written down in RUN_DIRECTORY/reader, as NUMBER START BOOT LEVEL.

# identity PID: its number, start time and the machine's boot: what nothing else ever has.
identity() {
  local fields
  read -r -a fields < <(sed 's/.*) //' "/proc/$1/stat")
  printf '%s %s %s\n' "$1" "${fields[19]}" "$(cat /proc/sys/kernel/random/boot_id)"
}

# lives PID START: field 22 of its stat is START and it is no zombie. The second field, the name,
# may hold anything, so fields are counted from its closing parenthesis.
lives() {
  local stat='' fields
  IFS= read -r -d '' stat 2>/dev/null <"/proc/$1/stat" # to its end, which it calls a failure
  [ -n "$stat" ] || return 1
  # shellcheck disable=SC2206 # a letter and numbers; a process for it, as `read` needs one, is most of a look
  fields=(${stat##*) })
  [ "${fields[19]}" = "$2" ] && [[ ${fields[0]} != [ZX] ]]
}

# processes MARK RUN_DIRECTORY…: the numbers of all that work for it; MARK is BACKUP_ID/RUN_ID or
# BACKUP_ID/.* Every process has it in its environment: none is missed, whatever its parent.
processes() {
  local run mark=$1
  shift
  marked "$mark"
  for run; do
    readers "$mark" "$run"
  done
}

# marked MARK [COMMAND…]: those that COMMAND, or we, may look into.
marked() {
  "${@:2}" grep -lzxs "CLOUDPILOT_RUN=$1" /proc/[0-9]*/environ | cut -d / -f 3
}

# readers MARK RUN_DIRECTORY
readers() {
  local pid start boot level
  read -r pid start boot level 2>/dev/null <"$2/reader" || return
  [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return
  if lives "$pid" "$start"; then echo "$pid"; fi
  [ "$level" = full ] || return 0
  for pid in $(marked "$1" as_root 2>/dev/null); do
    if is_roots "$pid"; then echo "$pid"; fi # our own we see ourselves
  done
}

is_roots() {
  [ "$(stat -c %u "/proc/$1" 2>/dev/null)" = 0 ]
}

# as_root COMMAND…: it shall not be found among what it looks for.
as_root() {
  env -u CLOUDPILOT_RUN sudo -n "$@"
}

# signal NAME PID: root's process hears it from root.
signal() {
  kill "-$1" "$2" 2>/dev/null && return
  # shellcheck disable=SC2016 # expanded by the other bash
  if ((EUID)) && is_roots "$2"; then
    as_root bash -c 'kill "-$1" "$2"' kill "$1" "$2" 2>/dev/null
  fi
}

# discard RUN_DIRECTORY: what an ended run has left of an archive; its log and words stay.
discard() {
  local name
  wipe "$1/work" "$1/reserve"
  [ -f "$1/made" ] || return 0
  while IFS= read -r name; do
    wipe "${1%/*}/$name"
  done <"$1/made"
}

# wipe PATH…: removes them with all that is in them. A folder that its owner may not enter is opened first;
# the mode of a file is left as it is, since it may have other names in other snapshot trees. What root has
# copied, root removes.
wipe() {
  rm -rf --one-file-system -- "$@" 2>/dev/null && return
  find "$@" -xdev -type d -user "$EUID" ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
  rm -rf --one-file-system -- "$@" 2>/dev/null && return
  [ -n "$(find "$@" -xdev ! -user "$EUID" -print -quit 2>/dev/null)" ] || return
  as_root rm -rf --one-file-system -- "$@" 2>/dev/null
}
