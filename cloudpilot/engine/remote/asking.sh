# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # what to ask stands before this: engines[LOGIN]=mariadb|mysql|postgresql; the
#   option file of a login is the secret login_LOGIN
# Questions to database servers, as a backup and a restore ask them. After clients.sh, before
# mysql_asking.sh and postgresql_asking.sh, which know how an engine is asked, as FAMILY_….

# family LOGIN: sets `family` and `brand`.
family() {
  case ${engines[$1]} in
    postgresql) family=postgresql brand=PostgreSQL ;;
    mysql) family=mysql brand=MySQL ;;
    *) family=mysql brand=MariaDB ;;
  esac
}

let_through=(cat) # of an answer

# ask LOGIN STATEMENTS [DATABASE]: has them run; rows, with tabs between their columns, are in work/answer.
# Fails if they do. What the client says passes through cat, since of a full disk cat tells.
ask() {
  rm -f work/answer
  printf '%s\n' "$2" >work/question || disk_full
  answer "$1" "${3:-}" &
  wait "$!" && return
  ! no_room work || disk_full
  "${family}_explain" work/sql.errors
}

# answer LOGIN DATABASE: its status is not 0 unless all that the server has said is written down.
answer() {
  "${family}_sql" "$@" <work/question 2>work/sql.errors | "${let_through[@]}" >work/answer
  ((PIPESTATUS[0] == 0 && PIPESTATUS[1] == 0))
}

disk_full() {
  give_up 71 "$(full "$backup")"
}

# from_hex DIGITS: sets `text`. Names come in hexadecimal: no line break or tab in them cuts a row.
from_hex() {
  # shellcheck disable=SC2034
  printf -v text %b "$(printf %s "$1" | sed 's/../\\x&/g')"
}

# names_answered: sets `names` to those in work/answer, a line each in hexadecimal, the first ten; fails if there is none.
names_answered() {
  local count hex
  count=$(wc -l <work/answer)
  ((count)) || return
  names=''
  while read -r hex; do
    from_hex "$hex"
    names+="${names:+, }$(shown "$text")"
  done < <(head -n 10 work/answer)
  ((count <= 10)) || names+=" and $((count - 10)) more"
}

# give_up STATUS SENTENCE: fails, also from a process of our own: `explain` finds both.
give_up() {
  [ "$BASHPID" = "$$" ] && fail "$1" "$2"
  printf '%s %s\n' "$1" "$2" >work/sentence
  exit "$1"
}
