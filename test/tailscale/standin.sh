#!/bin/sh
# A stand-in for the `tailscale` program, for tests: no daemon, no tailnet, no network. It plays answers in the shapes that
# Tailscale 1.9x prints, from files beside it:
#   status.json, whois/<address>.json   what `status --json` and `whois --json` print
#   <command>.fail                      written to stderr; exit code 1
#   <command>.hang                      the command never answers
# `serve` and `funnel` in the foreground hold a claim as long as they live, as Tailscale's do; a claim of a process that is gone
# is not there. Each call is noted in `calls`.
dir=$(dirname "$0")
command=$1
echo "$*" >>"$dir/calls"
[ "$2" = status ] && command=routes
[ -f "$dir/$command.hang" ] && exec sleep 600
if [ -f "$dir/$command.fail" ]; then
  cat "$dir/$command.fail" >&2
  exit 1
fi
case $command in
  version) echo 1.98.2 ;;
  status) cat "$dir/status.json" ;;
  whois)
    if [ -f "$dir/whois/$3.json" ]; then
      cat "$dir/whois/$3.json"
    else
      echo 'peer not found' >&2
      exit 1
    fi
    ;;
  routes)
    foreground=
    for claim in "$dir"/claims/*; do
      [ -f "$claim" ] && kill -0 "$(basename "$claim")" 2>/dev/null || continue
      foreground="$foreground${foreground:+,}\"$(basename "$claim")\":$(cat "$claim")"
    done
    if [ -f "$dir/background.json" ]; then background=$(cat "$dir/background.json"),; fi
    echo "{${background:-}\"Foreground\":{$foreground}}"
    ;;
  serve | funnel)
    for target; do :; done
    case " $* " in
      *" --bg=false "*) ;;
      *) echo 'a claim in the background outlives its Gateway' >&2; exit 2 ;;
    esac
    funnel=false
    [ "$command" = funnel ] && funnel=true
    mkdir -p "$dir/claims"
    trap 'rm -f "$dir/claims/$$"; exit 0' TERM INT
    echo "{\"TCP\":{\"443\":{\"HTTPS\":true}},\"Web\":{\"host.tail1234.ts.net:443\":{\"Handlers\":{\"/\":{\"Proxy\":\"$target\"}}}},\"AllowFunnel\":{\"host.tail1234.ts.net:443\":$funnel}}" >"$dir/claims/$$"
    echo 'Available within your tailnet:'
    echo 'Press Ctrl+C to exit.'
    # In short pieces: what is left of them when this is killed is soon gone.
    while :; do
      sleep 1 &
      wait $!
    done
    ;;
  *) echo "unknown command: $command" >&2; exit 2 ;;
esac
