# shellcheck shell=bash
# shellcheck disable=SC2154 # `until`, the second in which the answer has to be there
# What looks at database servers share. After common.sh and clients.sh.

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
