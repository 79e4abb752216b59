# shellcheck shell=bash
# shellcheck disable=SC2154 # what to back up stands before this, see archive.sh
# The first step of a backup: everything that can be known before a byte is written.

# shellcheck disable=SC2034 # for databases.sh: of each database the number of its login, and its name
dumps=() dump_names=()
dump_bytes=0 # how long the dumps will be, roughly
incremental=() # see chain.sh

measure() {
  stage measure
  need_tools
  choose_compressor
  choose_hash
  choose_gently
  tar_bytes=0
  ((${#paths[@]} == 0)) || measure_files
  ((${#engines[@]} == 0)) || measure_databases
  note_expected
  [ -z "$streamed" ] || { refuse_what_has_no_parts "$expected"; check_holes; }
  check_space
}

# note_expected: how long the archive will be, for an upload that follows it.
note_expected() {
  to_pack=$((tar_bytes + dump_bytes))
  expected=$((to_pack * expected_ratio / 100))
  printf '%s\n' "$expected" >work/expected && mv -T work/expected expected && return
  fail 71 "$(full "$backup_root")"
}

# choose_gently: what serves the site goes first.
choose_gently() {
  gently=()
  has nice && gently+=(nice -n 10)
  has ionice && ionice -c 2 -n 7 true 2>/dev/null && gently+=(ionice -c 2 -n 7)
  return 0
}

measure_files() {
  say "Measuring ${#paths[@]} path(s)."
  choose_tar
  check_paths
  choose_tar_options
  choose_excludes
  [ -z "${chain_key:-}" ] || follow_chain
  measure_tar
}

need_tools() {
  local tool
  for tool in tar perl gzip; do
    has "$tool" || fail 78 "$tool is not installed."
  done
  tar_version=$(tar --version | head -n 1)
  [[ $tar_version == *'GNU tar'* ]] || fail 78 'tar is not GNU tar.'
}

check_paths() {
  local path
  for path in "${paths[@]}"; do
    if [ "$privilege" = plain ]; then check_path "$path"; else check_hidden "$path"; fi
  done
  without_inner
}

check_path() {
  if [ -L "$1" ]; then
    fail 73 "$(shown "$1") is a link to $(shown "$(readlink -- "$1")")."
  elif ! [ -e "$1" ]; then
    missing "$1" "$(stat -- "$1" 2>&1)"
  elif ! [ -r "$1" ] || { [ -d "$1" ] && ! [ -x "$1" ]; }; then
    fail 77 "$(shown "$1") cannot be read by $(id -un)."
  fi
}

# missing PATH ERROR: it is not there, or may not be seen.
missing() {
  case $2 in
    *': Permission denied') fail 77 "$(shown "$1") cannot be reached by $(id -un)." ;;
    *': Input/output error') fail 74 "$(shown "$1") cannot be read: input/output error." ;;
    *': No such file or directory' | *': Not a directory') fail 72 "$(shown "$1") does not exist." ;;
    *) fail 70 "$(shown "$1") cannot be backed up: ${2##*: }." ;;
  esac
}

# without_inner: what tar meets below another path is in the archive already. `paths` comes sorted,
# outer before inner.
without_inner() {
  local path outer kept=()
  for path in "${paths[@]}"; do
    for outer in "${kept[@]}"; do
      is_met "$path" "$outer" && continue 2
    done
    kept+=("$path")
  done
  paths=("${kept[@]}")
}

# is_met PATH OUTER: whether tar meets it on its way through OUTER: it neither follows a link nor
# goes into another file system. What we cannot see is packed twice rather than not at all.
is_met() {
  local real above=${2%/}
  [[ $1 == "$above"/* ]] || return
  real=$(realpath -- "$2")
  [ "$(stat -c %d -- "$1" 2>/dev/null)" = "$(stat -c %d -- "$2")" ] &&
    [ "$(realpath -- "$1")" = "${real%/}${1#"$above"}" ]
}

# choose_compressor: the fastest that is there and proves, on a few bytes, that it works.
choose_compressor() {
  local candidate
  for candidate in 'igzip -2 -n -c' 'pigz -p 1 -6 -n -c' 'gzip -6 -n -c'; do
    read -r -a gzip_command < <(printf '%s\n' "$candidate")
    works gzip "${gzip_command[@]}" && break
  done
  compressor=("${gzip_command[@]}")
  [ "$compression" = zstd ] || return 0
  compressor=(zstd -3 -q -T1 -c)
  works zstd "${compressor[@]}" || fail 78 'zstd is not installed: apt-get install zstd, or choose gzip.'
}

# works READER COMPRESSOR…
works() {
  has "$2" && [ "$(printf hello | "${@:2}" 2>/dev/null | "$1" -dc 2>/dev/null)" = hello ]
}

choose_hash() {
  hash_command=(openssl dgst -sha256 -r)
  printf '' | "${hash_command[@]}" >/dev/null 2>&1 && return
  hash_command=(sha256sum)
  has sha256sum || fail 78 'Neither openssl nor sha256sum is installed.'
}

choose_tar_options() {
  tar_options=(
    --create --format=posix --blocking-factor=128 --numeric-owner --sparse --one-file-system
    --quoting-style=escape --no-unquote
    --absolute-names '--transform=flags=rSh;s,^/,files/,' # members are files/srv/www/…
    '--pax-option=delete=atime,delete=ctime,exthdr.name=PaxHeaders/%f'
  )
  tar_option 'access control lists' --acls
  # The second would store ACLs once more, as the kernel has them.
  tar_option 'extended attributes' --xattrs '--xattrs-include=*' '--xattrs-exclude=system.posix_acl_*'
}

# tar_option WHAT OPTION…: taken if this tar knows it; some are built without.
tar_option() {
  if "$tar_tool" "${@:2}" --create --file=/dev/null --files-from=/dev/null 2>&1 | grep -q .; then
    warn "This server's tar cannot keep $1: they are not in the archive."
  else
    tar_options+=("${@:2}")
  fi
}

# choose_excludes: what the site leaves out; the kernel's files and our own archives never. Wildcards hold in
# patterns unless they are switched off; with the word --wildcards an increment lacks all folders.
choose_excludes() {
  local path real root word
  root=$(realpath -- "$backup_root")
  excludes=()
  for word in "${user_excludes[@]}"; do
    [ "$word" = --wildcards ] || excludes+=("$word")
  done
  # What a restore keeps of before: see unpack.sh.
  excludes+=(--no-anchored '--exclude=.cloudpilot-restore-*' --anchored)
  for path in "${paths[@]}"; do
    [ "$path" = / ] && excludes+=(--exclude={/proc,/sys,/dev,/run}/'*')
  done
  excludes+=(--no-wildcards "--exclude=$backup_root" "--exclude=$root")
  for path in "${paths[@]}"; do
    # Where we cannot go our archives are not.
    real=$(realpath -- "$path" 2>/dev/null) && [[ $root/ == "${real%/}"/* ]] &&
      excludes+=("--exclude=${path%/}/${root#"${real%/}"/}")
  done
}

# measure_tar: how long the tar will be, to the byte, from names and sizes alone.
measure_tar() {
  [ -z "${chain_key:-}" ] || fresh_state
  in_background run_tar /dev/null --totals 2>work/measured
  tar_bytes=$(sed -n 's/^Total bytes written: \([0-9]*\).*/\1/p' work/measured)
  [ -n "$tar_bytes" ] && return
  ! no_room "$backup" || fail 71 "$(full "$backup_root")"
  fail 70 "tar cannot measure: $(tail -n 1 work/measured)"
}

# run_tar FILE OPTION…: always in a process of its own, which becomes tar.
run_tar() {
  note_reader || exit 71
  exec "${gently[@]}" "${tar[@]}" "${tar_options[@]}" "${incremental[@]}" --file="$1" "${@:2}" \
    "${excludes[@]}" -- "${paths[@]}"
}

check_space() {
  local needed=$expected basis
  basis="$(human "$to_pack") to pack, $(packed_as)"
  [ -z "${streamed:-}" ] || most_at_once
  measure_room "$backup_root"
  say "$(human "$to_pack") to pack${room_bytes:+; $(human "$room_bytes") free}."
  need_room "$needed" 0 "$backup_root" "$basis"
}

# packed_as: what the figure is taken from.
packed_as() {
  if [ -n "${packs_as_before:-}" ]; then
    echo 'taken to become as small as last time'
  else
    echo 'and nothing tells yet how small that becomes'
  fi
}
