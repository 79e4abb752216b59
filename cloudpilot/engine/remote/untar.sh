# shellcheck shell=bash
# shellcheck disable=SC2154 # what is restored stands before this, see restore.sh; what unpack.sh sets
# The files of archives, by tar. After archives.sh and unpack.sh.

# choose_unpacking: tar's options, as docs/archive-format.md has them for a person.
choose_unpacking() {
  choose_decompress
  unpacking=(--extract --file=- --numeric-owner --same-permissions --no-unquote --acls)
  if [ -n "$foreign" ]; then unpacking+=(--xattrs '--xattrs-include=user.*'); else unpacking+=(--xattrs '--xattrs-include=*'); fi
  ((${#archives[@]} == 1)) || unpacking+=(--incremental)
  keeps_owners || unpacking+=(--no-same-owner)
}

# unpack_here: from all archives into `staged`, one after the other.
unpack_here() {
  local archive total=0 unpacked=0
  for archive in "${!archives[@]}"; do ((total += archive_sizes[archive])); done
  for archive in "${!archives[@]}"; do
    unpack_into "$archive" "$total"
  done
}

# members_weigh: bytes and names of `members` without `leave`. Each increment names all folders again: of these
# the most of one archive.
members_weigh() {
  local archive
  for archive in "${files[@]}"; do
    echo next
    "${decompress[@]}" <"$archive" 2>/dev/null | tar --list --verbose --file=- --numeric-owner --no-unquote \
      --anchored --no-wildcards "${leave[@]/#/--exclude=}" -- "${members[@]}" 2>/dev/null
  done | awk '
    /^next$/ { folders = 0; next }
    /^d/ { if (++folders > most) most = folders; next }
    { names++ }
    /^-/ { bytes += $3 }
    END { printf "%.0f %d\n", bytes, names + most }'
}

# unpack_into ARCHIVE TOTAL: into `staged`; tar starts there, see docs/increments.md.
unpack_into() {
  local other reader status
  mkfifo work/unpacking
  "${decompress[@]}" <"${files[$1]}" >work/unpacking 2>work/decompress.errors &
  reader=$!
  # shellcheck disable=SC2016 # expanded by the other bash
  as_rights bash -c 'cd -- "$1" && exec "${@:2}"' unpack "$staged" \
    tar "${unpacking[@]}" --anchored --no-wildcards "${leave[@]/#/--exclude=}" -- "${members[@]}" <work/unpacking 2>work/tar.errors &
  other=$!
  while kill -0 "$other" 2>/dev/null; do
    progress "$((unpacked + $(position "$reader")))" "$2"
    in_background sleep 0.2
  done
  wait "$other"
  status=$?
  wait "$reader"
  judge_unpacking "$1" "$status" "$?"
  rm -f work/unpacking
  ((unpacked += archive_sizes[$1]))
}

# position PID: how far it has read its standard input.
position() {
  local position
  position=$(sed -n 's/^pos:[[:space:]]*//p' "/proc/$1/fdinfo/0" 2>/dev/null)
  echo "${position:-0}"
}

# judge_unpacking ARCHIVE TAR DECOMPRESSOR
judge_unpacking() {
  local said
  said=$(grep -v -e ': Not found in archive' -e 'Exiting with failure status' -e 'Cannot mknod: Operation not permitted' work/tar.errors)
  [[ $said != *'No space left on device'* && $said != *'Disk quota exceeded'* ]] ||
    fail 71 "$(full "${staged%/*}" 'while it was unpacked' "$said")"
  (($3 == 0 || $3 == 141)) || fail 94 "${archives[$1]} cannot be unpacked: $(tail -n 1 work/decompress.errors)."
  (($2 <= 128)) || fail 76 'tar was killed on the server.'
  ! grep -q 'Cannot mknod: Operation not permitted' work/tar.errors ||
    warn "Devices of the backup were left out: $(id -un) may not make them."
  (($2 == 0)) || [ -z "$said" ] || fail 70 "tar could not unpack all: ${said%%$'\n'*}"
}

# choose_decompress: the fastest that is there and reads several streams as one.
choose_decompress() {
  local candidate
  case ${archives[0]} in
    *.tar.zst)
      decompress=(zstd -dc -q)
      has zstd || fail 78 'zstd is not installed: apt-get install zstd.'
      return ;;
  esac
  for candidate in igzip pigz gzip; do
    decompress=("$candidate" -dc)
    has "$candidate" && [ "$( (printf a | gzip -c; printf b | gzip -c) | "${decompress[@]}" 2>/dev/null)" = ab ] && return
  done
  fail 78 'gzip is not installed.'
}
