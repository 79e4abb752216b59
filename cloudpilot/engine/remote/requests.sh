# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what upload.sh sets and reads
# The signed requests of an upload. They come with the launch and later by feed.sh, as files of the
# folder in memory, and are kept in variables: `signed`, `valid_until` and `aged` of ITEM:NUMBER.

declare -A signed=() valid_until=() aged=() signed_to=()
EARLY=16 # parts at least: when fewer are signed ahead, more are wanted

# take_launched: those that came with the launch; what else came with it, such as logins, stays.
take_launched() {
  local name
  for name in "${items[@]}"; do
    [ -z "${secrets[$name]:+there}" ] || reveal "$name" >"$memory_folder/fed.0.$name"
    unset "secrets[$name]"
  done
}

# take_fed: the files that are there, older before newer. The first line says for how many seconds
# from its arrival on the others are valid, each of which is a request; see uploading.py.
take_fed() {
  local file name number rest at seconds margin
  for file in "$memory_folder"/fed.*; do
    [ -f "$file" ] || continue
    name=${file##*.}
    at=$(stat -c %Y -- "$file")
    {
      read -r seconds
      margin=$((seconds / 4 > 60 ? 60 : seconds / 4))
      while IFS= read -r rest; do
        number=${rest%%$'\x1f'*}
        signed[$name:$number]=$rest
        valid_until[$name:$number]=$((at + seconds - margin))
        aged[$name:$number]=$((at + seconds - 60)) # from then on a refusal may mean that it is too late
        signed_to[$name]=$number
      done
    } <"$file"
    rm -f -- "$file"
  done
}

# is_signed ITEM NUMBER: whether there is a request that may still be sent.
is_signed() {
  local now
  printf -v now '%(%s)T' -1
  ((${valid_until[$1:$2]:-0} > now))
}

# parts_until_fed BYTES SECONDS PART: how many parts of that size are read in `margin` seconds, which
# is some looks of the panel, at the rate of these bytes in these seconds. A growing archive does not
# grow evenly: what has been, several times over, is what may come.
parts_until_fed() {
  local parts=$(($1 * margin / ($2 > 0 ? $2 : 1) / $3 + 1))
  echo "$((parts > EARLY ? parts : EARLY))"
}

# say_wants: which requests are missing, or soon will be: a line ITEM NUMBER for each item.
say_wants() {
  local number name bytes said='' soon=("${ready[@]}") beyond=$((${signed_to[$item]:-0} + 1))
  for ((number = next; number < next + EARLY; number++)); do soon+=("$number"); done
  # Those further ahead were signed at once, as far as `signed_to`.
  if is_a_part "$next" && part_size "$next"; then
    ((beyond < next || beyond >= next + $(parts_until_fed "$sent_now" "$((SECONDS - began_at))" "$bytes"))) ||
      soon+=("$beyond")
  fi
  for number in "${soon[@]}"; do
    is_a_part "$number" || continue
    is_signed "$item" "$number" || { said+="$item $number"$'\n'; break; }
  done
  for name in "${later[@]}"; do
    is_signed "$name" 1 || said+="$name 1"$'\n'
  done
  [ "$said" = "$said_wants" ] && return
  # The disk may be full for a moment: then it is asked for again.
  { printf %s "$said" >work/wants && mv -f work/wants wants && said_wants=$said; } 2>/dev/null
}
