# Job control, traps, process groups and limits in bash.
bash --norc <<'END'
set -m
sleep 100 & kill -STOP %1; while [ "$(jobs -s)" = "" ]; do sleep 0.1; done; jobs | sed 's/  */ /g'
bg %1 >/dev/null; kill %1; wait %1; echo $?
trap 'echo trapped' USR1; kill -USR1 $$
(trap '' TERM; kill -TERM $BASHPID; echo survived)
(ulimit -v 200000; python3 -c 'bytearray(1 << 30)' 2>&1 | tail -1)
(ulimit -t 1; python3 -c 'while True: pass'; echo $?)
(ulimit -n 20; python3 -c 'import os
try:
    [os.open("/", 0) for _ in range(30)]
except OSError as e: print(e)')
seq 100000 | (head -1; cat >/dev/null); (exec 2>/dev/null; yes | head -1); echo ${PIPESTATUS[*]}
END
