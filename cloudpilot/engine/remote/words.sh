# shellcheck shell=bash
# Small questions and words that all programs on a server share.

# has COMMAND
has() {
  command -v "$1" >/dev/null
}

# shown NAME: fit for a sentence, as it is unless it holds what ends lines or moves a cursor.
shown() {
  case $1 in
    *[[:cntrl:]]*) printf %q "$1" ;;
    *) printf %s "$1" ;;
  esac
}

# reads_all TAR: whether it gives out what is in the file beside it, which only root may read: see
# setup.sh. Into a pipe: what goes to /dev/null is not even opened.
reads_all() {
  local proof
  proof=$("$1" --create --file=- --absolute-names -- "${1%/*}/proof" 2>/dev/null |
    tar --extract --to-stdout --absolute-names --file=- 2>/dev/null | tr -d '\0')
  [ "$proof" = 'Only root may read this, and a tar that reads everything.' ]
}

# no_room FOLDER: whether not even a few small files fit there.
no_room() {
  local blocks size inodes all whole
  read -r blocks size inodes all whole < <(stat -f -c '%a %S %d %c %b' -- "$1" 2>/dev/null)
  (((${whole:-0} && blocks * size < 65536) || (${all:-0} && ! ${inodes:-1}))) || over_quota "$1"
}

# over_quota FOLDER, one of ours: that a share of the disk is used up shows only when something is written.
over_quota() {
  local trial=$1/.room.$BASHPID said
  [ -d "$1" ] && [ -O "$1" ] || return
  said=$({ head -c 65536 /dev/zero >"$trial"; } 2>&1)
  rm -f -- "$trial"
  [[ $said == *'Disk quota exceeded'* ]]
}

# is_read_only FOLDER: whether its file system takes nothing, whoever asks. One that was given up after an
# error does not say so unless it is tried.
is_read_only() {
  local trial=$1/.room.$BASHPID said
  said=$(touch -- "$trial" 2>&1)
  rm -f -- "$trial"
  [[ $said == *': Read-only file system' ]]
} 2>/dev/null

# full FOLDER [WHEN [SAID]]: the sentence of what has no room. Whether it is a quota a tool has SAID, or a file
# tells that is written where we are, which is on the same disk.
full() {
  if [[ ${3:-} == *'Disk quota exceeded'* ]] || { [ -z "${3:-}" ] && over_quota .; }; then
    printf 'What %s may use of the disk of %s %s.' "$(id -un)" "$(shown "$1")" "${2:+was used up }${2:-is used up}"
  else
    printf 'The disk of %s %s.' "$(shown "$1")" "${2:+became full }${2:-is full}"
  fi
}
