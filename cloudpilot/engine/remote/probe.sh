# shellcheck shell=bash
# probe ROOT PRIVILEGE WORD=COMMAND…: what the server has, asked all at once: a slow login is paid
# for once. Each line of the answer is WORD TEXT; engine/findings.py knows the words. Each WORD is
# answered with the first line that COMMAND says, if there is such a program.

COPY=/usr/local/lib/cloudpilot/tar # the tar that may read everything, see setup.sh
SUDO_RULES=/etc/sudoers.d

probe() {
  local root=$1 privilege=$2 question
  PATH=$PATH:/usr/libexec # Red Hat's family has its database servers there
  shift 2
  echo # whatever the login shell has printed before ends here
  for question; do
    ask "${question%%=*}" "${question#*=}"
  done
  system
  tar_knows acls --acls
  tar_knows xattrs --xattrs
  privilege "$privilege"
  directory "$root"
  space "$(nearest "$root")"
  alternative /var/backups/cloudpilot
  databases
  if [ -d /run/systemd/system ]; then
    say systemd yes
    tmpfiles
  fi
  export -f candidates vhosts block_ended candidate site site_kind app_of say
  timeout -k 1 5 bash -c candidates </dev/null 2>/dev/null || say unfinished sites
  echo end
}

# say WORD TEXT: on one line, and of a length that a page can show.
say() {
  local text=${2//$'\n'/ }
  printf '%s %s\n' "$1" "${text:0:2000}"
}

# ask WORD COMMAND: its first line. A program that hangs is not waited for. What MariaDB 11 says of the
# name by which its mysqldump is called stands before the line that is asked for.
ask() {
  local words
  read -r -a words < <(printf '%s\n' "$2")
  command -v "${words[0]}" >/dev/null || return 0
  say "$1" "$(timeout 3 "${words[@]}" 2>&1 </dev/null | sed -n '/: Deprecated program name\. /!{p;q;}')"
}

system() {
  local user
  user=$(id -un)
  say os "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)"
  say bash "$BASH_VERSION"
  say shell "$(getent passwd "$user" | cut -d : -f 7)"
  if [ -e "/var/lib/systemd/linger/$user" ]; then say linger yes; fi
  say packager "$(packager)"
}

# tar_knows WORD OPTION: some tars only print that they were built without it.
tar_knows() {
  local said
  said=$(tar "$2" --create --file=/dev/null --files-from=/dev/null 2>&1) && [ -z "$said" ] && say tar_knows "$1"
}

# privilege LEVEL: whether we are what we should be. Somebody who may not use sudo and tries is
# reported to root by mail, so it is only tried where it should work or is likely to. Where the
# folder of sudo's rules is closed to us, it is not known whether one is ours.
privilege() {
  if [ "$1" = full ] || [ -e "$SUDO_RULES/cloudpilot" ] || [[ " $(id -Gn) " =~ \ (sudo|wheel|admin)\  ]]; then
    if timeout 5 sudo -n true </dev/null 2>/dev/null; then say sudo yes; else say sudo no; fi
  elif command -v sudo >/dev/null && [ -d "$SUDO_RULES" ] && ! [ -x "$SUDO_RULES" ]; then
    say sudo unknown
  fi
  if [ -e "$COPY" ]; then
    say copy there
    if [ -x "$COPY" ]; then say copy runs; fi
    if reads_all "$COPY"; then say copy reads; fi
    if cmp -s "$COPY" "$(type -P tar)"; then say copy same; fi
  fi
}

# kind PATH: ours, shared (sticky), link, foreign (another one's), other (no directory), readonly,
# hidden or absent.
kind() {
  local error
  if [ -L "$1" ]; then
    echo link
  elif [ -d "$1" ]; then
    if ! [ -O "$1" ]; then echo foreign; elif [ -k "$1" ]; then echo shared; elif [ -w "$1" ]; then echo ours; else echo readonly; fi
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
  say blocks "$(stat -f -c '%a %b %S' -- "$1" | grep -v ' 0 ')" # 0 blocks: it does not say
  say inodes "$(stat -f -c '%d %c' -- "$1")"
}

# alternative PATH: where backups could go as well: ours, and not in memory.
alternative() {
  [ "$(kind "$1")" = ours ] || return 0
  case $(stat -f -c %T -- "$1") in tmpfs | ramfs) ;; *) say alternative "$1" ;; esac
}

# databases: who runs, and where they listen. None of them is connected to.
databases() {
  local file name port
  for file in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$file"
    case $name in mysqld | mariadbd | postgres | postmaster) echo "process $name" ;; esac
  done | sort -u
  for file in /{var/,}run/mysqld/mysqld.sock /var/lib/mysql/mysql.sock /{var/,}run/postgresql/.s.PGSQL.* /tmp/.s.PGSQL.*; do
    if [ -S "$file" ]; then say socket "$file"; fi
  done
  for port in 3306 5432 5433; do
    if grep -qsE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$port") [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6; then
      say listens "$port"
    fi
  done
  for file in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /usr/bin/postgres /usr/local/bin/postgres; do
    if [ -x "$file" ]; then say postgres "$(timeout 3 "$file" --version 2>/dev/null </dev/null | head -n 1)"; fi
  done
}

# tmpfiles: the rules by which systemd removes what is old, or empties folders at boot.
tmpfiles() {
  local folder file
  for folder in /etc /run /usr/lib; do
    for file in "$folder"/tmpfiles.d/*.conf; do
      [ -e "$file" ] || [ -L "$file" ] || continue
      say rules "$file"
      grep -E '^[dDqQvexXRr]' -- "$file" 2>/dev/null | head -n 100 | cut -c 1-300 | sed 's/^/rule /'
    done
  done
}

# candidates: folders that look like somebody's site, those of web servers first, at most 50.
candidates() {
  local folder
  declare -A seen=()
  shopt -s nullglob
  while IFS=$'\t' read -r name folder; do
    candidate "$folder" "$name"
  done < <(
    vhosts '[[:space:]]*server([[:space:]]*[{]|[[:space:]]*$)' server_name root /etc/nginx/nginx.conf /etc/nginx/{conf.d,sites-enabled,vhosts.d}/*
    vhosts '[[:space:]]*<VirtualHost' ServerName DocumentRoot /etc/apache2/{sites-enabled,vhosts.d}/*.conf /etc/httpd/conf/httpd.conf /etc/httpd/conf.d/*.conf
    vhosts '[^[:space:]#}]+.*[{]' '' 'root[[:space:]]+[*]' /etc/caddy/Caddyfile
  )
  for folder in /var/www/vhosts/*/httpdocs /var/www/*/public_html /home/*/{public_html,htdocs,www} /home/*/htdocs/* /var/www/* /srv/www/* /srv/*; do
    candidate "$folder" ''
  done
  for folder in {/var/www,/srv,/home,/opt}/*/* /opt/*; do # too many to name unless something is there
    [ "$(site_kind "$folder")" = folder ] || candidate "$folder" ''
  done
}

# vhosts BEGIN NAME ROOT FILE…: NAME and ROOT of each block, with a tab between. Where blocks have
# no line for their name, it is what they begin with.
vhosts() {
  local begin=$1 name_word=$2 root_word=$3 whole line name='' root=''
  shift 3
  [ $# -gt 0 ] || return 0
  while IFS= read -r whole; do
    line=${whole#"${whole%%[![:space:]]*}"}
    if [[ $line =~ ^${root_word}[[:space:]]+\"?([^\"\;]+) ]]; then
      root=${BASH_REMATCH[1]}
    elif [ -n "$name_word" ] && [[ $line =~ ^${name_word}[[:space:]]+([^[:space:]\;]+) ]]; then
      [ -n "$name" ] || name=${BASH_REMATCH[1]}
    elif [[ $whole =~ ^${begin} ]]; then
      block_ended "$name" "$root"
      name='' root=''
      [ -n "$name_word" ] || read -r name _ < <(printf '%s\n' "${line%%[,\{]*}")
    fi
  done < <(cat -- "$@" 2>/dev/null | head -n 20000)
  block_ended "$name" "$root"
}

# block_ended NAME ROOT
block_ended() {
  local root=${2%"${2##*[![:space:]]}"}
  case $root in /*[!/]*) printf '%s\t%s\n' "$1" "${root%/}" ;; esac
}

# candidate FOLDER NAME: says it once. What is a link is followed: its target is what is backed up.
candidate() {
  local path
  case $1 in *[[:cntrl:]]*) return ;; esac
  path=$(realpath -e -- "$1" 2>/dev/null) || path=$1
  path=$(app_of "$path")
  case $path in / | /etc | /usr | /usr/* | /var | /home | /opt/containerd*) return ;; esac
  if [ -n "${seen[$path]:-}" ] || ((${#seen[@]} >= 50)); then return; fi
  if [ -e "$path" ] && ! [ -d "$path" ]; then return; fi
  seen[$path]=yes
  site "$path" "$2"
}

# site PATH NAME: with its kind, and whether we may read it. The path stands last: it may hold tabs.
site() {
  local access=closed
  if [ -r "$1" ] && [ -x "$1" ]; then access=open; elif [ -e "$1" ]; then access=closed; else access=hidden; fi
  say site "$(site_kind "$1")"$'\t'"$access"$'\t'"${2//$'\t'/ }"$'\t'"$1"
}

# app_of PATH: of an application whose web server is shown a folder inside of it, all of it.
app_of() {
  case $1 in
    */public | */web | */htdocs | */public_html)
      if [ "$(site_kind "${1%/*}")" != folder ]; then
        printf '%s\n' "${1%/*}"
        return
      fi
      ;;
  esac
  printf '%s\n' "$1"
}

# site_kind PATH
site_kind() {
  if [ -e "$1/wp-config.php" ] || [ -e "$1/wp-includes/version.php" ]; then echo wordpress
  elif [ -e "$1/occ" ] && [ -d "$1/apps" ]; then echo nextcloud
  elif [ -e "$1/core/lib/Drupal.php" ] || [ -e "$1/web/core/lib/Drupal.php" ]; then echo drupal
  elif [ -e "$1/administrator/index.php" ] && [ -e "$1/configuration.php" ]; then echo joomla
  elif [ -e "$1/artisan" ]; then echo laravel
  elif [ -e "$1/bin/console" ] && [ -e "$1/composer.json" ]; then echo symfony
  elif [ -e "$1/config/application.rb" ]; then echo rails
  elif [ -e "$1/manage.py" ]; then echo django
  elif [ -e "$1/package.json" ]; then echo node
  else echo folder; fi
}

probe "$@"
