# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is restored stands before this, see restore.sh
# The archives of a restore: those that lie in a vault are read from there by signed requests, each
# one going on where it was; all are proven before anything is touched. After curl.sh and requests.sh.

PATIENCE=21600 # seconds in which an archive is asked for again and again, and nothing of it comes

# fetch_all: sets files, where each archive lies now.
fetch_all() {
  local number
  files=()
  stage fetch
  items=(archive) to_fetch=0 fetched=0
  for number in "${!archives[@]}"; do
    [ -n "${archive_places[number]}" ] || ((to_fetch += archive_sizes[number]))
  done
  if ((to_fetch)); then
    has curl || fail 78 'curl is not installed.'
    choose_curl "$in_clear"
    need_room "$to_fetch" 0 "$run" 'archives from the vault'
    memory
    take_launched
  fi
  for number in "${!archives[@]}"; do
    files[number]=${archive_places[number]}
    [ -n "${files[number]}" ] || fetch "$number"
  done
}

# fetch NUMBER
fetch() {
  local wait=1 failing='' got
  files[$1]=$run/work/archive.$1
  say "Fetching ${archives[$1]}, $(human "${archive_sizes[$1]}"), from the vault."
  : >"${files[$1]}"
  until got=$(stat -c %s -- "${files[$1]}") && ((got >= archive_sizes[$1])); do
    need_own_disk
    take_fed
    if ! is_signed archive "$(($1 + 1))"; then
      want "archive $(($1 + 1))"
      in_background sleep 0.5
      continue
    fi
    want ''
    receive "$1" "$got" && { wait=1 failing=''; continue; }
    : "${failing:=$SECONDS}"
    ((SECONDS - failing < PATIENCE)) || fail 92 "The vault has given nothing of ${archives[$1]} for $((PATIENCE / 3600)) hours."
    say "The vault does not answer (${why:-no answer}); again in $wait s."
    in_background sleep "$wait"
    wait=$((wait * 2 > 60 ? 60 : wait * 2))
  done
  ((fetched += archive_sizes[$1]))
}

# want ITEM: a request that is missing; '' for none.
want() {
  [ "${wanted:-}" = "$1" ] && return
  # The disk may be full for a moment: then it is asked for again.
  { printf '%s\n' "$1" >work/wants && mv -f work/wants wants && wanted=$1; } 2>/dev/null
}

# receive NUMBER FROM: what there is from byte FROM on, as far as it comes; fails for good where the store
# says no for good.
receive() {
  local pid size=${archive_sizes[$1]}
  unpack "${signed[archive:$(($1 + 1))]}"
  why=''
  rm -f work/head
  receiving "$2" "$size" >>"${files[$1]}" 2>work/fetch.errors &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    progress "$((fetched + $(stat -c %s -- "${files[$1]}")))" "$to_fetch"
    in_background sleep 0.3
  done
  wait "$pid"
  http=''
  [ ! -s work/head ] || understand work/head
  case $http in
    200 | 206) (($(stat -c %s -- "${files[$1]}") > $2)); return ;;
    401 | 403)
      # It may be too old: then another one is wanted.
      is_aged archive "$(($1 + 1))" || fail 91 "The vault does not let ${archives[$1]} be read: $(code)."
      unset "valid_until[archive:$(($1 + 1))]" ;;
    404) fail 116 "The vault does not have ${archives[$1]} any more." ;;
    '' | 408 | 429 | 5??) ! no_room "$run" || fail 71 "$(full "$run")" ;;
    *) fail 116 "The vault does not give ${archives[$1]}: $(code)." ;;
  esac
  why=${http:+status $http}
  return 1
}

# receiving FROM SIZE: the bytes of a good answer, never more than were missing.
receiving() {
  local word words=() range=()
  for word in "${curl_command[@]}"; do
    [ "$word" = -i ] || words+=("$word")
  done
  ((!$1)) || range=(Range "bytes=$1-")
  "${words[@]}" --fail --dump-header work/head -K <(config GET "$url" "${headers[@]}" "${range[@]}") 2>/dev/null |
    if (($1)); then perl -e '
      # A store that does not know ranges begins anew: what we have is skipped.
      my ($skip, $head) = @ARGV;
      local $/ = \65536;
      my $text = <STDIN> // exit;
      open my $file, "<", $head or exit 1;
      local $/;
      my @said = <$file> =~ m{^HTTP/\S+ (\d+)}mg;
      $skip = 0 if @said && $said[-1] == 206;
      local $/ = \65536;
      do {
        my $cut = length $text < $skip ? length $text : $skip;
        $skip -= $cut;
        print substr $text, $cut or exit 1;
      } while defined($text = <STDIN>);
    ' "$1" work/head; else cat; fi | head -c "$(($2 - $1))"
}

# is_aged ITEM NUMBER: whether a refusal may mean that the request is too old.
is_aged() {
  ((${aged[$1:$2]:-0} <= $(date +%s)))
}

# verify_all: the size and the SHA-256 of each archive are what they were when it was made.
verify_all() {
  local number digest total=0 done=0 size
  stage verify
  for number in "${!archives[@]}"; do ((total += archive_sizes[number])); done
  progress 0 "$total"
  for number in "${!archives[@]}"; do
    size=$(stat -c %s -- "${files[number]}" 2>/dev/null) ||
      fail 72 "$(shown "${files[number]}") is not there: is its disk mounted?"
    [ "$size" = "${archive_sizes[number]}" ] ||
      fail 94 "${archives[number]} has $size bytes instead of ${archive_sizes[number]}: it is not what was backed up."
    in_background hash_file "${files[number]}" >work/hash
    read -r digest _ <work/hash
    [ "$digest" = "${archive_hashes[number]}" ] ||
      fail 94 "${archives[number]} is damaged: its SHA-256 is not that of the backup."
    ((done += size))
    progress "$done" "$total"
  done
  say "Verified: ${#archives[@]} archive(s), $(human "$total")."
}

hash_file() {
  "${hash_command[@]}" <"$1"
}
