# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what curl.sh and upload.sh set and read
# Sending one part, in a process of its own: again until the store has it or says no for good.
# What has become of it is one line to descriptor 7: NUMBER received|there|expired|failed WORDS.

# send_part NUMBER OFFSET SIZE MD5 TOTAL AGED LINE: TOTAL is * before the last part.
send_part() {
  local number=$1 offset=$2 end=$(($2 + $3)) md5=$4 total=$5 aged=$6
  local from=$2 delay=1 verdict='' words='' failing='' file=$memory_folder/answer.$1
  local method url headers final ask http receipt range date said unsure=$must_ask damaged=0
  exec 6>&- 8>&-
  unpack "$7"
  while :; do
    verdict=''
    ((${#ask[@]} == 0)) || [ -z "$unsure" ] || ask_how_far
    [ -n "$verdict" ] || send_once
    [ "$verdict" = again ] || break
    be_patient || break
    lives "$$" "$started" || exit # nobody waits for it any more
  done
  rm -f -- "$file"
  printf '%s %s %s\n' "$number" "$verdict" "$words" >&7
}

# send_once: sends what is missing of the part, and sets verdict.
send_once() {
  local filled=() pair=("${headers[@]}") status
  [ "$total" = '*' ] || pair+=("${final[@]}")
  fill
  if ((from < end)); then
    range_of "$from" "$((end - from))" | exchange "$file" "$((end - from))" "${filled[@]}"
    status=("${PIPESTATUS[@]}")
  else
    exchange "$file" 0 "${filled[@]}" </dev/null
    status=(0 "$?")
  fi
  judge "${status[1]}"
  # 141 is SIGPIPE: curl has ended before.
  ((status[0] == 0 || status[0] > 128)) || verdict=failed words="74 Part $number cannot be read."
}

# fill: puts values where the headers' names for them stand.
fill() {
  local at value digest=$md5
  for ((at = 0; at < ${#pair[@]}; at += 2)); do
    value=${pair[at + 1]}
    if ((from != offset)) && [[ $value == *'{md5}'* ]]; then
      digest=$(range_of "$from" "$((end - from))" | "${md5_command[@]}")
    fi
    # Nothing is left to send, and the store has not yet heard that this is all.
    ((from < end)) || value=${value//'{first}-{last}'/'*'}
    value=${value//'{first}'/"$from"}
    value=${value//'{last}'/"$((end - 1))"}
    value=${value//'{total}'/"$total"}
    [[ $value != *'{md5}'* ]] || value=${value//'{md5}'/"$(base64_of "${digest%% *}")"}
    [[ $value != *'{whole_md5}'* ]] || value=${value//'{whole_md5}'/"$(base64_of "$md5_of_all")"}
    filled+=("${pair[at]}" "$value")
  done
}

# base64_of HEX
base64_of() {
  local at bytes=''
  for ((at = 0; at < ${#1}; at += 2)); do bytes+="\\x${1:at:2}"; done
  # shellcheck disable=SC2059 # it is meant as a format
  printf "$bytes" | base64
}

# ask_how_far: where parts follow each other the store says where to go on.
ask_how_far() {
  exchange "$file" 0 "${ask[@]}" </dev/null
  local ended=$?
  understand "$file"
  if [[ $ended = 0 && $http = 308 ]]; then
    go_on
  else
    judge "$ended"
  fi
  # It may have more than this part.
  [ "$verdict" != received ] || verdict=there
}

# go_on: an answer has said how far the store is.
go_on() {
  unsure='' from=0
  [[ ! $range =~ ^\ *bytes=0-([0-9]{1,15})$ ]] || from=$((BASH_REMATCH[1] + 1))
  ((from > end)) && from=$end
  if ((from == end)) && [ "$total" = '*' ]; then verdict=received words=''; fi
}

# judge CURL_STATUS: sets verdict and words.
judge() {
  understand "$file"
  verdict=again words=
  if (($1)) && [[ $http != 4?? ]]; then
    words="curl ended with status $1"
    unsure=yes
    return
  fi
  case $http in
    200 | 201) verdict=received words=$receipt ;;
    308) judge_going_on ;;
    408 | 429 | 5?? | '') words="it answers ${http:-nothing}" unsure=yes ;;
    *) refused ;;
  esac
}

judge_going_on() {
  ((${#ask[@]})) || { refused; return; }
  local before=$from
  verdict=''
  go_on
  [ -n "$verdict" ] || { verdict=again words='it has taken a part of what was sent'; }
  ((from <= before)) || delay=0
}

# refused: the store says no; a request that is too old is only asked for again.
refused() {
  local code now
  code=$(code)
  printf -v now '%(%s)T' -1
  verdict=failed
  case $http in
    400 | 401 | 403)
      if ((now >= aged)) || [[ $said =~ [Ee]xpired|'not valid in the specified time frame' ]]; then
        verdict=expired words=6 # so many in a row are borne: more where it may be true
        ((now < aged)) || words=50
        return
      fi
      ;;
  esac
  case $http:$code in
    4??:RequestTimeout | 409:OperationAborted)
      verdict=again unsure=yes words="it answers $code" # so Amazon's says that nothing came for a while
      return
      ;;
    4??:BadDigest | 4??:Md5Mismatch)
      if ((++damaged < 4)); then
        verdict=again words="it was damaged on its way ($code)"
        return
      fi
      ;;
  esac
  case $http:$code in
    401:* | 403:*) words="91 The store refuses a signed request: $code." ;;
    404:NoSuchUpload) words="93 The upload is no longer open at the store: $code." ;;
    404:*) words="95 The store does not find what the upload is for: $code." ;;
    4??:BadDigest | 4??:Md5Mismatch) words="94 The store received other bytes than were read: $code." ;;
    *) words="93 The store refuses part $number: $code." ;;
  esac
  if ((${#ask[@]})) && [[ $http == 404 || $http == 410 || $http == 499 ]]; then
    words="93 The upload is no longer open at the store: $code."
  fi
}

# be_patient: waits before the next attempt; false when it has failed for too long.
be_patient() {
  local now
  printf -v now '%(%s)T' -1
  : "${failing:=$now}"
  if ((delay == 0)); then
    failing='' delay=1
    return
  elif ((now - failing >= patience)); then
    verdict=failed words="92 The store cannot be reached: $words."
    return 1
  fi
  printf '%(%H:%M:%S)T UTC  Part %s is sent again: %s.\n' -1 "$number" "$words"
  sleep "$delay.$((RANDOM % 10))$((RANDOM % 10))"
  delay=$((delay * 2 > 60 ? 60 : delay * 2))
}
