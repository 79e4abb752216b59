# shellcheck shell=bash
# look ROOT BACKUP_ID RUN_ID: how a run is doing; changes nothing. Each line of the answer begins
# with a word that says what it is, so no text in it can pass for another line.

look() {
  local life run=$1/$2/run-$3
  printf '\nnow %s\n' "$(date +%s)"
  life=$(life "$run") || exit # before exit is read: who is found dead has written it before
  printf 'life %s\n' "$life"
  cd -- "$run" 2>/dev/null || { echo end; return; }
  [ -e stop ] && echo stop
  tagged progress progress
  if [ -e exit ]; then
    tagged exit exit
    tagged E error
    tagged R result
    head -n 200 warnings 2>/dev/null | cut -c 1-500 | sed 's/^/W /'
  fi
  tail -c 4000 log 2>/dev/null | sed 's/^/L /'
  printf '\nend\n'
}

# tagged TAG FILE: its lines, if it is there.
tagged() {
  [ -f "$2" ] || return 0
  head -c 8000 "$2" | sed "s/^/$1 /"
  echo
}

look "$@"
