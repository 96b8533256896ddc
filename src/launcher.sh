#!/bin/sh
':' /* This file is a shell script until the line that closes this comment, and JavaScript to node.
# Owns the step from the command `tasklease` to a Node that is new enough, with the flags we want. It
# replaces itself by that Node: same pid, so that signals, bindings and kill -9 mean what they say.
# Invariants: no name of the environment is changed for run (a variable of that name might be exported to CMD),
# POSIX sh only, and no star before a slash anywhere in here, since that would end the comment.
_tasklease_file=$0
while [ -h "$_tasklease_file" ]; do # npm links node_modules/.bin/tasklease to this file
  _tasklease_link=$(readlink "$_tasklease_file") || break
  case $_tasklease_link in
    /?*) _tasklease_file=$_tasklease_link ;;
    *) _tasklease_file=${_tasklease_file%"${_tasklease_file##*[/]}"}$_tasklease_link ;;
  esac
done
_tasklease_node=$TASKLEASE_NODE
if [ -z "$_tasklease_node" ]; then
  # In a clone: the Node that the development dependencies pin. It is known to be new enough.
  _tasklease_node=${_tasklease_file%"${_tasklease_file##*[/]}"}../node_modules/.bin/node
  if [ ! -x "$_tasklease_node" ]; then
    _tasklease_node=$(command -v node) || _tasklease_node=
    _tasklease_version=
    [ -z "$_tasklease_node" ] || _tasklease_version=$("$_tasklease_node" --version 2>/dev/null)
    case $_tasklease_version in
      v2[4-9].* | v[3-9][0-9].* | v[1-9][0-9][0-9].*) ;;
      *)
        _tasklease_found="there is no node on PATH"
        [ -z "$_tasklease_node" ] || _tasklease_found="$_tasklease_node is ${_tasklease_version:-broken}"
        echo "tasklease: Node.js 24 or newer is needed, but $_tasklease_found; install it from https://nodejs.org or set TASKLEASE_NODE to its path" >&2
        [ "$1" = run ] && exit 125
        exit 69 # EX_UNAVAILABLE
        ;;
    esac
  fi
elif [ ! -x "$_tasklease_node" ]; then
  echo "tasklease: TASKLEASE_NODE names $_tasklease_node, which is not an executable file; correct or unset it" >&2
  [ "$1" = run ] && exit 125
  exit 69
fi
# No __proto__ tricks, no environment in diagnostic reports, no debugger on SIGUSR1 (except for run, which
# has to receive that signal to pass it on, and whose handler keeps the debugger away). For the agent, which
# lives long: one arena of malloc for all threads (3.5 MB less, mallopt(3)), no second compiler for the little
# WebAssembly in it (12 MB), and room for what is young under load, which start-up fills for the first time;
# what that took is given back once (src/adapters/system/startup-memory.ts).
case $1 in
  agent)
    set -- --disable-sigusr1 --expose-gc --max-semi-space-size=8 --liftoff-only "$_tasklease_file" "$@"
    MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1} && export MALLOC_ARENA_MAX
    ;;
  run) set -- "$_tasklease_file" "$@" ;;
  *) set -- --disable-sigusr1 "$_tasklease_file" "$@" ;;
esac
exec "$_tasklease_node" --disable-proto=throw --report-exclude-env --disable-warning=ExperimentalWarning "$@"
*/;
