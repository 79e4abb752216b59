# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what upload.sh sets and reads
# The file that is sent: how much of it is there, and reading it once, in order, into all hashes. It
# may still be growing: then another run makes it, `make` is that one's directory.

# open_item: descriptor 5 is the file, if it is there; it stays so when the file gets its name.
open_item() {
  local path
  [ -z "$open" ] || return 0
  # It may get its name between the first look and the second.
  for path in "$backup/$file" ${make:+"$make/work/archive"} "$backup/$file"; do
    if [ -f "$path" ] && { exec 5<"$path"; } 2>/dev/null; then
      open=yes
      return
    fi
  done
  if [ -z "$make" ] || [ -n "$whole" ]; then fail 74 "$file is not there."; fi
}

# follow: sets `there`, the bytes that are there; `whole` if there will be no more.
follow() {
  [ -z "$whole" ] || [ -n "$streamed" ] || return 0
  if [ -n "$make" ]; then ask_maker; else whole=yes; fi
  open_item
  [ -n "$open" ] || return 0
  there=$(stat -L -c %s /dev/fd/5)
  [ -z "$whole" ] || [ -z "$size" ] || ((there == size)) ||
    fail 94 "$file has $there bytes and was made with $size."
}

# range_of OFFSET SIZE: these bytes. A descriptor's position is shared by all who have it, so each
# reader opens the file for itself.
range_of() {
  exec "${gently[@]}" dd if=/dev/fd/5 bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none
}

# begin_hashes: one process for each hash of all of it, fed through descriptors 6 and 8.
begin_hashes() {
  running_hashes=(/dev/fd/6)
  rm -f work/sha256 work/md5
  mkfifo work/sha256 work/md5
  "${sha256_command[@]}" <work/sha256 >work/sha256.is &
  sha256_job=$!
  [ -z "$whole_md5" ] || "${md5_command[@]}" <work/md5 >work/md5.is &
  md5_job=$!
  exec 6>work/sha256
  [ -z "$whole_md5" ] || { exec 8>work/md5 && running_hashes+=(/dev/fd/8); }
}

# end_hashes: sets sha256_of_all and md5_of_all.
end_hashes() {
  exec 6>&- 8>&-
  wait "$sha256_job" || fail 70 "${sha256_command[0]} failed."
  read -r sha256_of_all _ <work/sha256.is
  md5_of_all=
  [ -n "$whole_md5" ] || return 0
  wait "$md5_job" || fail 70 "${md5_command[0]} failed."
  read -r md5_of_all _ <work/md5.is
}

# read_part OFFSET SIZE: hashes these bytes; sets md5_of_part.
read_part() {
  in_background hash_part "$1" "$2" || fail 74 "$file cannot be read."
  read -r md5_of_part _ <work/part
  [[ $md5_of_part =~ ^[0-9a-f]{32}$ ]] || fail 70 "${md5_command[0]} gave no MD5."
}

hash_part() {
  local status
  range_of "$1" "$2" | tee "${running_hashes[@]}" | "${md5_command[@]}" >work/part
  for status in "${PIPESTATUS[@]}"; do ((status == 0)) || return 1; done
}
