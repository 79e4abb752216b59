# shellcheck shell=bash
# setup SERVER_ID LEVEL USER PUBLIC_KEY_BASE64: prepares a server for the panel, as root. May be run
# again: it replaces the panel's own key, gives what LEVEL says, takes back what a former level gave,
# and leaves everything else. Its last line is pasted into the panel.
# LEVEL: plain   what USER may read
#        read-all   a copy of tar that may read everything, for USER alone
#        full    anything, through sudo

set -u
umask 077
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LIBRARY=/usr/local/lib/cloudpilot
RULE=/etc/sudoers.d/cloudpilot

setup() {
  local id=${1:-} level=${2:-} user=${3:-} key home group
  key=$(printf %s "${4:-}" | base64 -d 2>/dev/null)
  [[ $key == 'ssh-ed25519 '*" cloudpilot-$id" && $level =~ ^(plain|read-all|full)$ ]] ||
    stop 'The command is not whole: copy it again.'
  [[ $user =~ ^[a-z_][a-z0-9_-]{0,31}$ ]] || stop 'The command names no user: copy it again.'
  [ "$(id -u)" = 0 ] || stop 'Run it as root, or with sudo.'
  make_user
  [ "$(id -u "$user")" != 0 ] || stop "The panel does not log in as root: give the server another user, such as cloudpilot."
  home=$(getent passwd "$user" | cut -d : -f 6)
  group=$(id -g "$user")
  put_key "cloudpilot-$id" "$key"
  make_directory
  give "$level"
  # Else systemd may end a backup when the connection that started it closes.
  loginctl enable-linger "$user" 2>/dev/null
  echo 'This server is ready. Paste the next line into the panel:'
  printf 'cloudpilot-ready %s %s%s\n' "$id" "$level" "$(host_keys)"
}

stop() {
  printf '%s\n' "$1" >&2
  exit 1
}

# make_user: with a password that nothing matches; "!" would lock the account for keys as well. The
# comment tells uninstall.sh that nobody else needs this user.
make_user() {
  if getent passwd "$user" >/dev/null; then
    refuse_service
    return
  fi
  useradd -m -U -s /bin/bash -c 'Made by CloudPilot' "$user" || stop "The user $user could not be made."
  usermod -p '*' "$user" || stop "The user $user could not be unlocked."
}

# refuse_service: www-data with the rights of the panel would give them to every script of a site.
refuse_service() {
  local least shell
  [ "$(getent passwd "$user" | cut -d : -f 5)" = 'Made by CloudPilot' ] && return
  least=$(awk '$1 == "UID_MIN" { print $2 }' /etc/login.defs 2>/dev/null)
  shell=$(getent passwd "$user" | cut -d : -f 7)
  if (($(id -u "$user") < ${least:-1000})) || [[ $shell =~ /(nologin|false)$ ]]; then
    [ "$(id -u "$user")" = 0 ] || stop "$user is the user of a service: give the server a user of the panel's own, such as cloudpilot."
  fi
}

# put_key COMMENT LINE: in place of the line with that comment. As the user: its home is its own,
# and what lies there may be a link to anything.
put_key() {
  # shellcheck disable=SC2016 # expanded by the other bash
  runuser -u "$user" -- env HOME="$home" bash -c '
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
  ' put_key "$1" "$2" || stop "The key could not be put into ~$user/.ssh/authorized_keys."
  if command -v restorecon >/dev/null; then restorecon -R "$home/.ssh"; fi
}

# make_directory: one that is another user's already stays so; a check says whether it serves us.
make_directory() {
  local place=/var/backups/cloudpilot owner
  [ -L $place ] && stop "$place must not be a link."
  (umask 022 && mkdir -p /var/backups)
  owner=$(stat -c %U $place 2>/dev/null)
  if [ -n "$owner" ] && [ "$owner" != root ] && [ "$owner" != "$user" ]; then
    echo "$place belongs to $owner and stays as it is."
    return
  fi
  mkdir -p $place
  chown "$user:$group" $place && chmod 700 $place
}

# give LEVEL: and take back what a former one gave; of another panel's user nothing is taken.
give() {
  if [ -e "$RULE" ] && ! grep -q "^$user " "$RULE"; then
    [ "$1" != full ] || stop "$RULE is another panel's: two panels cannot both have all rights here."
  elif [ "$1" != full ]; then
    rm -f "$RULE" || stop "$RULE could not be removed."
  fi
  if [ -e "$LIBRARY" ] && [ "$(stat -c %g "$LIBRARY")" != "$(id -g "$user")" ]; then
    [ "$1" != read-all ] || stop "$LIBRARY is another panel's: two panels cannot both read everything here."
  elif [ "$1" != read-all ]; then
    rm -rf "$LIBRARY" || stop "$LIBRARY could not be removed."
  fi
  case $1 in
    read-all) install_tar ;;
    full) install_rule ;;
  esac
}

# install_tar: a capability is no set-uid bit: the process stays the user's, its children get
# nothing, and it can write nowhere.
install_tar() {
  local source
  source=$(readlink -f "$(type -P tar)") || stop 'tar is not installed.'
  nobody_else_in_the_group
  command -v setcap >/dev/null ||
    stop 'setcap is not installed: apt-get install libcap2-bin, or dnf install libcap. Then run this again.'
  copy_tar "$source" || stop "tar could not be copied to $LIBRARY, or its file system takes no capabilities."
  runuser -u "$user" -- $LIBRARY/tar --create --file=- -P $LIBRARY/proof 2>/dev/null | tr -d '\0' | grep -q 'Only root may read this' ||
    stop "$LIBRARY/tar cannot read everything: is its file system mounted with nosuid?"
}

# nobody_else_in_the_group: whoever is in it may run that tar.
nobody_else_in_the_group() {
  local others
  others=$({
    getent passwd | awk -F : -v gid="$(id -g "$user")" '$4 == gid { print $1 }'
    getent group "$(id -g "$user")" | cut -d : -f 4 | tr , '\n'
  } | grep -vxF -e "$user" -e '' | head -n 1)
  [ -z "$others" ] ||
    stop "$others is in the group of $user and could read everything, too: give the server a user whose group is its own."
}

# copy_tar SOURCE: nobody but root may change it or put another one in its place.
copy_tar() {
  local new=$LIBRARY/.tar.new
  (umask 022 && mkdir -p /usr/local/lib) &&
    mkdir -p $LIBRARY &&
    cp "$1" $new &&
    sha256sum "$1" >$LIBRARY/tar.sha256 &&
    echo 'Only root may read this, and a tar that reads everything.' >$LIBRARY/proof &&
    chown "0:$group" $LIBRARY $new $LIBRARY/tar.sha256 &&
    chmod 750 $LIBRARY $new &&
    chmod 640 $LIBRARY/tar.sha256 &&
    chmod 400 $LIBRARY/proof &&
    setcap cap_dac_read_search+ep $new &&
    mv $new $LIBRARY/tar
}

# install_rule: checked before it counts; sudo does not read names with a dot in them.
install_rule() {
  local new=/etc/sudoers.d/cloudpilot.new
  command -v visudo >/dev/null ||
    stop 'sudo is not installed: apt-get install sudo, or dnf install sudo. Then run this again.'
  [ -d /etc/sudoers.d ] || mkdir -m 750 /etc/sudoers.d
  printf '%s\n' '# CloudPilot may do anything here: chosen in the panel, by its set-up command.' \
    "Defaults:$user !requiretty" "$user ALL=(ALL) NOPASSWD: ALL" >$new || stop "$new cannot be written."
  chmod 440 $new
  visudo -cqf $new >/dev/null || { rm -f $new; stop 'sudo does not understand the rule.'; }
  mv $new $RULE || stop "$RULE cannot be written."
  if command -v restorecon >/dev/null; then restorecon $RULE; fi
  runuser -u "$user" -- sudo -n true 2>/dev/null ||
    stop "sudo does not let $user work without a password: does /etc/sudoers include /etc/sudoers.d?"
}

host_keys() {
  local file
  for file in /etc/ssh/ssh_host_*_key.pub; do
    printf ' %s' "$(ssh-keygen -lf "$file" | cut -d ' ' -f 2)"
  done
}

setup "$@"
