# The pull runtime over HTTP: lease with and without waiting, expiry, reports and what becomes of late
# ones.  How: a worker's requests, several of them at the same time where that matters.
use strict;
use warnings;

use InngestTest;
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '100ms'\n");
my $json = JSON::PP->new->utf8->canonical;

sub lease
{
	my ($function, %more) = @_;
	my $answer = $inn->http('POST', '/api/v1/runs/lease', { functions => [$function], %more });

	die "lease: $answer->{status} $answer->{content}" if $answer->{status} != 200;
	return @{ $answer->{json}{data} };
}

sub report
{
	my ($what, $lease, %more) = @_;
	return $inn->http('POST', "/api/v1/runs/$lease->{run_id}/$what", { lease_id => $lease->{lease_id}, %more });
}

sub run
{
	my ($id) = @_;
	return $inn->http('GET', "/api/v1/runs/$id")->{json}{data};
}

# Ask in another process; the sub that is returned waits for the answer: seconds it took, the runs.
sub lease_in_background
{
	my ($function, %more) = @_;

	pipe(my $reader, my $writer) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $asked = time;
		my @runs = eval { lease($function, %more) };

		print $writer $json->encode([ time - $asked, \@runs, $@ ]);
		close $writer;
		POSIX::_exit(0);
	}
	close $writer;
	return sub {
		local $/;
		local $?;
		my $result = $json->decode(<$reader>);
		waitpid($pid, 0);
		return ($result->[0], @{ $result->[1] });
	};
}

subtest 'lease, extend, complete' => sub {
	$inn->register('simple', 'p/simple');
	my $event = $inn->send('p/simple', data => { n => 1 }, id => 'mine');
	my ($lease, @none) = lease('simple', max => 5, lease => '30s');

	is_deeply([ sort keys %$lease ], [qw(attempt event events expires_at function_id lease_id run_id)], 'what a lease says');
	is($lease->{attempt}, 0, 'first attempt');
	is($lease->{function_id}, 'simple', 'of the function');
	is_deeply({ %{ $lease->{event} }, ts => 0 }, { id => 'mine', name => 'p/simple', data => { n => 1 }, user => {}, ts => 0 }, 'with the event');
	is_deeply($lease->{events}, [ $lease->{event} ], 'also as a list');
	is(scalar @none, 0, 'there is one only');
	my $run = run($lease->{run_id});
	is($run->{status}, 'RUNNING', 'it is running');
	is($run->{lease}{expires_at}, $lease->{expires_at}, 'until the lease expires');
	is(scalar lease('simple'), 0, 'nobody else gets it');

	my $answer = report('extend', $lease, lease => '1h');
	is($answer->{status}, 200, 'extended');
	cmp_ok($answer->{json}{data}{expires_at}, 'gt', $lease->{expires_at}, 'for longer');
	$answer = report('complete', $lease, output => { ok => JSON::PP::true });
	is($answer->{status}, 200, 'completed');
	is($answer->{json}{data}{status}, 'COMPLETED', 'the answer is the run');
	is_deeply($answer->{json}{data}{output}, { ok => JSON::PP::true }, 'with its output');
	is_deeply(run($lease->{run_id}), $answer->{json}{data}, 'as it is read');

	for my $what (qw(complete fail extend))
	{
		$answer = report($what, $lease);
		is($answer->{status}, 409, "$what: too late");
		is($answer->{json}{code}, 'lease_lost', 'and says so');
	}
	is($inn->http('DELETE', "/api/v1/runs/$lease->{run_id}")->{json}{data}{status}, 'COMPLETED', 'a cancellation comes too late, too');
};

subtest 'fail, and try again' => sub {
	$inn->register('flaky', 'p/flaky', { retries => 2 });
	$inn->send('p/flaky');
	for my $attempt (0 .. 2)
	{
		my ($lease) = lease('flaky', wait => '10s');
		is($lease->{attempt}, $attempt, "attempt $attempt");
		my $answer = report('fail', $lease, error => { message => "no $attempt" });
		is($answer->{status}, 200, 'reported');
		is($answer->{json}{data}{status}, $attempt < 2 ? 'RUNNING' : 'FAILED', 'what becomes of the run');
		is(defined $answer->{json}{data}{next_attempt_at} ? 1 : 0, $attempt < 2 ? 1 : 0, 'whether there is another attempt');
	}
	my ($run) = @{ $inn->http('GET', '/api/v1/runs?function_id=flaky')->{json}{data} };
	$run = run($run->{id});
	is_deeply($run->{error}, { message => 'no 2' }, 'the last error is the error of the run');
	is_deeply([ map { $_->{error}{message} } @{ $run->{attempts} } ], [ 'no 0', 'no 1', 'no 2' ], 'each attempt has its own');
	is(scalar lease('flaky'), 0, 'no further attempt');

	$inn->send('p/flaky');
	my ($lease) = lease('flaky');
	is(report('fail', $lease, retry => JSON::PP::false)->{json}{data}{status}, 'FAILED', 'no retry when none is wanted');
};

subtest 'a lease that runs out' => sub {
	$inn->register('slow', 'p/slow', { retries => 1 });
	$inn->send('p/slow');
	my ($first) = lease('slow', lease => '1s');
	my ($second) = lease('slow', lease => '1s', wait => '20s');

	is($second->{run_id}, $first->{run_id}, 'the run is available again');
	is($second->{attempt}, 1, 'as the next attempt');
	my $before = run($first->{run_id});
	my $answer = report('complete', $first, output => 'late');
	is($answer->{status}, 409, 'the first worker is too late');
	is_deeply(run($first->{run_id}), $before, 'and changes nothing');
	wait_for(sub { run($first->{run_id})->{status} eq 'FAILED' }, 'the last attempt expires');
	my $run = run($first->{run_id});
	is_deeply([ map { $_->{status} } @{ $run->{attempts} } ], [qw(EXPIRED EXPIRED)], 'both attempts expired');
	is($run->{error}{name}, 'LeaseExpired', 'which is the error');
	is(report('complete', $second)->{status}, 409, 'the second is too late, too');
};

subtest 'waiting' => sub {
	$inn->register('awaited', 'p/awaited');
	my $asked = time;
	is(scalar lease('awaited', wait => '500ms'), 0, 'nothing comes');
	my $took = time - $asked;
	cmp_ok($took, '>=', 0.5, 'not before the time is over');
	cmp_ok($took, '<', 5, 'and not long after');

	for my $door ('SQL', 'HTTP')
	{
		my $waiter = lease_in_background('awaited', wait => '30s');
		sleep(0.2);
		my $sent = time;
		$door eq 'SQL' ? $inn->send('p/awaited') : $inn->http('POST', '/e/key', { name => 'p/awaited' });
		my ($waited, @runs) = $waiter->();
		my $late = time - $sent;
		is(scalar @runs, 1, "an event over $door ends the waiting");
		note(sprintf '%.0f ms after the event was sent over %s', 1000 * $late, $door);
		cmp_ok($late, '<', 5, 'at once');
	}

	my $waiter = lease_in_background('awaited', wait => '30s');
	my $due = time + 1;
	$inn->http('POST', '/e/key', { name => 'p/awaited', ts => int(1000 * $due) });
	my ($waited, @runs) = $waiter->();
	is(scalar @runs, 1, 'a run of the future is leased');
	cmp_ok(time, '>=', $due - 0.01, 'when it is due, not before');
	cmp_ok(time - $due, '<', 5, 'nor much later');

	$waiter = lease_in_background('awaited', wait => '30s');
	sleep(0.2);
	$inn->sql("BEGIN; SELECT inngest.send_event('p/awaited'); ROLLBACK");
	$inn->sql("BEGIN; SELECT inngest.send_event('p/awaited'); SELECT pg_sleep(0.3); COMMIT");
	($waited, @runs) = $waiter->();
	is(scalar @runs, 1, 'a transaction counts when it commits');
};

subtest 'many wait' => sub {
	$inn->register('shared', 'p/shared');
	my $wait = $ENV{INN_TEST_WRAPPER} ? 30 : 4;    # sending from SQL takes seconds under valgrind
	my @waiters = map { lease_in_background('shared', wait => "${wait}s") } 1 .. 12;
	sleep(0.5);
	$inn->sql(q(SELECT count(*) FROM inngest.send_events('[{"name": "p/shared"}, {"name": "p/shared"}, {"name": "p/shared"}]')));
	$inn->send('p/shared') for 1 .. 2;
	my @got = map { my ($took, @runs) = $_->(); [ $took, @runs ] } @waiters;
	my %runs = map { $_->{run_id} => 1 } map { @$_[ 1 .. $#$_ ] } @got;

	is(scalar(grep { @$_ > 1 } @got), 5, 'five events: five of twelve get a run');
	is(scalar keys %runs, 5, 'each another one');
	is(scalar(grep { @$_ > 1 && $_->[0] > $wait - 0.5 } @got), 0, 'and they get it at once');

	my @busy = map { lease_in_background('shared', wait => '8s', max => 3) } 1 .. 4;
	$inn->send('p/shared') for 1 .. 12;
	@got = map { my ($took, @runs) = $_->(); @runs } @busy;
	my %distinct = map { $_->{run_id} => 1 } @got;
	is(scalar keys %distinct, scalar @got, 'none twice, also when they ask for several');
};

subtest 'a waiter that goes away takes nothing along' => sub {
	$inn->register('left', 'p/left');
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $inn->http_port) or die "connect: $!";
	my $body = '{"functions": ["left"], "wait": "30s"}';

	print $socket "POST /api/v1/runs/lease HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	sleep(0.3);
	close $socket;
	sleep(0.3);
	$inn->send('p/left');
	is(scalar lease('left', wait => '10s'), 1, 'the run is there for the next one');
};

subtest 'refusals' => sub {
	$inn->register('strict', 'p/strict');
	my $id = '01J00000000000000000000000';
	my @cases = (
		[ '/api/v1/runs/lease', undef, 400, 'invalid_json' ],
		[ '/api/v1/runs/lease', '{"functions": [', 400, 'invalid_json' ],
		[ '/api/v1/runs/lease', [], 400, 'invalid_json' ],
		[ '/api/v1/runs/lease', {}, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => [] }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => 'strict' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => [1] }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['nobody'] }, 404, 'function_not_found' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], max => 0 }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], max => 1001 }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], max => 'many' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], lease => 60 }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], lease => '1 minute' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], lease => '10ms' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], lease => '25h' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], wait => 'long' }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], run_ids => ['x'] }, 400, 'invalid_parameter' ],
		[ '/api/v1/runs/lease', { functions => ['strict'], unknown => 1 }, 400, 'invalid_parameter' ],
		map({ (
			[ "/api/v1/runs/$id/$_", { lease_id => $id }, 404, 'run_not_found' ],
			[ "/api/v1/runs/nonsense/$_", { lease_id => $id }, 400, 'invalid_parameter' ],
			[ "/api/v1/runs/$id/$_", {}, 400, 'invalid_parameter' ],
			[ "/api/v1/runs/$id/$_", { lease_id => 'x' }, 400, 'invalid_parameter' ],
			[ "/api/v1/runs/$id/$_", { lease_id => 7 }, 400, 'invalid_parameter' ],
			[ "/api/v1/runs/$id/$_", { lease_id => $id, unknown => 1 }, 400, 'invalid_parameter' ],
			[ "/api/v1/runs/$id/$_", [], 400, 'invalid_json' ],
		) } qw(complete fail extend)),
		[ "/api/v1/runs/$id/fail", { lease_id => $id, retry => 'yes' }, 400, 'invalid_parameter' ],
		[ "/api/v1/runs/$id/extend", { lease_id => $id, lease => '0s' }, 400, 'invalid_parameter' ],
	);

	for my $case (@cases)
	{
		my ($path, $body, $status, $code) = @$case;
		my $answer = $inn->http('POST', $path, $body);
		my $what = $path . ' ' . (ref $body ? $json->encode($body) : $body // '(nothing)');

		is("$answer->{status} " . ($answer->{json}{code} // ''), "$status $code", $what);
		my ($error, $said) = @{ $answer->{json} // {} }{qw(error status)};
		ok(($error // '') ne '' && ($said // 0) == $status, 'has a sentence and its status') or diag($answer->{content});
	}
	is($inn->http('DELETE', "/api/v1/runs/$id")->{status}, 404, 'a run that does not exist is not cancelled');
	is($inn->http('DELETE', '/api/v1/runs/nonsense')->{status}, 400, 'nor is one without a name');
};

subtest 'cancel' => sub {
	$inn->send('p/strict') for 1 .. 2;
	my ($lease) = lease('strict');
	my $answer = $inn->http('DELETE', "/api/v1/runs/$lease->{run_id}");

	is($answer->{status}, 200, 'a leased run is cancelled');
	is($answer->{json}{data}{status}, 'CANCELLED', 'and says so');
	is(report('complete', $lease)->{status}, 409, 'its worker learns it');
	my ($waiting) = @{ $inn->http('GET', '/api/v1/runs?function_id=strict&status=QUEUED')->{json}{data} };
	is($inn->http('DELETE', "/api/v1/runs/$waiting->{id}")->{json}{data}{status}, 'CANCELLED', 'a waiting one, too');
	is(scalar lease('strict'), 0, 'and nobody gets it');
};

subtest 'the example worker' => sub {
	my $worker = "$ENV{INN_TREE}/examples/pull-worker.py";
	plan skip_all => 'there is no example worker' unless -e $worker;

	$inn->register('hello', 'demo/hello');
	$inn->send('demo/hello', data => { name => 'Ada' });
	my ($stdout, $stderr);
	my $ok = IPC::Run::run([ 'timeout', '30', 'python3', $worker, '--url', $inn->url(''), '--once' ], '>', \$stdout, '2>', \$stderr);
	ok($ok, 'it ends well') or diag($stderr);
	my ($run) = @{ $inn->http('GET', '/api/v1/runs?function_id=hello')->{json}{data} };
	is($run->{status}, 'COMPLETED', 'the run is completed');
	is(run($run->{id})->{output}{greeting}, 'Hello, Ada!', 'with what the handler returned');
};

done_testing();
