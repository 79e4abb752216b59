# shellcheck shell=bash
# probe BACKUP_ROOT: what the server has, asked all at once: a slow login is paid for once. Each
# line of the answer is WORD TEXT; engine/facts.py knows the words.

probe() {
  echo # whatever the login shell has printed before ends here
  say now "$(date +%s)"
  say os "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)"
  say kernel "$(uname -r)"
  say user "$(id -un)"
  say uid "$(id -u)"
  say bash "$BASH_VERSION"
  tools
  tar_facts
  directory "$1"
  space "$(nearest "$1")"
  if [ "$(kind /var/backups/cloudpilot)" = ours ]; then say alternative /var/backups/cloudpilot; fi
  if [ -d /run/systemd/system ]; then tmpfiles; fi
  echo end
}

# say WORD TEXT: on one line.
say() {
  printf '%s %s\n' "$1" "${2//$'\n'/ }"
}

tools() {
  local tool
  for tool in tar gzip perl igzip pigz zstd openssl sha256sum curl setsid ionice apt-get dnf; do
    if command -v "$tool" >/dev/null; then say tool "$tool"; fi
  done
}

tar_facts() {
  say tar "$(tar --version 2>/dev/null | head -n 1)"
  knows acls --acls
  knows xattrs --xattrs
}

# knows WORD OPTION: some tars only print that they were built without it.
knows() {
  local said
  said=$(tar "$2" --create --file=/dev/null --files-from=/dev/null 2>&1) && [ -z "$said" ] && say tar_knows "$1"
}

# kind PATH: ours, link, foreign (another one's), other (no directory), readonly, hidden or absent.
kind() {
  local error
  if [ -L "$1" ]; then
    echo link
  elif [ -d "$1" ]; then
    if ! [ -O "$1" ]; then echo foreign; elif [ -w "$1" ]; then echo ours; else echo readonly; fi
  elif [ -e "$1" ]; then
    echo other
  else
    error=$(stat -- "$1" 2>&1 >/dev/null)
    case $error in
      *': No such file or directory') echo absent ;;
      *) echo hidden ;;
    esac
  fi
}

directory() {
  local above
  say directory "$(kind "$1")"
  if [ -e "$1" ]; then say owner "$(stat -c %U -- "$1")"; fi
  above=$(nearest "${1%/*}")
  say above "$above"
  if [ -w "$above" ] && [ -x "$above" ]; then say above_writable yes; fi
  if [ -n "$(find -H "$above" -maxdepth 0 -perm -0002 ! -perm -1000 2>/dev/null)" ]; then
    say above_unsafe yes
  fi
}

# nearest PATH: itself, or the first folder above it that there is.
nearest() {
  local path=$1
  until [ -z "$path" ] || [ -e "$path" ]; do
    path=${path%/*}
  done
  printf %s "${path:-/}"
}

space() {
  say file_system "$(stat -f -c %T -- "$1")"
  say blocks "$(stat -f -c '%a %b %S' -- "$1")"
  say inodes "$(stat -f -c '%d %c' -- "$1")"
}

# tmpfiles: the rules by which systemd removes what is old, or empties folders at boot.
tmpfiles() {
  local folder file
  for folder in /etc /run /usr/lib; do
    for file in "$folder"/tmpfiles.d/*.conf; do
      [ -e "$file" ] || [ -L "$file" ] || continue
      say rules "$file"
      grep -E '^[dDqQvexXRr]' -- "$file" 2>/dev/null | sed 's/^/rule /'
    done
  done
}

probe "$@"
