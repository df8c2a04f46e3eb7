# Events cancel the runs of functions that say so: those that were there, that are meant, and in whatever state they are.
# How: pull functions by SQL, and an app.
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use StubApp;
use Test::More;
use Time::HiRes ();

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);

# A pull function whose runs are cancelled by these.
sub pull
{
	my ($name, @cancels) = @_;

	$inn->register($name, "start/$name", { cancel => \@cancels });
	return;
}

sub start
{
	my ($name, %data) = @_;
	return $inn->run_of($inn->send("start/$name", data => \%data));
}

sub lease
{
	my ($function) = @_;
	return split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{$function}')");
}

sub still_runs
{
	my ($run, $why) = @_;

	$inn->wait_for_deliveries;
	like($inn->status($run), qr/QUEUED|RUNNING/, $why);
	return;
}

sub cancelled
{
	my ($run, $why) = @_;

	$inn->wait_for_end($run, 'CANCELLED');
	is($inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$run'"), 0, $why);
	return;
}

pull('plain', { event => 'plain/stop' });
pull('keyed', { event => 'keyed/stop', if => 'event.data.id == async.data.id' });
pull('two', { event => 'two/stop', if => 'async.data.n > event.data.n' }, { event => 'two/halt' });
pull('self', { event => 'start/self', if => 'event.data.id == async.data.id' });
pull('short', { event => 'short/stop', timeout => '1s' });
pull('past', { event => 'past/stop', timeout => '2020-01-01T00:00:00Z' });
pull('never', { event => 'never/stop', if => 'event.data.yes == true' });
pull('wild', { event => 'wild/*' });

subtest 'a run that waits for a worker' => sub {
	my $run = start('plain');
	$inn->send('plain/stop');
	cancelled($run, 'is cancelled');
	is($inn->sql('SELECT count(*) FROM inngest.queue'), 0, 'nobody gets it');
	is($inn->sql(qq(SELECT string_agg(name, ' ' ORDER BY id::text) FROM inngest.events WHERE data->>'run_id' = '$run')),
		'inngest/function.finished inngest/function.cancelled', 'what follows is told');
	is($inn->sql(qq(SELECT caller_id FROM inngest.events WHERE data->>'run_id' = '$run' AND name = 'inngest/function.cancelled')), $run, 'under its id');
};

subtest 'a run that a worker has' => sub {
	my $run = start('plain');
	my ($leased, $lease) = lease('plain');
	is($leased, $run, 'leased');
	$inn->send('plain/stop');
	cancelled($run, 'is cancelled');
	like($inn->sql_error("SELECT inngest.complete_run('$run', '$lease')"), qr/^IN021: the lease on run $run is lost/, 'the worker learns of it');
	is($inn->sql("SELECT status FROM inngest.attempts WHERE run_id::text = '$run'"), 'CANCELLED', 'so does who looks');
};

subtest 'which runs' => sub {
	my %runs = map { $_ => start('keyed', id => $_) } qw(a b);
	$inn->send('keyed/stop', data => { id => 'c' });
	$inn->send('keyed/stop', data => { id => 'a' });
	cancelled($runs{a}, 'that of the expression');
	still_runs($runs{b}, 'and no other');

	my @two = map { start('two', n => $_) } 1 .. 3;
	$inn->send('two/stop', data => { n => 2 });
	cancelled($two[0], 'the expression of the first entry');
	still_runs($two[1], 'is not true of these');
	$inn->send('two/halt');
	cancelled($_, 'the second has none') for @two[ 1, 2 ];
};

subtest 'not those that are younger' => sub {
	$inn->send('plain/stop');
	my $run = start('plain');
	still_runs($run, 'an event from before');
	my $first = start('self', id => 1);
	still_runs($first, 'nor what has started it');
	my $second = start('self', id => 1);
	cancelled($first, 'but the next of the same name');
	still_runs($second, 'which has a run of its own');
	$inn->sql("SELECT inngest.cancel_run('$_')") for $run, $second;

	# received before, shown after: the events of one request have their ids before their runs
	my ($started) = split /\n/, $inn->sql(q(SELECT * FROM inngest.send_events('[{"name": "start/plain"}, {"name": "plain/stop"}]')));
	$run = $inn->run_of($started);
	still_runs($run, 'nor an event of the same request');
	$inn->sql("SELECT inngest.cancel_run('$run')");
};

subtest 'for how long' => sub {
	my $run = start('short');
	wait_for(sub { $inn->sql(q(SELECT count(*) FROM inngest.pauses WHERE event_name = 'short/stop')) == 0 }, 'the end of it');
	$inn->send('short/stop');
	still_runs($run, 'not any more');
	$run = start('short');
	$inn->send('short/stop');
	cancelled($run, 'but before');
	is($inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '" . start('past') . "'"), 0, 'a time that is over');
	is($inn->sql("SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM inngest.pauses WHERE run_id::text = '" . start('plain') . "'"), 365, 'a year');
};

subtest 'what can never happen' => sub {
	my ($no, $yes) = map { start('never', yes => $_) } JSON::PP::false, JSON::PP::true;
	is($inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$no'"), 0, 'waits for nothing');
	$inn->send('never/stop');
	cancelled($yes, 'where it can, it does');
	my $run = start('wild');
	$inn->send('wild/thing');
	still_runs($run, 'names are exact');
};

subtest 'many' => sub {
	$inn->sql(q(SELECT count(inngest.send_event('start/plain')) FROM generate_series(1, 1500)));
	$inn->send('plain/stop');
	wait_for(sub { $inn->sql(q(SELECT count(*) FROM inngest.runs WHERE function_id = 'plain' AND status IN ('QUEUED', 'RUNNING'))) == 0 }, 'all cancelled', 120);
	is($inn->sql(q(SELECT count(*) FROM inngest.pauses WHERE event_name = 'plain/stop')), 0, 'none is left over');
};

subtest 'a report that is not committed' => sub {
	my ($run, $other) = map { start('plain') } 1, 2;
	my $worker = $inn->node->background_psql('postgres', on_error_stop => 1);
	my ($leased, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{plain}', runs => '{$run}')");
	$worker->query_safe("BEGIN; SELECT inngest.complete_run('$run', '$lease')");
	$inn->send('plain/stop');
	cancelled($other, 'does not keep others from being cancelled');
	$inn->wait_for_deliveries;
	$worker->query_safe('COMMIT');
	is($inn->status($run), 'COMPLETED', 'and counts');

	$run = start('plain');
	$worker->query_safe("BEGIN; SELECT FROM inngest.lease_runs('{plain}')");
	$inn->send('plain/stop');
	$inn->wait_for_deliveries;
	is($inn->status($run), 'QUEUED', 'nor does a lease');
	$worker->query_safe('ROLLBACK');
	cancelled($run, 'after which it is done');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.pause_matches') == 0 }, 'nothing is left');

	($run, $other) = map { start('plain') } 1, 2;
	$worker->query_safe("BEGIN; SELECT FROM inngest.lease_runs('{plain}', runs => '{$run}')");
	$inn->mark_log;
	$inn->sql(q(SELECT inngest.cancel_runs('plain')));
	cancelled($other, 'nor does it keep a bulk cancellation');
	$worker->query_safe('ROLLBACK');
	cancelled($run, 'which has it later, too');
	is($inn->log_count(qr/failed and will try again/), 0, 'nobody stumbles');
	$worker->quit;
};

subtest 'runs of an app' => sub {
	$app->function('app', events => ['start/app'], cancel => [ { event => 'app/stop', if => 'event.data.id == async.data.id' } ]);
	$app->on('app', with(done('late'), hold => 'late'));
	$app->function('sleeper', events => ['start/sleeper'], cancel => [ { event => 'app/stop' } ]);
	$app->on('sleeper', program(parallel(op_sleep('s', '1h'), op_wait('w', event => 'x')), done(1)));
	$app->register;

	my $run = start('app', id => 1);
	$app->wait_for_calls('app', 1, is_open => 1);
	my $sleeper = start('sleeper');
	$inn->wait_for_pauses($sleeper);
	$inn->send('app/stop', data => { id => 1 });
	cancelled($run, 'while it is being called');
	cancelled($sleeper, 'while it sleeps and waits');
	$app->release('late');
	wait_for(sub { !grep { !$_->{end} } $app->calls('app') }, 'the answer');
	is($inn->sql('SELECT count(*) FROM inngest.jobs'), 0, 'nothing is left to do');
	is($inn->status($run), 'CANCELLED', 'what comes late does not count');
	is($inn->sql(qq(SELECT count(*) FROM inngest.events WHERE data->>'run_id' = '$run')), 2, 'it ended once');
	is(scalar $app->calls('app'), 1, 'nothing is tried again');

	$app->on('app', hang());
	$run = $inn->sql("SELECT inngest.rerun('$run')");
	wait_for(sub { (grep { $_->{headers}{'x-run-id'} eq $run } $app->calls('app')) == 1 }, 'the call of the rerun');
	$inn->send('app/stop', data => { id => 2 });
	still_runs($run, 'a rerun is meant by the same events');
	$inn->send('app/stop', data => { id => 1 });
	cancelled($run, 'and by no others');
};

# The id of an event has the time of its sender's clock.
subtest 'a sender whose clock is slow' => sub {
	my $run = start('plain');
	my $seed = int(1000 * (Time::HiRes::time() - 60)) . ',AQIDBAUGBwgJCg==';
	my $event = $inn->http('POST', '/e/key', { name => 'plain/stop' }, headers => { 'x-inngest-event-id-seed' => $seed })->{json}{ids}[0];
	cmp_ok($event, 'lt', $run, 'its id is older than the run');
	cancelled($run, 'and the event is not');
};

# Ids of two processes within a millisecond are in no order; those of one are.
subtest 'right after the start' => sub {
	my $pairs = 100;
	my $count = sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'quick' AND status = '$_[0]'") };
	my @sessions = map { $inn->node->background_psql('postgres', on_error_die => 1) } 1, 2;

	$inn->register('quick', 'quick/start', { cancel => [ { event => 'quick/stop', if => 'async.data.n == event.data.n' } ] });
	for my $n (1 .. $pairs)
	{
		$sessions[0]->query_safe(qq(SELECT inngest.send_event('quick/start', '{"n": $n}')));
		$sessions[1]->query_safe(qq(SELECT inngest.send_event('quick/stop', '{"n": $n}')));
	}
	$_->quit for @sessions;
	wait_for(sub { $count->('CANCELLED') == $pairs }, 'all to be cancelled');
	pass('what another session sends');

	my $again = $inn->node->background_psql('postgres', on_error_die => 1);
	$again->query_safe(qq(SELECT FROM inngest.send_events('[{"name": "quick/stop", "data": {"n": $_}}, {"name": "quick/start", "data": {"n": $_}}]'))) for 1001 .. 1000 + $pairs;
	$again->quit;
	$inn->wait_for_deliveries;
	is($count->('CANCELLED'), $pairs, 'what is sent to cancel the one before');
	$inn->sql("SELECT inngest.cancel_run(id) FROM inngest.runs WHERE function_id = 'quick' AND status = 'QUEUED'");

	$inn->sql(q(SELECT FROM inngest.send_events('[{"name": "quick/stop", "data": {"n": 0}}, {"name": "quick/start", "data": {"n": 0}}, {"name": "quick/start", "data": {"n": -1}}, {"name": "quick/stop", "data": {"n": -1}}]')));
	$inn->wait_for_deliveries;
	is($count->('QUEUED'), 2, 'what is sent together is there before the runs');
};

done_testing();
