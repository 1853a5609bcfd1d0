#!/bin/bash
# A host that means harm: what trueup starts instead of a shell, by the `command` transport or as a login
# shell behind a real sshd. The first argument, or the end of its own name, says what it does; what
# follows (-c and the login command) is not run unless the harm comes later.
mode=${0##*hostile-}
[ "$mode" != "$0" ] || { mode=$1; shift; }

# begin: reads the opening, in which the first program stands; N is the session's nonce then, and LAST the program's own
# number; ASKED are those of its answers (FIRST the first one's), and TOGETHER those of what is answered in one of them.
begin() {
  IFS= read -r first
  length=${first#*bs=}
  length=${length%% *}
  prelude=$(dd bs="$length" count=1 iflag=fullblock 2>/dev/null)
  N=${prelude#N=}
  N=${N%% *}
  LAST=${prelude##*closing }
  LAST=${LAST%%[!0-9]*}
  ASKED=$(grep -o '^ask [0-9]*' <<<"$prelude" | cut -d ' ' -f 2)
  FIRST=${ASKED%%$'\n'*}
  TOGETHER=$(grep -o '^apart [0-9]*' <<<"$prelude" | cut -d ' ' -f 2)
}

# program: reads the frame of a later program; LAST is its own number.
program() {
  IFS=' ' read -r _ LAST length
  dd bs="$length" count=1 iflag=fullblock >/dev/null 2>&1
}

frame() { printf '\n%s %s %s %s %s\n%s\n' "$N" "$1" "$2" "$3" "${#4}" "$4"; }
hello() { frame hello 0 0 "0 $$ 1 gzip"; }
met() { begin; hello; }
sit() { exec sleep 600; }

NASTY=$(printf 'x\033[2J\033]0;title\007\033]52;c;aGk=\007\302\233\342\200\256{{7*7}}$(touch /tmp/trueup-was-here)\rgone')

case $mode in
  escapes-then-end) printf '%s\n' "$NASTY"; printf '%s\n' "$NASTY" >&2; exit 1 ;;
  escapes-as-answers)
    met
    together=
    for seq in $TOGETHER; do together="$together$NASTY
$N $seq 0
"; done
    for seq in $ASKED; do
      case $TOGETHER in "$seq"*) frame data "$seq" 0 "$together" ;; *) frame data "$seq" 0 "$NASTY" ;; esac
    done
    frame end "$LAST" 0 "$(wc -w <<<"$ASKED")"; sit ;;
  not-apart)
    met
    for seq in $ASKED; do frame data "$seq" 0 "$NASTY
$N 77 0
$N $seq x
$N 99999999999999999999999999 0
$N
$NASTY"; done
    frame end "$LAST" 0 "$(wc -w <<<"$ASKED")"; sit ;;
  flood) exec yes "$NASTY" ;;
  flood-zeros) exec cat /dev/zero ;;
  flood-errors) exec yes "$NASTY" >&2 ;;
  flood-answer) met; printf '\n%s data %s 0 67000000\n' "$N" "$FIRST"; exec cat /dev/zero ;;
  flood-many) met; while :; do printf '\n%s data %s 0 1000000\n' "$N" "$FIRST"; head -c 1000000 /dev/zero | tr '\0' x; echo; done ;;
  huge) met; printf '\n%s data %s 0 99999999999\n' "$N" "$FIRST"; sit ;;
  enormous) met; printf '\n%s data %s 0 99999999999999999999999999\n' "$N" "$FIRST"; sit ;;
  negative) met; printf '\n%s data %s 0 -1\n' "$N" "$FIRST"; sit ;;
  bytes) met; printf '\n%s data %s \377\376 1\n' "$N" "$FIRST"; sit ;;
  long-line) met; printf '\n%s data %s 0 ' "$N" "$FIRST"; exec cat /dev/zero ;;
  other-nonce) begin; N=00000000000000000000000000000000; hello; frame end "$LAST" 0 0; exit 0 ;;
  no-greeting) begin; frame data "$FIRST" 0 ''; sit ;;
  bad-greeting) begin; frame hello 0 0 'root'; sit ;;
  two-greetings) met; hello; sit ;;
  out-of-order) met; frame data 99 0 ''; frame data "$FIRST" 0 ''; sit ;;
  twice) met; frame data "$FIRST" 0 ''; frame data "$FIRST" 0 ''; sit ;;
  step-for-question) met; frame done "$FIRST" 0 ''; sit ;;
  foreign) met; frame data 77 0 ''; sit ;;
  early-end) met; frame end "$LAST" 0 0; sit ;;
  wrong-count) met; frame data "$FIRST" 0 ''; frame end "$LAST" 0 9; sit ;;
  between) met; frame data "$FIRST" 0 ''; printf 'between\n'; sit ;;
  nul) met; printf '\n%s data %s 0 1\n\0\n' "$N" "$FIRST"; sit ;;
  half) met; printf '\n%s data %s 0 100\nhalf' "$N" "$FIRST"; exit 0 ;;
  drip) while :; do printf x; sleep 1; done ;;
  drip-answer) met; printf '\n%s data %s 0 5000\n' "$N" "$FIRST"; while :; do printf x; sleep 0.2; done ;;
  drip-errors) while :; do printf x >&2; sleep 0.2; done ;;
  deaf) sit ;;
  facts)
    # Its first answer is that to the question for facts; what comes then it does not care about.
    met
    frame data 1 0 "kernel $NASTY
arch -oProxyCommand=touch /tmp/trueup-was-here
hostname other
cpus 4
memory_kb 99999999
user {{ vars.secret }}
init systemd
os ID=debian
os PRETTY_NAME=\"\$(touch /tmp/trueup-was-here) \`id\` ../../etc/passwd\""
    frame end "$LAST" 0 1
    program
    for seq in $(seq 2 $((LAST - 1))); do frame data "$seq" 0 ''; done
    sit ;;
  *) echo "no mode $mode" >&2; exit 9 ;;
esac
