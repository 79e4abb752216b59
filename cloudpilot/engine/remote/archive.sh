# shellcheck shell=bash
# shellcheck disable=SC2154 # what to back up stands before this, written by engine/script.py:
#   paths=(…) user_excludes=(--exclude=…) engines=(…) archive=NAME backup_root=… compression=gzip|zstd
#   expected_ratio=PERCENT packs_as_before=yes privilege=plain|read-all|full
#   streamed=yes: see stream.sh
#   databases: see databases.sh; without paths there are dumps only, without engines files only
# A backup that is an archive. After prelude.sh, publish.sh, measure.sh, judge.sh, packing.sh, databases.sh,
# mysql.sh and postgresql.sh.

## archive: dumps and tar, packed and hashed while they pass

write_archive() {
  if ((${#engines[@]})); then stage dump; else stage archive; fi
  progress 0 "$((tar_bytes + dump_bytes))"
  say "Packing with ${compressor[0]}, hashing with ${hash_command[0]}."
  : >work/left_out
  printf '%s\0' "${paths[@]}" >work/paths
  [ -z "${chain_key:-}" ] || fresh_state
  in_background pipeline
  local status=$?
  cat work/{dumping,tar,pack}.errors 2>/dev/null | head -c 1000000
  ((${#paths[@]} == 0)) || need_privilege # had to the end, or less was read
  explain "$status"
  judge "$status"
  read -r sha256 _ <work/hash
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 70 "${hash_command[0]} gave no SHA-256."
}

# judge STATUS: what tar has said, if there were files.
judge() {
  if ((${#paths[@]})); then
    judge_tar "$1"
  else
    (($1 == 0)) || fail 70 "The dumps ended with status $1 and gave no reason."
    # shellcheck disable=SC2034 # named by `result`
    unreadable=0
    read_counts
  fi
}

# produce: the whole tar, the dumps first.
produce() {
  if ((${#engines[@]})); then
    dump_all 2>work/dumping.errors || exit
  fi
  if ((${#paths[@]})); then
    run_tar - 2>work/tar.errors
  else
    head -c 1024 /dev/zero # the end of a tar
  fi
}

## finish: from here on it has its name, and is on the disk

finish() {
  stage finish
  say "$entries entries in $(human "$packed_size"); writing it to the disk for good."
  # From now on `discard` removes these, should the run not succeed.
  printf '%s\n' "$archive" "$archive.index.gz" manifest.json >made || fail_to_write
  "${gzip_command[@]}" <work/index >work/index.gz || fail_to_write
  [ -z "${chain_key:-}" ] || keep_state
  result >work/result || fail_to_write
  manifest >work/manifest || fail_to_write
  if [ -n "$streamed" ]; then
    in_background sync work/index.gz work/manifest || fail_to_sync
  else
    in_background sync work/archive work/index.gz work/manifest || fail_to_sync
    publish archive "$archive"
  fi
  publish index.gz "$archive.index.gz"
  publish manifest manifest.json
  [ ! -e work/census ] || mv -T work/census census || fail_to_write
  in_background sync "$backup" || fail_to_sync
  mv -T work/result result || fail_to_write
  in_background sync result . || fail_to_sync
  [ -z "$streamed" ] || hand_over
  say "Complete: $archive."
}

begin
measure
write_archive
finish
