# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # rsync_options and rsync_version are of those who call
# The rsync of this server: whether it is one that keeps what a tree keeps, and how it is told.

RSYNC_AT_LEAST=3.1.3 # the first that compares times to the nanosecond

need_rsync() {
  has rsync || fail 78 'rsync is not installed: apt-get install rsync, or back up to archives.'
  rsync_version=$(rsync --version | sed -n '1s/^rsync *version v\{0,1\}\([0-9.]*\).*/\1/p')
  [ "$(printf '%s\n' "$RSYNC_AT_LEAST" "${rsync_version:-0}" | sort -V | head -n 1)" = "$RSYNC_AT_LEAST" ] ||
    fail 78 "rsync ${rsync_version:-of no known version} is too old: $RSYNC_AT_LEAST or later is needed."
}

# keep_more: into rsync_options, what not every rsync can.
keep_more() {
  rsync_option 'access control lists' ACLs --acls
  rsync_option 'extended attributes' xattrs --xattrs
}

# rsync_option WHAT WORD OPTION: taken if this rsync knows it; some are built without.
rsync_option() {
  if rsync --version | grep -qE "(^|[ ,])no $2(,|\$)" || ! rsync --version | grep -qw "$2"; then
    warn "This server's rsync cannot keep $1: they are not in the tree."
  else
    rsync_options+=("$3")
  fi
}

# as_rule PATH: a backslash is one where there is no wildcard.
as_rule() {
  local rule=$1
  if [[ $rule == *[*?[]* ]]; then
    rule=$(printf %s "$rule" | sed -e 's/\\/&&/g' -e 's/[*?[]/[&]/g')
  fi
  printf %s "$rule"
}
