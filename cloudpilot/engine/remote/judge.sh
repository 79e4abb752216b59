# shellcheck shell=bash
# shellcheck disable=SC2154 # paths, entries and directories: see archive.sh and read_counts
# What tar said, judged: a single file that changed or cannot be read is a warning, anything else
# a failure.

# judge_tar STATUS: what tar said of single files is a warning; what it said of all is a failure.
judge_tar() {
  local line
  unreadable=0 judged=0 trouble='' trouble_status=70
  while IFS= read -r line; do
    line=${line#"${READ_ALL%tar}"}
    [[ $line == 'tar: '* ]] && judge_line "${line#tar: }"
  done <work/tar.errors
  while IFS= read -r -d '' line; do
    left_out "$line"
  done <work/left_out
  [ -z "$trouble" ] || fail "$trouble_status" "tar: $trouble."
  (($1 < 2 || ($1 == 2 && judged))) || fail 70 "tar ended with status $1 and gave no reason."
  while IFS= read -r -d '' line; do
    fail 72 "$(shown "$line") disappeared before it was packed."
  done <work/unpacked
  read_counts
  ((entries > directories)) || warn 'There is no file in it, only folders.'
  if ((unreadable && entries == directories)); then
    fail 77 "Nothing could be read by $(id -un) but the names of folders."
  fi
}

# judge_line LINE: NAME: WHAT; names are escaped, so a line is a line.
judge_line() {
  local name=${1%: *} said=${1##*: }
  case $1 in
    'Exiting with failure status due to previous errors' | 'Total bytes written: '*) ;;
    *': file changed as we read it') warn "$name changed while it was read." ;;
    *': File removed before we read it' | *': Cannot '*': No such file or directory')
      ((judged += 1))
      warn "${name%: Cannot *} was removed before it was read." ;;
    *': File shrank by '*'; padding with zeros') warn "${1%: File shrank*} became shorter while it was read." ;;
    *': socket ignored' | *': door ignored') warn "$name is a socket and was left out." ;;
    *': Cannot '*': Permission denied' | *': Cannot '*': Operation not permitted')
      ((unreadable += 1, judged += 1))
      warn "${name%: Cannot *} could not be read: permission denied." ;;
    *': Input/output error') trouble=$1 trouble_status=74 ;;
    *': No space left on device' | *': Disk quota exceeded') trouble=$1 trouble_status=71 ;;
    *': Warning: '* | 'Warning: '*) warn "$1." ;;
    *': '*) trouble=$1 ;;
    *) warn "tar: $said." ;;
  esac
}

# left_out MOUNT_POINT: a file system of its own is taken only when it is named.
left_out() {
  local path
  for path in "${paths[@]}"; do
    [ "$path" = "$1" ] && return
  done
  case $1 in
    /proc | /sys | /dev | /run | /proc/* | /sys/* | /dev/* | /run/*) ;;
    *) warn "$(shown "$1") is a file system of its own and was left out: add it to the paths." ;;
  esac
}

# read_counts: entries, files, directories, symlinks, hardlinks, others, members, tar_size,
# packed_size, as pack.pl has counted them.
read_counts() {
  local key value
  while IFS='=' read -r key value; do
    [[ $key =~ ^[a-z_]+$ && $value =~ ^[0-9]+$ ]] && printf -v "$key" %s "$value"
  done <work/counts
}
