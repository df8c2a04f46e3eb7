# Two things that happen to a run at the same moment: one of them counts, whichever comes first, and everybody agrees which.
# How: the test build; processes are stopped where the race is decided (src/base/testing.h), so each order is forced, and
# no test waits for luck.
use strict;
use warnings;

use InngestTest;
use IPC::Run ();
use JSON::PP ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1, conf => "inngest.retry_interval = 1s\n");
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical->allow_nonref;
my $serial = 0;

$inn->sql('ALTER DATABASE postgres SET search_path TO inngest, public');

use constant {
	CALLING => 'executor before calling',
	REPLIED => 'executor before settling',
	SETTLED => 'executor before settling is committed',
	LANDING => 'executor after settling',
	TICK => 'scheduler before its tick',
	READ_DELIVERIES => 'scheduler after reading deliveries',
	READ_PAUSES => 'scheduler after reading pauses',
	READ_JOBS => 'scheduler after reading jobs',
	DECIDED => 'scheduler before a duty is committed',
	CHECKED => 'checkpoint before storing',
};

# A function of its own for each test: its name.
sub function
{
	my (@replies) = @_;
	my $name = 'f' . ++$serial;

	$app->function($name, events => ["start/$name"], retries => 3);
	$app->on($name, @replies);
	$app->register;
	return $name;
}

sub start
{
	my ($name, %option) = @_;
	return $inn->run_of($inn->send("start/$name", %option));
}

# A run that waits: with a timeout of an hour, for an event of its own.
sub start_waiting
{
	my (%more) = @_;
	my $name = function(program(op_wait('w', event => 'go/' . ($serial + 1), timeout => '1h', %more), done(echo('steps'))));
	my $run = start($name);

	$inn->wait_for_pauses($run);
	return ($run, "go/$serial");
}

sub memo_of { return $inn->output($_[0])->{ step_hash('w') } }

# SQL that somebody else may keep waiting, in a session of its own; ->() is its result.
sub in_background
{
	my ($query) = @_;
	my ($out, $err) = ('', '');
	my $session = IPC::Run::start([ $inn->node->installed_command('psql'), '-XAtq', '-d', $inn->node->connstr('postgres'), '-c', $query ],
		'<', '/dev/null', '>', \$out, '2>', \$err);

	return sub {
		$session->finish;
		chomp($out);
		return $out . $err;
	};
}

# A transaction that stays open until ->commit.
sub open_transaction
{
	my (@statements) = @_;
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);

	$session->query_safe($_) for 'BEGIN', @statements;
	return $session;
}

sub commit
{
	my ($session) = @_;

	$session->query_safe('COMMIT');
	$session->quit;
	return;
}

# Events about the end of a run, by name.
sub ends
{
	my ($run) = @_;
	return $inn->sql("SELECT string_agg(substring(name FROM 18), ' ' ORDER BY name) FROM inngest.events WHERE name LIKE 'inngest/function.%' AND name <> 'inngest/function.invoked' AND data ->> 'run_id' = '$run'");
}

# Nothing of it is left that could still do something.
sub is_over
{
	my ($run, $what) = @_;

	is($inn->sql("SELECT (SELECT count(*) FROM inngest.jobs WHERE run_id = '$run') || ' ' || (SELECT count(*) FROM inngest.pauses WHERE run_id = '$run') || ' ' || (SELECT count(*) FROM inngest.pause_matches WHERE run_id = '$run')"),
		'0 0 0', "$what: no job, no pause is left");
	return;
}

# How often the app was asked to go on with a run, rather than for a planned step.
sub discoveries
{
	my ($run) = @_;
	return scalar grep { $_->{body}{ctx}{run_id} eq $run && $_->{step} eq 'step' } $app->calls;
}

subtest 'an event and a timeout' => sub {
	my ($run, $event) = start_waiting();
	my $session = open_transaction("SELECT send_event('$event', '{\"n\": 1}')");
	$inn->arm(TICK);
	$inn->advance('2 hours');
	$inn->wait_until_reached(TICK);
	commit($session);
	$inn->release(TICK);
	is(memo_of($run)->{data}{n}, 1, 'the event was sent before, and is shown before the timeout is looked at');
	is_over($run, 'it');

	($run, $event) = start_waiting();
	$session = open_transaction("SELECT send_event('$event')");
	$inn->arm(DECIDED);
	$inn->advance('2 hours');
	$inn->wait_until_reached(DECIDED);
	commit($session);
	$inn->release(DECIDED);
	is(memo_of($run), undef, 'the timeout was decided before the sender committed');
	$inn->wait_for_deliveries;
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'"), 1, 'it is recorded once');
	is(discoveries($run), 2, 'and the run was called once because of it');
	is_over($run, 'it');

};

subtest 'an event and a timeout, while the run is busy' => sub {
	my $name = function(program(parallel(op_wait('w', event => 'go/late', timeout => '1h'), op_run('a', 1, reply => { hold => 'late' })), done(echo('steps'))));
	my $run = start($name);
	$inn->wait_for_pauses($run);
	$app->wait_for_calls($name, 2, is_open => 1);
	$inn->arm(SETTLED);
	$app->release('late');
	$inn->wait_until_reached(SETTLED);
	$inn->send('go/late', data => { n => 3 });
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.pause_matches WHERE run_id = '$run'") == 1 }, 'the event is noted');
	$inn->send('go/late', data => { n => 4 });
	$inn->wait_for_deliveries;

	# It is free again when the timeout is looked at, before the event that was noted.
	$inn->arm(READ_PAUSES);
	$inn->advance('2 hours');
	$inn->wait_until_reached(READ_PAUSES);
	$inn->release(SETTLED);
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'") == 1 }, 'the step has ended');
	$inn->release(READ_PAUSES);
	is(memo_of($run)->{data}{n}, 3, 'the first event counts, neither the timeout nor another event');
	is(discoveries($run), 2, 'one call follows');
	is_over($run, 'it');
};

subtest 'a wait and an open sender' => sub {
	my $session = open_transaction("SELECT send_event('go/" . ($serial + 1) . "', '{\"n\": 5}')");
	my ($run, $event) = start_waiting();
	commit($session);
	is(memo_of($run)->{data}{n}, 5, 'who begins to wait while the sender is open gets his event');

	$inn->send('go/' . ($serial + 1));
	$inn->wait_for_deliveries;
	($run, $event) = start_waiting();
	$inn->advance('2 hours');
	is(memo_of($run), undef, 'but not one that was there before');

	($run, $event) = start_waiting();
	$inn->sql("SELECT send_events('[{\"name\": \"$event\", \"data\": {\"n\": 6}}, {\"name\": \"$event\", \"data\": {\"n\": 7}}]')");
	is(memo_of($run)->{data}{n}, 6, 'of two at once the first counts');
	my @seen = map { $json->encode($_->{body}{steps}) } grep { $_->{body}{ctx}{run_id} eq $run } $app->calls;
	is(scalar @seen, 2, 'and causes one call');

	# Both have been read, and one more comes.
	($run, $event) = start_waiting();
	$inn->arm(READ_DELIVERIES);
	$inn->send($event, data => { n => 8 });
	$inn->wait_until_reached(READ_DELIVERIES);
	$inn->send($event, data => { n => 9 });
	$inn->release(READ_DELIVERIES);
	is(memo_of($run)->{data}{n}, 8, 'nor does one that comes while the first is shown');
	$inn->wait_for_deliveries;
	is_over($run, 'it');
};

subtest 'a signal and a timeout' => sub {
	my $start = sub {
		my $run = start(function(program(op_signal('w', signal => "signal $serial", timeout => '1h'), done(echo('steps')))));
		$inn->wait_for_pauses($run);
		return ($run, 'signal ' . ($serial - 1));
	};
	my ($run, $signal) = $start->();
	my $session = open_transaction("SELECT send_signal('$signal', '1')");
	$inn->arm(READ_PAUSES);
	$inn->advance('2 hours');
	$inn->wait_until_reached(READ_PAUSES);
	commit($session);
	$inn->release(READ_PAUSES);
	is_deeply(memo_of($run), { data => { signal => $signal, data => 1 } }, 'a signal that comes before the timeout is decided counts');
	is(discoveries($run), 2, 'once');

	($run, $signal) = $start->();
	$inn->arm(DECIDED);
	$inn->advance('2 hours');
	$inn->wait_until_reached(DECIDED);
	is($inn->sql("SELECT coalesce(send_signal('$signal', '2')::text, 'nobody')"), 'nobody', 'after the timeout nobody waits for it');
	$inn->release(DECIDED);
	is(memo_of($run), undef, 'the timeout counts');
	is(discoveries($run), 2, 'once');
};

subtest 'a cancellation and the reply to a call' => sub {
	# while the app is working
	my $name = function(with(op_run('a', 1), hold => 'cancelled'), done('too late'));
	my $run = start($name);
	$app->wait_for_calls($name, 1, is_open => 1);
	$inn->sql("SELECT cancel_run('$run')");
	is($inn->status($run), 'CANCELLED', 'it is effective at once');
	$app->release('cancelled');
	$app->wait_for_calls($name, 1);
	start(function(done('x')));
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'"), 0, 'what the app says afterwards is dropped');
	is(ends($run), 'cancelled finished', 'one set of events');
	is_over($run, 'the run');

	# the reply is there, and not settled
	for my $reply (op_run('a', 1), done('result'), failed('no'), op_sleep('s', '1h'), op_wait('w', event => 'x', timeout => '1h'), ops(op_planned('p'), op_planned('q')))
	{
		my $what = $reply->{op} // ($reply->{ops} ? 'a plan' : ($reply->{status} // 200));

		$name = function($reply, done('end'));
		$inn->arm(REPLIED);
		$run = start($name);
		$inn->wait_until_reached(REPLIED);
		$inn->sql("SELECT cancel_run('$run')");
		$inn->release(REPLIED);
		wait_for(sub { $app->in_flight == 0 }, 'no calls');
		$inn->wait_for_end(start(function(done('x'))));
		is($inn->status($run), 'CANCELLED', "$what: cancelled before it is settled");
		is(ends($run), 'cancelled finished', 'one set of events');
		is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'"), 0, 'nothing is recorded');
		is(scalar $app->calls($name), 1, 'nothing follows');
		is_over($run, 'the run');

		# it is settled, and not committed
		$name = function($reply, done('end'));
		$inn->arm(SETTLED);
		$run = start($name);
		$inn->wait_until_reached(SETTLED);
		my $cancelled = in_background("SELECT cancel_run('$run')");
		wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cancel_run(%' AND state = 'active' AND pid <> pg_backend_pid()") }, 'the cancellation is on its way');
		$inn->arm(CALLING);
		$inn->release(SETTLED);
		my $said = $cancelled->();
		$inn->release(CALLING);
		my $is_end = $what eq '200';
		is($inn->status($run), $is_end ? 'COMPLETED' : 'CANCELLED', "$what: cancelled while it is settled");
		is($said, $is_end ? 'f' : 't', 'and who cancels is told so');
		$inn->wait_for_end(start(function(done('x'))));
		is(ends($run), $is_end ? 'finished' : 'cancelled finished', 'one set of events');
		is_over($run, 'the run');
	}
};

subtest 'two cancellations' => sub {
	my ($run) = start_waiting();
	my $session = open_transaction("SELECT cancel_run('$run')");
	my $other = in_background("SELECT cancel_run('$run')");
	wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cancel_run(%' AND state = 'active' AND pid <> pg_backend_pid()") }, 'another session cancels');
	commit($session);
	is($other->(), 'f', 'the second finds it cancelled');
	is(ends($run), 'cancelled finished', 'one set of events');
};

subtest 'a timeout of the run and the reply to a call' => sub {
	for my $order (REPLIED, SETTLED)
	{
		my $name = 'f' . ++$serial;
		$app->function($name, events => ["start/$name"], timeouts => { finish => '10s' });
		$app->on($name, done('result'));
		$app->register;
		$inn->arm($order);
		my $run = start($name);
		$inn->wait_until_reached($order);
		$inn->advance('20 seconds');
		$inn->wait_for_end($run, 'CANCELLED') if $order eq REPLIED;
		$inn->release($order);
		$inn->wait_for_end(start(function(done('x'))));
		$inn->wait_for_end($run, $order eq REPLIED ? 'CANCELLED' : 'COMPLETED');
		is(ends($run), $order eq REPLIED ? 'cancelled finished' : 'finished', "$order: one set of events");
		is_over($run, 'the run');
	}
};

subtest 'parallel steps that end together' => sub {
	my $n = 100;

	# all replies are settled in one transaction
	my $name = function(program(parallel(map { op_run($_, $_, reply => { hold => 'together' }) } qw(a b c)), done(echo('steps'))));
	my @runs = map { start($name) } 1 .. $n;
	$app->wait_for_calls($name, 4 * $n, is_open => 1);
	$inn->arm(REPLIED);
	$app->release('together');
	$inn->wait_until_reached(REPLIED);
	$inn->release(REPLIED);
	$inn->wait_for_end($_) for @runs;
	my %discoveries;
	$discoveries{ $_->{body}{ctx}{run_id} }++ for grep { $_->{step} eq 'step' } $app->calls($name);
	is_deeply([ sort { $a <=> $b } values %discoveries ], [ (2) x $n ], "in one transaction: one call follows, $n times");

	# and as it comes
	$name = function(program(parallel(map { op_run($_, $_) } qw(a b c)), done(echo('steps'))));
	@runs = map { start($name) } 1 .. $n;
	$inn->wait_for_end($_) for @runs;
	%discoveries = ();
	$discoveries{ $_->{body}{ctx}{run_id} }++ for grep { $_->{step} eq 'step' } $app->calls($name);
	is_deeply([ sort { $a <=> $b } values %discoveries ], [ (2) x $n ], "or in several: $n times");

	# a sleep and a step, each first and the other busy with the run meanwhile
	for my $first ('step', 'sleep')
	{
		$name = function(program(parallel(op_run('a', 1, reply => { hold => "beside $first" }), op_sleep('s', '1h')), done(echo('steps'))));
		my $run = start($name);
		$app->wait_for_calls($name, 2, is_open => 1);
		my $point = $first eq 'step' ? SETTLED : DECIDED;
		$inn->arm($point);
		$first eq 'step' ? $app->release("beside $first") : $inn->advance('2 hours');
		$inn->wait_until_reached($point);
		$first eq 'step' ? $inn->advance('2 hours') : $app->release("beside $first");
		$app->wait_for_calls($name, 2) if $first eq 'sleep';
		$inn->release($point);
		is_deeply($inn->output($run), { step_hash('a') => { data => 1 }, step_hash('s') => undef }, "a sleep and a step, the $first first");
		is(discoveries($run), 2, 'one call follows');
	}

	# two that fail for good
	$app->function('handler', events => [], triggers => [ { event => 'inngest/function.failed', expression => "event.data.function_id == 'stub-doomed'" } ]);
	$app->on('handler', done('handled'));
	$app->function('doomed', events => ['start/doomed'], retries => 0);
	$app->on('doomed', program(parallel(map { op_run($_, 1, fails => 9, reply => { hold => 'doomed' }) } qw(a b)), done('no')));
	$app->register;
	my $run = start('doomed');
	$app->wait_for_calls('doomed', 3, is_open => 1);
	$inn->arm(REPLIED);
	$app->release('doomed');
	$inn->wait_until_reached(REPLIED);
	$inn->release(REPLIED);
	$inn->wait_for_end($run, 'FAILED');
	is(ends($run), 'failed finished', 'two steps that fail for good: one set of events');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-handler' AND status = 'COMPLETED'") > 0 }, 'the handler');
	is($inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-handler'"), 1, 'and one run of the handler');
	is_over($run, 'the run');
};

# The executor is ended at a point; another takes its place.
sub end_executor
{
	my ($signal, @points) = @_;
	my ($pid) = $inn->workers('executor');

	kill($signal, $pid);
	wait_for(sub { !kill(0, $pid) }, 'the executor has gone');
	$inn->release(@points) if @points;
	return;
}

subtest 'an executor that ends' => sub {
	for my $point (CALLING, REPLIED, SETTLED, LANDING)
	{
		my $name = function(op_run('a', 'first'), op_run('a', 'second'), done(echo('steps')));
		$app->on({ function => $name, step => 'step' }, sub {
			my ($call) = @_;
			our $value++;
			return %{ $call->{body}{steps} } ? done(echo('steps')) : op_run('a', "$value")
		});
		$inn->arm($point);
		my $run = start($name);
		$inn->wait_until_reached($point);
		end_executor('TERM', $point);
		my $output = $inn->output($run);
		my @calls = grep { $_->{body}{ctx}{run_id} eq $run } $app->calls;
		my $is_repeated = $point eq REPLIED || $point eq SETTLED;
		is(scalar @calls, $is_repeated ? 3 : 2, "$point: the call " . ($is_repeated ? 'is made again' : 'is not lost'));
		is_deeply([ map { $_->{attempt} } @calls ], [ (0) x @calls ], 'it is the same attempt');
		is($output->{ step_hash('a') }{data}, $is_repeated ? 2 : 1, 'and one result is recorded');
	}
};

subtest 'a checkpoint and another executor' => sub {
	# The app is slow; before it reports, its call has been made again.
	my $name = function(with(op_run('b', 'old'), checkpoint => [ [ op_run('a', 'old') ] ], hold => 'old', hold_before => 1),
		with(op_run('b', 'new'), checkpoint => [ [ op_run('a', 'new') ] ]),
		done(echo('steps')));
	my $run = start($name);
	$app->wait_for_calls($name, 1, is_open => 1);
	end_executor('TERM');
	is_deeply($inn->output($run), { step_hash('a') => { data => 'new' }, step_hash('b') => { data => 'new' } }, 'the new call counts');
	$app->release('old');
	my ($old, $new) = $app->wait_for_calls($name, 3);
	is_deeply([ map { $_->{end}{checkpoints}[0]{status} // '' } $old, $new ], [ 409, 200 ], 'its checkpoint is taken, the other is refused')
	  or diag(explain([ map { $_->{end} } $old, $new ]));
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'"), 2, 'each step is recorded once');

	# It is just being stored when the executor ends, and the new call does not know of it.
	$name = function(with(op_run('b', 'old'), checkpoint => [ [ op_run('a', 'old') ] ]),
		with(op_run('b', 'new'), checkpoint => [ [ op_run('a', 'new') ], [ op_run('a', 'old') ] ], hold => 'new', hold_before => 1),
		done(echo('steps')));
	$inn->arm(CHECKED);
	$run = start($name);
	$inn->wait_until_reached(CHECKED);
	end_executor('TERM');
	$app->wait_for_calls($name, 2, is_open => 1);
	$inn->release(CHECKED);
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$run'") == 1 }, 'the old call is recorded');
	$app->release('new');
	is_deeply($inn->output($run), { step_hash('a') => { data => 'old' }, step_hash('b') => { data => 'new' } }, 'what is recorded stays');
	(undef, $new) = $app->wait_for_calls($name, 3);
	is_deeply([ map { $_->{status} } @{ $new->{end}{checkpoints} } ], [ 400, 200 ], 'and no other result is taken for recorded')
	  or diag(explain($new->{end}));
};

subtest 'a run that is about to start, and somebody who cancels it and does not commit' => sub {
	my $name = function(done(1));
	$inn->arm(CALLING);
	my $first = start($name);
	$inn->wait_until_reached(CALLING);
	my ($held, $other) = map { start($name) } 1, 2;
	my $session = open_transaction("SELECT cancel_run('$held')");
	$inn->release(CALLING);
	$inn->wait_for_end($_) for $first, $other;
	is($inn->status($held), 'QUEUED', 'others start');
	commit($session);
	$inn->wait_for_end($held, 'CANCELLED');
	is($inn->log_count(qr/could not take jobs/), 0, 'and nobody waits');
};

subtest 'an executor that is interrupted when it has taken jobs' => sub {
	my $name = function(done(1));
	my $at = $inn->mark_log;
	$inn->arm(CALLING);
	my @runs = map { start($name) } 1, 2;
	$inn->wait_until_reached(CALLING);
	$inn->sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'inngest executor'");
	$inn->wait_for_log(qr/could not take jobs: canceling statement/, $at);
	$inn->release(CALLING);
	$inn->wait_for_end($_) for @runs;
	is(scalar $app->calls($name), 2, 'calls them all the same');
};

subtest 'a lock that is in the way of an answer' => sub {
	$app->function('locked', events => ['start/locked'], retries => 0);
	$app->on('locked', done(1));
	$app->register;
	my $at = $inn->mark_log;
	$inn->arm(REPLIED);
	my $run = start('locked');
	$inn->wait_until_reached(REPLIED);
	my $session = open_transaction('LOCK TABLE inngest.attempts IN SHARE MODE');
	$inn->release(REPLIED);
	$inn->wait_for_log(qr/could not settle yet what an app has answered: canceling statement due to lock timeout/, $at);
	commit($session);
	$inn->wait_for_end($run);
	is(scalar $app->calls('locked'), 1, 'delays it, and costs nothing else');
};

subtest 'an answer that has to wait, and others beside it' => sub {
	my $target = 'http://127.0.0.1:' . $app->port . '/beside';
	my $holding = start(function(program(op_signal('w', signal => 'held', timeout => '1h'), done(1))));
	$inn->wait_for_pauses($holding);
	my $trigger = function(done(1));
	my $taking = function(with(ops(op_signal('w', signal => 'held', conflict => 'replace', timeout => '1h')), hold => 'answers'), done(1));
	my $asking = function(with(ops(op_fetch('f', url => $target)), hold => 'answers'), done(echo('step f')));
	my $simple = function(with(done(1), hold => 'answers'));
	$app->on('/beside', raw(status => 200, body => 'fine'));
	my $session = open_transaction(q(SELECT send_signal('held', '1')));
	my %run = map { $_ => start($_) } $taking, $asking, $simple;
	$app->wait_for_calls($_, 1, is_open => 1) for keys %run;

	$inn->arm(REPLIED);
	start($trigger);
	$inn->wait_until_reached(REPLIED);
	my $at = $inn->mark_log;
	$app->release('answers');
	$app->wait_for_calls($_, 1) for keys %run;
	$inn->release(REPLIED);
	$inn->wait_for_log(qr/could not settle yet what an app has answered: who waits for the signal "held"/, $at);
	$inn->wait_for_end($run{$_}) for $asking, $simple;
	is($inn->output($run{$asking})->{body}, 'fine', 'they do not wait, nor does one that asks something');
	is(scalar(grep { $_->{path} eq '/beside' } $app->requests), 1, 'once');
	$session->query_safe('ROLLBACK');
	$session->quit;
	$inn->wait_for_pauses($run{$taking});
	is($inn->sql(q(SELECT send_signal('held', '2'))), $run{$taking}, 'and it has its turn');
	$inn->wait_for_end($run{$taking});
	$inn->sql("SELECT cancel_run('$holding')");
};

# Whoever sends before the workers know which database is theirs, and commits when they have read on.
subtest 'a sender who was there before the workers' => sub {
	my $name = function(done(1));
	my $executors = sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inngest executor'") };
	$inn->set_and_reload('inngest.database' => 'template1');
	wait_for(sub { $executors->() == 0 }, 'no executor');
	my $session = open_transaction("SELECT send_event('start/$name', '{\"n\": 1}')");
	$inn->set_and_reload('inngest.database' => 'postgres');
	wait_for(sub { $executors->() == 1 }, 'an executor');
	$inn->wait_for_http;
	$inn->wait_for_end(start($name));
	commit($session);
	wait_for(sub { $inn->sql("SELECT count(*) FROM runs WHERE function_id = 'stub-$name' AND status = 'COMPLETED'") == 2 }, 'has his run executed');
	pass('is not forgotten');
};

# One puts its wait where the other has just looked.
subtest 'two executors and one signal' => sub {
	$inn->set_and_reload('inngest.executors' => 2);
	wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inngest executor'") == 2 }, 'two executors');
	my $name = function(program(op_signal('w', signal => 'one', conflict => 'replace', timeout => '1h'), done(echo('steps'))));
	$inn->arm(SETTLED);
	my @runs = start($name);
	$inn->wait_until_reached(SETTLED);
	wait_for(sub {
			push @runs, start($name) if @runs < 50;
			$inn->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inngest executor' AND wait_event_type = 'Lock'") > 0;
		}, 'the other wants it, too');
	$inn->release(SETTLED);
	$inn->wait_for_pauses($_) for @runs;
	is($inn->sql("SELECT count(*) FROM inngest.pauses WHERE signal = 'one'"), 1, 'one has it, and all wait');
	$inn->sql("SELECT cancel_run('$_')") for @runs;
	$inn->set_and_reload('inngest.executors' => 1);
};

done_testing();
