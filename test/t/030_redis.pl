# What Redis is told: the three keys and their contents, after commit and not before, in order, when due;
# every form of the address.  How: a private Redis, looked into after each act.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $inn = InngestTest->new('main', redis => 1,
	conf => "inngest.retry_interval = '300ms'\nmax_prepared_transactions = 4\n");
my $redis = $inn->redis;

my $ULID = qr/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
my $TIME = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

# Entries of a stream, as hashes, when there are so many.
sub entries
{
	my ($key, $count) = @_;

	wait_for(sub { $redis->cli('XLEN', $key) >= $count }, "$count entries in $key");
	return map { $_->[1] } @{ $redis->stream($key) };
}

# The hash of a run when its status is the one given.
sub hash_when
{
	my ($run, $status) = @_;

	return wait_for(sub {
			my $hash = $redis->hash("inngest:run:$run");
			($hash->{status} // '') eq $status && $hash;
		}, "run $run is $status in Redis");
}

# All that is to be told has been.
sub drain
{
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.redis_outbox WHERE due_at IS NULL') == 0 },
		'the outbox is empty');
	return;
}

subtest 'the three keys' => sub {
	$inn->register('hello', 'demo/hello');
	my $event = $inn->send('demo/hello', data => { a => 1 });
	my $run = $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event'");
	my ($new) = entries('inngest:runs', 1);
	my ($attempt) = entries('inngest:queue:hello', 1);

	like($new->{queued_at}, $TIME, 'queued_at is RFC 3339');
	like($run, $ULID, 'the run id is a ULID');
	my %expected = (
		run_id => $run,
		function_id => 'hello',
		app_id => 'default',
		event_id => $event,
		event_name => 'demo/hello',
		runtime => 'pull',
		queued_at => $inn->sql(
			qq{SELECT to_char('$run'::inngest.ulid::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')}),
	);
	is_deeply($new, \%expected, 'entry of P:runs');
	is_deeply($attempt, { %expected, attempt => 0 }, 'entry of P:queue:<function>');
	is_deeply(hash_when($run, 'QUEUED'),
		{ status => 'QUEUED', function_id => 'hello', queued_at => $expected{queued_at} }, 'P:run:<id>');
	is($redis->cli('TTL', "inngest:run:$run"), -1, 'does not expire');
	like($redis->cli('XINFO', 'GROUPS', 'inngest:queue:hello'), qr/^name\nworkers\n/, 'consumer group');
	like($redis->cli('XREADGROUP', 'GROUP', 'workers', 'me', 'STREAMS', 'inngest:queue:hello', '>'),
		qr/$run/, 'which delivers the entry');
};

subtest 'a run of its own' => sub {
	my ($run, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs(ARRAY['hello'])");
	my $hash = hash_when($run, 'RUNNING');

	like($hash->{started_at}, $TIME, 'started_at');
	ok(!exists $hash->{ended_at}, 'no ended_at');
	$inn->sql("SELECT inngest.complete_run('$run', '$lease', '{}')");
	$hash = hash_when($run, 'COMPLETED');
	like($hash->{ended_at}, $TIME, 'ended_at');
	my $ttl = wait_for(sub { my $s = $redis->cli('TTL', "inngest:run:$run"); $s > 0 && $s }, 'an expiry');
	ok($ttl > 3500 && $ttl <= 3600, "expires in an hour ($ttl s)");
	is($redis->cli('XLEN', 'inngest:runs'), 1, 'still one entry');
};

subtest 'transactions' => sub {
	$inn->register('tx', 'tx/*');
	my $session = $inn->node->background_psql('postgres');
	my $long = $inn->node->background_psql('postgres');

	$session->query_safe("BEGIN; SELECT inngest.send_event('tx/open')");
	$long->query_safe("BEGIN; SELECT inngest.send_event('tx/long')");
	$inn->sql("BEGIN; SELECT inngest.send_event('tx/prepared'); PREPARE TRANSACTION 'p'");
	$inn->send("tx/before.$_") for 1 .. 5;
	is_deeply([ map { $_->{event_name} } entries('inngest:queue:tx', 5) ],
		[ map { "tx/before.$_" } 1 .. 5 ], 'what is not committed is not told');

	$session->query_safe('ROLLBACK');
	$long->query_safe('COMMIT');
	is((entries('inngest:queue:tx', 6))[5]{event_name}, 'tx/long', 'an old transaction is not overlooked');
	$inn->send('tx/after');
	is((entries('inngest:queue:tx', 7))[6]{event_name}, 'tx/after', 'nor the next');
	$inn->sql("COMMIT PREPARED 'p'");
	is((entries('inngest:queue:tx', 8))[7]{event_name}, 'tx/prepared', 'nor a prepared one');
	drain();
	is(scalar(grep { $_->{event_name} eq 'tx/open' } entries('inngest:runs', 1)), 0,
		'what was rolled back is never told');
	$session->quit;
	$long->quit;
};

subtest 'a batch, in order' => sub {
	$inn->register('order', 'order/one');
	$inn->sql(q{SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', 'order/one', 'data', jsonb_build_object('n', n))) FROM generate_series(1, 2500) n))});
	my @runs = map { $_->{run_id} } entries('inngest:queue:order', 2500);

	is(scalar @runs, 2500, 'all there');
	is_deeply(\@runs, [ sort @runs ], 'in order');
};

subtest 'retries' => sub {
	$inn->register('flaky', 'flaky/one');
	$inn->send('flaky/one');
	entries('inngest:queue:flaky', 1);
	my ($run, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs(ARRAY['flaky'])");
	my $start = time();

	$inn->sql(qq{SELECT inngest.fail_run('$run', '$lease', '{"name":"E","message":"no"}')});
	is($redis->cli('XLEN', 'inngest:queue:flaky'), 1, 'not at once');
	my @attempts = entries('inngest:queue:flaky', 2);
	cmp_ok(time() - $start, '>', 0.25, 'when it is due');
	is($attempts[1]{attempt}, 1, 'attempt 1');
	is($attempts[1]{run_id}, $run, 'of the same run');
	is($attempts[1]{event_name}, 'flaky/one', 'with its event');
};

subtest 'future events' => sub {
	$inn->register('later', 'later/one');
	my $event = $inn->send('later/one', ts => $inn->sql("SELECT now() + '6 s'"));
	my $start = time();

	wait_for(sub { grep { $_->{event_id} eq $event } map { $_->[1] } @{ $redis->stream('inngest:runs') } },
		'the new run');
	is($redis->cli('XLEN', 'inngest:queue:later'), 0, 'its attempt is not announced');
	my ($attempt) = entries('inngest:queue:later', 1);
	cmp_ok(time() - $start, '>', 1, 'but when it is due');
	is_deeply([ @$attempt{qw(attempt event_id)} ], [ 0, $event ], 'attempt 0');
};

subtest 'skipped runs' => sub {
	$inn->register('paused', 'paused/one');
	$inn->sql("SELECT inngest.pause_function('paused')");
	my $event = $inn->send('paused/one');
	my $run = $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event'");

	ok(hash_when($run, 'SKIPPED')->{ended_at}, 'hash tells');
	drain();
	cmp_ok($redis->cli('TTL', "inngest:run:$run"), '>', 0, 'and expires');
	is($redis->cli('EXISTS', 'inngest:queue:paused'), 0, 'nothing to do for workers');
};

subtest 'the table is rewritten while Redis is silent' => sub {
	$inn->register('moved', 'moved/one');
	$redis->freeze;
	$inn->send('moved/one') for 1 .. 3;
	sleep(0.3);
	$inn->sql('DELETE FROM inngest.redis_outbox WHERE id = (SELECT min(id) FROM inngest.redis_outbox)');
	$inn->sql('VACUUM FULL inngest.redis_outbox');
	$inn->send('moved/one');
	$redis->thaw;
	drain();
	my %seen = map { $_->{run_id} => 1 } entries('inngest:queue:moved', 4);
	cmp_ok(scalar keys %seen, '>=', 3, 'all rows that were left have been told');
};

subtest 'stream length' => sub {
	$inn->set_and_reload('inngest.redis_stream_maxlen', 200);
	$inn->register('many', 'many/one');
	$inn->sql(q{SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg('{"name":"many/one"}'::jsonb) FROM generate_series(1, 2000)))});
	drain();
	cmp_ok($redis->cli('XLEN', 'inngest:queue:many'), '<', 400, 'queue is trimmed');
	cmp_ok($redis->cli('XLEN', 'inngest:runs'), '<', 400, 'runs are trimmed');
};

subtest 'addresses' => sub {
	$inn->register('addr', 'addr/one');
	my $expect = sub {
		my ($url, $what, @cli) = @_;

		$inn->mark_log;
		$inn->set_and_reload('inngest.redis_url', $url);
		$inn->wait_for_log(qr/connected to Redis at/);
		$redis->cli_with(@cli);
		my $before = $redis->cli('XLEN', 'inngest:queue:addr');
		my $event = $inn->send('addr/one');
		ok(wait_for(sub { $redis->cli('XLEN', 'inngest:queue:addr') > $before }, $what), $what);
	};

	$expect->($redis->url . '/3', 'database number', '-n', 3);
	$expect->($redis->unix_url, 'socket');
	$expect->($redis->unix_url . '?db=2', 'socket and database', '-n', 2);
	$redis->cli_with();
	$redis->cli('ACL', 'SETUSER', 'relay', 'on', '>s3cret/@', 'allcommands', 'allkeys');
	$redis->cli('ACL', 'SETUSER', 'default', 'off');
	$expect->("redis://relay:s3cret%2F%40\@127.0.0.1:" . $redis->port, 'user and password',
		'--user', 'relay', '-a', 's3cret/@');
	unlike($inn->log_text, qr/s3cret/, 'the password is not logged');
	is($inn->sql('SHOW inngest.redis_url'), 'redis://relay:***@127.0.0.1:' . $redis->port . '/0', 'nor shown');
	$redis->cli('ACL', 'SETUSER', 'default', 'on');
	$redis->cli('CONFIG', 'SET', 'requirepass', 'only-a-password');
	$expect->("redis://:only-a-password\@localhost:" . $redis->port, 'password', '-a', 'only-a-password');
	unlike($inn->log_text, qr/only-a-password/, 'nor this one');

	$inn->set_and_reload('inngest.redis_prefix', 'other');
	$inn->send('addr/one');
	ok(wait_for(sub { $redis->cli('XLEN', 'other:queue:addr') > 0 }, 'other prefix'), 'other prefix');
};

done_testing();
