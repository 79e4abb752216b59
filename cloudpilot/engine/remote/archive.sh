# shellcheck shell=bash
# shellcheck disable=SC2154 # what to back up stands before this, written by engine/script.py:
#   paths=(…) user_excludes=(--exclude=…) engines=(…) archive=NAME backup_root=… compression=gzip|zstd
#   expected_ratio=PERCENT privilege=plain|read-all|full
#   streamed=yes: see stream.sh
#   databases: see databases.sh; without paths there are dumps only, without engines files only
# A backup. After prelude.sh, measure.sh, judge.sh, databases.sh, mysql.sh and postgresql.sh.

## archive: dumps and tar, packed and hashed while they pass

write_archive() {
  if ((${#engines[@]})); then stage dump; else stage archive; fi
  progress 0 "$((tar_bytes + dump_bytes))"
  say "Packing with ${compressor[0]}, hashing with ${hash_command[0]}."
  : >work/left_out
  printf '%s\0' "${paths[@]}" >work/paths
  [ -z "${chain_key:-}" ] || fresh_state
  jobs_at_once=$(nproc 2>/dev/null || echo 2)
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

# pipeline: its status is tar's own (0, 1, 2) if the others did well, else one that says who not.
pipeline() {
  produce |
    "${gently[@]}" perl pack.pl "$tar_bytes" "$dump_bytes" "$((jobs_at_once > 4 ? 4 : jobs_at_once))" \
      "${stream_to:-}" "${stream_tiers:-}" "${compressor[@]}" 2>work/pack.errors |
    "${hash_command[@]}" >work/hash
  local made=${PIPESTATUS[0]} pack=${PIPESTATUS[1]} hash=${PIPESTATUS[2]}
  # A dump that has met a full disk may not even have been able to write its sentence down.
  ((pack == 71 || made == 71)) && return 71
  ((pack == 93)) && return 93
  # 141 is SIGPIPE: not the cause but what follows from another one's end.
  ((made > 128 && made != 141)) && return 101
  ((pack > 128 && pack != 141 || pack == 76)) && return 102
  ((hash > 128)) && return 103
  ((hash)) && return 105
  ((pack)) && return 104
  return "$made"
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

# explain STATUS: fails unless it is tar's own.
explain() {
  local status why
  if (($1 != 71 && $1 != 93)) && read -r status why 2>/dev/null <work/sentence; then
    fail "$status" "$why"
  fi
  case $1 in
    71) fail 71 "The disk of $(shown "$backup_root") became full while the archive was written." ;;
    93) fail 93 "$(tail -n 1 work/pack.errors)" ;;
    101) fail 76 'tar was killed on the server.' ;;
    102) fail 76 'The packing was killed on the server: out of memory, perhaps?' ;;
    103) fail 76 "${hash_command[0]} was killed on the server." ;;
    104) fail 70 "Packing failed: $(tail -n 1 work/pack.errors)" ;;
    105) fail 70 "${hash_command[0]} failed." ;;
    *) (($1 <= 128)) || fail 76 'What packs was killed on the server: out of memory, perhaps?' ;;
  esac
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

# fail_to_sync: the disk says this once; what it holds now is not what was written.
fail_to_sync() {
  fail 74 "The disk of $(shown "$backup_root") reports an error: the archive may not be on it."
}

# publish FILE NAME
publish() {
  mv -T "work/$1" "$backup/$2" || fail 70 "$2 cannot be given its name."
}

fail_to_write() {
  local free
  free=$(stat -f -c %a -- "$backup")
  ((free > 64)) || fail 71 "The disk of $(shown "$backup_root") is full."
  fail 70 "The archive's description cannot be written."
}

# result: what the panel reads; the last line is the word that it is whole.
result() {
  local key
  size=$(stat -c %s work/archive)
  touch warnings
  # shellcheck disable=SC2034 # named by the loop below
  warnings=$(wc -l <warnings)
  [ "$size" = "$packed_size" ] || return
  printf '%s=%s\n' archive "$archive" index "$archive.index.gz" sha256 "$sha256" \
    tar_bytes "$tar_size" compressor "${compressor[*]}" hash_tool "${hash_command[0]}" \
    tar "${tar_version//[^A-Za-z0-9 .()+-]/}" seconds "$SECONDS"
  # shellcheck disable=SC2034
  databases=${#dumps[@]}
  for key in size entries files directories symlinks hardlinks others members warnings unreadable \
    databases; do
    printf '%s=%s\n' "$key" "${!key}"
  done
  [ -z "${chain_key:-}" ] ||
    printf '%s=%s\n' level "$level" base "$base" state_sha256 "$state_sha256" full_because "$full_because"
  echo complete=1
}

# manifest: the plan and the result as one JSON document, beside the archive.
manifest() {
  local key value text=''
  while IFS='=' read -r key value; do
    case $key in
      complete) value=true ;;
      *) [[ $value =~ ^(0|[1-9][0-9]*)$ ]] || value="\"$value\"" ;;
    esac
    text+="${text:+,}"$'\n'"  \"$key\": $value"
  done <work/result
  printf '{"format": 1,\n"plan": %s,\n"result": {%s\n},\n' "$(cat manifest.json)" "$text"
  [ ! -s work/all.json ] || printf '"databases": [\n%s\n],\n' "$(<work/all.json)"
  # From a vault: ADDRESS is a signed link to the archive, as the panel or the provider gives one.
  printf '"fetch": "curl --fail --output %s ADDRESS && echo %s  %s | sha256sum --check",\n' \
    "$archive" "$sha256" "$archive"
  ((${#paths[@]})) || { printf '"restore": "tar -xOf %s RESTORE.txt"}\n' "$archive"; return; }
  if ((${level:-0})); then # not without what it continues, and in the same folder: docs/increments.md
    printf '"after": "%s",\n"restore": "cd /TARGET && tar --extract --incremental --file=%s' "$base" "$archive"
  else
    printf '"restore": "tar --extract --file=%s --directory=/TARGET --strip-components=1' "$archive"
  fi
  printf " --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*' files\"}\n"
}

begin
measure
write_archive
finish
