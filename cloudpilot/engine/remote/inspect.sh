# shellcheck shell=bash
# inspect ENGINE SECONDS all-but|only NAME…, with the secret `login`: what a database server holds and
# what its user may read. It changes nothing. After common.sh, clients.sh and one of inspect_mysql.sh
# and inspect_postgres.sh. Each line of the answer is WORD TEXT; engine/inspected.py knows the words.
# Names are in hexadecimal: whatever they hold, they are no line, no word and no command.

inspect() {
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

# left: seconds until the answer has to be there; at least one.
left() {
  local seconds=$((until - SECONDS))
  echo "$((seconds > 1 ? seconds : 1))"
}

# reveal NAME: a secret of this program, for the input of the command that needs it.
reveal() {
  local name encoded
  secrets | while read -r name encoded; do
    if [ "$name" = "$1" ]; then printf %s "$encoded" | base64 -d; fi
  done
}

# tool NAME PROGRAM: what it says of its version.
tool() {
  printf 'tool %s %s\n' "$1" "$(timeout 3 "$2" --version 2>/dev/null </dev/null | head -n 1)"
}

# refused STATUS WORDS: the server does not let us in, and what was said.
refused() {
  printf 'refused %s %s\n' "$1" "$(printf %s "$2" | tail -c 2000 | hex)"
}

hex() {
  od -An -v -tx1 | tr -d ' \n'
}

inspect "$@"
