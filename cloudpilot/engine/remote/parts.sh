# shellcheck shell=bash
# shellcheck disable=SC2154 # tiers=(BYTES COUNT …), which the caller sets
# The parts of an upload, for who packs what is streamed and for who sends.

# refuse_what_has_no_parts BYTES: before hours are spent on what cannot be stored.
refuse_what_has_no_parts() {
  local at room=0
  for ((at = 0; at < ${#tiers[@]}; at += 2)); do ((room += tiers[at] * tiers[at + 1])); done
  (($1 <= room)) ||
    fail 97 "An archive of $(human "$1") is expected; the parts of this upload hold $(human "$room")."
}
