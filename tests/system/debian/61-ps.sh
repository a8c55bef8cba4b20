# Processes see each other under their own names, scripts under the script's.
printf '#!/usr/bin/python3\nimport time; time.sleep(300)\n' > sleeper && chmod +x sleeper
./sleeper & script=$!
python3 -c 'import time; time.sleep(300)' & program=$!
until pgrep -x sleeper >/dev/null && pgrep -x python3 >/dev/null; do sleep 0.1; done
ps -o comm=,args= -p $script -p $program
ps aux | awk '$2 == '$program' { print $11, $12 }'
pgrep -f 'time.sleep.300' | grep -cx $program
readlink /proc/$program/exe
cat /proc/$$/comm
start-stop-daemon --stop --pid $program --exec /usr/bin/python3.13
wait $program; echo $?
kill $script; wait $script; echo $?
