# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what upload.sh sets and reads
# The upload of a snapshot tree: its archive is made beside it, below work/packing, and freed as it is received.
# In place of following another run; see follow.sh and tree_pack.sh.

# begin_packing: unless a former run of this upload has sent all of the archive.
begin_packing() {
  local name
  ! grep -qa '^= ' "$receipts/archive" 2>/dev/null || return 0
  mkdir -p work/packing/work || fail_to_note
  for name in pack.pl entry.pl stream.pl manifest.json; do cp "$name" work/packing/ || fail_to_note; done
  (cd work/packing && packing) &
  identity "$!" >work/packer || fail_to_note
}

# ask_maker: whether the archive is finished, or never will be.
ask_maker() {
  local pid start status sentence=''
  make=$run/work/packing
  read -r pid start _ <work/packer
  if ! [ -e work/packed ] && ! lives "$pid" "$start" && ! [ -e work/packed ]; then
    read -r status sentence 2>/dev/null <work/packing.failed ||
      { status=76 sentence='What packs was killed on the server: out of memory, perhaps?'; }
    fail "$status" "$sentence"
  fi
  [ -e work/packed ] || return 0
  read -r size sha256 <work/packed
  whole=yes
}
