# shellcheck shell=bash
# launch ROOT BACKUP_ID RUN_ID NONCE, with payload: starts the script among the files, once.
# The files are written under a name of their own and proven; the rename onto the run's name is
# the claim. A claim that nobody works on, after a cut connection, is taken up by the next launch.

launch() {
  local root=$1 place=$1/$2 run=$1/$2/run-$3 new=$1/$2/.new.$4
  sweep_memory
  make_root "$root"
  not_removed "$1" "$2"
  mkdir -p -- "$place" 2>/dev/null || [ -e "$place" ] || failed_write "$place"
  own_directory "$place"
  [ -e "$run" ] || claim "$new" "$run"
  not_removed "$1" "$2" # meanwhile
  [ -e "$run/pid" ] || [ -e "$run/exit" ] || [ -e "$run/stop" ] || start "$run" "$2/$3"
}

# not_removed ROOT BACKUP_ID: what was deleted while this was on its way does not begin, see remove.sh.
not_removed() {
  [ -e "$1/.removed/$2" ] || return 0
  rm -rf -- "${1:?}/$2"
  fail 75 'This backup has been deleted.'
}

# make_root ROOT: ours and written by nobody else, or refused; 0700 if it is new.
make_root() {
  local above=${1%/*} said
  if ! [ -e "$1" ] && ! [ -L "$1" ]; then
    said=$(umask 022 && mkdir -p -- "${above:-/}" 2>&1) || {
      [[ $said != *': Read-only file system' ]] || fail 112 "The disk of $1 is mounted read-only."
      fail 117 "$above cannot be created by $(id -un)."
    }
    if ! [ -w "${above:-/}" ]; then # not even for root, if the disk is read-only
      ! is_read_only "${above:-/}" || fail 112 "The disk of $1 is mounted read-only."
      fail 117 "$1 cannot be created: $(id -un) may not write to ${above:-/}."
    fi
    mkdir -- "$1" 2>/dev/null # or another launch has, at this very moment
  fi
  own_directory "$1"
  ! is_read_only "$1" || fail 112 "The disk of $1 is mounted read-only."
  ! [ -k "$1" ] || fail 79 "$1 is shared by everybody: choose a folder of its own."
  # Who may rename the directory may put another one in its place.
  [ -z "$(find -H "${above:-/}" -maxdepth 0 -perm -0002 ! -perm -1000)" ] ||
    fail 79 "Anybody may rename $1: $above is writable for all and has no sticky bit."
  chmod go-w -- "$1" || fail 79 "The mode of $1 cannot be set."
}

# claim NEW RUN
claim() {
  mkdir -- "$1" || failed_write "$1"
  (cd -- "$1" && payload) || failed_write "$1"
  mv -T -- "$1" "$2" 2>/dev/null || rm -rf -- "$1" # somebody else was first
  [ -d "$2" ] || fail 70 "$2 could not be created."
}

# put NAME SIZE SHA256 BASE64: called by payload.
put() {
  printf %s "$4" | base64 -d >"$1" || return
  [ "$(stat -c %s -- "$1")" = "$2" ] && [ "$(sha256sum <"$1")" = "$3  -" ]
}

# failed_write PATH: what there is of it goes, once we know why.
failed_write() {
  local why=''
  cd -- "${1%/*}" || fail 70 "${1%/*} cannot be entered."
  ! no_room . || why=$(full "${1%/*}")
  rm -rf -- "$1"
  [ -z "$why" ] || fail 71 "$why"
  fail 70 "$1 could not be written whole."
}

# start RUN MARK: the script sees to it that of several only one goes on. Who looks next sees
# whether it has begun; a machine under load may take longer than we wait.
start() {
  local left
  command -v setsid >/dev/null || fail 78 'setsid is not installed.'
  cd -- "$1" || fail 70 "$1 cannot be entered."
  secrets 2>/dev/null | CLOUDPILOT_RUN=$2 setsid bash ./script 9<&0 </dev/null >>log 2>&1 &
  for ((left = 100; left > 0; left--)); do
    [ -e pid ] || [ -e exit ] && return
    sleep 0.02
  done
  if no_room .; then fail 71 "$(full "$1")"; fi
}

launch "$@"
