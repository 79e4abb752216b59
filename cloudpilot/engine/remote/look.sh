# shellcheck shell=bash
# look ROOT BACKUP_ID RUN_ID REDACTION: how a run is doing; changes nothing. Each line of the answer
# begins with a word that says what it is, so no text in it can pass for another line. What tools
# have said goes through REDACTION, a script for sed, before it leaves the server. It is asked all the
# time: of work that goes on, bash itself reads all but the log.

look() {
  local life run=$1/$2/run-$3 redaction=${4:-}
  printf '\nnow %(%s)T\n' -1
  life=$(life "$run") || exit # before exit is read: who is found dead has written it before
  [ "$life" != dead ] || sweep_memory # KILL leaves nobody the time to
  printf 'life %s\n' "$life"
  cd -- "$run" 2>/dev/null || { echo end; return; }
  [ -e stop ] && echo stop
  tagged progress progress
  tagged want wants
  if [ -e exit ]; then
    tagged exit exit
    printf 'ended %s\n' "$(stat -c %Y exit 2>/dev/null)" # by the clock that says what `now` is
    redacted E error
    tagged R result
    census 2>/dev/null
    echo
    head -n 200 warnings 2>/dev/null | cut -c 1-500 | tag W
  elif [ "$life" = dead ] && ! [ -e stop ] && is_read_only .; then
    printf 'exit 112\nE The disk of %s became read-only while the run was at work.\n' "$(shown "$1")"
  elif [ "$life" = dead ] && ! [ -e stop ] && no_room .; then
    printf 'exit 71\nE %s Not even the end could be written down.\n' "$(full "$1")"
  fi
  ! [ -s log ] || tail -c 4000 log 2>/dev/null | tag L
  printf '\nend\n'
}

# census: the panel reads a megabyte. Of very many databases or tables not all, but whole lines, and of a database either all that
# is said of it or nothing. How many there are is told by `databases` in the result and by `listed`.
census() {
  [ -f census ] || return 0
  awk '
    function done() {
      if (!closed && room >= length(block)) {
        printf "%s", block
        room -= length(block)
        said[number] = 1
      } else closed = 1
      block = ""
    }
    BEGIN { room = 400000; room_of_tables = 400000 }
    FNR == 1 { pass++ }
    pass == 1 && $1 == "D" { if (number) done(); number = $2 }
    pass == 1 && $1 != "T" { block = block "C " $0 "\n" }
    pass == 2 && FNR == 1 { done() }
    pass == 2 && $1 == "T" && said[$2] && ++tables[$2] <= 2000 && (room_of_tables -= length($0) + 3) >= 0 {
      print "C " $0
    }
  ' census census
}

# tagged TAG FILE: its lines, if it is there.
tagged() {
  local line left=8000
  [ -f "$2" ] || return 0
  while ((left > 0)) && { IFS= read -r -n "$left" line || [ -n "$line" ]; }; do
    printf '%s %s\n' "$1" "$line"
    ((left -= ${#line} + 1))
  done <"$2"
}

# redacted TAG FILE: the same for what a tool may have said.
redacted() {
  [ -f "$2" ] || return 0
  head -c 8000 "$2" | tag "$1"
  echo
}

# tag TAG: each line of the input with it in front. At the end of a pipe, in a process that has nothing else to do.
tag() {
  exec sed -E -e "$redaction" -e "s/^/$1 /"
}

answer look "$@"
