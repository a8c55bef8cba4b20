# perl and its own modules: threads, processes, pipes, sockets.
# quick
cat > Sum.pm <<'END'
package Sum;
use strict; use warnings;
sub new { my ($class, @numbers) = @_; return bless { numbers => [@numbers] }, $class }
sub total { my $self = shift; my $t = 0; $t += $_ for @{ $self->{numbers} }; return $t }
1;
END
cat > sum.t <<'END'
use strict; use warnings; use threads; use threads::shared; use IPC::Open3; use IO::Socket::INET; use Socket;
use Time::HiRes qw(usleep alarm); use POSIX (); use lib '.'; use Sum;
use Test::More tests => 8;
is(Sum->new(1 .. 100)->total, 5050, 'a module');
my $count : shared = 0;
my @threads = map { threads->create(sub { for (1 .. 50) { lock $count; $count++ } return $_[0] ** 2 }, $_) } 1 .. 4;
is(join(',', map { $_->join } @threads), '1,4,9,16', 'threads give their results');
is($count, 200, 'a lock');
my $pid = open3(my $in, my $out, undef, 'tr', 'a-z', 'A-Z'); print $in "pipe\n"; close $in;
is(<$out>, "PIPE\n", 'open3'); waitpid $pid, 0;
is($? >> 8, 0, 'and its status');
my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
if (fork == 0) { my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport); print $c "hi\n"; POSIX::_exit(3) }
is($server->accept->getline, "hi\n", 'a socket'); wait; is($? >> 8, 3, 'a child');
my $woken = 0; local $SIG{ALRM} = sub { $woken++ }; alarm 0.05; select undef, undef, undef, 5;
is($woken, 1, 'an alarm');
END
perl sum.t
