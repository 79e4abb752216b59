# shellcheck shell=bash
# restore_look ENGINE SECONDS NAME WORD=TEXT…, with the secret `login`: what a database server has where
# NAME is to be restored. WORD is role, extension or definer, and TEXT one that the archive needs. It
# changes nothing. After common.sh, clients.sh, inspect_words.sh, inspect_FAMILY.sh and
# restore_look_FAMILY.sh. Each line of the answer is WORD TEXT; engine/restore_look.py knows the words.
# Names are in hexadecimal: whatever they hold, they are no line, no word and no command.

restore_look() {
  # shellcheck disable=SC2034 # for `left`
  local until=$((SECONDS + $2))
  lonely_clients
  echo # whatever the login shell has printed before ends here
  case $1 in
    postgresql) look_at_postgres "${@:3}" ;;
    *) look_at_mysql "$1" "${@:3}" ;;
  esac
  echo end
}

# free_at FOLDER: bytes on its disk, if the server is this machine.
free_at() {
  local blocks size whole
  if reveal login | grep -qE '^host=/|^socket=|^host="?(127\.0\.0\.1|localhost|::1)"?$' &&
    read -r blocks size whole < <(stat -f -c '%a %S %b' -- "$1" 2>/dev/null) && ((whole)); then
    echo "free $((blocks * size))"
  fi
}

# each_needed WORD WORD=TEXT…: the texts of WORD, a line each in hexadecimal.
each_needed() {
  local one
  for one in "${@:2}"; do
    if [ "${one%%=*}" = "$1" ]; then printf '%s\n' "$(printf %s "${one#*=}" | hex)"; fi
  done
}

restore_look "$@"
