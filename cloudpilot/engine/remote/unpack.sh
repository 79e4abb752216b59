# shellcheck shell=bash
# shellcheck disable=SC2154 # what is restored stands before this, see restore.sh
# Files of the verified archives, unpacked beside where they are to be: into folders of our own, one for
# each file system, empty, closed to others. After rootly.sh and archives.sh.

# plan_files: where each path is to be (targets), and beside what it is unpacked (homes, groups).
plan_files() {
  local number path
  targets=() homes=() groups=()
  for number in "${!paths[@]}"; do
    path=$into${paths[number]}
    plan_path "$number" "$path"
  done
  for number in "${!paths[@]}"; do
    comes_with "$number" && unset "paths[number]"
  done
}

# comes_with NUMBER: whether it lies inside another path, in the same file system.
comes_with() {
  local other
  for other in "${!paths[@]}"; do
    [[ "${paths[$1]}" == "${paths[other]%/}"/* ]] && [ "${groups[other]}" = "${groups[$1]}" ] && return
  done
  return 1
}

# plan_path NUMBER PATH
plan_path() {
  local above=${2%/*} missing='' real
  while ! exists "${above:-/}"; do
    missing=/${above##*/}$missing
    above=${above%/*}
  done
  real=$(as_rights realpath -- "${above:-/}") || fail 77 "$(shown "${above:-/}") cannot be reached by $(id -un)."
  is_folder_there "$real" || fail 72 "$(shown "${above:-/}") is not a folder."
  targets[$1]=${real%/}$missing/${2##*/}
  ! is_link "${targets[$1]}" || fail 73 "$(shown "$2") is a link: restore to what it points to, or elsewhere."
  [ -z "$into" ] || ! exists "${targets[$1]}" || fail 81 "$(shown "$2") is there already: choose a folder without it."
  homes[$1]=$real
  if as_rights mountpoint -q -- "${targets[$1]}"; then homes[$1]=${targets[$1]}; fi
  groups[$1]=$(group_of "${homes[$1]}") || fail 77 "$(shown "$real") cannot be looked at."
  go_outside "$1"
}

# group_of PATH: its file system, and by which mount.
group_of() {
  as_rights stat -c '%d %m' -- "$1"
}

# go_outside NUMBER: beside the site, where that can be, and not in the middle of what it serves.
go_outside() {
  local above=$into${tops[$1]}
  above=$(as_rights realpath -- "${above%/*}/" 2>/dev/null) || return 0
  [ "$(group_of "$above" 2>/dev/null)" = "${groups[$1]}" ] && homes[$1]=$above
  return 0
}

exists() { as_rights test -e "$1" || as_rights test -L "$1"; }
is_link() { as_rights test -L "$1"; }
is_folder_there() { as_rights test -d "$1"; }

# staging NUMBER: sets `staged`, the folder in which that path is unpacked: that of the first of its file system.
staging() {
  local other
  for other in "${!paths[@]}"; do
    [ "${groups[other]}" != "${groups[$1]}" ] && continue
    staged=${homes[other]%/}/.cloudpilot-restore-$restore_id
    return
  done
}

# make_stagings: noted before they are made, with the time of the folder that each is in.
make_stagings() {
  local number time
  local -A made=()
  for number in "${!paths[@]}"; do
    staging "$number"
    [ -z "${made[$staged]:-}" ] || continue
    made[$staged]=yes
    room_for "$needed" "${staged%/*}"
    time=$(as_rights stat -c %.9Y -- "${staged%/*}")
    printf '%s\0%s\0' "$staged" "$time" >>"$kept/stagings" || fail_to_note
    sync "$kept/stagings" || fail_to_note
    as_rights mkdir -m 700 -- "$staged" 2>work/trouble || fail 77 "$(tail -n 1 work/trouble)"
    as_rights touch --date="@$time" -- "${staged%/*}"
  done
}

fail_to_note() {
  ! no_room "$kept" || fail 71 "The disk of $(shown "$kept") is full."
  fail 70 'What is about to be done cannot be noted.'
}

# unpack_files: each file system's paths at once.
unpack_files() {
  local number total=0 archive
  local -A made=()
  stage unpack
  make_stagings
  for archive in "${!archives[@]}"; do ((total += archive_sizes[archive])); done
  for number in "${!paths[@]}"; do
    staging "$number"
    [ -z "${made[$staged]:-}" ] || continue
    made[$staged]=yes
    unpacked=0
    for archive in "${!archives[@]}"; do
      unpack_into "$archive" "$total"
    done
  done
  for number in "${!paths[@]}"; do
    staging "$number"
    exists "$staged/files${paths[number]}" || fail 72 "$(shown "${paths[number]}") is not in this backup."
  done
  [ -z "$foreign" ] || defuse
}

# choose_unpacking: tar's options, as docs/archive-format.md has them for a person.
choose_unpacking() {
  unpacking=(--extract --file=- --numeric-owner --same-permissions --no-unquote --acls)
  if [ -n "$foreign" ]; then unpacking+=(--xattrs '--xattrs-include=user.*'); else unpacking+=(--xattrs '--xattrs-include=*'); fi
  ((${#archives[@]} == 1)) || unpacking+=(--incremental)
  keeps_owners || unpacking+=(--no-same-owner)
}

# unpack_into ARCHIVE TOTAL: into `staged`; tar starts there, see docs/increments.md.
unpack_into() {
  local number other members=() leave=() reader status
  for number in "${!paths[@]}"; do
    if [ "$(staging "$number"; echo "$staged")" = "$staged" ]; then
      members+=("files${paths[number]}")
    else
      leave+=("--exclude=files${paths[number]}")
    fi
  done
  mkfifo work/unpacking
  "${decompress[@]}" <"${files[$1]}" >work/unpacking 2>work/decompress.errors &
  reader=$!
  # shellcheck disable=SC2016 # expanded by the other bash
  as_rights bash -c 'cd -- "$1" && exec "${@:2}"' unpack "$staged" \
    tar "${unpacking[@]}" --anchored --no-wildcards "${leave[@]}" -- "${members[@]}" <work/unpacking 2>work/tar.errors &
  other=$!
  while kill -0 "$other" 2>/dev/null; do
    progress "$((unpacked + $(position "$reader")))" "$2"
    in_background sleep 0.2
  done
  wait "$other"
  status=$?
  wait "$reader"
  judge_unpacking "$1" "$status" "$?"
  rm -f work/unpacking
  ((unpacked += archive_sizes[$1]))
}

# position PID: how far it has read its standard input.
position() {
  local position
  position=$(sed -n 's/^pos:[[:space:]]*//p' "/proc/$1/fdinfo/0" 2>/dev/null)
  echo "${position:-0}"
}

# judge_unpacking ARCHIVE TAR DECOMPRESSOR
judge_unpacking() {
  local said
  said=$(grep -v -e ': Not found in archive' -e 'Exiting with failure status' -e 'Cannot mknod: Operation not permitted' work/tar.errors)
  [[ $said != *'No space left on device'* ]] || fail 71 "The disk of $(shown "${staged%/*}") became full."
  (($3 == 0 || $3 == 141)) || fail 94 "${archives[$1]} cannot be unpacked: $(tail -n 1 work/decompress.errors)."
  (($2 <= 128)) || fail 76 'tar was killed on the server.'
  ! grep -q 'Cannot mknod: Operation not permitted' work/tar.errors ||
    warn "Devices of the backup were left out: $(id -un) may not make them."
  (($2 == 0)) || [ -z "$said" ] || fail 70 "tar could not unpack all: ${said%%$'\n'*}"
}

# defuse: what comes from another server brings no rights to this one.
defuse() {
  local number found
  for number in "${!paths[@]}"; do
    staging "$number"
    found=$(as_rights find "$staged/files${paths[number]}" \( -type b -o -type c \) -print -quit)
    [ -z "$found" ] || fail 81 "The backup is of another server and holds devices, such as $(shown "${found#"$staged/files"}")."
    found=$(as_rights find "$staged/files${paths[number]}" -type f -perm /6000 -printf x -exec chmod ug-s -- {} + | wc -c)
    ((found == 0)) || warn "$found file(s) were set-uid or set-gid on the other server; here they are not."
  done
}

# choose_decompress: the fastest that is there and reads several streams as one.
choose_decompress() {
  local candidate
  case ${archives[0]} in
    *.tar.zst)
      decompress=(zstd -dc -q)
      has zstd || fail 78 'zstd is not installed: apt-get install zstd.'
      return ;;
  esac
  for candidate in igzip pigz gzip; do
    decompress=("$candidate" -dc)
    has "$candidate" && [ "$( (printf a | gzip -c; printf b | gzip -c) | "${decompress[@]}" 2>/dev/null)" = ab ] && return
  done
  fail 78 'gzip is not installed.'
}
