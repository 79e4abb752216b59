# shellcheck shell=bash
# shellcheck disable=SC2154 # rootly: who may look everywhere, see rootly.sh; nobody needs it elsewhere
# Whether there is room for what is about to be written, told with numbers before a byte of it is. After
# words.sh; `fail` and `human` are the caller's. docs/disks.md

SPARE=$((64 * 1024 * 1024)) # bytes that stay free on a disk
SPARE_FILES=100             # so many files can still be made there

# measure_room FOLDER: sets room_bytes and room_files to what we may still write there; empty where nobody can say,
# as for the inodes of a file system that makes them as it goes, or one that calls itself 0 blocks large.
measure_room() {
  local blocks size files all whole
  room_bytes='' room_files=''
  read -r blocks size files all whole < <("${rootly[@]}" stat -f -c '%a %S %d %c %b' -- "$1" 2>/dev/null)
  [ -n "$whole" ] || return 0
  ((whole == 0)) || room_bytes=$((blocks * size))
  ((all == 0)) || room_files=$files
}

# need_room BYTES FILES FOLDER BASIS: fails unless so much fits in FOLDER; BASIS says where the figure is from.
need_room() {
  measure_room "$3"
  [ -z "$room_bytes" ] || ((room_bytes >= $1 + SPARE)) ||
    fail 71 "It needs about $(human "$(($1 + SPARE))") in $(shown "$3") ($4; $(human "$SPARE") stay free); \
$(human "$room_bytes") is free."
  [ -z "$room_files" ] || ((room_files >= $2 + SPARE_FILES)) ||
    fail 71 "It needs about $(($2 + SPARE_FILES)) inodes in $(shown "$3"), one for each file; $room_files are free."
}
