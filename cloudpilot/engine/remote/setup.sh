# shellcheck shell=bash
# setup SERVER_ID PUBLIC_KEY_BASE64: prepares a server for the panel, as root. May be run again: it
# replaces the panel's own key and leaves everything else. Prints the host keys' fingerprints.

set -u
umask 077
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

setup() {
  local id=${1:-} key home
  key=$(printf %s "${2:-}" | base64 -d 2>/dev/null)
  [[ $key == 'ssh-ed25519 '*" cloudpilot-$id" ]] || stop 'The command is not whole: copy it again.'
  [ "$(id -u)" = 0 ] || stop 'Run it as root, or with sudo.'
  make_user
  home=$(getent passwd cloudpilot | cut -d : -f 6)
  put_key "cloudpilot-$id" "$key"
  make_directory
  # Else systemd may end a backup when the connection that started it closes.
  loginctl enable-linger cloudpilot 2>/dev/null
  echo 'This server is ready. Paste the next line into the panel:'
  print_host_keys
}

stop() {
  printf '%s\n' "$1" >&2
  exit 1
}

# make_user: with a password that nothing matches; "!" would lock the account for keys as well.
make_user() {
  getent passwd cloudpilot >/dev/null && return
  useradd -m -s /bin/bash cloudpilot || stop 'The user cloudpilot could not be made.'
  usermod -p '*' cloudpilot || stop 'The user cloudpilot could not be unlocked.'
}

# put_key COMMENT LINE: in place of the line with that comment. As the user: its home is its own,
# and what lies there may be a link to anything.
put_key() {
  # shellcheck disable=SC2016 # expanded by the other bash
  runuser -u cloudpilot -- env HOME="$home" bash -c '
    set -eu
    umask 077
    cd
    mkdir -p .ssh
    chmod 700 .ssh
    touch .ssh/authorized_keys
    awk -v comment="$1" "\$NF != comment" .ssh/authorized_keys >.ssh/authorized_keys.new
    printf "%s\n" "$2" >>.ssh/authorized_keys.new
    chmod 600 .ssh/authorized_keys.new
    mv .ssh/authorized_keys.new .ssh/authorized_keys
  ' put_key "$1" "$2" || stop 'The key could not be put into ~cloudpilot/.ssh/authorized_keys.'
  if command -v restorecon >/dev/null; then restorecon -R "$home/.ssh"; fi
}

make_directory() {
  [ -L /var/backups/cloudpilot ] && stop '/var/backups/cloudpilot must not be a link.'
  (umask 022 && mkdir -p /var/backups)
  mkdir -p /var/backups/cloudpilot
  chown "cloudpilot:$(id -g cloudpilot)" /var/backups/cloudpilot && chmod 700 /var/backups/cloudpilot
}

print_host_keys() {
  local file
  printf cloudpilot-host-keys
  for file in /etc/ssh/ssh_host_*_key.pub; do
    printf ' %s' "$(ssh-keygen -lf "$file" | cut -d ' ' -f 2)"
  done
  echo
}

setup "$@"
