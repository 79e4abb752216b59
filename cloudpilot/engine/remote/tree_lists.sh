# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what a tree is of, and tree_sha256, stand before this; hash_command: measure.sh
# What a snapshot tree holds, as the lines of an index, and whether that is what was made. by_right is what a
# command begins with.

# list_tree FOLDER: what is in it below the paths, as an index (work/index); its hash is what the panel knows
# the tree by (sha256). Counts of it go to work/counts.
list_tree() {
  found_in "$1" ! -type d -links +1 -printf '%i\n' | sort -n -T "$run/work" | uniq -d >work/twice
  found_in "$1" -printf '%i %y %s %b %n %p\0%l\0' | perl tree.pl work/twice work/counts >work/index ||
    fail 70 'What is in the tree cannot be listed.'
  read -r sha256 _ < <("${hash_command[@]}" <work/index)
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 70 "${hash_command[0]} gave no SHA-256."
}

# found_in FOLDER TEST…: below the paths. One that is inside another, on a file system of its own, is there once.
found_in() {
  local path outer below=()
  for path in "${paths[@]}"; do
    for outer in "${below[@]}"; do
      [[ files$path != "$outer"/* ]] || continue 2
    done
    path=files$path
    below+=("${path%/}")
  done
  (cd -- "$1" && exec "${by_right[@]}" find "${below[@]}" "${@:2}")
}

# need_tree FOLDER: it is there, and its index is what the panel knows it by (work/tree.index).
need_tree() {
  local sum
  if ! [ -d "$1/files" ] || [ -L "$1" ]; then fail 74 "$(shown "$1") is not there."; fi
  gzip -dc -- "$1.index.gz" >work/tree.index 2>/dev/null
  read -r sum _ < <("${hash_command[@]}" <work/tree.index)
  [ "$sum" = "$tree_sha256" ] || fail 94 "The index of $(shown "$1") is not what was made."
}

# same_names INDEX INDEX: whether both have the same names of the same kinds, and as many bytes. Which of several
# names of one file counts as the first is a matter of order.
same_names() {
  local index
  for index; do
    awk '$1 == "F" && $6 ~ /^files(\/|$)/ { print $6, $2 == 1 || $2 == 7 ? 0 : $2; bytes += $2 == 0 ? $5 : 0 }
      END { printf "bytes %.0f\n", bytes }' <"$index" | sort -T work >"$index.list"
  done
  cmp -s "$1.list" "$2.list"
}
