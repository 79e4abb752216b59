# shellcheck shell=bash
# shellcheck disable=SC2154 # archives, files and decompress are set by archives.sh and untar.sh
# What a verified archive holds of a database, for restore_databases.sh. After untar.sh.

# members_of NUMBER NAME: the members databases/NUMBER/NAME, or NAME.000000 and so on, joined. Dumps are
# whole in each archive of a chain: those of the last one count. What unpacks is not waited for when these are
# there; whether the archive is whole has been proven.
members_of() {
  local last=$((${#archives[@]} - 1))
  "${decompress[@]}" <"${files[last]}" 2>/dev/null | perl extract.pl "databases/$1/$2" 2>/dev/null
  return "${PIPESTATUS[1]}"
}
