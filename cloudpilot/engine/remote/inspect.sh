# shellcheck shell=bash
# inspect ENGINE SECONDS all-but|only NAME…, with the secret `login`: what a database server holds and
# what its user may read. It changes nothing. After common.sh, clients.sh, inspect_words.sh and one of
# inspect_mysql.sh and inspect_postgres.sh. Each line of the answer is WORD TEXT; engine/inspected.py knows the words.
# Names are in hexadecimal: whatever they hold, they are no line, no word and no command.

inspect() {
  # shellcheck disable=SC2034 # for `left`
  local until=$((SECONDS + $2))
  lonely_clients
  echo # whatever the login shell has printed before ends here
  echo "packager $(packager)"
  case $1 in
    postgresql) inspect_postgres "${@:3}" ;;
    *) inspect_mysql "$1" ;;
  esac
  echo end
}

inspect "$@"
