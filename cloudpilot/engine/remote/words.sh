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

# no_room PATH: whether not even a few small files fit on its disk.
no_room() {
  local blocks size inodes all
  read -r blocks size inodes all < <(stat -f -c '%a %S %d %c' -- "$1" 2>/dev/null)
  ((${blocks:-1} * ${size:-65536} < 65536 || (${all:-0} && ! ${inodes:-1})))
}
