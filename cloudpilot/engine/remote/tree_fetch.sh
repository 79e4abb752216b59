# shellcheck shell=bash
# shellcheck disable=SC2154 # privilege, see rights.sh, and the rest stand before this, written by engine/fetching.py:
#   word=WORD root=PATH backup_id=ID tree=NAME sha256=HEX of its index, entries=COUNT that all have, or ''
#   packed=yes members=(NAME…)
# A tar of names in a snapshot tree, as it passes; packed with gzip if it is to be. After words.sh, common.sh and
# rights.sh. Before the first byte comes a line: WORD. It changes nothing.

set -o pipefail

# find_tree: sets place.
find_tree() {
  local sum
  place=$root/$backup_id/$tree
  if ! [ -d "$root/$backup_id" ] || [ -L "$root/$backup_id" ]; then
    (is_absent "$root/$backup_id") || fail 77 "Cannot look into $(shown "$root/$backup_id")."
    fail 113 "$(shown "$root/$backup_id") is not there."
  fi
  if ! [ -d "$place/files" ] || [ -L "$place" ]; then fail 114 "$(shown "$place") is not there."; fi
  sum=$(gzip -dc -- "$place.index.gz" 2>/dev/null | sha256sum)
  [ "${sum%% *}" = "$sha256" ] || fail 94 "The index of $(shown "$place") is not what was made."
}

# choose_reader: sets reader, the tar that may read what is in the tree.
choose_reader() {
  local option known
  reader=(tar)
  if ((EUID)) && [ "$privilege" = full ]; then
    need_privilege
    reader=(sudo -n env -i LC_ALL=C "PATH=$PATH" tar)
  fi
  known=$(tar --help)
  for option in --acls --xattrs --xattrs-include='*'; do
    [[ $known != *"${option%%=*}"* ]] || reader+=("$option")
  done
}

choose_packer() {
  local candidate
  packer=(cat)
  [ -n "$packed" ] || return 0
  for candidate in pigz gzip; do
    packer=("$candidate" -1)
    ! has "$candidate" || return 0
  done
}

# give: what tar says comes to `said`, but for names, which are counted.
give() {
  local said
  exec 4>&1
  said=$(
    {
      {
        "${reader[@]}" --directory="$place" --create --verbose --format=posix --numeric-owner --sparse \
          --quoting-style=escape --no-unquote '--pax-option=delete=atime,delete=ctime' --file=- \
          -- "${members[@]}" 2>&5 | "${packer[@]}" >&4
        echo "ended ${PIPESTATUS[*]}" >&5
      } 5>&1 | awk '/^files(\/|$)/ { names++; next } { print } END { print "names " names + 0 }'
    } 2>&1
  )
  judge "$said"
}

# judge SAID: that another tree links to a file counts as a change for tar.
judge() {
  local line
  while IFS= read -r line; do
    case $line in
      'ended 0 0' | 'ended 1 0' | "names ${entries:-*}") ;;
      'tar: '*': file changed as we read it' | 'tar: '*': socket ignored') ;;
      'names '*)
        [ -z "$entries" ] || fail 94 "The tree is not what was made: it has other than $entries names." ;;
      *) fail 74 "The tree cannot be read: $(shown "$line")." ;;
    esac
  done < <(printf '%s\n' "$1")
}

find_tree
choose_reader
choose_packer
printf '\n%s \n' "$word"
give
