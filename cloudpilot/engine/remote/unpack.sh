# shellcheck shell=bash
# shellcheck disable=SC2154 # what is restored stands before this, see restore.sh
# Files of what was verified, unpacked beside where they are to be: into folders of our own, one for each
# file system, empty, closed to others. After rootly.sh; untar.sh or tree_restore.sh has the rest.

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

# weigh: that each file system has room for what goes there, which is known only once the archives are here,
# unless that is all that they hold.
weigh() {
  local system number mine bytes=$needed names=$needed_files
  find_systems
  is_all_for_one || needed=0
  for system in "${!systems[@]}"; do
    if ! is_all_for_one; then
      mine=()
      for number in "${!paths[@]}"; do
        [ "${groups[number]%% *}" != "$system" ] || mine+=("$number")
      done
      name_members "${mine[@]}"
      read -r bytes names < <(members_weigh)
      ((needed += bytes)) || :
    fi
    need_room "$bytes" "$names" "${systems[$system]}" 'unpacked beside what is there'
  done
}

# find_systems: sets `systems`, of each file system where on it is unpacked.
find_systems() {
  local number
  declare -gA systems=()
  for number in "${!paths[@]}"; do
    : "${systems[${groups[number]%% *}]:=${homes[number]}}"
  done
}

# is_all_for_one: whether one file system gets all that the archives hold.
is_all_for_one() {
  [ -z "$is_part" ] && ((${#systems[@]} == 1))
}

# name_members NUMBER…: what these paths are called (members), and others that lie inside of them (leave).
name_members() {
  local number other
  members=() leave=()
  for number; do members+=("files${paths[number]}"); done
  for other in "${!paths[@]}"; do
    [[ " $* " != *" $other "* ]] || continue
    for number; do
      [[ "${paths[other]}" == "${paths[number]%/}"/* ]] || continue
      leave+=("files${paths[other]}")
      break
    done
  done
}

# foresee: room for all that will be written, before a byte of it is fetched: on each file system for what is
# unpacked there, and on that of the backup directory for what is fetched.
foresee() {
  local number system fetched=0
  local -A bytes=() files=() where=() basis=()
  find_systems
  for number in "${!archives[@]}"; do
    [ -n "${archive_places[number]}" ] || ((fetched += archive_sizes[number]))
  done
  system=$(stat -c %d -- "$run")
  ((fetched == 0)) ||
    bytes[$system]=$fetched files[$system]=0 where[$system]=$backup basis[$system]='archives from the vault'
  for system in "${!systems[@]}"; do
    basis[$system]="${bytes[$system]:+archives from the vault, and }unpacked beside what is there"
    where[$system]=${systems[$system]} files[$system]=0
    : "${bytes[$system]:=0}"
    is_all_for_one || continue # known later, see weigh
    ((bytes[$system] += needed, files[$system] = needed_files)) || :
  done
  for system in "${!bytes[@]}"; do
    need_room "${bytes[$system]}" "${files[$system]}" "${where[$system]}" "${basis[$system]}"
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
    time=$(as_rights stat -c %.9Y -- "${staged%/*}")
    printf '%s\0%s\0' "$staged" "$time" >>"$kept/stagings" || fail_to_note
    sync "$kept/stagings" || fail_to_note
    as_rights mkdir -m 700 -- "$staged" 2>work/trouble || fail 117 "$(tail -n 1 work/trouble)"
    as_rights touch --date="@$time" -- "${staged%/*}"
  done
}

fail_to_note() {
  ! no_room "$kept" || fail 71 "$(full "$kept")"
  fail 70 'What is about to be done cannot be noted.'
}

# unpack_files: each file system's paths at once.
unpack_files() {
  local number
  local -A made=()
  stage unpack
  weigh
  make_stagings
  for number in "${!paths[@]}"; do
    staging "$number"
    [ -z "${made[$staged]:-}" ] || continue
    made[$staged]=yes
    share
    unpack_here
  done
  for number in "${!paths[@]}"; do
    staging "$number"
    exists "$staged/files${paths[number]}" || fail 72 "$(shown "${paths[number]}") is not in this backup."
  done
  [ -z "$foreign" ] || defuse
}

# share: which names are for `staged`, see name_members.
share() {
  local number here=$staged mine=()
  for number in "${!paths[@]}"; do
    staging "$number"
    [ "$staged" != "$here" ] || mine+=("$number")
  done
  staged=$here
  name_members "${mine[@]}"
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
