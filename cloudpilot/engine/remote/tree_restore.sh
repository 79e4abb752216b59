# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is restored stands before this, see restore.sh; what unpack.sh sets
#   tree=PATH tree_paths=(PATH…) that it is of, tree_sha256=HEX of its index; in place of archives
# The files of a snapshot tree that lies on this server, by rsync, in place of archives.sh and untar.sh. After
# unpack.sh, rsync.sh and tree_lists.sh.

# choose_unpacking: as the tree was made.
choose_unpacking() {
  need_rsync
  rsync_options=(--archive --hard-links --sparse --relative --numeric-ids)
  keep_more
}

fetch_all() { :; }

# verify_all: it has the names, kinds and bytes that were there when it was made. What is in its files has no
# hash of its own.
verify_all() {
  local paths=("${tree_paths[@]}") by_right=("${rootly[@]}")
  stage verify
  need_tree "$tree"
  list_tree "$tree"
  same_names work/tree.index work/index ||
    fail 94 "$(shown "$tree") is not what was made: what is in it was changed on the server."
  say "Verified: $(shown "$tree")."
}

# members_weigh: bytes and names of `members` without `leave`.
members_weigh() {
  local path without=()
  for path in "${leave[@]}"; do
    without+=(-path "$(printf '%s' "./$path" | sed 's/[][*?\\]/\\&/g')" -prune -o)
  done
  # shellcheck disable=SC2016 # expanded by the other bash
  as_rights bash -c 'cd -- "$1" && find "${@:2}" -printf "%y %s\n"' find "$tree" "${members[@]/#/./}" "${without[@]}" \
    2>/dev/null |
    awk '{ names++ } $1 == "f" { bytes += $2 } END { printf "%.0f %d\n", bytes, names }'
}

# unpack_here: into `staged`.
unpack_here() {
  local filters=() path
  for path in "${leave[@]}"; do filters+=("--filter=- $(as_rule "/$path")"); done
  in_background copying
  judge_copying "$?"
}

copying() {
  # shellcheck disable=SC2016 # expanded by the other bash
  as_rights bash -c 'cd -- "$1" && exec "${@:2}"' copy "$tree" \
    rsync "${rsync_options[@]}" "${filters[@]}" --info=progress2 --no-human-readable \
    -- "${members[@]/#/./}" "$staged/" 2>work/rsync.errors | perl progress.pl unpack "$needed" >work/said
  return "${PIPESTATUS[0]}"
}

# judge_copying STATUS
judge_copying() {
  # shellcheck disable=SC2016 # expanded by the other bash
  local said
  said=$(grep -v -e '^rsync error: ' work/rsync.errors)
  [[ $said != *'No space left on device'* && $said != *'Disk quota exceeded'* ]] ||
    fail 71 "$(full "${staged%/*}" 'while it was unpacked' "$said")"
  case $1 in 9 | 12 | 19 | 20) fail 76 'rsync was killed on the server.' ;; esac
  (($1 <= 128)) || fail 76 'rsync was killed on the server.'
  # Not those that are missing: which of the paths that is, is said later.
  said=$(grep -v -e '^$' -e '^rsync: .*link_stat .* failed: No such file or directory (2)$' < <(printf '%s\n' "$said"))
  (($1 == 0)) || [ -z "$said" ] || fail 70 "rsync could not copy all: ${said%%$'\n'*}"
  ! grep -qa '^skipping non-regular file' work/said ||
    warn "Devices of the backup were left out: $(id -un) may not make them."
}
