# dpkg has configured every package of the base system.
dpkg --audit
dpkg-query -W -f '${db:Status-Status}\n' | sort | uniq -c | awk '{ print $2, ($1 > 60 ? "more than 60" : $1) }'
dpkg --print-architecture
uname -m
test -s /etc/ld.so.cache && echo ldconfig has run
ldd /bin/sh | awk '{ print $1 }'
