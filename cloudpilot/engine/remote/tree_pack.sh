# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what engine/uploading.py writes, and what upload.sh and measure.sh set
#   tree=NAME paths=(…) privilege=plain|full compression=gzip|zstd tree_size=BYTES backup_root=…
# The archive of a snapshot tree, for an upload that sends and frees it while it is made: inside the function
# `packing` of an upload, which calls it in a process of its own, below work/packing. After publish.sh,
# rights.sh, measure.sh, judge.sh, stream.sh, packing.sh and
# tree_lists.sh. What is here takes the place of the upload's.

archive=$file_archive
streamed=yes
tar_bytes=$((tree_size + 10 * 1048576)) # roughly: room and progress alone depend on it
to_pack=$tar_bytes expected=$tar_bytes

# fail STATUS SENTENCE: the upload says it.
fail() {
  printf '%s %s\n' "$1" "$2" >"$run/work/packing.failed"
  exit "$1"
}

note_reader() {
  local me=$BASHPID
  [ "$privilege" = plain ] && return
  echo "$(identity "$me") $privilege" >"$run/reader.new" && mv -f "$run/reader.new" "$run/reader"
}

produce() {
  local path names=()
  for path in "${paths[@]}"; do names+=("files${path%/}"); done
  note_reader || exit 71
  exec "${gently[@]}" "${tar[@]}" --directory="$backup/$tree" --create --format=posix --blocking-factor=128 \
    --numeric-owner --sparse --quoting-style=escape --no-unquote "${kept[@]}" \
    '--pax-option=delete=atime,delete=ctime,exthdr.name=PaxHeaders/%f' --file=- \
    -- "${names[@]}" 2>work/tar.errors
}

# judge_tree STATUS: a tree is ours alone and does not change, so there is nothing to pass over; but when another
# tree links to a file, that counts as a change for tar.
judge_tree() {
  local line
  unreadable=0
  while IFS= read -r line; do
    case $line in
      'tar: '*': file changed as we read it' | 'tar: '*': socket ignored') ;;
      'tar: Exiting with failure status due to previous errors') ;;
      'tar: '*': Input/output error') fail 74 "$line." ;;
      *) fail 70 "The tree cannot be packed: $line." ;;
    esac
  done <work/tar.errors
  (($1 < 2)) || fail 70 "tar ended with status $1 and gave no reason."
}

# options_of_tar: what the tree keeps, the archive keeps.
options_of_tar() {
  tar_options=()
  tar_option 'access control lists' --acls
  tar_option 'extended attributes' --xattrs '--xattrs-include=*' '--xattrs-exclude=system.posix_acl_*'
  kept=("${tar_options[@]}")
}

pack_tree() {
  local status
  need_tools
  choose_compressor
  choose_hash
  choose_gently
  choose_tar
  options_of_tar
  need_tree "$backup/$tree"
  check_holes
  check_space
  printf '%s\0' "${paths[@]}" >work/paths
  in_background pipeline
  status=$?
  cat work/{tar,pack}.errors 2>/dev/null | head -c 1000000
  need_privilege
  explain "$status"
  judge_tree "$status"
  same_names work/tree.index work/index ||
    fail 94 'The tree is not what was made: what is in it was changed on the server.'
  read_counts
  read -r sha256 _ <work/hash
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 70 "${hash_command[0]} gave no SHA-256."
  describe_archive
}

# describe_archive: index and manifest beside the receipts; then the word that the archive is whole.
describe_archive() {
  "${gzip_command[@]}" <work/index >"$receipts/index.gz" || fail_to_write
  result >work/result || fail_to_write
  manifest >"$receipts/manifest.json" || fail_to_write
  sync "$receipts/index.gz" "$receipts/manifest.json" "$receipts" || fail_to_sync
  printf '%s %s\n' "$size" "$sha256" >"$run/work/packed.new" && mv -f "$run/work/packed.new" "$run/work/packed"
}
