# shellcheck shell=bash
# uninstall SERVER_ID USER keep|empty ROOTS_BASE64: takes the panel's things off a server, as root,
# and looks whether they are gone. Nothing is removed that somebody else may need: a folder only if
# it is empty, the user only if set-up made it and nothing else of it is left. May be run again.
# keep: archives below ROOTS (one a line, the last one is a dot) stay, and become root's.
# What another panel may need, which lets itself in by a key of its own, is kept.

set -u
umask 077
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LIBRARY=/usr/local/lib/cloudpilot
RULE=/etc/sudoers.d/cloudpilot
UUID='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

uninstall() {
  local id=${1:-} user=${2:-} archives=${3:-} roots home uid gid shared='' kept=()
  [[ $id =~ ^$UUID$ && $user =~ ^[a-z_][a-z0-9_-]{0,31}$ && $archives =~ ^(keep|empty)$ ]] ||
    stop 'The command is not whole: copy it again.'
  mapfile -t roots < <(printf %s "${4:-}" | base64 -d 2>/dev/null)
  [ "${roots[-1]:-}" = . ] || stop 'The command is not whole: copy it again.' # the end of the list
  unset 'roots[-1]'
  [ "$(id -u)" = 0 ] || stop 'Run it as root, or with sudo.'
  home=$(getent passwd "$user" | cut -d : -f 6)
  uid=$(id -u "$user" 2>/dev/null)
  gid=$(id -g "$user" 2>/dev/null)
  [ "$uid" != 0 ] || stop 'The panel does not log in as root; nothing was done.'
  refuse_while_it_works
  another_panel && shared=1
  take_tools
  take_directories
  # After all that may be cut short: with these the panel can look and begin again.
  [ -n "$shared" ] || take_rule
  take_key
  take_user
  report
}

stop() {
  printf '%s\n' "$1" >&2
  exit 1
}

# refuse_while_it_works: by number, start time and boot, as a run has written them down.
refuse_while_it_works() {
  local root run pid start boot fields
  for root in "${roots[@]}"; do
    for run in "$root"/*/run-*; do
      [ -e "$run/exit" ] && continue
      read -r pid start boot 2>/dev/null <"$run/pid" || continue
      [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || continue
      fields=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
      read -r -a fields < <(printf '%s\n' "${fields##*) }")
      [ "${fields[19]}" != "$start" ] || stop "A backup or a restore is at work in $run: nothing was removed."
    done
  done
}

# take_key: the line with our comment, and nothing else of the file; as the user, see setup.sh.
take_key() {
  [ -n "$home" ] || return 0
  # shellcheck disable=SC2016 # expanded by the other bash
  runuser -u "$user" -- env HOME="$home" bash -c '
    set -eu
    umask 077
    cd
    [ -f .ssh/authorized_keys ] || exit 0
    awk -v comment="$1" "\$NF != comment" .ssh/authorized_keys >.ssh/authorized_keys.new
    chmod --reference=.ssh/authorized_keys .ssh/authorized_keys.new
    mv .ssh/authorized_keys.new .ssh/authorized_keys
  ' take_key "cloudpilot-$id" || stop "The key could not be taken out of ~$user/.ssh/authorized_keys."
  if command -v restorecon >/dev/null; then restorecon -R "$home/.ssh"; fi
}

# lets_in PATTERN: whether a key with such a comment is in the file.
lets_in() {
  [ -n "$home" ] && sed 's/[[:space:]]*$//' "$home/.ssh/authorized_keys" 2>/dev/null | grep -qE "(^| )$1\$"
}

# another_panel: whether a key with a comment like ours, but not ours, is in the file.
another_panel() {
  [ -n "$home" ] && sed 's/[[:space:]]*$//' "$home/.ssh/authorized_keys" 2>/dev/null |
    grep -E "(^| )cloudpilot-$UUID\$" | grep -qv -- "cloudpilot-$id\$"
}

take_tools() {
  if [ -n "$shared" ]; then
    echo "Another panel lets itself in as $user: what it may do, its directories and the user stay."
    return
  fi
  if has_tar; then rm -rf "$LIBRARY"; fi
  [ -z "$uid" ] || rm -rf "/dev/shm/cloudpilot-$uid" /{dev/shm,tmp}/cloudpilot-"$uid".*
  loginctl disable-linger "$user" 2>/dev/null
}

take_rule() {
  if has_rule; then rm -f "$RULE"; fi
}

# has_rule, has_tar: whether there is one, and this user's: by the group that it has, or had.
has_rule() {
  grep -q "^$user " "$RULE" 2>/dev/null
}

has_tar() {
  [ -n "$gid" ] && [ "$(stat -c %g "$LIBRARY" 2>/dev/null)" = "$gid" ]
}

take_directories() {
  local root
  for root in "${roots[@]}"; do
    if ! [ -d "$root" ] || [ -L "$root" ]; then continue; fi
    if [ -n "$shared" ] || [ "$(stat -c %U "$root")" != "$user" ]; then
      kept+=("$root")
      continue
    fi
    find "$root/.removed" -maxdepth 1 -type f -regextype posix-extended -regex ".*/$UUID" -delete 2>/dev/null
    rmdir "$root/.removed" 2>/dev/null
    rmdir "$root" 2>/dev/null && continue
    [ "$archives" = empty ] || hand_over "$root"
    kept+=("$root")
  done
}

# hand_over ROOT: what the panel has made there becomes root's; ROOT too, if nothing else is in it.
hand_over() {
  local path others=''
  for path in "$1"/* "$1"/.[!.]*; do
    if [[ ${path##*/} =~ ^$UUID$ ]] && [ -d "$path" ] && ! [ -L "$path" ]; then
      # What is in a snapshot tree belongs to whom it belonged.
      find "$path" -path "$path/*.tree/files" -prune -o -exec chown -h root:root {} +
    elif [ -e "$path" ]; then
      others=1
    fi
  done
  [ -n "$others" ] || chown -h root:root "$1"
}

# take_user: who is logged in cannot be removed.
take_user() {
  local left
  [ -n "$home" ] && [ -z "$shared" ] || return 0
  [ "$(getent passwd "$user" | cut -d : -f 5)" = 'Made by CloudPilot' ] || return 0
  left=$(more_than_a_skeleton)
  if [ -n "$left" ]; then
    echo "The user $user stays: there is ${left%%$'\n'*}."
  elif ! userdel -r "$user" 2>/dev/null && getent passwd "$user" >/dev/null; then
    echo "The user $user stays, without a key: it is logged in. Later: userdel -r $user"
  fi
}

# more_than_a_skeleton: what is in its home beside what every new home has, and keys that let
# somebody else in.
more_than_a_skeleton() {
  local path
  for path in ${kept[@]+"${kept[@]}"}; do
    if [ "$(stat -c %U "$path")" = "$user" ]; then printf '%q\n' "$path"; fi
  done
  [ -d "$home" ] || return 0
  while IFS= read -r -d '' path; do
    case ${path#"$home"/} in
      .ssh | .bash_history | .cache | .cache/motd.legal-displayed | .sudo_as_admin_successful) continue ;;
      .ssh/authorized_keys) grep -q '[^[:space:]]' "$path" || continue ;;
      *) cmp -s "$path" "/etc/skel/${path#"$home"/}" && continue
         [ -d "$path" ] && [ -d "/etc/skel/${path#"$home"/}" ] && continue ;;
    esac
    printf '%q\n' "$path"
  done < <(find "$home" -xdev -mindepth 1 -print0)
}

# has_directory: whether any of ROOTS is there, looked at anew.
has_directory() {
  local root
  for root in ${roots[@]+"${roots[@]}"}; do
    if [ -d "$root" ] && ! [ -L "$root" ]; then return 0; fi
  done
  return 1
}

# state COMMAND…: kept if it says that there is something.
state() {
  if "$@" >/dev/null; then echo kept; else echo gone; fi
}

# report: by a new look at each, after all that was removed.
report() {
  local root
  for root in ${kept[@]+"${kept[@]}"}; do
    printf 'Stays, and belongs to %s: %q\n' "$(stat -c %U "$root")" "$root"
  done
  echo 'Paste the next line into the panel:'
  printf 'cloudpilot-removed %s key=%s rule=%s tar=%s directories=%s user=%s\n' "$id" \
    "$(state lets_in "cloudpilot-$id")" "$(state has_rule)" "$(state has_tar)" \
    "$(state has_directory)" "$(state getent passwd "$user")"
}

uninstall "$@"
