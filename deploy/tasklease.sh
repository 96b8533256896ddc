#!/bin/sh
# tasklease.sh: the agent's socket API for images without Node. Needs a POSIX shell, curl (7.40 or later)
# and the usual tools (sed, od, mkfifo, mktemp); tried with dash, bash and busybox sh.
#
# Invariants: no secret passes through here (the API never answers one); `run` never leaves its task behind.
#
# How `run` is bound to its task: the start is sent with {"connection": true} and its answer stays open.
# Whoever ends this script, kill -9 included, ends that connection, and the agent stops the task within a
# second. curl alone would not notice the script's end (the agent may be silent for hours, so it has nothing
# to write to a closed pipe). So a holder process, curl's parent, waits on a pipe whose only writing end
# this script has: the kernel closes it when the script is gone, however it went, and the holder ends curl.
# This works where process ids mean nothing: the agent of a sidecar is in another pid namespace.
#
# A restart of the agent ends the connection too. Then a follower, which reads the agent's lines, asks for the
# very same start again, for the 10 s that a connection has to come back; what it learns it tells this script
# by files in a directory of their own and SIGUSR1. When the task is over, the command gets SIGTERM, exit 125.
set -u

me=tasklease.sh
socket=${TASKLEASE_SOCKET:-/run/tasklease/agent.sock}
cr=$(printf '\r')
stop_wait=30s # how long the end of `run` waits for the proof
stop_tries=30 # and, in seconds, for an agent that is being restarted
kill_after=10 # seconds from SIGTERM to SIGKILL for a command whose task is gone
redials=10    # one a second: how long the agent may be away

usage() {
  cat <<'TEXT'
Usage: tasklease.sh start --profile P [--param k=v]... [--duration D] [--event type:id] [--task ID] [--parent TASK] [--assertion-file F]
       tasklease.sh stop  TASK [--wait D]
       tasklease.sh stop  --event type:id [--wait D]
       tasklease.sh run   --profile P [--param k=v]... [--duration D] [--event type:id] [--task ID] [--parent TASK] [--assertion-file F] -- CMD...

  --socket PATH   the agent's socket (also TASKLEASE_SOCKET; else /run/tasklease/agent.sock)

start and stop print the agent's answer (JSON, never a secret).
  exit 0 done, 1 refused or failed, 2 usage, 3 agent not reachable, 4 revocation still pending
run leases the profile's secrets for exactly as long as CMD runs; CMD finds TASKLEASE_TASK and TASKLEASE_DIR.
  exit: CMD's; 124 the asked duration was over, 125 tasklease failed, 126 CMD not executable, 127 not found

Example: tasklease.sh run --profile report-read --event cron:nightly -- \
           sh -c '. "$TASKLEASE_DIR/db.env"; export PGUSER PGPASSWORD; psql -h db.internal app -c "select 1"'
TEXT
}

say() { printf '%s: %s\n' "$me" "$*" >&2; }

# Ends with the code for wrong usage: 2, or 125 in `run`, where 2 could be CMD's.
misused() {
  say "$* See $me --help."
  exit "$usage_code"
}

# A JSON string. Control characters are refused before (check_text), so quote and backslash are all there is.
json() { printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

# A string member of the agent's one-line JSON; '' when it is not there.
member() {
  printf '%s' "$2" | tr '\n' ' ' | sed -nE 's/.*"'"$1"'" *: *"(([^"\\]|\\.)*)".*/\1/p' | sed 's/\\\(["\\/]\)/\1/g'
}

check_text() {
  case $2 in
    *[[:cntrl:]]*) misused "$1 has a control character in it." ;;
    '') misused "$1 is empty." ;;
  esac
}

# The agent checks task ids too; here it keeps them from changing the URL.
check_task() {
  case $1 in
    '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*)
      misused "\"$1\" is no task id: letters, digits, '.', '_' and '-', starting with a letter or digit." ;;
  esac
  [ "${#1}" -le 128 ] || misused "a task id has at most 128 characters."
}

# Seconds of a duration such as 1h30m, rounded up; '' when it is not one.
seconds() {
  left=$1 total=0
  [ -n "$left" ] || return 0
  while [ -n "$left" ]; do
    count=${left%%[!0-9]*}
    left=${left#"$count"}
    while [ "${count#0}" != "$count" ] && [ "$count" != 0 ]; do count=${count#0}; done # 08 is no octal number
    [ -n "$count" ] && [ "${#count}" -le 9 ] || return 0
    case $left in
      ms*) left=${left#ms} total=$((total + (count + 999) / 1000)) ;;
      s*) left=${left#s} total=$((total + count)) ;;
      m*) left=${left#m} total=$((total + count * 60)) ;;
      h*) left=${left#h} total=$((total + count * 3600)) ;;
      d*) left=${left#d} total=$((total + count * 86400)) ;;
      *) return 0 ;;
    esac
  done
  printf '%s' "$total"
}

# Becomes curl, so call it in a subshell only: then killing that process kills curl and not just its parent.
# ~/.curlrc and proxy variables are for other servers; with a Unix socket the URL's host is only a name.
agent_curl() {
  exec curl -q -sS -g --noproxy '*' --connect-timeout 5 -H 'Expect:' --unix-socket "$socket" "$@" 2>/dev/null
}

# One request (method, path, more of curl's options; body on stdin). Sets `status` (000: no answer) and `body`.
call() {
  method=$1 path=$2
  shift 2
  if reply=$(agent_curl -X "$method" -w '\n%{http_code}' "$@" "http://tasklease$path"); then
    status=${reply##*
}
    body=${reply%
*}
  else
    failure=$? status=000 body=
  fi
}

# Whether curl failed before it was connected: then the agent has heard nothing.
never_sent() { [ "$failure" = 7 ] || [ "$failure" = 2 ]; }

say_unreachable() {
  if [ ! -S "$socket" ]; then
    say "no agent at $socket: no such socket, or none that $(id -un 2>/dev/null || id -u) may see." \
      "Start the agent, or name its socket with --socket or TASKLEASE_SOCKET."
  elif [ ! -w "$socket" ]; then
    say "no agent at $socket: user $(id -u) with group $(id -g) may not use this socket." \
      "Its group is the agent's setting socket.group."
  else
    say "no agent at $socket: it does not answer. Is it running? Its log says more."
  fi
}

# What failed, and the agent's own words why and what to do.
say_refused() {
  code=$(member code "$body")
  detail=$(member detail "$body")
  hint=$(member hint "$body")
  detail=${detail:-the agent gave no reason}
  case $detail in
    *[.!?]) detail="$detail " ;;
    *) detail="$detail; " ;;
  esac
  [ -n "$hint" ] || detail=${detail%; }
  say "$1 (${code:+$code, }HTTP $status): $detail$hint"
}

# ---- arguments ----

usage_code=2
case ${1-} in
  start | stop) command=$1 ;;
  run) command=run usage_code=125 ;;
  -h | --help | help)
    usage
    exit 0 ;;
  '') misused "no command given." ;;
  *) misused "there is no command \"$1\"." ;;
esac
shift

profile='' params='' duration='' duration_seconds='' event='' task='' parent='' assertion='' wait_for=$stop_wait dashes=''
while [ $# -gt 0 ]; do
  case $1 in
    --)
      dashes=yes
      shift
      break ;;
    -h | --help)
      usage
      exit 0 ;;
    --*=*)
      option=${1%%=*} value=${1#*=}
      shift ;;
    --*)
      option=$1
      [ $# -ge 2 ] || misused "$1 needs a value."
      value=$2
      shift 2 ;;
    *)
      if [ "$command" != stop ] || [ -n "$task" ]; then misused "\"$1\" is one argument too many."; fi
      option=--task value=$1
      shift ;;
  esac
  check_text "$option" "$value"
  case $command$option in
    *--socket) socket=$value ;;
    *--task)
      check_task "$value"
      task=$value ;;
    *--event)
      case $value in
        ?*:?*) event=$value ;;
        *) misused "--event $value is not type:id, such as pull_request:acme/shop#412." ;;
      esac ;;
    stop--wait)
      [ -n "$(seconds "$value")" ] || misused "--wait $value is no duration such as 30s or 5m."
      wait_for=$value ;;
    start--profile | run--profile) profile=$value ;;
    start--parent | run--parent)
      check_task "$value"
      parent=$value ;;
    start--assertion-file | run--assertion-file)
      # From a file: what stands on a command line is there for everybody to see.
      assertion=$(tr -d ' \t\r\n' <"$value") || misused "--assertion-file $value cannot be read."
      case $assertion in
        '' | *[!A-Za-z0-9._-]*) misused "--assertion-file $value holds no signed JWT." ;;
      esac ;;
    start--duration | run--duration)
      duration=$value duration_seconds=$(seconds "$value")
      [ -n "$duration_seconds" ] || misused "--duration $value is no duration such as 90s, 10m or 1h30m." ;;
    start--param | run--param)
      case $value in
        ?*=*) params="$params${params:+,}$(json "${value%%=*}"):$(json "${value#*=}")" ;;
        *) misused "--param $value is not name=value." ;;
      esac ;;
    *) misused "$command has no option $option." ;;
  esac
done
command -v curl >/dev/null || {
  say "curl is not on the PATH, and this client is made of it. Install it, or use the tasklease command."
  exit $((usage_code == 125 ? 125 : 1))
}

# ---- stop ----

stop() {
  [ $# -eq 0 ] || misused "\"$1\" is one argument too many."
  limit=$(($(seconds "$wait_for") + 60))
  if [ -n "$task" ]; then
    [ -z "$event" ] || misused "stop takes a task or an event, not both."
    call DELETE "/v1/tasks/$task?wait=$wait_for" -m "$limit" </dev/null
  else
    [ -n "$event" ] || misused "stop needs a task, or --event type:id."
    # -G puts the encoded event into the URL; ids hold slashes and number signs.
    call DELETE "/v1/tasks?wait=$wait_for" -m "$limit" -G --data-urlencode "event=$event" </dev/null
  fi
  case $status in
    200 | 202) printf '%s\n' "$body" ;;
    000) say_unreachable ;;
    *) say_refused "could not stop ${task:-the tasks of $event}" ;;
  esac
  case $status in
    200) exit 0 ;;
    202)
      say "revocation is still pending; the files are gone and the agent keeps trying."
      exit 4 ;;
    000) exit 3 ;;
    *) exit 1 ;;
  esac
}

# ---- start ----

# The start body; $1 is more of its members.
start_body() {
  printf '{"profile":%s' "$(json "$profile")"
  [ -z "$params" ] || printf ',"params":{%s}' "$params"
  [ -z "$duration" ] || printf ',"duration":%s' "$(json "$duration")"
  [ -z "$event" ] || printf ',"event":{"type":%s,"id":%s}' "$(json "${event%%:*}")" "$(json "${event#*:}")"
  [ -z "$parent" ] || printf ',"parent":%s' "$(json "$parent")"
  [ -z "$assertion" ] || printf ',"assertion":"%s"' "$assertion"
  printf '%s}' "$1"
}

prepare_start() {
  [ -n "$profile" ] || misused "--profile is missing."
  [ -n "$task" ] || task=sh-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
}

start() {
  [ $# -eq 0 ] || misused "\"$1\" is one argument too many."
  prepare_start
  request=$(start_body '')
  call PUT "/v1/tasks/$task" -H 'Content-Type: application/json' --data-binary @- <<BODY
$request
BODY
  case $status in
    200 | 201 | 202)
      printf '%s\n' "$body"
      [ "$status" != 202 ] ||
        say "$task waits for approval and has no files yet. Repeat the same start to see whether it was given."
      exit 0 ;;
    000)
      if never_sent; then
        say_unreachable
      else
        say "the agent's answer to the start of $task was lost. Repeat it with --task $task, or stop $task."
      fi
      exit 3 ;;
    *)
      say_refused "start of $task refused"
      exit 1 ;;
  esac
}

# ---- run ----

# Sends a signal to this script after $1 seconds. The holder hears of the sleeping process and takes it along.
alarm() {
  (
    sleep "$1" 3<&- 4>&- &
    echo "$!" >&4
    exec 3<&- 4>&-
    wait "$!" || exit
    : >"$fifos/alarm" || exit
    # A shell that is just about to wait can miss a signal: again, until it was heard.
    while [ -e "$fifos/alarm" ] && kill -s USR2 "$$"; do sleep 0.3; done
  ) </dev/null >/dev/null 2>&1 &
}

# The holder's: opens the connection, or opens it again.
dial() {
  printf '%s' "$request" | agent_curl -N -i -X PUT -H 'Content-Type: application/json' --data-binary @- \
    "http://tasklease/v1/tasks/$task" >"$fifos/stream" &
  connection=$!
}

# curl's parent: opens the connection, and closes it when the script's end of the pipe `life` is closed.
# Signals meant for the whole group (a terminal, an init system) must not close it before the script says so.
hold() {
  trap '' INT QUIT TERM HUP
  exec <"$fifos/life" >/dev/null 2>&1
  exec 4>&-
  dial
  sleepers=''
  while read -r word; do
    case $word in
      again)
        kill -9 "$connection"
        dial ;;
      0) sleepers='' ;; # the alarm went off
      *) sleepers="$sleepers $word" ;;
    esac
  done
  # shellcheck disable=SC2086 # a list of process ids
  [ -z "$sleepers" ] || kill $sleepers
  kill -9 "$connection" # curl ignores the signals that this process ignores
  # Nothing is left behind, even when the script was killed with -9. A follower that waits for `stream` is let go.
  exec 6<>"$fifos/stream"
  rm -rf "$fifos" || rm -rf "$fifos" || rm -rf "$fifos" # the follower may just be writing there
}

# The head and the first line of the answer on descriptor 3: sets `status` (000: none) and `body`.
read_answer() {
  status=000 body=''
  read -r line <&3 || return
  line=${line#* }
  status=${line%% *}
  while read -r line <&3 && [ "${line%"$cr"}" != '' ]; do :; done
  case $status in
    200 | 201 | 202) read -r body <&3 || status=000 ;;
    *) body=$(cat <&3) ;;
  esac
}

# Reads the agent's lines until the start is approved and done, or refused: sets `status` and `body`.
await_approval() {
  say "$task waits for approval: on the agent's host, tasklease approve $task"
  status=000 body=''
  while read -r line <&3; do
    case $line in
      *'"type":"grant.refused"'*) body=$line ;;
      *'"type":"grant.closed"'*)
        status=403
        return ;;
      *'"type":"delivery.published"'*)
        call GET "/v1/tasks/$task" </dev/null 3<&- 4>&-
        return ;;
    esac
  done
}

# Tells the script, until it has heard: a shell that is just about to wait can miss a signal, and bash may lose one that
# comes while its trap runs. Ends the follower when nobody is there to be told.
tell() {
  printf '%s' "$2" 2>/dev/null >"$fifos/$1.new" && mv "$fifos/$1.new" "$fifos/$1" 2>/dev/null || exit 0
  kill -s USR1 "$$" 2>/dev/null || exit 0
  patience=0
  while [ -e "$fifos/$1" ]; do
    sleep 0.02
    patience=$((patience + 1))
    if [ $((patience % 15)) -eq 0 ]; then kill -s USR1 "$$" 2>/dev/null || exit 0; fi
  done
}

# Reads the agent's lines, over its restarts, until the task is over or lost.
follow() {
  trap '' INT QUIT TERM HUP
  ended=''
  while [ -z "$ended" ]; do
    while read -r line <&3; do
      case $line in
        *'"type":"deadline.moved"'*) tell moved '' ;;
        *'"type":"grant.stopping"'*) ended=$(member reason "$line") ;;
        *'"type":"grant.closed"'*) ended=$(member outcome "$line") ;;
      esac
      [ -z "$ended" ] || break
    done
    [ -n "$ended" ] || redial || ended=lost
  done
  tell over "$ended"
  cat <&3 >/dev/null # curl must be able to write until it is closed
}

# Asks for the very same start again. Fails when the agent stays away, or has no such task any more.
redial() {
  tries=$redials
  while [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    exec 3<&- # else the holder's next curl would find a reader that is about to go, and the next one would find no curl
    tell again ''
    exec 3<"$fifos/stream" # waits for the holder's curl
    read_answer
    case $status in
      200)
        case $(member state "$body") in
          active | degraded) ;;
          *) return 1 ;;
        esac
        [ "$(member deadline "$body")" = "$deadline" ] || tell moved ''
        tell back ''
        return 0 ;;
      000 | 429 | 5*) sleep 1 ;;
      *) return 1 ;; # 201 too: made anew, by an agent that has lost its memory, is not what the command was given
    esac
  done
  return 1
}

# CMD tells its process id before it begins; until then there is nothing to be signalled.
signal_command() {
  [ -n "$cmd" ] || return 0
  while [ ! -s "$fifos/pid" ] && kill -s 0 "$cmd" 2>/dev/null; do sleep 0.02; done
  [ ! -s "$fifos/pid" ] || read -r target <"$fifos/pid"
  kill -s "$1" "${target:-$cmd}" 2>/dev/null
}

on_signal() {
  [ -n "$cmd" ] || exit "$2"
  case $1 in
    # At a terminal CMD has had this one too, if it could be told not to ignore it.
    INT | QUIT) if [ -z "$as_usual" ]; then signal_command TERM; elif [ ! -t 0 ]; then signal_command "$1"; fi ;;
    *) signal_command "$1" ;;
  esac
}

# What the follower has told.
on_news() {
  # The task has more time than was asked for at the start; the agent's own end of it counts from now on.
  if heard moved; then extended=yes; fi
  if heard again; then
    echo again >&4
    [ -n "$away" ] || say "the agent is away; the task $task is lost if it is not back within $redials s."
    away=yes
  fi
  if heard back; then
    away=''
    say "the agent is back."
  fi
  if [ -z "$over" ] && heard over; then on_over; fi
}

# Takes a word of the follower's; what came with it is in `word`.
heard() {
  [ -e "$fifos/$1" ] || return 1
  # Without a subshell: bash cannot read one in a trap that interrupts another.
  word=''
  read -r word <"$fifos/$1" || :
  rm -f "$fifos/$1"
}

on_over() {
  over=${word:-lost}
  if [ -n "$expired" ]; then
    signal_command KILL # the deadline; SIGTERM came when the asked duration was over
    return
  fi
  case $over in
    completed) say "the task $task was stopped by someone else. SIGTERM to the command." ;;
    expired) say "the task $task has reached its deadline. SIGTERM to the command." ;;
    lost) say "the task $task is lost. SIGTERM to the command." ;;
    *) say "the task $task is over ($over). SIGTERM to the command." ;;
  esac
  signal_command TERM
  alarm "$kill_after"
}

on_alarm() {
  [ -e "$fifos/alarm" ] || return 0 # heard before
  rm -f "$fifos/alarm"
  echo 0 >&4
  if [ -n "$over" ]; then
    signal_command KILL
  elif [ -z "$extended" ]; then
    expired=yes
    say "the asked duration of $duration is over. SIGTERM to the command."
    signal_command TERM
  fi
}

# Runs on every exit that a script can see. The stop comes first: `completed`, and not `lost`.
finish() {
  trap '' INT QUIT TERM HUP USR1 USR2
  trap - EXIT
  if [ -n "$started" ]; then
    [ "$over" != lost ] || stop_tries=1
    while :; do
      call DELETE "/v1/tasks/$task?wait=$stop_wait" -m 60 </dev/null 3<&- 4>&-
      stop_tries=$((stop_tries - 1))
      if [ "$status" != 000 ] || [ "$stop_tries" -le 0 ]; then break; fi
      sleep 1
    done
    case $status in
      200) ;;
      202) say "revocation of $task is still pending; its files are gone and the agent keeps trying." ;;
      404) ;; # never came to be
      000) say "could not stop $task: the agent does not answer. Its secrets end at the deadline, or within the leash." ;;
      *) say_refused "could not stop $task" ;;
    esac
  fi
  exec 3<&- 4>&-
  [ -z "$holder" ] || wait "$holder" 2>/dev/null
  [ -z "$fifos" ] || rm -rf "$fifos" # the holder's doing, where there is one
}

# Nothing is leased for a command that cannot run.
find_command() {
  case $1 in
    */*) place=$1 ;;
    *) place=$(command -v "$1") || place='' ;;
  esac
  if [ -z "$place" ] || { [ "$place" != "${place#*/}" ] && [ ! -e "$place" ]; }; then
    say "$1 is not found. Nothing was leased."
    exit 127
  elif [ "$place" != "${place#*/}" ] && { [ -d "$place" ] || [ ! -x "$place" ]; }; then
    say "$1 is not executable. Nothing was leased."
    exit 126
  fi
}

run() {
  if [ -z "$dashes" ] || [ $# -eq 0 ]; then misused "the command is missing: run --profile P -- CMD..."; fi
  prepare_start
  find_command "$1"
  cmd='' over='' away='' expired='' extended='' started='' holder='' fifos=''
  fifos=$(mktemp -d "${TMPDIR:-/tmp}/tasklease.XXXXXX" 2>/dev/null || mktemp -d /dev/shm/tasklease.XXXXXX 2>/dev/null)
  if [ -z "$fifos" ] || ! mkfifo "$fifos/life" "$fifos/stream"; then
    say "cannot make two pipes in ${TMPDIR:-/tmp} or /dev/shm. Name a directory one may write with TMPDIR."
    exit 125
  fi
  request=$(start_body ',"bind":{"connection":true}')
  trap finish EXIT
  for sig in 'HUP 129' 'INT 130' 'QUIT 131' 'TERM 143'; do
    # shellcheck disable=SC2064 # expanded now on purpose
    trap "on_signal $sig" "${sig% *}"
  done
  trap on_news USR1
  trap on_alarm USR2

  # The order matters: the holder dials only once it reads from `life`, so no connection is ever without it.
  exec 4<>"$fifos/life" # <> waits for nobody
  hold &
  holder=$!
  started=yes
  exec 3<"$fifos/stream"
  read_answer
  [ "$status" != 202 ] || await_approval
  case $status in
    200 | 201) ;;
    000)
      started='' # what the agent may have had of it ends with this connection
      say_unreachable
      exit 125 ;;
    *)
      started=''
      say_refused "start of $task refused"
      exit 125 ;;
  esac
  dir=$(member dir "$body") deadline=$(member deadline "$body")
  [ -n "$dir" ] || {
    say "the agent's answer to the start of $task names no directory. Is $socket a tasklease agent?"
    exit 125
  }

  # Background commands of a script ignore SIGINT and SIGQUIT; env (coreutils 8.31) can put that right.
  as_usual=''
  env --default-signal=INT,QUIT true 2>/dev/null && as_usual='env --default-signal=INT,QUIT'
  exec 5<&0
  # What becomes of CMD is written down by the one that waits for nothing else: a shell that hears signals while it waits
  # can take one for the end of CMD, and bash then forgets the real one.
  (
    exec 3<&- 4>&- 6>&2 2>/dev/null # what the shell itself has to say of its end is nobody's business
    trap : INT QUIT TERM HUP
    TASKLEASE_TASK=$task TASKLEASE_DIR=$dir
    export TASKLEASE_TASK TASKLEASE_DIR
    # shellcheck disable=SC2016,SC2086 # for the inner shell; a command with its option, or nothing
    $as_usual sh -c 'echo "$$" >"$0/pid" && exec "$@" 2>&6 6>&-' "$fifos" "$@" 5<&-
    echo "$?" >"$fifos/code.new" && mv "$fifos/code.new" "$fifos/code"
  ) <&5 &
  cmd=$!
  exec 5<&-
  (follow) </dev/null >/dev/null 2>&1 4>&- & # parentheses: a function alone would keep a copy of 4 aside
  exec 3<&-
  [ -z "$duration_seconds" ] || alarm "$duration_seconds"

  # A trapped signal ends `wait` early: again, until the end of CMD is written down, or nobody is left to do that.
  while :; do
    wait "$cmd" 2>/dev/null
    exit_code=$?
    [ ! -s "$fifos/code" ] || break
    kill -s 0 "$cmd" 2>/dev/null || break
    sleep 0.02
  done
  [ ! -s "$fifos/code" ] || read -r exit_code <"$fifos/code"
  finish
  if [ -n "$expired" ]; then exit 124; fi
  case $over in
    '' | completed) exit "$exit_code" ;;
    expired) exit 124 ;;
  esac
  case $body in
    *'"outcome":"expired"'*) exit 124 ;;
    *) exit 125 ;;
  esac
}

"$command" "$@"
