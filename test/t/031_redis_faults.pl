# Whatever happens to Redis: events are accepted, nothing is lost, the log says it once.
# How: one fault after the other, and after each all runs are looked for in the stream.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = InngestTest::Redis->new('faulty');
my $inn = InngestTest->new('main',
	conf => "inngest.redis_url = '" . $redis->url . "'\ninngest.retry_interval = '100ms'\n");

my $CONNECTED = qr/LOG:  connected to Redis at/;
my $LOST = qr/LOG:  (?:lost connection|could not connect) to Redis at/;

# How often each run is in P:runs; the ids of those that are not.
sub missing
{
	my %seen;

	$seen{ $_->[1]{run_id} }++ for @{ $redis->stream('inngest:runs') };
	return grep { !$seen{$_} } split /\n/, $inn->sql('SELECT id FROM inngest.function_runs WHERE outcome IS NULL');
}

sub all_told
{
	my ($what) = @_;

	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.redis_outbox WHERE due_at IS NULL') == 0 },
		'the outbox is empty');
	wait_for(sub { missing() == 0 }, 'all runs in the stream');
	is(scalar missing(), 0, $what);
	return;
}

sub health
{
	return $inn->http('GET', '/health')->{json}{backends}{redis};
}

sub send_some
{
	my ($count) = @_;
	my $start = time();

	$inn->sql(join(';', ("SELECT inngest.send_event('f/one')") x ($count // 20)));
	return time() - $start;
}

subtest 'not there at the start' => sub {
	$inn->register('f', 'f/one');
	send_some();
	$inn->wait_for_log($LOST);
	sleep(1.5);
	is($inn->log_count($LOST), 1, 'logged once');
	like($inn->log_text, qr/Connection refused/, 'with the reason');
	is($inn->http('GET', '/health')->{status}, 200, 'health is still 200');
	is(health()->{status}, 'down', 'and says that Redis is down');
	is(health()->{backlog}, 20, 'and how much it has to be told');

	$redis->start;
	all_told('told when it comes');
	is($inn->log_count($CONNECTED), 1, 'logged once');
	is(health()->{status}, 'ok', 'health is well');
};

subtest 'stopped, restarted empty, under load' => sub {
	$inn->mark_log;
	my $load = $inn->node->background_psql('postgres');

	send_some();
	$redis->stop;
	send_some();
	wait_for(sub { $inn->log_count($LOST) == 1 }, 'the loss is noticed');
	$load->query_until(qr/going/, "\\echo going\nSELECT count(inngest.send_event('f/one')) FROM generate_series(1, 3000);\n");
	$redis->start;
	$load->quit;
	all_told('every run');
	is($inn->log_count($LOST), 1, 'one line when it went');
	is($inn->log_count($CONNECTED), 1, 'one line when it came');
	is($redis->cli('XLEN', 'inngest:queue:f'), $redis->cli('XLEN', 'inngest:runs'), 'attempts, too');
};

subtest 'killed, back with an old snapshot' => sub {
	send_some(5);
	all_told('before');
	is($redis->cli('SAVE'), 'OK', 'snapshot taken');
	send_some(5);
	all_told('between');

	# An attempt after the first is announced after the snapshot, too, and a run begins.
	my ($run, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs(ARRAY['f'])");
	$inn->sql("SELECT inngest.fail_run('$run', '$lease')");
	my $announced = sub { grep { $_->[1]{run_id} eq $run && $_->[1]{attempt} == 1 } @{ $redis->stream('inngest:queue:f') } };
	wait_for($announced, 'attempt 1');
	$redis->stop('KILL');
	$redis->start;
	cmp_ok($redis->cli('XLEN', 'inngest:runs'), '>', 0, 'it remembers something');
	all_told('and is told the rest');
	ok(wait_for($announced, 'attempt 1 again'), 'later attempts as well');
	is($redis->hash("inngest:run:$run")->{status}, 'RUNNING', 'and how runs stand');
};

subtest 'flushed' => sub {
	$inn->mark_log;
	$redis->cli('FLUSHALL');
	$redis->cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
	all_told('told again after the next connect');
	is($inn->log_count(qr/Redis at/), 0, 'a connection that was idle is replaced without a word');
};

subtest 'no memory left' => sub {
	$inn->mark_log;
	$redis->cli('CONFIG', 'SET', 'maxmemory', '1');
	send_some();
	$inn->wait_for_log(qr/inngest:\S+: OOM/);
	sleep(1.5);
	send_some();
	is($inn->log_count($LOST), 1, 'logged once');
	is($inn->log_count($CONNECTED), 0, 'a connection alone is not enough');
	is(health()->{status}, 'down', 'down');
	$redis->cli('CONFIG', 'SET', 'maxmemory', '0');
	all_told('told when there is memory again');
	is($inn->log_count($CONNECTED), 1, 'logged once');
};

subtest 'silent' => sub {
	$inn->mark_log;
	$redis->freeze;
	cmp_ok(send_some(100), '<', 5, 'senders do not wait');
	$inn->wait_for_log(qr/no reply for 5 seconds/);
	send_some();
	$redis->thaw;
	all_told('told when it speaks again');
	is($inn->log_count($LOST), 1, 'logged once');
};

subtest 'a key of ours is used by somebody else' => sub {
	$inn->mark_log;
	$redis->cli('RENAME', 'inngest:runs', 'kept');
	$redis->cli('SET', 'inngest:runs', 'mine');
	send_some();
	$inn->wait_for_log(qr/inngest:runs: WRONGTYPE/);
	is(health()->{status}, 'down', 'down');
	$redis->cli('RENAME', 'kept', 'inngest:runs');
	all_told('told when it is ours again');
};

subtest 'wrong password' => sub {
	$inn->mark_log;
	$redis->cli('CONFIG', 'SET', 'requirepass', 'right');
	$inn->set_and_reload('inngest.redis_url', 'redis://:wr0ng@127.0.0.1:' . $redis->port);
	$inn->wait_for_log(qr/authentication failed \(WRONGPASS\)/);
	send_some();
	sleep(1.5);
	is($inn->log_count($LOST), 1, 'logged once');
	unlike($inn->log_text, qr/wr0ng/, 'without the password');
	unlike($inn->http('GET', '/health')->{content}, qr/wr0ng/, 'nor does health have it');
	$inn->set_and_reload('inngest.redis_url', 'redis://:right@127.0.0.1:' . $redis->port);
	$redis->cli_with('-a', 'right');
	all_told('told with the right one');
};

subtest 'not allowed to ask who the server is' => sub {
	$redis->cli('ACL', 'SETUSER', 'few', 'on', '>pw', '~inngest:*', '+@all', '-@admin', '-@dangerous');
	$inn->mark_log;
	$inn->set_and_reload('inngest.redis_url', 'redis://few:pw@127.0.0.1:' . $redis->port);
	$inn->wait_for_log($CONNECTED);
	send_some();
	all_told('works all the same');
};

subtest 'switched off for a while' => sub {
	$inn->set_and_reload('inngest.redis_url', '');
	wait_for(sub { $inn->workers('relay') == 0 }, 'the relay has gone');
	send_some();
	$inn->sql("SELECT inngest.send_event('f/one', ts => now() + interval '1 hour')");
	is($inn->sql('SELECT count(*) FROM inngest.redis_outbox'), 0, 'nothing is kept for a Redis that is not wanted');
	$inn->set_and_reload('inngest.redis_url', 'redis://:right@127.0.0.1:' . $redis->port);
	wait_for(sub { $inn->workers('relay') == 1 }, 'the relay is back');
	all_told('what happened meanwhile is told');
	is($inn->sql('SELECT count(*) FROM inngest.redis_outbox WHERE due_at IS NOT NULL'), 1,
		'a delayed attempt waits for its time');
};

subtest 'the relay dies' => sub {
	for my $round (1 .. 5)
	{
		my ($pid) = $inn->workers('relay');

		send_some(50);
		$inn->sql("SELECT pg_terminate_backend($pid)");
		send_some(50);
		wait_for(sub { my ($new) = $inn->workers('relay'); $new && $new != $pid }, 'its successor');
	}
	all_told('nothing is lost');
	is($inn->sql('SELECT count(*) FROM inngest.redis_outbox WHERE due_at IS NOT NULL'), 1,
		'and the delayed attempt not doubled');
};

done_testing();
