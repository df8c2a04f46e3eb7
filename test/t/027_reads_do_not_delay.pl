# A read that is stuck keeps neither events nor health checks from being answered, and ends by itself.
# How: a table that lists need is locked, as many lists are asked for as there can be, and meanwhile events
# are sent.  The bounds are far from what it takes, and far below the time of the lock.
use strict;
use warnings;

use InngestTest;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

my $inn = InngestTest->new('main', conf => "inngest.statement_timeout = '2s'\n");
$inn->register('slow', 'r/slow');
$inn->http('POST', '/api/v1/events', { name => 'r/slow' });

my $locker = $inn->node->background_psql('postgres', on_error_die => 1);
$locker->query_safe('BEGIN; LOCK TABLE inngest.apps IN ACCESS EXCLUSIVE MODE');

# Ask without waiting for the answer.
sub ask
{
	my ($path) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $inn->http_port) or die "connect: $!";

	print $socket "GET $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	return $socket;
}

my $asked = time;
my @reads = map { ask('/api/v1/runs') } 1 .. 4;
wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inngest api' AND wait_event_type = 'Lock'") > 0 }, 'a read is stuck');

my ($slowest, $unhealthy, $refused) = (0, 0, 0);
my $before = time;
for my $n (1 .. 50)
{
	my $start = time;
	$refused++ if $inn->http('POST', '/e/key', { name => 'r/slow', data => { n => $n } })->{status} != 200;
	$slowest = time - $start if time - $start > $slowest;
}
note(sprintf '50 events in %.0f ms, the slowest took %.0f ms', 1000 * (time - $before), 1000 * $slowest);
is($refused, 0, 'events are accepted while a read is stuck');
cmp_ok($slowest, '<', 1, 'without delay');
my $start = time;
is($inn->http('GET', '/health')->{status}, 200, 'so is a health check');
cmp_ok(time - $start, '<', 1, 'without delay');
is(scalar @{ $inn->http('POST', '/api/v1/runs/lease', { functions => ['slow'] })->{json}{data} }, 1, 'and runs are leased');

# Four reads by one worker, each until the timeout.
for my $read (@reads)
{
	my $answer = do { local $/; <$read> };
	like($answer, qr{^HTTP/1\.1 503 .*"code": ?"timeout"}s, 'the read is told that it took too long');
}
cmp_ok(time - $asked, '<', 30, 'in the time that it is given');
$locker->query_safe('ROLLBACK');
$locker->quit;
is($inn->http('GET', '/api/v1/runs')->{status}, 200, 'and then reads are answered again');

done_testing();
