# shellcheck shell=bash
# shellcheck disable=SC2154 # number, name, since, until, client, lock_seconds, …: see databases.sh and mysql.sh
# MariaDB and MySQL: which of the server's connections is that of the tool which dumps for us, so that a
# lock is not waited for without end, and no question is left at the server. After mysql.sh.

WATCH_EVERY=5 # seconds
SETTLING=0.2 # seconds, from a socket that is connected to a connection that has its number

# mysql_number LOGIN: the number of a connection that is made now; the server's only grow.
mysql_number() {
  echo 'SELECT CONNECTION_ID()' | mysql_sql "$1" 2>/dev/null
}

# mysql_bounds LOGIN: this process becomes the tool. Its connection is younger than one of ours before it,
# and older than one of ours when it has connected: so work/dumping knows it from other dumps.
mysql_bounds() {
  local tool_process=$BASHPID
  since=$(mysql_number "$1")
  about_to_dump "$number" "$since"
  mysql_bounded "$1" "$tool_process" </dev/null >/dev/null 2>&1 &
}

# mysql_bounded LOGIN PID
mysql_bounded() {
  local until
  until mysql_connected "$2"; do
    [ -d "/proc/$2" ] || return
    sleep 0.02
  done
  sleep "$SETTLING"
  until=$(mysql_number "$1")
  [ -d "/proc/$2" ] && about_to_dump "$number" "$since" "$until"
}

# mysql_connected PID: whether it has a socket that is connected.
mysql_connected() {
  local link sockets=' '
  for link in /proc/"$1"/fd/*; do
    [ -S "$link" ] || continue
    link=$(readlink "$link")
    sockets+="${link//[^0-9]/} "
  done
  awk -v sockets="$sockets" '
    FNR == 1 { inode = /Inode/ ? 7 : 10; state = /Inode/ ? 6 : 4 }
    index(sockets, " " $inode " ") && $state ~ /^0[13]$/ && ($state == "03") == (inode == 7) { found = 1 }
    END { exit !found }
  ' /proc/net/unix /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# What the tools that dump ask, of our database. (A connection that has not chosen one yet may be ours.)
mysql_asked_by_us() {
  printf '%s' "FROM information_schema.processlist WHERE user = SUBSTRING_INDEX(USER(), '@', 1)
AND id <> CONNECTION_ID() AND id > $((since)) ${until:+AND id < $((until))}
AND (db IS NULL OR db = $(mysql_text "$name"))
AND command = 'Query' AND (info LIKE 'SELECT /*!40001 SQL_NO_CACHE */%'
OR info LIKE 'show fields from %' OR info LIKE 'show create %' OR info LIKE 'show triggers like %'
OR info LIKE 'show table status like %' OR info LIKE 'lock tables %')"
}

# mysql_watch LOGIN: a dump that waits for a lock is ended; the tools have no limit of their own, and
# the server's is a day.
mysql_watch() {
  local id since until
  mkfifo work/never
  exec 8<>work/never
  while ! read -rt "$WATCH_EVERY" -u 8; do # a sleep would be one more process to end
    [ -d "/proc/$dumping" ] || return # who was killed has not ended this
    read -r _ since until <work/dumping
    [ -n "$since" ] || continue # nothing has been asked yet
    printf '%s\n' "SELECT id $(mysql_asked_by_us) AND time >= $lock_seconds AND state LIKE 'Waiting for%lock%';" |
      mysql_sql "$1" 2>/dev/null | head -n 1 >work/waiting
    read -r id <work/waiting || continue
    : >work/locked
    echo "KILL $((id))" | mysql_sql "$1" 2>/dev/null
    return
  done
}

mysql_unwatch() {
  trap - EXIT
  kill "$watch"
  wait "$watch"
} 2>/dev/null

# mysql_cancel LOGIN
mysql_cancel() {
  local id
  [ -n "$since" ] || return # we have not asked anything yet
  export -n CLOUDPILOT_RUN # who ends the run's processes would end this one
  printf '%s\n' "SELECT id $(mysql_asked_by_us)" |
    timeout 2 "$client" --defaults-file=<(reveal "login_$1") --batch --skip-column-names |
    while read -r id; do
      echo "KILL $((id));"
    done >work/kills
  timeout 2 "$client" --defaults-file=<(reveal "login_$1") --force <work/kills
}
