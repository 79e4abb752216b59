# shellcheck shell=bash
# presence ROOT BACKUP_ID NAME SIZE …: whether archives are there and how large they are; it reads
# none. Of a snapshot tree (NAME.tree) it looks whether anything is in it, and its index beside it. Each line of the answer is WORD NUMBER, where the first archive is 0: there, size (with what
# it is now), absent, root (the directory is not there, or nothing of what was looked for in it).
# What we are not allowed to look at, or have no time for, is not mentioned.

AT_LONGEST=10 # seconds

presence() {
  local at=0 sizes=()
  declare -A known=() # roots, and whether they hold anything that is looked for
  roots "$@"
  measure "$@"
  echo # whatever the login shell has printed before ends here
  while (($# >= 4 && SECONDS < AT_LONGEST)); do
    one "$at" "$@"
    shift 4
    ((at += 1))
  done
  echo end
}

# roots ROOT BACKUP_ID NAME SIZE …
roots() {
  while (($# >= 4)); do
    [ -d "$1/$2" ] && known[$1]=yes
    shift 4
  done
}

# measure ROOT BACKUP_ID NAME SIZE …: sets sizes, of each what it has now, - if it is no file. One process for
# all: on a server that is busy each costs more than a look.
measure() {
  local files=()
  while (($# >= 4)); do
    files+=("$1/$2/$3")
    shift 4
  done
  mapfile -t sizes < <(perl -e 'print -l $_ ? "-" : -f _ ? -s _ : "-", "\n" for @ARGV' -- "${files[@]}")
}

# one NUMBER ROOT BACKUP_ID NAME SIZE …
one() {
  local file=$2/$3/$4 size=${sizes[$1]:--}
  if [[ $4 == *.tree ]] && holds_tree "$file"; then
    echo "there $1"
    return
  elif [ "$size" != - ]; then
    if [ "$size" = "$5" ]; then echo "there $1"; else echo "size $1 $size"; fi
    return
  fi
  (is_absent "$file") 2>/dev/null
  (($? != 77)) || return 0 # not allowed to look
  if [ -n "${known[$2]:-}" ]; then
    echo "absent $1"
  else
    echo "root $1"
  fi
}

# holds_tree FOLDER
holds_tree() {
  [ -d "$1/files" ] && ! [ -L "$1" ] && [ -f "$1.index.gz" ] &&
    [ -n "$(find "$1/files" -mindepth 1 -maxdepth 1 -print -quit 2>/dev/null)" ]
}

presence "$@"
