# needs: binfmt
# Set-uid programs get their rights, from the shell and from other guests, and give them back.
useradd -m joe
echo 'joe ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/joe
echo "127.0.0.1 $(hostname)" > /etc/hosts
su joe -c 'id -un'
su joe -c 'sudo -n id -un'
su joe -c 'sudo -n -u nobody id -un'
su joe -c 'sudo -n sh -c "su joe -c whoami"'
su joe -c 'KILN_STRACE=1 KILN_STATS=text sudo -n env' | grep -c KILN || echo no traces
su joe -c 'perl -e "exec { q(sudo) } qw(other -n id -u)"'
su joe -c 'id -u; cat /etc/shadow || echo no' 2>&1
