# shellcheck shell=bash
# remove ROOT BACKUP_ID STORED: ends what still works for a backup, removes its directory, proves it
# gone. What is known to have been stored is not gone because the disk that held it is. A launch that
# is still under way must not bring it back: ROOT/.removed/BACKUP_ID says so, for a week.

remove() {
  local place=$1/$2
  bury "$1" "$2"
  end_processes "$2/.*" "$place"/run-*
  sweep_memory
  if is_absent "$1"; then
    [ -z "$3" ] && return
    fail 82 "$1 is not there: is its disk mounted?"
  fi
  if is_absent "$place"; then
    return
  fi
  own_directory "$1"
  delete "$place"
  is_absent "$place" || fail 80 "$place is still there."
  bury "$1" "$2" # the disk may have been full
}

# bury ROOT BACKUP_ID
bury() {
  [ -d "$1" ] && ! [ -L "$1" ] && [ -O "$1" ] || return 0
  mkdir -p -- "$1/.removed" 2>/dev/null && touch -- "$1/.removed/$2" 2>/dev/null
  find "$1/.removed" -mindepth 1 -type f -mtime +7 -delete 2>/dev/null
  return 0
}

# delete DIRECTORY
delete() {
  local error
  wipe "$1" && return
  error=$(rm -rf --one-file-system -- "$1" 2>&1) && return
  error=${error%%$'\n'*}
  case $error in
    *': Permission denied' | *': Operation not permitted') fail 117 "${error#rm: }." ;;
    *': Read-only file system') fail 112 "The disk of $1 is mounted read-only." ;;
    *) fail 80 "${error#rm: }." ;;
  esac
}

remove "$@"
