# shellcheck shell=bash
# folders ROOT…: what lies in backup directories, of which the first is 0; changes nothing. Each line
# of the answer is
#   now SECONDS                    the server's clock
#   backup NUMBER SECONDS ID       a folder in it that has an id for a name, and when it was changed
#   schedule NUMBER SECONDS ID     the same below ROOT/state; see chain.sh
#   other NUMBER COUNT             what else there is, but for our own .removed and state
#   unseen NUMBER                  we may not look there, or had no time for all of it
#   cut                            there are more than AT_MOST
# No name is told that is no id: nobody can put words into a page, or into a command.

AT_LONGEST=5 # seconds
AT_MOST=10000
ID='.*/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'

folders() {
  echo # whatever the login shell has printed before ends here
  printf 'now %(%s)T\n' -1
  all "$@" | awk -v most="$AT_MOST" '
    /^(backup|schedule) / && ++count > most { next }
    { print }
    END {
      if (count > most) print "cut"
      print "end"
    }
  '
}

# all ROOT…
all() {
  local root at=0
  seen=()
  for root; do
    is_seen "$root" || each "$at" "$root"
    seen+=("$root")
    ((at += 1))
  done
}

# is_seen ROOT: one directory may have two names.
is_seen() {
  local other
  for other in "${seen[@]}"; do
    [ "$1" -ef "$other" ] && return
  done
  return 1
}

# each NUMBER ROOT
each() {
  if (is_absent "$2") 2>/dev/null; then return; fi
  if ! is_ours "$2"; then
    echo "unseen $1"
    return
  fi
  told "backup $1" "$2"
  others "$1" "$2" ! -name .removed ! -name state
  is_ours "$2/state" || return 0
  told "schedule $1" "$2/state"
  others "$1" "$2/state"
}

# is_ours FOLDER: else whoever it belongs to chooses what lies there.
is_ours() {
  [ -d "$1" ] && ! [ -L "$1" ] && [ -O "$1" ] && [ -r "$1" ] && [ -x "$1" ]
}

# told WORDS FOLDER: who is ended before its time leaves half a line.
told() {
  entries "$2" -type d -regextype posix-extended -regex "$ID" -printf "$1 %T@ %f\n" || printf '\nunseen %s\n' "${1#* }"
}

# others NUMBER FOLDER TEST…
others() {
  local count
  count=$(entries "${@:2}" -regextype posix-extended ! \( -type d -regex "$ID" \) -printf x | wc -c)
  echo "other $1 $count"
}

# entries FOLDER TEST…
entries() {
  local left=$((AT_LONGEST - SECONDS))
  ((left > 0)) || return 124
  timeout -k 1 "$left" find "$1" -mindepth 1 -maxdepth 1 "${@:2}" 2>/dev/null
}

folders "$@"
