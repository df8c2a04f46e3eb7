# Limits of concurrency: never more calls at a time than a limit says, none that waits in vain, none in the way of others.  How: an app
# whose answers are held; how many calls it has is seen there.
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.executors = 2\n");
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical;

$app->function('two', events => ['two'], concurrency => 2);
$app->function('key', events => ['key'], concurrency => [ { limit => 1, key => 'event.data.k' } ]);
$app->function('both', events => ['both'], concurrency => { step => [ { limit => 2 }, { limit => 1, key => 'event.data.k' } ] });
$app->function('env1', events => ['env'], concurrency => { limit => 1, scope => 'env', key => 'event.data.k' });
$app->function('env2', events => ['env'], concurrency => { limit => 3, scope => 'env', key => 'event.data.k' });
$app->function('double', events => ['double'], concurrency => { step => [ { limit => 3 }, { limit => 2 } ] });
$app->function('free', events => ['free']);
$app->register;

sub send_all
{
	my ($name, @data) = @_;
	$inn->sql('SELECT FROM inngest.send_events(' . InngestTest::quoted($json->encode([ map { { name => $name, data => $_ } } @data ])) . ')');
	return;
}

# How many jobs wait for a place, once so many calls are there.
sub blocked_with
{
	my ($in_flight, $blocked) = @_;
	my $seen;
	return eval { wait_for(sub { ($seen = $app->in_flight) == $in_flight && $inn->sql('SELECT count(*) FROM inngest.jobs WHERE blocked_on IS NOT NULL') == $blocked },
		"$in_flight calls, $blocked jobs that wait", 30) } || do { diag("$seen calls; " . $inn->sql("SELECT blocked_on, count(*), count(*) FILTER (WHERE position IS NOT NULL) FROM inngest.jobs GROUP BY 1")); 0 };
}

sub all_done
{
	return wait_for(sub { $inn->sql(q{SELECT count(*) FROM inngest.function_runs WHERE outcome IS NULL}) == 0 }, 'all runs');
}

subtest 'a number' => sub {
	$app->on('two', with(done(), hold => 'two'));
	send_all('two', map { { n => $_ } } 1 .. 10);
	ok(blocked_with(2, 8), 'two are called, eight wait as rows');
	$app->on('two', done());
	$app->release('two');
	ok(all_done(), 'all run');
	is($inn->sql("SELECT count(*) FROM inngest.jobs"), 0, 'nothing is left');
	my @order = map { $_->{body}{event}{data}{n} } $app->calls('two');
	is_deeply([ sort { $a <=> $b } @order ], [ 1 .. 10 ], 'each once');
};

subtest 'parallel steps' => sub {
	$app->hold('steps');
	$app->on('two', with(program(parallel(op_run('a', 1), op_run('b', 2), op_run('c', 3)), done()), hold => 'steps'));
	$app->release('steps');
	send_all('two', {});
	ok(all_done(), 'S45: all of a run complete');
	$app->on({ function => 'two', step => 'a' }, with(op_run('a', 1), hold => 'a'));
	$app->on({ function => 'two', step => 'b' }, with(op_run('b', 2), hold => 'a'));
	$app->on({ function => 'two', step => 'c' }, with(op_run('c', 3), hold => 'a'));
	send_all('two', {});
	ok(blocked_with(2, 1), 'but only two at once');
	$app->release('a');
	ok(all_done(), 'and then the third');
};

subtest 'keys' => sub {
	$app->hold('key');
	$app->on('key', with(done(), hold => 'key'));
	send_all('key', (map { { k => 1 } } 1 .. 50), (map { { k => 1.0 } } 1 .. 25), (map { { k => '1' } } 1 .. 25));
	ok(blocked_with(1, 99), 'S89: 1, 1.0 and "1" are one');
	send_all('key', { k => 2 });
	ok(blocked_with(2, 99), 'S49: another key goes on at once');
	send_all('key', {}, {});
	ok(blocked_with(3, 100), 'what has no key counts together');
	$app->release('key');
	ok(all_done(), 'all run');
};

subtest 'two limits' => sub {
	$app->hold('both');
	$app->on('both', with(done(), hold => 'both'));
	send_all('both', { k => 1 }, { k => 1 }, { k => 2 }, { k => 3 });
	ok(blocked_with(2, 2), 'both hold');
	$app->release('both');
	ok(all_done(), 'all run');
};

subtest 'from one limit to the other' => sub {
	$app->hold($_) for qw(long short);
	$app->on('both', with(done(), hold => 'long'), with(done(), hold => 'short'), done());
	for my $k (1, 2)
	{
		send_all('both', { k => $k });
		blocked_with($k, 0);
	}
	send_all('both', { k => 1 });
	blocked_with(2, 1);
	send_all('both', { k => 3 });
	blocked_with(2, 2);
	$app->release('short');
	ok(wait_for(sub { $inn->sql(q{SELECT count(*) FROM inngest.function_runs WHERE outcome IS NULL}) == 2 }, 'the fourth'), 'one that cannot use a place leaves it to the next');
	$app->release('long');
	ok(all_done(), 'all run');
};

subtest 'two limits of the same calls' => sub {
	$app->hold('double');
	$app->on('double', with(done(), hold => 'double'));
	send_all('double', map { {} } 1 .. 6);
	ok(blocked_with(2, 4), 'the lower one holds');
	$app->release('double');
	ok(all_done(), 'all run');
};

subtest 'old runs first' => sub {
	$app->on('two', program(op_run('a', 1), op_run('b', 2), done()));
	my $before = () = $app->calls('two');
	send_all('two', map { { n => $_ } } 1 .. 30);
	all_done();
	my %begun;
	my $late = 0;
	for my $call (($app->calls('two'))[ $before .. $before + 89 ])
	{
		my $n = $call->{body}{event}{data}{n};
		my $calls = ++$begun{$n};
		my @open = grep { $begun{$_} < 3 } keys %begun;
		$late++ if $calls == 1 && @open > 6;
	}
	is($late, 0, 'S87: a run that has begun goes on before others begin');
};

subtest 'shared between functions' => sub {
	$app->hold('env');
	$app->on($_, with(done(), hold => 'env')) for qw(env1 env2);
	send_all('env', map { { k => 1 } } 1 .. 6);
	wait_for(sub { $app->in_flight == 3 }, 'as many as the greater limit');
	ok(blocked_with(3, 9), 'what counts is the number of calls of both, against the own limit');
	$app->release('env');
	ok(all_done(), 'all run');
};

subtest 'limits that change' => sub {
	$app->hold('key');
	send_all('key', map { { k => 1 } } 1 .. 20);
	blocked_with(1, 19);
	$app->function('key', events => ['key'], concurrency => [ { limit => 5, key => 'event.data.k' } ]);
	$app->register;
	ok(blocked_with(5, 15), 'more at once');
	$app->function('key', events => ['key'], concurrency => [ { limit => 1, key => 'event.data.k' } ]);
	$app->register;
	send_all('key', { k => 1 });
	ok(blocked_with(5, 16), 'S47: fewer interrupts nothing');
	$app->function('key', events => ['key']);
	$app->register;
	ok(blocked_with(21, 0), 'none');
	$app->release('key');
	ok(all_done(), 'all run');
	$app->function('key', events => ['key'], concurrency => [ { limit => 1, key => 'event.data.k' } ]);
	$app->register;
};

subtest 'many functions with one key' => sub {
	my @names = map { "m$_" } 1 .. 40;
	my $register = sub {
		$app->function($_, events => ['m'], @_) for @names;
		$app->register;
	};
	$register->(concurrency => { limit => 1, scope => 'env', key => '"shared"' });
	$app->on($_, with(done(), hold => 'm')) for @names;
	$app->hold('m');
	send_all('m', {});
	ok(blocked_with(1, 39), 'one is called');
	$app->release('m');
	ok(all_done(), 'and then the others');
	is($inn->sql('SELECT max(n) FROM (SELECT count(*) AS n FROM inngest.attempts a JOIN inngest.attempts b ON b.run_id::text <> a.run_id::text AND b.started_at < a.ended_at AND b.ended_at > a.started_at JOIN inngest.runs r ON r.id::text = a.run_id::text AND r.function_id ~ \'^stub-m\' JOIN inngest.runs s ON s.id::text = b.run_id::text AND s.function_id ~ \'^stub-m\' GROUP BY a.run_id::text) x'), '', 'one at a time');
	$app->hold('m');
	send_all('m', {});
	ok(blocked_with(1, 39), 'again');
	$register->();
	ok(blocked_with(40, 0), 'all are, when the limit is gone');
	$app->release('m');
	ok(all_done(), 'all run');
};

subtest 'cancelled when it could go on' => sub {
	my $job = q{jobs JOIN inngest.runs r ON r.id OPERATOR(inngest.=) jobs.run_id WHERE r.function_id = 'stub-key'};
	$inn->set_and_reload('inngest.executors', 1);
	wait_for(sub { (() = $inn->workers('executor')) == 1 }, 'one executor');
	$app->hold($_) for qw(key free);
	$app->on('free', with(done(), hold => 'free'));
	send_all('key', map { { k => 1, n => $_ } } 1 .. 3);
	blocked_with(1, 2);
	send_all('free', {});
	blocked_with(2, 2);
	$inn->set_and_reload('inngest.max_calls_per_app', 1);
	send_all('free', map { {} } 1 .. 2_100); # more than an executor knows of
	$app->release('key');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.$job AND position IS NOT NULL") == 1 && $inn->sql("SELECT count(*) FROM inngest.$job") == 2 }, 'one that is ready, behind all those, and one that waits');
	$inn->sql("SELECT inngest.cancel_run(run_id) FROM inngest.$job AND position IS NOT NULL");
	$app->release('free');
	ok(all_done(), 'the other goes on');
	$inn->set_and_reload('inngest.max_calls_per_app', 500);
	$inn->set_and_reload('inngest.executors', 2);
	wait_for(sub { (() = $inn->workers('executor')) == 2 }, 'two executors');
};

subtest 'cancelled, and not committed' => sub {
	$app->hold('key');
	for my $n (0 .. 2)
	{
		send_all('key', { k => 1 });
		blocked_with(1, $n);
	}
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN; SELECT inngest.cancel_run(run_id) FROM inngest.jobs WHERE blocked_on IS NOT NULL ORDER BY rank LIMIT 1');
	$app->release('key');
	ok(wait_for(sub { $inn->sql(q{SELECT count(*) FROM inngest.function_runs WHERE outcome IS NULL}) == 1 }, 'the third'), 'others go on');
	$session->query_safe('ROLLBACK');
	$session->quit;
	ok(all_done(), 'and it does when it is not cancelled after all');
};

subtest 'cancelled and killed' => sub {
	$app->hold('key');
	send_all('key', map { { k => 1 } } 1 .. 5);
	blocked_with(1, 4);
	$inn->sql(q{SELECT inngest.cancel_run(run_id) FROM inngest.jobs WHERE blocked_on IS NOT NULL ORDER BY rank LIMIT 2});
	ok(blocked_with(1, 2), 'what is cancelled waits no more');
	$inn->node->stop('immediate');
	$inn->node->start;
	wait_for(sub { $app->in_flight == 1 && $inn->sql('SELECT count(*) FROM inngest.jobs WHERE blocked_on IS NOT NULL') == 2 }, 'S51: the place of a call that is lost is used again');
	$inn->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'inngest executor'");
	wait_for(sub { $app->in_flight == 1 && $inn->sql('SELECT count(*) FROM inngest.jobs WHERE blocked_on IS NOT NULL') == 2 }, 'and again');
	$app->release('key');
	ok(all_done(), 'nobody waits in vain');
};

done_testing();
