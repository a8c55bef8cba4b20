# Pseudo terminals: script, and tmux with its server, its client's protocol and a shell.
script -qc 'tty; test -t 0 && test -t 1 && echo a terminal; stty -a | grep -o "intr = ^C"' /dev/null </dev/null | tr -d '\r'
export TERM=screen
tmux -f /dev/null -L test new-session -d -x 60 -y 10 'sh'
until tmux -L test capture-pane -p | grep -q '^#'; do sleep 0.1; done
tmux -L test send-keys 'echo $((6 * 7)); stty size' Enter
for i in $(seq 100); do tmux -L test capture-pane -p | grep -q '^9 60\|^10 60' && break; sleep 0.1; done
tmux -L test capture-pane -p | grep -x '42\|9 60\|10 60'
tmux -L test send-keys 'sleep 100' Enter
until pgrep -x sleep >/dev/null; do sleep 0.1; done
tmux -L test send-keys C-c
while pgrep -x sleep >/dev/null; do sleep 0.1; done
tmux -L test send-keys 'echo interrupted $?' Enter
for i in $(seq 100); do tmux -L test capture-pane -p | grep -qx 'interrupted 130' && break; sleep 0.1; done
tmux -L test capture-pane -p | grep -x 'interrupted 130'
tmux -L test kill-server
