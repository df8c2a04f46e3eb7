# Limits of runs in progress: never more than a limit says, whatever they do meanwhile, and none waits in vain.  How: an app whose
# functions sleep; the clock is set.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1, conf => "inngest.executors = 2\n");
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical;

sub fn { return { fn => [ { limit => $_[0], $_[1] ? (key => $_[1]) : () } ] } }

my $naps = program(op_run('a', 1), op_sleep('nap', '10s'), op_run('b', 2), done('done'));
$app->function('one', events => ['one'], concurrency => fn(1));
$app->function('keyed', events => ['keyed'], concurrency => fn(1, 'event.data.k'));
$app->function('rank', events => ['rank'], concurrency => fn(1), priority => { run => 'event.data.p' });
$app->function('late', events => ['late'], concurrency => fn(1), timeouts => { start => '1h' });
$app->function('wide', events => ['wide'], concurrency => { fn => [ { limit => 1 } ], step => [ { limit => 1 } ] });
$app->function('grows', events => ['grows'], concurrency => fn(1));
$app->function('many', events => ['many'], concurrency => fn(3));
$app->on($_, $naps) for qw(one keyed rank grows);
$app->on('wide', program(parallel(op_run('x', 1), op_run('y', 2)), done('done')));
$app->on('many', program(op_run('a', 1), op_run('b', 2), done('done')));
$app->on('late', program(op_sleep('nap', echo('event.data.t')), done('done')));
$app->register;

sub send_all
{
	my ($name, @data) = @_;
	$inn->sql('SELECT FROM inngest.send_events(' . InngestTest::quoted($json->encode([ map { { name => $name, data => $_ } } @data ])) . ')');
	return;
}

# The n of runs of a function that have a status, in the order of their creation.
sub runs
{
	my ($function, $status) = @_;
	return $inn->sql("SELECT coalesce(string_agg(e.data->>'n', ' ' ORDER BY r.id), '') FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = 'stub-$function' AND r.status = '$status'");
}

sub id_of
{
	my ($function, $n) = @_;
	return $inn->sql("SELECT r.id FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = 'stub-$function' AND e.data->>'n' = '$n'");
}

# Wait until the scheduler and the executors have done all that can be done now; so many runs wait for a place.
sub settled
{
	my ($waiting) = @_;
	wait_for(
		sub {
			$inn->sql(<<"END") eq 't';
SELECT NOT EXISTS (SELECT FROM inngest.jobs WHERE position IS NOT NULL OR run_at <= inngest_test.now())
	   AND NOT EXISTS (SELECT FROM inngest.queue WHERE kind = 'admit' AND run_at <= inngest_test.now())
	   AND (SELECT count(*) FROM inngest.run_controls WHERE is_waiting) = $waiting
END
		}, "$waiting runs that wait");
	return;
}

subtest 'one at a time' => sub {
	send_all('one', map { { n => $_ } } 1 .. 4);
	settled(3);
	is(runs('one', 'RUNNING'), '1', 'the first one runs');
	is(runs('one', 'QUEUED'), '2 3 4', 'also while it sleeps; others wait');
	is(scalar($app->calls('one')), 2, 'and are not called');
	$inn->advance('10 seconds');
	settled(2);
	is(runs('one', 'COMPLETED') . '|' . runs('one', 'RUNNING'), '1|2', 'when it has ended the next one starts');
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 3) . "')");
	settled(1);
	is(runs('one', 'RUNNING') . '|' . runs('one', 'CANCELLED'), '2|3', 'one that is cancelled while it waits changes nothing');
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 2) . "')");
	settled(0);
	is(runs('one', 'RUNNING'), '4', 'one that is cancelled while it runs gives its place away');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('one', 4));
	settled(0);
	is($inn->sql('SELECT count(*) FROM inngest.run_controls'), 0, 'nothing is left');
};

subtest 'keys' => sub {
	send_all('keyed', { n => 1, k => 1 }, { n => 2, k => 1.0 }, { n => 3, k => 2 }, { n => 4 }, { n => 5 });
	settled(2);
	is(runs('keyed', 'RUNNING'), '1 3 4', 'one of each key, and one without');
	$inn->advance('10 seconds');
	settled(0);
	is(runs('keyed', 'RUNNING'), '2 5', 'then the others');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('keyed', 5));
};

subtest 'order' => sub {
	send_all('rank', { n => 1, p => 0 });
	settled(0);
	send_all('rank', { n => 2, p => 0 }, { n => 3, p => 60 }, { n => 4, p => -60 });
	$inn->send('rank', data => { n => 5, p => 100 }, ts => $inn->sql("SELECT inngest_test.now() + interval '15 seconds'"));
	settled(3);
	my @order;
	for (1 .. 4)
	{
		$inn->advance('10 seconds');
		push @order, wait_for(sub { my $n = runs('rank', 'RUNNING'); $n ne '' && $n ne ($order[-1] // '1') && $n }, 'the next');
	}
	is("@order", '3 5 2 4', 'by priority, those of the future when their time has come');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('rank', 4));
};

subtest 'timeout' => sub {
	send_all('late', { n => 1, t => '10s' }, { n => 2, t => '2h' });
	settled(1);
	$inn->sql("SELECT inngest.rerun('" . id_of('late', 1) . "')");
	settled(2);
	$inn->advance('10 seconds');
	wait_for(sub { runs('late', 'RUNNING') eq '2' }, 'the second run');
	settled(1);
	$inn->advance('1 hour');
	wait_for(sub { runs('late', 'CANCELLED') eq '1' }, 'the rerun');
	is(runs('late', 'RUNNING'), '2', 'what waits for longer than its timeout is cancelled');
	$inn->sql("SELECT inngest.cancel_run('" . id_of('late', 2) . "')");
};

subtest 'steps' => sub {
	send_all('wide', { n => 1 }, { n => 2 });
	wait_for(sub { runs('wide', 'COMPLETED') eq '1 2' }, 'both runs');
	pass('of a run that has started need no place, beside a limit of calls');
};

subtest 'limits that change' => sub {
	send_all('grows', map { { n => $_ } } 1 .. 5);
	settled(4);
	$app->function('grows', events => ['grows'], concurrency => fn(3));
	$app->register;
	$inn->advance('10 seconds');
	settled(1);
	is(runs('grows', 'RUNNING'), '2 3 4', 'raised: the next end lets several go on');
	$app->function('grows', events => ['grows'], concurrency => fn(1));
	$app->register;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('grows', 3) . "')");
	settled(1);
	is(runs('grows', 'RUNNING'), '2 4', 'lowered: nobody is stopped, nobody starts');
	$app->function('grows', events => ['grows']);
	$app->register;
	$inn->advance('10 seconds');
	wait_for(sub { runs('grows', 'RUNNING') eq '5' }, 'the last one');
	pass('without a limit all go on');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('grows', 5));
};

subtest 'a place that is freed by an open transaction' => sub {
	send_all('one', { n => 10 });
	settled(0);
	my $id = id_of('one', 10);
	my $host = $inn->node->host;
	my $port = $inn->node->port;
	open(my $session, '|-', "psql -XAtq -h $host -p $port postgres") or die "psql: $!";
	$session->autoflush(1);
	print $session "BEGIN; SELECT inngest.cancel_run('$id');\n";
	wait_for(sub { $inn->sql(q(SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%cancel_run%')) == 1 }, 'the session');
	send_all('one', { n => 11 });
	settled(1);
	print $session "COMMIT;\n";
	wait_for(sub { runs('one', 'RUNNING') eq '11' }, 'the next run');
	pass('is given when that is committed');
	close $session;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 11) . "')");
};

subtest 'never more' => sub {
	send_all('many', map { { n => $_ } } 1 .. 300);
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-many' AND status = 'COMPLETED'") == 300 }, 'all runs');
	is($inn->sql(<<'END'), '3', 'in progress than the limit, and as many');
SELECT max(n) FROM (
	SELECT sum(x.change) OVER (ORDER BY x.at, x.change) AS n
	FROM inngest.runs r, LATERAL (VALUES (r.started_at, 1), (r.ended_at, -1)) x (at, change)
	WHERE r.function_id = 'stub-many') y
END
	settled(0);
	is($inn->sql('SELECT count(*) FROM inngest.run_controls'), 0, 'nothing is left');
};

subtest 'restart' => sub {
	send_all('keyed', map { { n => $_, k => 9 } } 20 .. 22);
	settled(2);
	$inn->node->restart;
	$inn->wait_for_http;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('keyed', 20) . "')");
	wait_for(sub { runs('keyed', 'RUNNING') eq '21' }, 'the next run');
	settled(1);
	pass('what is counted and what waits outlives it');
};

done_testing();
