# What waits for a time is done when that has come: once, in its turn, whatever happens in between; and one thing that
# cannot be done does not keep the others.  How: an app that sleeps; a trigger that makes writing fail.
use strict;
use warnings;

use InngestTest;
use POSIX ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '1s'\n");
my $app = StubApp->new(inn => $inn);

sub start
{
	my ($name, %option) = @_;
	return $inn->run_of($inn->send("start/$name", %option));
}

sub jobs
{
	my ($run) = @_;
	return $inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id::text = '$run'");
}

# A date so many seconds ahead, as SDKs write it.
sub later
{
	my ($seconds) = @_;
	return POSIX::strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime(time + $seconds));
}

$app->function('nap', events => ['start/nap']);
$app->on('nap', program(op_sleep('s', '1s'), done(echo('steps'))));

# long enough to be found asleep, also by a machine that is busy
$app->function('snooze', events => ['start/snooze']);
$app->on('snooze', program(op_sleep('s', '6s'), done(echo('steps'))));
$app->function('long', events => ['start/long']);
$app->on('long', program(op_sleep('s', '3s'), done(1)));
$app->function('waits', events => ['start/waits']);
$app->on('waits', program(op_wait('w', event => 'waits/go'), done(1)));
$app->function('brief', events => ['start/brief']);
$app->on('brief', program(op_wait('w', event => 'brief/go', timeout => '2s'), done(1)));
$app->function('plain', events => ['start/plain']);
$app->on('plain', done(1));
$app->function('retried', events => ['start/retried'], retries => 1);
$app->on('retried', failed('once'), done(1));
$app->function('join', events => ['start/join']);
$app->on('join', program(parallel(map { op_sleep("s$_", later(4)) } 1 .. 5), done(1)));
$app->function('crowd', events => ['start/crowd']);
$app->on('crowd', program(op_sleep('s', later(8)), done(1)));
$app->register;
my $crowd = 2000;
$inn->sql("SELECT count(inngest.send_event('start/crowd')) FROM generate_series(1, $crowd)");

subtest 'durations that are over' => sub {
	my %durations = (zero => '0', negative => '-5s', positive => '+1s', date => '2020-01-01T00:00:00Z');
	for my $name (sort keys %durations)
	{
		$app->function("over-$name", events => ['start/over'], retries => 0);
		$app->on("over-$name", program(op_sleep('s', $durations{$name}), op_wait('w', event => 'never', timeout => $durations{$name}), done('over')));
	}
	$app->register;
	$inn->send('start/over');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id LIKE 'stub-over-%' AND status = 'COMPLETED'") == 4 }, 'all runs');
	pass('end at once, and a sign is allowed');
};

subtest 'a sleep' => sub {
	my $run = start('nap');
	is_deeply($inn->output($run), { step_hash('s') => undef }, 'ends with nothing');
	my @calls = grep { $_->{headers}{'x-run-id'} eq $run } $app->calls('nap');
	cmp_ok($calls[1]{at} - $calls[0]{at}, '>=', 1, 'not too early');
	is($calls[1]{headers}{'x-inngest-job-id'} =~ /\d/, 1, 'then the function is called');
	is_deeply($calls[1]{body}{ctx}{stack}, { current => 1, stack => [ step_hash('s') ] }, 'after that step');
	is(jobs($run), 0, 'nothing is left');
};

subtest 'an event of the future' => sub {
	my $run = start('plain', ts => $inn->sql(q(SELECT now() + interval '2 seconds')));
	is($inn->status($run), 'QUEUED', 'its run waits');
	$inn->wait_for_end($run);
	cmp_ok($inn->sql("SELECT extract(epoch FROM started_at - queued_at) FROM inngest.runs WHERE id::text = '$run'"), '>=', 1.5, 'until then');
};

subtest 'an attempt after another' => sub {
	my $run = start('retried');
	$inn->wait_for_end($run);
	my @calls = $app->calls('retried');
	is_deeply([ map { $_->{attempt} } @calls ], [ 0, 1 ], 'counts on');
	is($calls[0]{headers}{'x-inngest-job-id'}, $calls[1]{headers}{'x-inngest-job-id'}, 'is the same job');
	cmp_ok($calls[1]{at} - $calls[0]{at}, '>=', 1, 'later');
};

subtest 'steps that end together' => sub {
	my $run = start('join');
	$inn->wait_for_end($run);
	my @calls = grep { $_->{headers}{'x-run-id'} eq $run && $_->{step} eq 'step' } $app->calls('join');
	is(scalar @calls, 2, 'cause one call');
};

subtest 'restarts' => sub {
	my ($one, $two) = map { start('nap') } 1, 2;
	$inn->node->restart;
	$inn->wait_for_end($one);
	$two = start('nap');
	$inn->node->stop('immediate');
	$inn->node->start;
	$inn->wait_for_end($two);
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id::text IN ('$one', '$two')"), 2, 'change nothing');
};

subtest 'a run that is busy' => sub {
	my ($run, $other) = map { start($_) } 'snooze', 'nap';
	my $busy = $inn->node->background_psql('postgres', on_error_stop => 1);
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.jobs WHERE kind = 'sleep' AND run_id::text = '$run'") == 1 }, 'sleep');
	$busy->query_safe("BEGIN; SELECT inngest.cancel_run('$run')");
	$inn->wait_for_end($other);
	wait_for(sub { $inn->sql("SELECT bool_and(run_at < now()) FROM inngest.jobs WHERE run_id::text = '$run'") eq 't' }, 'the run to be due');
	$inn->wait_for_end(start('nap'));
	is($inn->status($run), 'RUNNING', 'does not keep others');
	$busy->query_safe('ROLLBACK');
	$inn->wait_for_end($run);
	$busy->quit;
};

subtest 'what cannot be written' => sub {
	$inn->sql(<<'END');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TABLE public.refused (id text);
GRANT SELECT ON public.refused TO PUBLIC;
CREATE FUNCTION public.is_refused(run text) RETURNS boolean LANGUAGE sql AS $$ SELECT EXISTS (SELECT FROM public.refused r WHERE r.id = run) $$;
CREATE TRIGGER refuse BEFORE INSERT ON inngest.steps FOR EACH ROW WHEN (public.is_refused(NEW.run_id::text)) EXECUTE FUNCTION public.refuse();
END
	my @runs = map { start('long') } 1 .. 3;
	$inn->sql("INSERT INTO public.refused VALUES ('$runs[1]')");
	$inn->wait_for_end($_) for @runs[ 0, 2 ];
	is($inn->status($runs[1]), 'RUNNING', 'does not keep others');
	$inn->wait_for_log(qr/inngest could not act on a job that has come due, and will try again later/);
	$inn->wait_for_end(start('nap'));
	$inn->sql('DELETE FROM public.refused');
	$inn->wait_for_end($runs[1]);
	ok(1, 'and is tried until it can be');

	@runs = map { start('waits') } 1 .. 3;
	$inn->wait_for_pauses($_) for @runs;
	$inn->sql("INSERT INTO public.refused VALUES ('$runs[1]')");
	$inn->send('waits/go');
	$inn->wait_for_end($_) for @runs[ 0, 2 ];
	is($inn->status($runs[1]), 'RUNNING', 'nor does a step that an event has ended');
	my $other = start('waits');
	$inn->wait_for_pauses($other);
	$inn->send('waits/go');
	$inn->wait_for_end($other);
	$inn->sql('DELETE FROM public.refused');
	$inn->wait_for_end($runs[1]);
	is($inn->sql('SELECT count(*) FROM inngest.pause_matches'), 0, 'nothing is left');

	@runs = map { start('brief') } 1 .. 3;
	$inn->wait_for_pauses($_) for @runs;
	$inn->sql("INSERT INTO public.refused VALUES ('$runs[1]')");
	$inn->wait_for_end($_) for @runs[ 0, 2 ];
	is($inn->status($runs[1]), 'RUNNING', 'nor one whose time is over');
	$inn->sql('DELETE FROM public.refused');
	$inn->wait_for_end($runs[1]);
};

subtest 'many at once' => sub {
	wait_for(sub { $inn->sql(q(SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-crowd' AND status = 'COMPLETED')) == $crowd }, 'all have woken up', 120);
	is($inn->sql(q(SELECT count(*) FROM inngest.jobs)), 0, 'nothing is left');
};

done_testing();
