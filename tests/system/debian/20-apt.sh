# apt installs packages from the archive; the second one sets off the first one's trigger.
apt-get -qq update
apt-get -qq install -y --no-install-recommends man-db >/dev/null
apt-get -qq install -y --no-install-recommends hello | grep -o "^Processing triggers for [a-z-]*"
hello
dpkg -V hello
apt-get -qq remove -y hello | grep -E '^(Removing|Processing)' | sed 's/ (.*//'
dpkg-query -W -f '${db:Status-Status}\n' hello 2>&1 || true
