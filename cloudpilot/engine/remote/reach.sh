# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for curl.sh, and what that sets
# reach IN_CLEAR BASE64, with one secret, a request: sends it from here with a small body, and says
# word by word what came of it. After curl.sh.

reach() {
  local gently=() limit=(--max-time 25) request folder status start
  choose_curl "$1" || fail 78 'curl is not installed.'
  sweep_memory
  read -r _ start _ < <(identity "$$")
  folder=$(mktemp -d "/dev/shm/cloudpilot-$UID.$$.$start.XXXXXXXX") || fail "$(no_room /dev/shm && echo 71 || echo 70)" 'No folder can be made in /dev/shm, the memory of the server.'
  # shellcheck disable=SC2064 # the folder that is named now
  trap "rm -rf -- '$folder'" EXIT
  request=$(secrets | while read -r _ encoded; do printf %s "$encoded" | base64 -d; done)
  unpack "$request"
  printf %s "$2" | base64 -d | exchange "$folder/answer" "$(printf %s "$2" | base64 -d | wc -c)" "${headers[@]}"
  status=${PIPESTATUS[2]}
  printf 'now %s\n' "$(date +%s.%N)"
  understand "$folder/answer"
  printf '%s %s\n' version "$(curl -q --version | head -n 1 | cut -d ' ' -f 2 | tr -cd '0-9A-Za-z.-')" \
    curl "$status" status "$http" date "${date:0:100}" answer "$receipt"
  if [[ $http == 2?? ]]; then said=''; else said=$(code); fi
  printf 'said %s\nend\n' "$said"
}

reach "$@"
