# shellcheck shell=bash
# shellcheck disable=SC2154 # what measure.sh and judge.sh set, and who calls: see archive.sh and tree_pack.sh
# A tar that is packed and hashed while it passes, and what is said of the archive then. `produce` writes it.

# pipeline: its status is tar's own (0, 1, 2) if the others did well, else one that says who not.
pipeline() {
  local jobs_at_once
  jobs_at_once=$(nproc 2>/dev/null || echo 2)
  produce |
    "${gently[@]}" perl pack.pl "$tar_bytes" "$dump_bytes" "$((jobs_at_once > 4 ? 4 : jobs_at_once))" \
      "${stream_to:-}" "${stream_tiers:-}" "${compressor[@]}" 2>work/pack.errors |
    "${hash_command[@]}" >work/hash
  local made=${PIPESTATUS[0]} pack=${PIPESTATUS[1]} hash=${PIPESTATUS[2]}
  # A dump that has met a full disk may not even have been able to write its sentence down.
  ((pack == 71 || made == 71)) && return 71
  ((pack == 72)) && return 106
  ((pack == 93)) && return 93
  # 141 is SIGPIPE: not the cause but what follows from another one's end.
  ((made > 128 && made != 141)) && return 101
  ((pack > 128 && pack != 141 || pack == 76)) && return 102
  ((hash > 128)) && return 103
  ((hash)) && return 105
  ((pack)) && return 104
  return "$made"
}

# explain STATUS: fails unless it is tar's own.
explain() {
  local status why
  if (($1 != 71 && $1 != 93 && $1 != 106)) && read -r status why 2>/dev/null <work/sentence; then
    fail "$status" "$why"
  fi
  case $1 in
    71) fail 71 "$(full "$backup_root" 'while the archive was written')" ;;
    106) fail 71 "$(full "$backup_root" 'while the archive was written' 'Disk quota exceeded')" ;;
    93) fail 93 "$(tail -n 1 work/pack.errors)" ;;
    101) fail 76 'tar was killed on the server.' ;;
    102) fail 76 'The packing was killed on the server: out of memory, perhaps?' ;;
    103) fail 76 "${hash_command[0]} was killed on the server." ;;
    104) fail 70 "Packing failed: $(tail -n 1 work/pack.errors)" ;;
    105) fail 70 "${hash_command[0]} failed." ;;
    *) (($1 <= 128)) || fail 76 'What packs was killed on the server: out of memory, perhaps?' ;;
  esac
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
    tar_bytes "$tar_size" measured "$to_pack" compressor "${compressor[*]}" hash_tool "${hash_command[0]}" \
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
  described
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
