# What the next steps need. Diversions, alternatives and a dozen maintainer scripts run.
apt-get -qq install -y --no-install-recommends gcc git libc6-dev make perl procps python3 sudo tmux >/dev/null
for tool in cc git make perl ps python3 sudo tmux; do command -v $tool; done
dpkg --audit
