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
$app->function('over', events => ['over'], concurrency => fn(1), timeouts => { finish => '1h' });
$app->on($_, $naps) for qw(one keyed rank grows);
$app->on('over', program(op_run('a', 1, reply => { hold => 'over' }), op_run('b', 2), done('done')));
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
	settled(2);
	is(runs('grows', 'RUNNING'), '1 2 3', 'raised: others go on at once');
	$app->function('grows', events => ['grows'], concurrency => fn(1));
	$app->register;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('grows', 3) . "')");
	settled(2);
	is(runs('grows', 'RUNNING'), '1 2', 'lowered: nobody is stopped, nobody starts');
	$app->function('grows', events => ['grows']);
	$app->register;
	settled(0);
	is(runs('grows', 'RUNNING'), '1 2 4 5', 'without a limit all go on');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('grows', 5));
};

# A session with an open transaction that cancels runs; ->() commits.
sub cancel_openly
{
	my $ids = join ',', map { "'$_'" } @_;
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);

	$session->query_safe($_) for 'BEGIN', "SELECT count(inngest.cancel_run(id)) FROM unnest(ARRAY[$ids]::inngest.ulid[]) id";
	return sub { $session->query_safe('COMMIT'); $session->quit; return };
}

subtest 'open transactions' => sub {
	send_all('one', { n => 10 });
	settled(0);
	my $commit = cancel_openly(id_of('one', 10));
	send_all('one', map { { n => $_ } } 11 .. 14);
	settled(4);
	$commit->();
	wait_for(sub { runs('one', 'RUNNING') eq '11' }, 'the next run');
	pass('a place is given when the end of a run is committed');

	$commit = cancel_openly(id_of('one', 12));
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 11) . "')");
	wait_for(sub { runs('one', 'RUNNING') eq '13' }, 'the run after the next');
	pass('to the next one that is not just being cancelled');
	$commit->();
	settled(1);
	is($inn->sql("SELECT count(*) FROM inngest.jobs WHERE kind = 'place_freed'"), 0, 'nothing else is left');
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', $_) . "')") for 14, 13;
	settled(0);
};

subtest 'more that are busy than are looked at in one go' => sub {
	send_all('one', map { { n => $_ } } 100 .. 700);
	send_all('rank', { n => 100, p => 0 }, { n => 101, p => 0 });
	settled(601);
	my @busy = split /\n/, $inn->sql("SELECT id FROM inngest.runs WHERE function_id = 'stub-one' AND status = 'QUEUED' ORDER BY id::text LIMIT 599");
	my $end = cancel_openly(@busy);
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 100) . "')");
	$inn->sql("SELECT inngest.cancel_run('" . id_of('rank', 100) . "')");
	wait_for(sub { runs('rank', 'RUNNING') eq '101' }, 'a run that waits for another place');
	is(runs('one', 'RUNNING'), '', 'those keep the others of their place from it');
	$end->();
	wait_for(sub { runs('one', 'RUNNING') eq '700' }, 'the one that is left');
	$inn->sql("SELECT inngest.cancel_run(id) FROM inngest.runs WHERE function_id IN ('stub-one', 'stub-rank') AND status IN ('QUEUED', 'RUNNING')");
	settled(0);
	is($inn->sql('SELECT count(*) FROM inngest.run_controls'), 0, 'nothing is left');
};

subtest 'a run that is ended twice' => sub {
	my ($tick, $ending, $calling) = ('scheduler before its tick', 'executor before ending a run', 'executor before calling');
	send_all('over', { n => 1 }, { n => 2 });
	$app->wait_for_calls('over', 1, is_open => 1);
	wait_for(sub { runs('over', 'QUEUED') eq '2' && $inn->sql('SELECT count(*) FROM inngest.run_controls WHERE is_waiting') == 1 }, 'a run that waits');
	$inn->arm($tick, $ending);
	$inn->advance('2 hours');
	$inn->wait_until_reached($tick);
	$app->release('over');
	$inn->wait_until_reached($ending);
	$inn->sql("SELECT inngest.cancel_run('" . id_of('over', 1) . "')");
	$inn->arm($calling);
	$inn->release($ending);
	$inn->wait_until_reached($calling);
	$inn->release($calling, $tick);
	$inn->wait_for_end(id_of('over', 2));
	is(runs('over', 'CANCELLED') . ' ' . runs('over', 'COMPLETED'), '1 2', 'gives its place away once');
	settled(0);
};

subtest 'a transaction that fails' => sub {
	send_all('keyed', map { { n => $_, k => 7 } } 30 .. 33);
	settled(3);
	$inn->sql(q(CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no place today''; END'));
	$inn->sql('CREATE TRIGGER refuse BEFORE UPDATE ON inngest.run_controls FOR EACH ROW WHEN (NEW.has_place) EXECUTE FUNCTION refuse()');
	$inn->mark_log;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('keyed', 30) . "')");
	$inn->wait_for_log(qr/no place today/);
	$inn->sql('ALTER TABLE inngest.run_controls DISABLE TRIGGER refuse');
	wait_for(sub { runs('keyed', 'RUNNING') eq '31' }, 'the next run');
	pass('is made up for, though nothing else happens');
	$inn->sql('ALTER TABLE inngest.run_controls ENABLE TRIGGER refuse');
	$inn->mark_log;
	$inn->sql("SELECT inngest.cancel_run('" . id_of('keyed', 31) . "')");
	$inn->wait_for_log(qr/no place today/);
	send_all('grows', { n => 20 });
	wait_for(sub { runs('grows', 'RUNNING') eq '20' }, 'a run that needs no place');
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('grows', 20));
	pass('keeps nothing else from coming due');
	$inn->sql('DROP FUNCTION refuse CASCADE');
	wait_for(sub { runs('keyed', 'RUNNING') eq '32' }, 'the next run');
	settled(1);
	pass('what is counted is still right');
	$inn->sql("SELECT inngest.cancel_run('" . id_of('keyed', $_) . "')") for 33, 32;
	settled(0);
};

subtest 'a rerun from a step, while it waits' => sub {
	send_all('one', { n => 40 });
	settled(0);
	$inn->advance('10 seconds');
	$inn->wait_for_end(id_of('one', 40));
	send_all('one', { n => 41 });
	settled(0);
	my $first = $inn->sql("SELECT inngest.rerun('" . id_of('one', 40) . "', 'b', '[1]')");
	settled(1);
	my $second = $inn->sql("SELECT inngest.rerun('$first', 'b', '[2]')");
	settled(2);
	$inn->sql("SELECT inngest.cancel_run('" . id_of('one', 41) . "')");
	$inn->wait_for_end($_) for $first, $second;
	for my $run ($first, $second)
	{
		is(scalar(grep { $_->{body}{ctx}{run_id} eq $run && $_->{step} eq step_hash('b') } $app->calls('one')), 1, 'is called for it, as is a rerun of that one');
	}
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
