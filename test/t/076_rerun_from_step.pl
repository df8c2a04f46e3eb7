# A run can be repeated from one of its steps on: what had ended before it is there already, its input may be another.  How: an app
# whose runs are repeated from steps of each kind, and what it is told then.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '100ms'\n");
my $app = StubApp->new(inn => $inn);

# Wait for the end of a run; its status and output.
sub outcome
{
	my ($run) = @_;
	my $detail;

	wait_for(sub { $detail = $inn->http('GET', "/api/v1/runs/$run")->{json}{data}; $detail->{ended_at} }, "the end of $run");
	return [ @$detail{qw(status output)} ];
}

# The calls of a run.
sub calls_of
{
	my ($run) = @_;
	return grep { $_->{body}{ctx}{run_id} eq $run } $app->calls;
}

sub rerun
{
	my ($run, @from) = @_;
	my $answer = $inn->http('POST', "/v2/runs/$run/rerun", @from ? { fromStep => { stepId => $from[0], @from > 1 ? (input => $from[1]) : () } } : {});

	return $answer->{json}{data}{runId} // [ @$answer{qw(status)}, $answer->{json}{errors}[0]{message} ];
}

$app->function('f', events => ['go'], retries => 1);
$app->on('f', program(op_run('a', 1), op_sleep('nap', '1ms'), parallel(op_run('p', 2), op_run('q', 3)), op_run('b', 4), op_failed('c', 'no'), done('end')));
$app->register;
$inn->send('go', data => { n => 7 });
my $first = ($app->wait_for_calls('f', 1))[0]{body}{ctx}{run_id};
is(outcome($first)->[0], 'FAILED', 'a run that fails');
my @stack = @{ (calls_of($first))[-1]{body}{ctx}{stack}{stack} };
is(scalar @stack, 6, 'after six steps');

subtest 'from a step that the function runs' => sub {
	my $run = rerun($first, 'b');
	is(outcome($run)->[0], 'FAILED', 'ends as the first');
	my @calls = calls_of($run);
	is($calls[0]{step}, step_hash('b'), 'the first call is for the step');
	is_deeply($calls[0]{body}{ctx}{stack}, { stack => [ @stack[ 0 .. 3 ] ], current => 4 }, 'what was before is there, in its order');
	is_deeply($calls[0]{body}{steps}, { step_hash('a') => { data => 1 }, step_hash('nap') => undef, step_hash('p') => { data => 2 }, step_hash('q') => { data => 3 } }, 'with what it had come to');
	is_deeply([ $calls[0]{body}{event}{data}, @{ $calls[0]{body}{ctx} }{qw(attempt generation_id)} ], [ { n => 7 }, 0, 1 ], 'the same event');
	is($calls[1]{step}, 'step', 'then as always');
	is($inn->sql("SELECT original_run_id FROM inngest.function_runs WHERE id::text = '$run'"), $first, 'it is a repetition of the first');
	my $again = rerun($run, 'nap');
	outcome($again);
	is($inn->sql("SELECT original_run_id FROM inngest.function_runs WHERE id::text = '$again'"), $first, 'and so is a repetition of it');
	my @later = calls_of($again);
	is_deeply([ $later[0]{step}, $later[0]{body}{ctx}{stack} ], [ 'step', { stack => [ step_hash('a') ], current => 1 } ],
		'a step that the function does not run is found, not asked for');
};

subtest 'with another input' => sub {
	my $run = rerun($first, step_hash('b'), [ { x => 1 }, 'y' ]);
	outcome($run);
	my @calls = calls_of($run);
	is_deeply($calls[0]{body}{steps}{ step_hash('b') }, { input => [ { x => 1 }, 'y' ] }, 'the call carries it');
	ok($calls[0]{is_canonical}, 'in canonical form');
	is(scalar(grep { $_ eq step_hash('b') } @{ $calls[0]{body}{ctx}{stack}{stack} }), 0, 'but not as something that has ended');
	is_deeply($calls[1]{body}{steps}{ step_hash('b') }, { data => 4 }, 'once');
	$run = $inn->sql("SELECT inngest.rerun('$first', 'a', '[1]')");
	outcome($run);
	is_deeply((calls_of($run))[0]{body}{steps}, { step_hash('a') => { input => [1] } }, 'from SQL, from the first step');
	is(scalar(grep { $_->{body}{steps}{ step_hash('a') } && $_->{body}{steps}{ step_hash('a') }{input} } calls_of($run)), 1, 'one call only');
};

subtest 'a retry has the input, too' => sub {
	$app->on('f', op_error('b', 'once'), program(op_run('a', 1), op_run('b', 5), done('ok')));
	my $run = rerun($first, 'b', [1]);
	is_deeply(outcome($run), [ 'COMPLETED', 'ok' ], 'ends');
	is_deeply([ map { [ $_->{attempt}, $_->{body}{steps}{ step_hash('b') } ] } (calls_of($run))[ 0, 1 ] ], [ map { [ $_, { input => [1] } ] } 0, 1 ], 'both attempts');
};

subtest 'an app that fetches what there is' => sub {
	$app->on('f', with(op_run('b', 6), hold => 'fetched'), done('ok'));
	my $run = rerun($first, 'b', [ 2, { z => 1, a => 2 } ]);
	wait_for(sub { scalar calls_of($run) }, 'the call');
	my $steps = $inn->http('GET', "/v0/runs/$run/actions")->{json};
	is_deeply([ $steps->{ step_hash('b') }, scalar keys %$steps ], [ { input => [ 2, { z => 1, a => 2 } ] }, 5 ], 'finds the input, too');
	$app->release('fetched');
	is_deeply(outcome($run), [ 'COMPLETED', 'ok' ], 'ends');
};

subtest 'from a request of ours that is tried again' => sub {
	$app->function('asks', events => ['ask'], retries => 20);
	$app->on('asks', program(op_run('a', 1), op_ai('ai', url => 'http://127.0.0.1:' . $app->port . '/down', body => {}), done(1)));
	$app->on('/down', raw(status => 503));
	$app->register;
	my $asking = $inn->run_of($inn->send('ask'));
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.attempts WHERE run_id::text = '$asking' AND step_id = '" . step_hash('ai') . "'") }, 'the first attempt');
	$inn->sql("SELECT inngest.cancel_run('$asking')");
	my $run = rerun($asking, 'ai');
	wait_for(sub { scalar calls_of($run) }, 'the call');
	is((calls_of($run))[0]{step}, 'step', 'is found, not asked for');
	$inn->sql("SELECT inngest.cancel_run('$run')");
};

subtest 'from a step that has not ended' => sub {
	$app->function('w', events => ['wait']);
	$app->on('w', program(op_run('a', 1), op_wait('w', event => 'never'), done(1)));
	$app->register;
	my $event = $inn->send('wait');
	my $waiting = wait_for(sub { $inn->sql("SELECT run_id FROM inngest.pauses WHERE step_id = '" . step_hash('w') . "'") }, 'the wait');
	my $run = rerun($waiting, 'w');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$run'") }, 'it waits again');
	is_deeply((calls_of($run))[0]{body}{steps}, { step_hash('a') => { data => 1 } }, 'with all that has');
};

subtest 'what cannot be done' => sub {
	$app->function('loop', events => ['loop'], retries => 0);
	$app->on('loop', ops(op_run('x', 1)), ops(op('StepRun', 'x:1', name => 'x', displayName => 'x', data => 2)), done(1));
	$app->register;
	$inn->send('loop');
	my $run = ($app->wait_for_calls('loop', 1))[0]{body}{ctx}{run_id};
	outcome($run);
	is_deeply(rerun($run, 'x'), [ 400, '2 steps of the run are called "x"' ], 'an id that several have');
	like(rerun($run, step_hash('x:1')), qr/^\w{26}$/, 'but a hash is one step');
	like(rerun($run, 'x:1'), qr/^\w{26}$/, 'or the id with its number');
	is_deeply(rerun($first, 'zzz'), [ 404, "run $first has no step \"zzz\"" ], 'one that nobody has');
	is_deeply(rerun($first, ''), [ 400, 'fromStep.stepId must name a step' ], 'none');
	is_deeply(rerun($first, 'nap', [1]), [ 400, 'step "nap" takes no input' ], 'an input for a sleep');
	is_deeply(rerun($first, 'b', { a => 1 }), [ 400, 'the input of a step must be an array' ], 'an input that is no array');
	is_deeply(rerun($first, 'b', [ 'x' x (4 << 20) ]), [ 400, 'the input of a step must have no more than 4194304 bytes of canonical JSON' ], 'a large one');
	like($inn->sql_error("SELECT inngest.rerun('$first', input => '[1]')"), qr/IN030/, 'an input for nothing');
	$inn->register('pulled', 'pull');
	my $pulled = $inn->http('POST', '/api/v1/events', { name => 'pull' })->{json}{runs}[0]{id};
	is_deeply(rerun($pulled, 'x'), [ 400, 'function "pulled" has no steps to begin from' ], 'a function without steps');
	like(rerun($pulled), qr/^\w{26}$/, 'which can be repeated all the same');
	$app->{sdk} = 'py:v0.5.0';
	$app->register;
	is_deeply(rerun($first, 'b', [1]), [ 400, 'the SDK of function "stub-f" cannot be given the input of a step' ], 'an SDK that would take it for a result');
	is($inn->sql('SELECT inngest.rerun(NULL) IS NULL'), 't', 'null');
};

done_testing();
