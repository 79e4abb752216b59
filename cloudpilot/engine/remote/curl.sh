# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what it sets is for who sends, what it reads as well
# One signed request, sent by curl, and its answer. The right to write is in the address: it stands
# in no word of a command, in no environment and in no file of a disk. curl reads it from a pipe that
# printf fills, which is a part of bash; what the store answers is kept in memory.

unset SSLKEYLOGFILE CURL_HOME CURL_SSL_BACKEND
ANSWER_AT_MOST=65536 # bytes

# choose_curl IN_CLEAR: how curl is called; redirects, proxies and settings of others count for nothing.
choose_curl() {
  has curl || return
  curl_command=(
    curl -q -sS -i --globoff --path-as-is --http1.1 --max-redirs 0 --noproxy '*'
    --connect-timeout 20 --speed-limit 1 --speed-time 60
  )
  if [ -n "$1" ]; then curl_command+=(--proto '=http,https'); else curl_command+=(--proto '=https'); fi
}

# unpack LINE: sets method, url, and the names and values headers, final and ask; see uploading.py.
# No here-string: old versions of bash write it to a file.
unpack() {
  local IFS=$'\x1f' words at
  set -f
  # shellcheck disable=SC2206 # it is split at these characters and nowhere else
  words=($1)
  set +f
  method=${words[1]} url=${words[2]} at=3
  headers=("${words[@]:at + 1:2 * words[at]}")
  ((at += 1 + 2 * words[at]))
  final=("${words[@]:at + 1:2 * words[at]}")
  ((at += 1 + 2 * words[at]))
  ask=("${words[@]:at + 1:2 * words[at]}")
}

# config METHOD URL [NAME VALUE]…: what curl reads.
config() {
  printf 'request = "%s"\nurl = "%s"\n' "$(in_quotes "$1")" "$(in_quotes "$2")"
  shift 2
  while (($#)); do
    printf 'header = "%s: %s"\n' "$(in_quotes "$1")" "$(in_quotes "$2")"
    shift 2
  done
}

in_quotes() {
  local text=${1//\\/\\\\}
  printf %s "${text//\"/\\\"}"
}

# exchange FILE SIZE [NAME VALUE]…: sends the request of `method` and `url` with SIZE bytes of standard
# input, and puts head and body of the answer into FILE. Its status is curl's.
exchange() {
  local file=$1 body=(-T - --header 'Transfer-Encoding:')
  (($2)) || body=()
  "${gently[@]}" "${curl_command[@]}" "${limit[@]}" "${body[@]}" --header "Content-Length: $2" \
    -K <(config "$method" "$url" "${@:3}") 2>/dev/null | head -c "$ANSWER_AT_MOST" >"$file"
  return "${PIPESTATUS[0]}"
}

# understand FILE: sets http (the status; "" for none), receipt, range, date and said (the body).
understand() {
  local line etag='' digest=''
  http='' receipt='' range='' date='' said=''
  {
    while IFS= read -r line; do
      line=${line%$'\r'}
      case ${line,,} in
        http/*) line=${line#* } http=${line%% *} ;;
        etag:*) etag=${line#*:} ;;
        content-md5:*) digest=${line#*:} ;;
        range:*) range=${line#*:} ;;
        date:*) date=${line#*:} ;;
        '') [[ $http == 1?? ]] || break ;; # else the answer is still to come
      esac
    done
    said=$(head -c 16000 | tr -cd '\11\12\40-\176')
  } <"$1"
  [[ $http =~ ^[2-5][0-9][0-9]$ ]] || http=''
  receipt=${digest:-$etag}
  receipt=${receipt//[ \"]/} receipt=${receipt#W/}
  [[ $receipt =~ ^[A-Za-z0-9+/=_.:-]{1,64}$ ]] || receipt=''
}

# code: the store's word for what is wrong, from the body of an answer.
code() {
  if [[ $said =~ \<Code\>([A-Za-z0-9._-]{1,100})\</Code\> ]]; then
    printf %s "${BASH_REMATCH[1]}"
  else
    printf 'status %s' "$http"
  fi
}
