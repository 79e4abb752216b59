# shellcheck shell=bash
# shellcheck disable=SC2154 # what to look at stands before this, written by engine/preview.py:
#   paths=(…) user_excludes=(…) pattern_words=(…) pattern_lengths=(…) backup_root=… privilege=…
#   preview_perl: prints preview.pl
# What the exclude patterns of a site leave out, as tar itself decides. After common.sh, rights.sh and
# measure.sh. It changes nothing; what it writes down meanwhile lies in a folder that goes with it.

WALK_SECONDS=10 FILTER_SECONDS=6 PATTERN_SECONDS=4 LOCKED_SECONDS=3

preview() {
  local perl
  CLOUDPILOT_RUN=${CLOUDPILOT_RUN:-}
  make_folder
  trap 'rm -rf -- "$folder"' EXIT
  trap 'exit 70' TERM INT HUP
  cd -- "$folder" || fail 70 'The folder for what is counted cannot be entered.'
  mkdir work
  perl=$(preview_perl)
  need_tools
  choose_tar
  check_paths
  gently=(nice -n 10)
  if has ionice && ionice -c 3 true 2>/dev/null; then gently+=(ionice -c 3); fi
  choose_tar_options
  list_plainly
  local patterns=("${user_excludes[@]}")
  user_excludes=()
  choose_excludes
  echo # whatever the login shell has printed before ends here
  walk
  leave_out "$FILTER_SECONDS" "${patterns[@]}" < <(gzip -dc all.gz | perl -e "$perl" names) | gzip -1 >kept.gz
  local cut=0
  if [ -e timed_out ]; then cut=1; echo 'stopped filter'; fi
  perl -e "$perl" merge all.gz kept.gz "$cut" tops "${paths[@]}"
  each_pattern
  [ "$privilege" != plain ] || locked "${patterns[@]}"
  echo end
}

# make_folder: sets folder. Where /tmp is full or closed it is in memory; who is killed leaves it to the sweep.
make_folder() {
  local start name
  sweep_memory
  read -r _ start _ < <(identity "$$")
  name=cloudpilot-$UID.$$.$start.XXXXXXXX
  folder=$(mktemp -d -p /tmp "$name" 2>/dev/null || mktemp -d -p /dev/shm "$name" 2>/dev/null) ||
    fail 70 'No folder can be made for what is counted, neither in /tmp nor in /dev/shm.'
}

# list_plainly: names as they are, and what a link leads to as @, so that it cannot be taken for a
# part of the name.
list_plainly() {
  local option kept=()
  for option in "${tar_options[@]}"; do
    [[ $option == --transform=* ]] || kept+=("$option")
  done
  tar_options=("${kept[@]}" --show-transformed-names '--transform=flags=Rsh;s,.*,@,')
}

# walk: everything, whatever the patterns say; our own archives and other file systems never.
walk() {
  "${gently[@]}" timeout -k 1 "$WALK_SECONDS" "${tar[@]}" "${tar_options[@]}" --file=/dev/null --verbose --verbose \
    "${excludes[@]}" -- "${paths[@]}" 2>work/errors | gzip -1 >all.gz
  local status=${PIPESTATUS[0]}
  if ((status == 124 || status == 137)); then
    echo 'stopped walk'
  elif [ -z "$(gzip -dc all.gz | head -c 1)" ]; then
    fail 70 "tar lists nothing: $(tail -n 1 work/errors)"
  fi
}

# leave_out SECONDS OPTION…: of the names that it reads, ended by NUL, those that tar would pack. The
# options stand before --no-recursion: after it they would spare what is in a folder that matches.
leave_out() {
  rm -f timed_out
  "${gently[@]}" timeout -k 1 "$1" "${tar[@]}" --create --file=/dev/null --format=posix --absolute-names \
    --quoting-style=escape --no-unquote --verbose "${@:2}" --no-recursion --null --files-from=- 2>work/errors
  case $? in 124 | 137) : >timed_out ;; esac
}

# each_pattern: alone, against the outermost of what was left out.
each_pattern() {
  local number at=0 length until=$((SECONDS + PATTERN_SECONDS))
  cut_names <tops >names
  for number in "${!pattern_lengths[@]}"; do
    if ((SECONDS >= until)); then
      echo 'stopped patterns'
      return
    fi
    length=${pattern_lengths[number]}
    leave_out 3 "${pattern_words[@]:at:length}" <names >stays
    if [ -e timed_out ]; then echo 'stopped patterns'; else perl -e "$perl" hits tops stays "$number"; fi
    ((at += length))
  done
}

# locked OPTION…: how much we may not read of what would be packed. tar lists such a file, but of a
# folder it says that it cannot be opened.
locked() {
  local files
  files=$(leave_out "$LOCKED_SECONDS" "${excludes[@]}" "$@" < <(
    timeout -k 1 "$LOCKED_SECONDS" find "${paths[@]}" -xdev \( -type f ! -readable \
      -o -type d ! \( -readable -executable \) \) -print0 2>/dev/null
  ) | wc -l)
  echo "locked $((files + $(grep -c ': Permission denied$' work/errors)))"
  [ ! -e timed_out ] || echo 'stopped locked'
}

# cut_names: of rows COUNT BYTES NAME, ended by NUL.
cut_names() {
  perl -0 -ne 's/^\d+ \d+ //; print'
}

## what measure.sh has for a backup

# tar_option: what a file has beside its name and bytes is not counted.
tar_option() {
  :
}

preview
