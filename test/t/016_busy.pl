# Reads that are slow, stuck or too many do not keep events out, and are themselves given up in time.
# How: a prepared transaction holds a lock that reads wait for; API workers are stopped, or terminated.
use strict;
use warnings;

use HttpWire;
use InngestTest;
use Test::More;

# Under valgrind a session that looks takes seconds to start.
my $timeout = $ENV{INN_TEST_WRAPPER} ? 20 : 2;

my $inn = InngestTest->new('main', conf => <<"END");
max_prepared_transactions = 1
inngest.statement_timeout = '${timeout}s'
END

# Calls that wait or are being carried out (INN_CHANNEL_SLOTS).
use constant SLOTS => 256;

sub lock_runs
{
	$inn->sql("BEGIN; LOCK TABLE inngest.function_runs IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'lock'");
	return;
}

sub unlock_runs
{
	$inn->sql("ROLLBACK PREPARED 'lock'");
	return;
}

# A request that is sent, and its reply read later.
sub ask
{
	my ($path) = @_;
	my $wire = HttpWire->new($inn->http_port);

	$wire->request('GET', $path);
	return $wire;
}

# Status and code of a reply.
sub outcome
{
	my ($reply) = @_;
	my $json = JSON::PP::decode_json($reply->{content});
	return $reply->{status} . (defined $json->{code} ? " $json->{code}" : '');
}

sub is_accepting
{
	my ($when) = @_;
	my $answer = $inn->http('POST', '/e/key', { name => 'busy/event' });
	return is($answer->{status}, 200, "events are accepted while $when");
}

# Wait until so many API workers wait for the lock.
sub wait_for_stuck
{
	my ($count) = @_;

	wait_for(sub {
			$inn->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inngest api' AND wait_event_type = 'Lock'") ==
			  $count;
		}, "$count API workers wait for a lock");
	return;
}

# a read that waits for a lock
{
	lock_runs();
	my $wire = ask('/api/v1/runs');
	wait_for_stuck(1);
	is_accepting('a read is stuck');
	is($inn->http('GET', '/api/v1/functions/none')->{status}, 404, 'what is known to be quick is answered meanwhile');
	is(outcome($wire->reply), '503 timeout', 'the read is given up after inngest.statement_timeout');

	my @wires = map { ask('/api/v1/runs') } 1 .. 3;
	wait_for_stuck(1);
	is($inn->http('GET', '/health')->{status}, 200, 'stuck reads do not keep the health check');
	is(outcome($_->reply), '503 timeout', 'each of several is given up') for @wires;
	unlock_runs();
	is($inn->http('GET', '/api/v1/runs')->{status}, 200, 'afterwards all is well');
}

# a worker that ends in the middle of a call
{
	lock_runs();
	$inn->set_and_reload('inngest.statement_timeout', '60s');
	wait_for(sub { $inn->sql('SHOW inngest.statement_timeout') eq '1min' }, 'the setting');
	# a worker that has not read the setting yet gives up after the old time: ask again until one has
	my $wire = wait_for(sub {
			my $wire = ask('/api/v1/runs');
			wait_for_stuck(1);
			$wire->is_silent($timeout + 0.5) && $wire;
		}, 'a read that is stuck');
	is($inn->sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'inngest api' AND wait_event_type = 'Lock'"),
		1, 'its worker is terminated');
	is($wire->reply->{status}, 503, 'whoever waited for it is told');
	is_accepting('a worker is missing');
	unlock_runs();
	wait_for(sub { $inn->http('GET', '/api/v1/runs')->{status} == 200 }, 'another worker');
}

# workers that do nothing any more
{
	my @workers = wait_for(sub { my @pids = $inn->workers('api'); @pids == 2 && \@pids }, 'two API workers')->@*;

	kill('STOP', @workers);
	my $health = $inn->http('GET', '/health');
	is_deeply([ $health->{status}, $health->{json}{status} ], [ 503, 'down' ], 'the health check does not wait for ever');
	is_accepting('no API worker answers');

	# the health check is still in its slot
	my @wires = map { ask('/api/v1/functions') } 1 .. SLOTS + 9;
	my @refused = map { outcome($wires[$_]->reply) } SLOTS - 1 .. SLOTS + 8;
	is_deeply(\@refused, [ ('503 busy') x 10 ], 'more requests than there is room for are refused at once');
	ok($wires[0]->is_silent, 'the others wait');
	is_accepting('there is no more room for requests');

	kill('CONT', @workers);
	is(scalar(grep { $_->reply->{status} == 200 } @wires[ 0 .. SLOTS - 2 ]), SLOTS - 1, 'and are answered');
	is($inn->http('GET', '/health')->{json}{status}, 'ok', 'all is well again');
}

is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'busy/event'"), 4, 'every event is there');

done_testing();
