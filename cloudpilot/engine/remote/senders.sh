# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what curl.sh and upload.sh set and read
# All senders of an item: starting them, hearing what has become of their parts, writing it down.

# start_parts: as many senders as may be at work at once, in order.
start_parts() {
  local number total method url headers final ask
  while ((${#ready[@]} && ${#job[@]} < slots)); do
    number=${ready[0]} total='*'
    is_signed "$item" "$number" || return 0
    unpack "${signed[$item:$number]}"
    if ((${#ask[@]} && slots > 1)); then
      slots=1 # its parts follow each other
      continue
    fi
    [ -z "$all_read" ] || ((number + 1 < next)) || total=$there
    share_rate
    send_part "$number" "${offset_of[$number]}" "${size_of[$number]}" "${md5_of[$number]}" "$total" \
      "${aged[$item:$number]}" "${signed[$item:$number]}" &
    job[number]=$!
    ready=("${ready[@]:1}")
  done
}

# share_rate: each sender has its share; what is sent in few parts has fewer senders.
share_rate() {
  local sharing=$slots
  [ -z "$all_read" ] || ((${#ready[@]} + ${#job[@]} >= slots)) || sharing=$((${#ready[@]} + ${#job[@]}))
  limit=()
  [ -z "$rate" ] || limit=(--limit-rate "$((rate / sharing + 1))")
}

# hear: waits a moment for what a sender says; a shorter one if more could be sent than is there.
# A machine under load may let the moment end in the middle of a line: what was read of it is kept.
hear() {
  local number word words line='' moment=0.5
  ((${#job[@]} >= slots)) || [ -n "$all_read" ] || moment=0.2
  if ! IFS= read -r -t "$moment" -u 7 line; then
    half_heard+=$line
    [ -n "$half_heard" ] || miss_the_dead
    return 0
  fi
  line=$half_heard$line half_heard=''
  number=${line%% *} words=${line#* } word=${words%% *} words=${words#"$word"} words=${words# }
  wait "${job[$number]}" 2>/dev/null
  unset "job[$number]" "seen_dead[$number]"
  case $word in
    received) note "$number" "$words" && must_ask='' ;;
    there) note "$number" "$words" ;;
    expired)
      unset "signed[$item:$number]" "valid_until[$item:$number]"
      ((++expired < words)) ||
        fail 91 'The store calls every request expired: compare the clocks.'
      put_back "$number"
      ;;
    *) fail "${words%% *}" "${words#* }" ;;
  esac
}

# miss_the_dead: a sender that was killed has said nothing; twice not there, it is gone.
miss_the_dead() {
  local number running
  running=" $(jobs -rp | tr '\n' ' ')"
  for number in "${!job[@]}"; do
    [[ $running != *" ${job[$number]} "* ]] || continue
    if [ -n "${seen_dead[$number]:-}" ]; then
      unset "job[$number]"
      put_back "$number"
      must_ask=yes
    fi
    seen_dead[number]=yes
  done
}

# put_back NUMBER: in its order, since the first that lacks a request is what is said.
put_back() {
  mapfile -t ready < <(printf '%s\n' "$1" "${ready[@]}" | sort -n)
}

# note NUMBER ANSWER: the receipt.
note() {
  printf '%s %s %s %s\n' "$1" "${size_of[$1]}" "${md5_of[$1]}" "${2:--}" >>"$receipts/$item" || fail_to_note
  ((received += size_of[$1], sent_now += size_of[$1]))
  expired=0
  free_part "$1"
  unset "signed[$item:$1]" "valid_until[$item:$1]" "aged[$item:$1]"
}

# say_progress: once a second; what has passed a sender's reader is on its way.
say_progress() {
  local total=- name
  ((SECONDS != said_at)) || return 0
  said_at=$SECONDS
  if [ -n "$whole" ]; then
    total=$((received_before + there))
    for name in "${later[@]}"; do
      local -n its_file=file_$name
      ((total += $(stat -c %s -- "$backup/$its_file" 2>/dev/null || echo 0)))
    done
  fi
  progress "$((received_before + received + $(on_its_way)))" "$total"
}

on_its_way() {
  local number child children name key value all=0 part
  for number in "${!job[@]}"; do
    part=0 children=()
    read -r -a children 2>/dev/null <"/proc/${job[$number]}/task/${job[$number]}/children"
    for child in "${children[@]}"; do
      read -r name 2>/dev/null <"/proc/$child/comm" || continue
      if [ "$name" = bash ] && ((part == 0)); then
        part=${size_of[number]} # a reader that has ended has read all of it
      elif [ "$name" = dd ] && read -r key value 2>/dev/null <"/proc/$child/fdinfo/0"; then
        part=$((value > offset_of[number] ? value - offset_of[number] : 1))
        break
      fi
    done
    ((all += part))
  done
  echo "$all"
}

# known_receipts: sets known[NUMBER]="SIZE MD5" of parts that are received. Lines that are not whole
# are dropped: the machine may have lost its power.
known_receipts() {
  local words
  known=()
  [ -f "$receipts/$item" ] || return 0
  grep -aE '^[1-9][0-9]{0,4} [0-9]{1,15} [0-9a-f]{32} [A-Za-z0-9+/=_.:-]{1,64}$' \
    "$receipts/$item" >work/receipts
  while read -r -a words; do
    known[words[0]]="${words[1]} ${words[2]}"
  done <work/receipts
  mv -f work/receipts "$receipts/$item" || fail_to_note
}

fail_to_note() {
  if no_room "$backup"; then fail 71 "$(full "$backup")"; fi
  fail 70 'What was received cannot be written down.'
}
