# shellcheck shell=bash
# look ROOT BACKUP_ID RUN_ID REDACTION: how a run is doing; changes nothing. Each line of the answer
# begins with a word that says what it is, so no text in it can pass for another line. What tools
# have said goes through REDACTION, a script for sed, before it leaves the server.

look() {
  local life run=$1/$2/run-$3 redaction=${4:-}
  printf '\nnow %s\n' "$(date +%s)"
  life=$(life "$run") || exit # before exit is read: who is found dead has written it before
  printf 'life %s\n' "$life"
  cd -- "$run" 2>/dev/null || { echo end; return; }
  [ -e stop ] && echo stop
  tagged progress progress
  tagged want wants
  if [ -e exit ]; then
    tagged exit exit
    redacted E error
    tagged R result
    # Of very many tables not all are said; what is said of all of them is.
    { grep -v '^T ' census | head -c 1000000; grep '^T ' census | head -c 500000; } 2>/dev/null | sed 's/^/C /'
    echo
    head -n 200 warnings 2>/dev/null | cut -c 1-500 | tag W
  elif [ "$life" = dead ] && ! [ -e stop ] && no_room .; then
    printf 'exit 71\nE The disk of %s is so full that not even the end could be written down.\n' "$(shown "$1")"
  fi
  tail -c 4000 log 2>/dev/null | tag L
  printf '\nend\n'
}

# tagged TAG FILE: its lines, if it is there.
tagged() {
  [ -f "$2" ] || return 0
  head -c 8000 "$2" | sed "s/^/$1 /"
  echo
}

# redacted TAG FILE: the same for what a tool may have said.
redacted() {
  [ -f "$2" ] || return 0
  head -c 8000 "$2" | tag "$1"
  echo
}

# tag TAG: each line of the input with it in front.
tag() {
  sed -E -e "$redaction" -e "s/^/$1 /"
}

look "$@"
