# shellcheck shell=bash
# fetch.sh WORD ROOT BACKUP_ID NAME SIZE FIRST LENGTH SHA256: some bytes of a backup's file, from FIRST
# on; LENGTH is - for all that follow, SIZE - if nobody knows it. With SHA256 the whole file is hashed
# meanwhile, and it is an error if that is not its hash: so a piece is not the end of something damaged.
#
# fetch.sh WORD ROOT BACKUP_ID NAME SIZE tar TOOL PACKED_FIRST PACKED_LENGTH SKIP LENGTH …: bytes of the
# tar inside: the pieces in PACKED_LENGTH bytes of the archive from PACKED_FIRST on are unpacked to their
# ends, so that their own checks are made; after SKIP bytes of what comes out LENGTH are given.
#
# Before the first byte comes a line: WORD and the file's size. It changes nothing.

set -o pipefail
hashing=''

# find ROOT BACKUP_ID NAME SIZE: opens the file as descriptor 3, and sets its size.
find_file() {
  local file=$1/$2/$3
  if ! [ -d "$1/$2" ] || [ -L "$1/$2" ]; then
    (is_absent "$1/$2") || fail 77 "Cannot look into $(shown "$1/$2")."
    fail 113 "$(shown "$1/$2") is not there."
  fi
  if ! [ -f "$file" ] || [ -L "$file" ]; then
    (is_absent "$file") || fail 114 "$(shown "$file") is not a file."
    [[ $3 != *.index.gz ]] || fail 115 "$(shown "$file") is not there."
    fail 114 "$(shown "$file") is not there."
  fi
  { exec 3<"$file"; } 2>/dev/null || fail 77 "Cannot read $(shown "$file")."
  size=$(stat -L -c %s /dev/fd/3) || fail 74 "Cannot look at $(shown "$file")."
  [ "$4" = - ] || [ "$size" = "$4" ] || fail 114 "$(shown "$file") has $size bytes; $4 were written."
}

# bytes FIRST LENGTH: of the file.
bytes() {
  if (($1 == 0 && $2 == size)); then
    cat <&3
  else
    # Opened anew: each reader has a place of its own.
    tail -c "+$(($1 + 1))" /dev/fd/3 | head -c "$2"
    # 141 is SIGPIPE: what has enough hears no more.
    [[ ${PIPESTATUS[*]} =~ ^(0|141)\ 0$ ]]
  fi
}

# hash_all: what the whole file's SHA-256 is; openssl is faster, but not everywhere.
hash_all() {
  if has openssl; then
    openssl dgst -sha256 -r /dev/fd/3
  else
    sha256sum /dev/fd/3
  fi
}

# give FIRST LENGTH SHA256
give() {
  local length=$2 sum
  [ "$length" != - ] || length=$((size - $1))
  if [ -n "$3" ]; then
    exec 4< <(hash_all 2>/dev/null)
    hashing=$!
  fi
  bytes "$1" "$length" || fail 74 'The archive cannot be read to its end.'
  [ -n "$3" ] || return 0
  read -r sum _ <&4
  [ "$sum" = "$3" ] || fail 94 'The archive on the server is not what was written: its SHA-256 is another.'
}

# unpacker TOOL
unpacker() {
  case $1 in
    zstd) unpack=(zstd -dcq) ;;
    *) if has igzip; then unpack=(igzip -dc); else unpack=(gzip -dc); fi ;;
  esac
  has "${unpack[0]}" || fail 78 "${unpack[0]} is not there."
}

# give_tar PACKED_FIRST PACKED_LENGTH SKIP LENGTH …
give_tar() {
  while (($# >= 4)); do
    bytes "$1" "$2" | "${unpack[@]}" | cut_out "$3" "$4" ||
      fail 94 'A part of the archive cannot be unpacked: it is damaged.'
    shift 4
  done
}

# cut_out SKIP LENGTH: reads to the end, or what unpacks would not tell how it ended.
cut_out() {
  head -c "$1" >/dev/null && head -c "$2" && cat >/dev/null
}

trap '[ -z "$hashing" ] || kill "$hashing" 2>/dev/null' EXIT
find_file "${@:2:4}"
printf '\n%s %s\n' "$1" "$size"
if [ "${6:-}" = tar ]; then
  unpacker "$7"
  give_tar "${@:8}"
else
  give "$6" "$7" "${8:-}"
fi
