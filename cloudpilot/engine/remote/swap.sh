# shellcheck shell=bash
# shellcheck disable=SC2154 # what is restored stands before this, see restore.sh
# What was unpacked goes to its place, and back. After unpack.sh; swap.pl does each step.

# swap_files: from here on something is changed; `put_back` undoes all of it.
swap_files() {
  local number
  for number in "${!paths[@]}"; do
    staging "$number"
    : >work/kept
    if exists "${targets[number]}"; then stays "$number" >work/kept || fail_to_note; fi
    as_rights perl swap.pl forward "$kept/journal" "$exact" "${targets[number]}" \
      "$staged/files${paths[number]}" "$PWD/work/kept" 2>work/trouble ||
      fail 70 "$(shown "${paths[number]}") could not be put in its place: $(tail -n 1 work/trouble)"
  done
}

# stays NUMBER: what lies there and no backup would hold, the outermost of it, each ended by NUL: what the
# site's patterns leave out, sockets, what is mounted below.
stays() {
  local target=${targets[$1]}
  is_folder_there "$target" || return 0
  as_rights find "$target" -xdev -mindepth 1 -print0 | sort -z >work/there || return
  listed_there "$1" "$target" | sort -z >work/held || return
  comm -z -23 work/there work/held | outermost
}

# listed_there NUMBER TARGET: what a backup of it would hold.
listed_there() {
  local words=() word
  for word in "${user_excludes[@]}"; do
    [ "$word" = --wildcards ] || words+=("$word")
  done
  ! [[ "$2" != "${paths[$1]}" ]] || words=() # elsewhere the patterns mean nothing
  as_rights tar --create --file=/dev/null --one-file-system --absolute-names --numeric-owner \
    --quoting-style=escape --no-unquote --verbose "${words[@]}" --no-anchored \
    '--exclude=.cloudpilot-restore-*' -- "$2" 2>/dev/null | raw_names
}

# raw_names: what tar has listed, as it is, each ended by NUL.
raw_names() {
  perl -ne '
    BEGIN { %meaning = (a => "\a", b => "\b", f => "\f", n => "\n", r => "\r", t => "\t", v => "\x0b") }
    chomp;
    s{(?<=.)/\z}{};
    s/\\([0-7]{3}|.)/length $1 == 3 ? chr oct $1 : $meaning{$1} \/\/ $1/ges;
    print "$_\0";
  '
}

outermost() {
  perl -0 -ne 'chomp; next if defined $last && index($_, "$last/") == 0; print "$_\0"; $last = $_'
}

# put_back: as it was, however far it came; fails with a sentence in work/trouble.
put_back() {
  [ ! -e "$kept/journal" ] || as_rights perl swap.pl back "$kept/journal" 2>work/trouble
}

# tidy_stagings: a folder of ours in which nothing is kept goes now; one that cannot goes with the others.
tidy_stagings() {
  local path
  [ -e "$kept/stagings" ] && [ -e "$kept/journal" ] || return 0
  while IFS= read -r -d '' path && IFS= read -r -d '' _; do
    as_rights perl swap.pl tidy "$kept/journal" "$path" 2>/dev/null
  done <"$kept/stagings"
  return 0
}

# clear_stagings: what was unpacked, or what stood there before.
clear_stagings() {
  local path time failed=0
  [ -e "$kept/stagings" ] || return 0
  while IFS= read -r -d '' path && IFS= read -r -d '' time; do
    as_rights perl swap.pl clear "$path" "$time" 2>work/trouble || failed=1
  done <"$kept/stagings"
  ((failed)) || rm -f -- "$kept/stagings" "$kept/journal"
  return "$failed"
}
