# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what engine/script.py writes and measure.sh sets
#   chain_key=KEY chain_base=BACKUP_ID chain_state=SHA256 chain_level=NUMBER
# Increments: tar takes what has changed since the state that another backup has left. It works on a
# copy, so that the state stays what it was whatever becomes of this backup. For measure.sh and
# archive.sh. docs/increments.md

states=$backup_root/state/$chain_key
level=0 base='' state_sha256='' full_because=''
incremental=(--no-check-device --listed-incremental=work/state)

# follow_chain: work/base is what this one continues; an empty one makes it full.
follow_chain() {
  open_states
  : >work/base
  why_full
  [ -n "$full_because" ] || [ -z "$chain_base" ] || forget_renamed
  if [ -n "$full_because" ] || [ -z "$chain_base" ]; then
    : >work/base
    say "A full backup${full_because:+ ($full_because)}: the next one may continue it."
  else
    level=$chain_level base=$chain_base
    say "Increment $level: what has changed since the backup before."
  fi
}

# open_states: the folder is ours alone, as the backup directory above it is.
open_states() {
  local folder
  for folder in "${states%/*}" "$states"; do
    mkdir -- "$folder" 2>/dev/null
    if [ -L "$folder" ] || ! [ -d "$folder" ] || ! [ -O "$folder" ]; then
      fail 79 "$(shown "$folder") is not a folder of $(id -un)."
    fi
  done
}

# why_full: sets full_because, a word, if what this one is to continue cannot be continued; else work/base.
why_full() {
  local path since
  for path in "${paths[@]}"; do
    is_folder "$path" || { full_because=path_is_no_folder; return; } # nobody would note that it is gone
  done
  [ -n "$chain_base" ] || return 0
  [ -f "$states/$chain_base" ] || { full_because=state_missing; return; }
  cp -- "$states/$chain_base" work/base || fail 71 "$(full "$backup_root")"
  since=$(head -n 2 work/base | tail -n 1 | tr '\0' '\n' | head -n 1)
  if [ "$(hash_of work/base)" != "$chain_state" ]; then
    full_because=state_damaged
  elif ! [[ $since =~ ^[0-9]{1,12}$ ]] || ((since > $(date +%s))); then
    full_because=clock_back # what changed before the clock was set back would be left out
  fi
}

is_folder() {
  if [ "$privilege" = plain ]; then
    [ -d "$1" ]
  else
    [[ $(listed "$1" 2>/dev/null) == d* ]]
  fi
}

hash_of() {
  local sum
  read -r sum _ < <("${hash_command[@]}" <"$1")
  printf %s "$sum"
}

# forget_renamed: see state.pl.
forget_renamed() {
  folders_now >work/folders
  perl state.pl keep work/base <work/folders >work/pruned 2>work/trouble || {
    say "$(tail -n 1 work/trouble)"
    full_because=state_damaged
    return
  }
  mv -T -- work/pruned work/base || fail_to_write
}

# folders_now: all below the paths, for state.pl. Where we may not look it is tar that says it, as of a full
# backup.
folders_now() {
  if [ "$privilege" = plain ]; then
    find "${paths[@]}" -xdev -type d -printf '%i %p\0' 2>/dev/null
  else
    : >work/state
    in_background run_tar /dev/null 2>/dev/null
    perl state.pl list work/state
  fi
}

# fresh_state: tar writes into it, also when it only measures.
fresh_state() {
  cp -- work/base work/state || fail 71 "$(full "$backup_root")"
}

# keep_state: what the next one may continue. A file that could not be read counts as stored there, and
# one of two folders that changed names meanwhile is not what it seems (see state.pl): after such a
# backup comes a full one.
keep_state() {
  local name id=${backup##*/}
  ((unreadable == 0)) && ! [ -e work/renamed ] && [[ $full_because != path_is_no_folder ]] || return 0
  perl state.pl earlier work/state >"$states/.$id" || fail_to_write
  in_background sync -- "$states/.$id" || fail_to_sync
  state_sha256=$(hash_of "$states/.$id")
  mv -T -- "$states/.$id" "$states/$id" || fail_to_write
  in_background sync -- "$states" || fail_to_sync
  for name in "$states"/* "$states"/.[0-9a-f]*; do
    name=${name##*/}
    [[ ${name#.} =~ ^[0-9a-f-]{36}$ ]] || continue
    [ "$name" = "$id" ] || [ "$name" = "$chain_base" ] || rm -f -- "$states/$name"
  done
}
