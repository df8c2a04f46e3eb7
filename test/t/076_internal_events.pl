# What runs tell when they end: to whom it may concern, once, and without going round in circles.  How: an app and pull
# functions whose triggers are the events of others.
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new;

# What was told of a run: name => [ id, data ].
sub told
{
	my ($run) = @_;
	my %told;

	for (split /\n/, $inn->sql(qq(SELECT name || ' ' || coalesce(caller_id, '-') || ' ' || data FROM inngest.events WHERE name LIKE 'inngest/%' AND data->>'run_id' = '$run')))
	{
		my ($name, $id, $data) = split / /, $_, 3;
		push @{ $told{$name} }, [ $id, $json->decode($data) ];
	}
	return \%told;
}

sub start
{
	my ($name, %data) = @_;
	return $inn->run_of($inn->send("start/$name", data => \%data));
}

$app->function($_, events => ["start/$_"], retries => 0) for qw(good bad hanging);
$app->on('good', done({ a => 1 }));
$app->on('bad', failed('broken', name => 'MyError'));
$app->on('hanging', hang());
$app->function('finished', events => ['inngest/function.finished']);
$app->on('finished', done(1));
$app->function('failures', triggers => [ { event => 'inngest/function.failed', expression => q(event.data.function_id == 'stub-bad') } ]);
$app->on('failures', done(echo('event.data.error.message')));
$app->function('cancelled', events => ['inngest/function.cancelled']);
$app->on('cancelled', done(1));
$app->function('watcher', events => ['start/watcher']);
$app->on('watcher', program(op_wait('w', event => 'inngest/function.finished', if => 'async.data.run_id == event.data.run'), done(echo('step w'))));
$app->register;

# Runs that a run has caused by what it told of itself.
sub caused
{
	my ($run, $function) = @_;
	return $inn->sql(qq(SELECT r.id FROM inngest.runs r JOIN inngest.events e ON e.id::text = r.event_id::text WHERE function_id = 'stub-$function' AND e.data->>'run_id' = '$run'));
}

subtest 'an end' => sub {
	my $run = start('good', n => 1);
	$inn->wait_for_end($run);
	my $told = told($run);
	is_deeply([ keys %$told ], ['inngest/function.finished'], 'is told');
	my ($id, $data) = @{ $told->{'inngest/function.finished'}[0] };
	is($id, '-', 'with an id of its own');
	is_deeply([ @$data{qw(function_id run_id result)}, $data->{_inngest}{status} ], [ 'stub-good', $run, { a => 1 }, 'Completed' ], 'with the result');
	is_deeply($data->{event}, $data->{events}[0], 'and the event');
	is_deeply([ $data->{event}{name}, $data->{event}{data} ], [ 'start/good', { n => 1 } ], 'as it was');
	ok(!exists $data->{error} && !exists $data->{correlation_id}, 'and no more');
};

subtest 'a failure' => sub {
	my $run = start('bad');
	$inn->wait_for_end($run, 'FAILED');
	my $told = told($run);
	is_deeply([ sort keys %$told ], [ 'inngest/function.failed', 'inngest/function.finished' ], 'is told twice');
	is($told->{'inngest/function.failed'}[0][0], $run, 'once under the id of the run');
	is_deeply($told->{'inngest/function.failed'}[0][1], $told->{'inngest/function.finished'}[0][1], 'with the same words');
	my $error = $told->{'inngest/function.failed'}[0][1]{error};
	is_deeply([ @$error{qw(name message error)} ], [ 'MyError', 'broken', $error->{error} ], 'with the error');
	my $handler = wait_for(sub { caused($run, 'failures') }, 'a handler');
	is($inn->output($handler), 'broken', 'to who wants to know');
	is_deeply(told($handler), {}, 'who tells nothing of himself');
};

subtest 'a cancellation' => sub {
	my $run = start('hanging');
	$app->wait_for_calls('hanging', 1, is_open => 1);
	$inn->sql("SELECT inngest.cancel_run('$run')");
	my $told = told($run);
	is_deeply([ sort keys %$told ], [ 'inngest/function.cancelled', 'inngest/function.finished' ], 'is told twice');
	is($told->{'inngest/function.cancelled'}[0][0], $run, 'once under the id of the run');
	is($told->{'inngest/function.cancelled'}[0][1]{_inngest}{status}, 'Cancelled', 'as what it is');
	my $handler = wait_for(sub { caused($run, 'cancelled') }, 'a handler');
	$inn->wait_for_end($handler);
	is_deeply([ keys %{ told($handler) } ], ['inngest/function.finished'], 'who tells his own end');
	is($inn->sql("SELECT inngest.cancel_run('$run')"), 'f', 'again it is none');
	is(scalar(map { @$_ } values %{ told($run) }), 2, 'nothing more is told');
};

subtest 'no circles' => sub {
	my $run = start('good');
	my $handler = wait_for(sub { caused($run, 'finished') }, 'a run that is started by an end');
	$inn->wait_for_end($handler);
	is_deeply(told($handler), {}, 'tells nothing of its own');
};

subtest 'those who wait' => sub {
	my $run = start('hanging');
	my $watcher = start('watcher', run => $run);
	$inn->wait_for_pauses($watcher);
	$inn->wait_for_end(start('good'));
	$inn->wait_for_deliveries;
	is($inn->status($watcher), 'RUNNING', 'are not told of others');
	$inn->sql("SELECT inngest.cancel_run('$run')");
	is($inn->output($watcher)->{run_id}, $run, 'but of the one');
};

subtest 'a skipped run' => sub {
	$inn->sql(q(SELECT inngest.pause_function('stub-good')));
	my $run = start('good');
	is($inn->status($run), 'SKIPPED', 'never was');
	is_deeply(told($run), {}, 'and is not told of');
};

subtest 'a cron trigger' => sub {
	$app->function('clock', triggers => [ { cron => '* * * * *' } ]);
	$app->on('clock', done(1));
	$app->function('ticks', events => ['start/ticks']);
	$app->on('ticks', program(op_wait('w', event => 'inngest/scheduled.timer'), done(echo('step w'))));
	$app->register;
	my $run = start('ticks');
	$inn->wait_for_pauses($run);
	$inn->sql(q(UPDATE inngest.schedules SET next_at = now() - interval '1 second'));
	$inn->send('nothing');
	is(wait_for(sub { $inn->sql(q(SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-clock')) >= 1 }, 'a tick', 70), 1, 'starts its function');
	is($inn->output($run)->{cron}, '* * * * *', 'and is an event for who waits');
};

done_testing();
