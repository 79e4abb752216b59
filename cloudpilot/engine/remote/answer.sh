# shellcheck shell=bash
# Stands before a program that stays and answers one question after the other.

# answer FUNCTION [WORD…]: calls it with the words of each question, and with these after them. A question is a
# token, how many words there are, and the words, each ended by NUL: of one that was cut off nothing is done.
# Both streams say with the token where the answer ends, standard output with the status, too. Who is not
# asked for two minutes has been forgotten.
answer() {
  local token count word words
  cd / # nobody's disk is kept from being unmounted
  while IFS= read -r -t 120 -d '' token && IFS= read -r -d '' count; do
    words=()
    for ((; count > 0; count--)); do
      IFS= read -r -d '' word || return 0
      words+=("$word")
    done
    ("$1" "${words[@]}" "${@:2}") </dev/null
    printf '\n%s %s\n' "$token" "$?"
    printf '\n%s\n' "$token" >&2
  done
}
