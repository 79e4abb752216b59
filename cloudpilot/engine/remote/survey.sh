# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what it is asked stands before this, written by engine/survey.py:
#   paths=(PATH…) into=FOLDER backup_root=PATH privilege=plain|read-all|full zstd=yes curl=yes rsync=yes
# What a restore would find: where each path is to be, what is there now, how much room there is. After
# words.sh, common.sh and rights.sh. It changes nothing. Each line begins with a word; no name of a file is
# in it but what was asked for.

WALK_SECONDS=5 # for all that is in one path

survey() {
  local number
  rootly=()
  if ((EUID)) && [ "$privilege" = full ]; then
    need_privilege
    rootly=(sudo -n env -i LC_ALL=C "PATH=$PATH")
  fi
  echo # whatever the login shell has printed before ends here
  tools
  room root "$(nearest "$backup_root")"
  for number in "${!paths[@]}"; do
    look_at "$number" "$into${paths[number]}"
  done
  echo end
}

# tools: which of those that are needed are missing.
tools() {
  local tool wanted=(tar perl gzip find sort comm mountpoint)
  [ -z "$zstd" ] || wanted+=(zstd)
  [ -z "$curl" ] || wanted+=(curl)
  [ -z "$rsync" ] || wanted+=(rsync)
  for tool in "${wanted[@]}"; do
    has "$tool" || echo "missing $tool"
  done
}

# room WORD PATH: which file system it is, the bytes that are free there, and free inodes, if they have a limit;
# - for bytes that nobody can say, see measure_room in room.sh.
room() {
  local free block inodes all whole system bytes='-'
  read -r free block inodes all whole < <("${rootly[@]}" stat -f -c '%a %S %d %c %b' -- "$2" 2>/dev/null)
  system=$("${rootly[@]}" stat -c %d -- "$2" 2>/dev/null | cksum)
  ((${whole:-0} == 0)) || bytes=$((free * block))
  ((${all:-0})) || inodes=''
  echo "room $1 ${system%% *} $bytes $inodes"
}

# nearest PATH: itself, or what is there of what is above it.
nearest() {
  local path=$1
  while [ -n "$path" ] && ! "${rootly[@]}" test -e "$path"; do path=${path%/*}; done
  printf '%s' "${path:-/}"
}

# look_at NUMBER PATH
look_at() {
  local kind=other home mounted='no'
  home=$(nearest "${2%/*}")
  if "${rootly[@]}" test -L "$2"; then kind='link'
  elif "${rootly[@]}" test -d "$2"; then kind='folder'
  elif "${rootly[@]}" test -f "$2"; then kind='file'
  elif ! "${rootly[@]}" test -e "$2"; then kind='absent'
  fi
  if [ "$kind" = folder ] && is_or_holds_mount "$2"; then mounted=yes; fi
  ! "${rootly[@]}" mountpoint -q -- "$2" || home=$2
  echo "path $1 $kind $mounted $(writable "$home")"
  room "$1" "$home"
  case $kind in folder | file) size_of "$1" "$2" ;; esac
}

writable() {
  if "${rootly[@]}" test -d "$1" && "${rootly[@]}" test -w "$1"; then echo yes; else echo no; fi
}

is_or_holds_mount() {
  local real
  real=$("${rootly[@]}" realpath -- "$1")
  perl -e '
    my $top = shift;
    while (<>) {
      my $point = (split " ")[4];
      $point =~ s/\\([0-7]{3})/chr oct $1/ge;
      exit 0 if $point eq $top || index($point, "$top/") == 0;
    }
    exit 1;
  ' "$real" /proc/self/mountinfo
}

# size_of NUMBER PATH: entries and bytes; at least, if time is too short.
size_of() {
  timeout -k 1 "$WALK_SECONDS" "${rootly[@]}" find "$2" -xdev -printf '%y %s\n' 2>/dev/null |
    awk -v number="$1" '{ entries++; if ($1 == "f") bytes += $2 } END { printf "holds %s %d %.0f\n", number, entries, bytes }'
  ((PIPESTATUS[0] != 124 && PIPESTATUS[0] != 137)) || echo "more $1"
}

survey
