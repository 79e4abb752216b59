# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what engine/script.py writes stands before this, and what measure.sh sets
#   paths=(…) filters=(--filter=…) tree=NAME backup_root=… privilege=plain|read-all|full
#   base_id=BACKUP_ID base_tree=NAME base_sha256=HEX: what this one links to; compare=yes: all contents
# A backup that is a snapshot tree: rsync copies what has changed and links the rest to the tree before.
# After prelude.sh, publish.sh, rights.sh, measure.sh, judge.sh, rsync.sh, tree_lists.sh and judge_rsync.sh.
# docs/trees.md

base='' base_began='' base_seconds='' whole_because='' compared=times

## measure: all that can be known before a byte is written

measure_tree() {
  stage measure
  say "Measuring ${#paths[@]} path(s)."
  need_tools
  need_rsync
  choose_compressor
  choose_hash
  choose_gently
  choose_tar # which looks at what is hidden from us
  check_paths
  choose_rsync
  find_base
  mkdir -p "work/tree/files" || fail_to_write
  need_owners
  predict
}

# choose_rsync: with the rights that the server was set up for. A copy of rsync with the capability to read
# everything could not give files to their owners.
choose_rsync() {
  [ "$privilege" != read-all ] || fail 83 "A snapshot tree cannot be made with the right to read everything \
alone: it takes root to keep owners. Set the server up with all rights, or back up to archives."
  by_right=()
  [ "$privilege" != full ] ||
    by_right=(sudo -n env -i LC_ALL=C "PATH=$PATH" "CLOUDPILOT_RUN=$CLOUDPILOT_RUN")
  plainly=(--archive --hard-links --sparse --relative --one-file-system --numeric-ids --modify-window=-1)
  rsync_options=("${plainly[@]}")
  keep_more
  leave_ourselves_out
}

# leave_ourselves_out: our backup directory by its other names, as choose_excludes has them.
leave_ourselves_out() {
  local path real root
  root=$(realpath -- "$backup_root")
  filters=("--filter=- $(as_rule "$root")" "${filters[@]}")
  for path in "${paths[@]}"; do
    real=$(realpath -- "$path" 2>/dev/null) && [[ $root/ == "${real%/}"/* ]] &&
      filters=("--filter=- $(as_rule "${path%/}/${root#"${real%/}"/}")" "${filters[@]}")
  done
}

# find_base: what is linked to is whole, is what the panel knows, and is on the same disk; else all is copied.
find_base() {
  local there=$backup_root/$base_id sum began seconds
  [ -n "$base_id" ] || return 0
  sum=$(gzip -dc -- "$there/$base_tree.index.gz" 2>/dev/null | "${hash_command[@]}")
  began=$(figure ' *"began": \([0-9]\{1,12\}\),\{0,1\}' "$there/manifest.json")
  seconds=$(figure ' *"seconds": \([0-9]\{1,12\}\),\{0,1\}' "$there/manifest.json")
  if ! [ -d "$there/$base_tree/files" ] || [ -L "$there/$base_tree" ] || [ -z "$began$seconds" ]; then
    whole_because=base_missing
  elif [ "${sum%% *}" != "$base_sha256" ]; then
    whole_because=base_damaged
  elif [ "$(stat -c %d -- "$there/$base_tree/files")" != "$(stat -c %d -- "$backup")" ]; then
    whole_because=base_elsewhere
  else
    base=$base_id base_began=$began base_seconds=$seconds
    # What the time says means nothing when the clock has been set back.
    ((began <= $(date +%s))) || compare=yes
    [ -z "$compare" ] || compared=contents
    return
  fi
  say "Everything is copied ($whole_because): the tree before cannot be linked to."
}

# copy OPTION… -- FILES…: always in a process of its own, which becomes rsync.
copy() {
  local linked=()
  [ -z "$base" ] || linked=("--link-dest=$backup_root/$base/$base_tree/files")
  note_reader || exit 71
  exec "${by_right[@]}" "${gently[@]}" rsync "${linked[@]}" "${filters[@]}" "$@" "$run/work/tree/files/"
}

# need_owners: only root gives files to others; a tree in which all are ours would be restored so.
need_owners() {
  local path above mine count
  [ "$privilege" = plain ] && ((EUID)) || return 0
  for path in "${paths[@]}"; do
    above=${path%/*}
    while [ -n "$above" ]; do printf '%s/\n' "${above#/}"; above=${above%/*}; done
  done | sort -u >work/above
  mine=" $(id -G) "
  in_background copy --dry-run "${plainly[@]}" --out-format='%U %G %n' -- "${paths[@]}" \
    >work/owned 2>/dev/null
  grep -aE '^[0-9]+ ([0-9]+|DEFAULT) ' work/owned | awk -v me="$EUID" -v groups="$mine" '
    FILENAME == "work/above" { above[$0] = 1; next }
    { name = $0; sub(/^[^ ]+ [^ ]+ \/*/, "", name) }
    name in above { next }
    $1 != me || index(groups, " " $2 " ") == 0 { if (!count++) first = name }
    END { if (count) print count, first }' work/above - >work/foreign
  rm -f work/owned
  if read -r count path <work/foreign; then
    fail 83 "$count name(s) belong to others than $(id -un), such as $(shown "/$path"): only root can keep \
their owners in a snapshot tree. Set the server up with all rights, or back up to archives."
  fi
}

# predict: what has to be copied, and whether there is room for it.
predict() {
  local folders files basis='all of it, since there is nothing to link to'
  in_background copy --dry-run "${plainly[@]}" --stats --no-human-readable -- "${paths[@]}" \
    >work/predicted 2>work/trouble
  new_bytes=$(figure 'Total transferred file size: \([0-9]*\) bytes' work/predicted)
  [ -n "$new_bytes" ] || fail 70 "rsync cannot measure: $(tail -n 1 work/trouble)"
  folders=$(figure 'Number of files: .*dir: \([0-9]*\).*' work/predicted)
  files=$(figure 'Number of regular files transferred: \([0-9]*\)' work/predicted)
  [ -z "$base" ] || basis='what has changed since the tree before, and all folders'
  measure_room "$backup_root"
  say "$(human "$new_bytes") to copy${room_bytes:+; $(human "$room_bytes") free}."
  # Of a file's last block half is empty on average.
  need_room "$((new_bytes + ${folders:-0} * 4096 + ${files:-0} * 2048))" "$((${folders:-0} + ${files:-0}))" \
    "$backup_root" "$basis"
}

# figure EXPRESSION FILE: the number that its group is.
figure() {
  local found
  found=$(sed -n "s/^$1\$/\\1/p" "$2" 2>/dev/null | tail -n 1)
  printf %s "$found"
}

## copy

copy_tree() {
  local status
  stage copy
  progress 0 "$new_bytes"
  say "Copying with rsync $rsync_version${base:+, linking to the tree of $base}."
  began=$(date +%s)
  in_background copying
  status=$?
  if lost_base; then
    in_background copying # what is there by now is left as it is
    status=$?
  fi
  grep -a '^skipping ' work/said >>work/rsync.errors
  head -c 1000000 work/rsync.errors
  need_privilege # had to the end, or less was read
  judge_rsync "$status"
  [ "$compared" = contents ] || look_closer
  mounts_left_out
}

# lost_base: whether the tree before was deleted meanwhile; then it is not linked to any more.
lost_base() {
  [ -n "$base" ] || return
  grep -aF "$backup_root/$base/" work/rsync.errors |
    grep -qaE '^--link-dest arg does not exist|: No such file or directory \(2\)$' || return
  base='' whole_because=base_missing
  say 'The tree before was deleted meanwhile: what is not there yet is copied.'
}

copying() {
  local more=()
  [ "$compared" != contents ] || more=(--checksum)
  (copy "${rsync_options[@]}" "${more[@]}" --stats --info=progress2 --no-human-readable \
    -- "${paths[@]}") 2>work/rsync.errors | perl progress.pl copy "$new_bytes" >work/said
  return "${PIPESTATUS[0]}"
}

# look_closer: what was changed since the tree before without another size or time: rsync takes it for the
# same, and its time of change, which nobody can set, says otherwise. Such files are compared by content;
# those that were written after that tree have another time anyway.
look_closer() {
  local since until
  [ -n "$base" ] || return 0
  since=$((base_began - 2)) # the times of files are behind the clock
  until=$((base_began + base_seconds + 2))
  # shellcheck disable=SC2016 # they are perl's
  "${by_right[@]}" find "${paths[@]}" -xdev -type f -newerct "@$since" ! -newermt "@$until" -print0 \
    2>/dev/null | "${by_right[@]}" perl -0ne 'BEGIN { $top = shift } chomp; print "$_\0" if -f "$top$_"' \
    "$run/work/tree/files" >work/closer
  [ -s work/closer ] || return 0
  in_background copy "${rsync_options[@]}" --checksum --from0 --files-from=work/closer -- / \
    >/dev/null 2>work/rsync.errors
  judge_closer "$?"
}

judge_closer() {
  local unread_before=$unreadable vanished_before=$vanished
  judge_rsync "$1"
  # They were seen to be there a moment ago: what is gone now was copied before.
  ((unreadable += unread_before, vanished += vanished_before))
}

# mounts_left_out: a file system of its own is an empty folder in the tree.
mounts_left_out() {
  local point path
  while read -r _ _ _ _ point _; do
    printf -v point %b "${point//\\/\\0}"
    for path in "${paths[@]}"; do
      [[ $point == "${path%/}"/* ]] || continue
      ! "${by_right[@]}" test -d "work/tree/files$point" || left_out "$point"
      break
    done
  done </proc/self/mountinfo
}

## prove: what was to be there is there

prove() {
  local expected folders bytes missing
  stage prove
  say 'Comparing the tree with what it is of.'
  differing
  list_tree work/tree
  read_counts
  paths_are_there
  expected=$(figure 'Number of files: \([0-9]*\).*' work/said)
  folders=$(figure 'Number of files: .*dir: \([0-9]*\).*' work/said)
  bytes=$(figure 'Total file size: \([0-9]*\) bytes' work/said)
  [[ $expected =~ ^[0-9]+$ && $bytes =~ ^[0-9]+$ ]] || fail 70 'rsync does not say what it has copied.'
  missing=$((expected - folders - (entries - directories + sockets)))
  if ((missing < 0 || missing > unreadable + vanished)); then
    fail 70 "The tree is not whole: rsync speaks of $((expected - folders)) files, and $missing are not there."
  fi
  missing=$((folders - directories - $(implied)))
  if ((missing < 0 || missing > unreadable + vanished + $(doubled))); then
    fail 70 "The tree is not whole: rsync speaks of $folders folders, and $missing are not there."
  fi
  ((bytes == named || changed || unreadable || vanished)) ||
    fail 70 "The tree is not whole: rsync speaks of $bytes bytes, and $named are there."
  ((entries > directories)) || warn 'There is no file in it, only folders.'
  if ((unreadable && entries == directories)); then
    fail 77 "Nothing could be read by $(id -un) but the names of folders."
  fi
}

# differing: rsync says nothing of what changes while it reads; asked again, it would copy that once more. Of
# folders, whose time changes with what is in them, only who may do what counts.
differing() {
  local line
  changed=0
  while IFS= read -r line; do
    ((changed += 1))
    warn "/${line#* } changed while it was backed up."
  done < <(copy --dry-run "${rsync_options[@]}" --out-format='%i %n' -- "${paths[@]}" 2>/dev/null |
    grep -aE '^([>c.h][fLDS][^+ ]*[cstpogax]|[c.]d[^+ ]*[pogax])[^+ ]* ')
}

# implied: how many folders are above the paths, and in the tree for that reason alone.
implied() {
  local path above other
  for path in "${paths[@]}"; do
    above=${path%/*}
    while [ -n "$above" ]; do
      for other in "${paths[@]}"; do
        [[ $above/ == "${other%/}"/* ]] && above='' && break
      done
      [ -z "$above" ] || printf '%s\n' "$above"
      above=${above%/*}
    done
  done | sort -u | wc -l
}

# doubled: at most so many folders are spoken of twice: one inside another path, and those between both.
doubled() {
  local path outer above
  for path in "${paths[@]}"; do
    for outer in "${paths[@]}"; do
      above=$path
      [[ $path == "${outer%/}"/* ]] || continue
      while [[ $above == "${outer%/}"* ]] && [ -n "$above" ]; do printf '%s\n' "$above"; above=${above%/*}; done
    done
  done | sort -u | wc -l
}

paths_are_there() {
  local path
  for path in "${paths[@]}"; do
    "${by_right[@]}" test -e "work/tree/files$path" || fail 72 "$(shown "$path") disappeared before it was copied."
  done
}

## finish: from here on it has its name, and is on the disk

finish_tree() {
  stage finish
  say "$entries entries, $(human "$own") of its own; writing it to the disk for good."
  # From now on `discard` removes these, should the run not succeed.
  printf '%s\n' "$tree" "$tree.index.gz" manifest.json >made || fail_to_write
  "${gzip_command[@]}" <work/index >work/index.gz || fail_to_write
  tree_result >work/result || fail_to_write
  tree_manifest >work/manifest || fail_to_write
  in_background sync -f work/tree || fail_to_sync
  publish tree "$tree"
  publish index.gz "$tree.index.gz"
  publish manifest manifest.json
  in_background sync "$backup/$tree.index.gz" "$backup/manifest.json" "$backup" || fail_to_sync
  mv -T work/result result || fail_to_write
  in_background sync result . || fail_to_sync
  say "Complete: $tree."
}

# tree_result: as `result` of an archive.
tree_result() {
  local key
  touch warnings
  warnings=$(wc -l <warnings)
  printf '%s=%s\n' tree "$tree" index "$tree.index.gz" sha256 "$sha256" hash_tool "${hash_command[0]}" \
    rsync "${rsync_version//[^0-9.]/}" seconds "$SECONDS" base "$base" whole_because "$whole_because" \
    compared "$compared" began "$began"
  for key in size own entries files directories symlinks hardlinks others sockets warnings unreadable; do
    printf '%s=%s\n' "$key" "${!key}"
  done
  echo complete=1
}

tree_manifest() {
  described
  printf '"restore": "rsync -aHAXS --numeric-ids %s/files/ /TARGET/"}\n' "$tree"
}

begin
measure_tree
copy_tree
prove
finish_tree
