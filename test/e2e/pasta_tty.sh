#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# pasta's command on a terminal: interrupts, job control, and who has the
# terminal afterwards; signals without one, and that it doesn't outlive us.

# shellcheck disable=SC2154 # the libraries set T, ns and so on
# shellcheck disable=SC2086,SC2016 # $user is words; text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

command -v python3 >/dev/null || skip_all 'no python3'

# on_tty WAIT SEND [WAIT SEND]... -- CMD...: run CMD on a terminal; once WAIT
# appears (in what came after the last one), type SEND. Prints all output, then
# "status N".
cat >"$T/on_tty" <<'E'
import os, pty, select, sys, time

cut = sys.argv.index("--")
steps = [s.encode().decode("unicode_escape").encode()
         for s in sys.argv[1:cut]]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[cut + 1], sys.argv[cut + 1:])
out, seen = b"", 0
end = time.monotonic() + 20
while time.monotonic() < end:
    if steps and steps[0] in out[seen:]:
        seen = out.index(steps[0], seen) + len(steps[0])
        os.write(fd, steps[1])
        steps = steps[2:]
        continue
    if not select.select([fd], [], [], 0.1)[0]:
        continue
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    out += data
else:
    os.kill(pid, 9)
print(out.decode(errors="replace").replace("\r", ""))
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
E
# Python may be where the user can't read it: it stays who it is
on_tty()
{
	python3 "$T/on_tty" "$@"
}
if [ "$WORLD_ROOT" ]; then
	user="setpriv --reuid $WORLD_UID --regid $WORLD_UID --clear-groups --"
else
	user="unshare -U --map-user=$WORLD_CALLER --map-group=$WORLD_GROUP --"
fi

echo up >"$T/user/text"
like "$(on_tty up '\x03' -- $user pasta tail -f "$T/user/text")" \
	'*status 130' 'Ctrl-C ends a command'
like "$(on_tty up '\x03' -- $user pasta sh -c \
	'trap "exit 9" INT; echo up; while :; do sleep 0.1; done')" \
	'*status 9' '... which may handle it'
like "$(on_tty up '\x03text\n' -- $user pasta sh -c \
	'trap "" INT; echo up; read x; echo "got:$x"; exit 3')" \
	'*got:text*status 3' '... or ignore it'

export SHELL=/bin/sh
# says so itself once it has the terminal: what is typed is echoed, too
job='sh -c "echo run$((1)); exec sleep 1000"\n'
out=$(on_tty '# ' "$job" run1 '\x03' '# ' 'exit 4\n' -- $user pasta)
like "$out" '*status 4' 'shell: Ctrl-C ends its job, not the shell'
case $out in
*annot\ set*)	fail 'shell: gives the terminal back'; diag "$out" ;;
*)		pass 'shell: gives the terminal back' ;;
esac
job='sh -c "echo run$((1)); read x; echo got:\\$x"\n'
out=$(on_tty '# ' "$job" run1 '\x1a' '# ' 'fg\ntext\n' got:text '' \
	'# ' 'exit 5\n' -- $user pasta sh -i)
like "$out" '*topped*status 5' 'shell: job control'
out=$(on_tty '# ' 'exit 6\n' inner:6 'text\n' -- $user sh -c \
	'pasta sh; echo "inner:$?"; read x; echo "got:$x"')
like "$out" '*got:text*status 0' 'the caller has the terminal afterwards'
out=$(on_tty '# ' 'echo $0\n' '-/bin/sh' 'exit\n' -- $user pasta)
like "$out" '*-/bin/sh*status 0' 'it is a login shell by default'

like "$(on_tty x x -- $user pasta true)" '*Without --config-net*' \
	'a hint on --config-net'
for with in -q --config-net; do
	case $(on_tty x x -- $user pasta $with true) in
	*Without*)	fail "... not with $with" ;;
	*)		pass "... not with $with" ;;
	esac
done

# Without a terminal
pasta_up --config-net
kill -TERM "$pasta_pid"
wait_gone "$pasta_pid"
wait "$pasta_pid"
is $? 0 'SIGTERM to us: exit status 0'
ok '... and the command goes with us' wait_gone "$ns"

pasta_up --config-net
kill -KILL "$pasta_pid"
ok 'even with SIGKILL' wait_gone "$ns"

as_user pasta --config-net -I lo -- sleep 123456 2>"$T/err"
is $? 1 'a start that fails after the command was made'
ok '... leaves nothing behind' wait_for '! pgrep -xf "sleep 123456"'
ok '... nor its child' wait_for '! pgrep -x pasta'

done_testing
