# A function invokes another and gets what that returns, or why it does not.  How: an app, pull functions that are
# invoked by SQL and HTTP, and open transactions.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '50ms'\n");
my $app = StubApp->new(inn => $inn);

# A function that invokes as told, and returns the memo of that.
sub invokes
{
	my ($name, %opts) = @_;

	$app->function($name, events => ["start/$name"], retries => 0);
	$app->on($name, program({ %{ op_invoke('i', %opts) }, is_caught => 1 }, done(echo('steps'))));
	return;
}

sub start
{
	my ($name, %data) = @_;
	return $inn->run_of($inn->send("start/$name", data => \%data));
}

sub got
{
	my ($run) = @_;
	return $inn->output($run)->{ step_hash('i') };
}

# The run that another has invoked.
sub child
{
	my ($run) = @_;
	my $event = wait_for(sub { $inn->sql("SELECT id FROM inngest.events WHERE name = 'inngest/function.invoked' AND data->'_inngest'->>'correlation_id' LIKE '$run.%'") }, 'the event');
	return $inn->run_of($event);
}

invokes('good', function_id => 'stub-child', payload => { data => { n => 7 }, user => { name => 'u' } });
invokes('bare', function_id => 'stub-child', payload => undef);
invokes('null', function_id => 'stub-nothing');
invokes('bad', function_id => 'stub-broken');
invokes('missing', function_id => 'stub-nope');
invokes('late', function_id => 'stub-slow', timeout => '1s');
invokes('waiting', function_id => 'stub-slow');
invokes('puller', function_id => 'pulled', payload => { data => { n => 1 } });
invokes('vain', function_id => 'paused', timeout => '2s');
invokes('same', function_id => 'stub-child', payload => { id => 'same' }, timeout => '2s');
$app->function('child', events => [ 'child/go', 'inngest/function.invoked' ], retries => 0);
$app->on('child', done({ data => echo('event.data.n'), user => echo('event.user'), by => echo('event.name') }));
$app->function('nothing', retries => 0, events => ['nothing/go']);
$app->on('nothing', done(undef));
$app->function('broken', retries => 0, events => ['broken/go']);
$app->on('broken', failed('broken', name => 'MyError', stack => 'here'));
$app->function('slow', events => ['slow/go']);
$app->on('slow', op_sleep('s', '1h'));
$app->function('quick', events => ['start/quick']);
$app->on('quick', with(op_invoke('i', function_id => 'stub-child'), hold => 'quick'), done(echo('steps')));
$app->register;
$inn->register($_, "start/$_") for qw(pulled paused);
$inn->sql(q(SELECT inngest.pause_function('paused')));

subtest 'what it returns' => sub {
	my $run = start('good');
	is_deeply(got($run), { data => { data => 7, user => { name => 'u' }, by => 'inngest/function.invoked' } }, 'is what the step gets');
	my $child = child($run);
	is($inn->sql("SELECT count(*) FROM inngest.runs r JOIN inngest.events e ON e.id::text = r.event_id::text WHERE e.data->'_inngest'->>'correlation_id' LIKE '$run.%'"), 1,
		'it has run once, though the event is one of its triggers, too');
	is($inn->sql("SELECT concat(e.data #>> '{_inngest,source_app_id}' = f.app_id::text, ' ', e.data #>> '{_inngest,source_fn_id}' = f.id::text) FROM inngest.events e, inngest.functions f WHERE e.data #>> '{_inngest,correlation_id}' LIKE '$run.%' AND f.slug = 'stub-good'"), 't t', 'the event tells which function of which app has asked');
	is($inn->sql(qq(SELECT data->>'correlation_id' FROM inngest.events WHERE name = 'inngest/function.finished' AND data->>'run_id' = '$child')),
		"$run." . step_hash('i'), 'it told who had asked');
	is($inn->sql("SELECT op FROM inngest.steps WHERE run_id::text = '$run'"), 'invoke', 'as an invocation');
	is_deeply(got(start('bare'))->{data}{data}, undef, 'without a payload');
	is_deeply(got(start('null')), { data => undef }, 'nothing is something');
};

subtest 'why it does not' => sub {
	my $error = got(start('bad'))->{error};
	is_deeply([ @$error{qw(name message stack)} ], [ 'MyError', 'broken', 'here' ], 'it has failed');
	is_deeply(got(start('missing')), { error => { name => 'Error', message => 'could not find function with ID: stub-nope' } }, 'there is none');
	is($inn->sql(q(SELECT concat(data->>'function_id', data->>'run_id', data->'_inngest'->>'status') FROM inngest.events WHERE data->'error'->>'message' LIKE 'could not find%')), 'Failed',
		'as is told to all');
	my $run = start('late');
	is_deeply(got($run), { error => { error => 'InngestInvokeTimeoutError: Timed out waiting for invoked function to complete',
		name => 'InngestInvokeTimeoutError', message => 'Timed out waiting for invoked function to complete' } }, 'it takes too long');
	is($inn->status(child($run)), 'RUNNING', 'then it goes on');
	$run = start('waiting');
	$inn->sql("SELECT inngest.cancel_run('" . child($run) . "')");
	is(got($run)->{error}{name}, 'Error', 'it was cancelled');
	is(got(start('vain'))->{error}{name}, 'InngestInvokeTimeoutError', 'it is paused');
	my $first = start('same');
	ok(got($first)->{data}, 'an id of an event');
	is(got(start('same'))->{error}{name}, 'InngestInvokeTimeoutError', 'that has started it before');
};

subtest 'a pull function' => sub {
	my $run = start('puller');
	my $child = child($run);
	my ($leased, $lease, $event) = split /\|/, $inn->sql(q(SELECT run_id, lease_id, event->'data'->>'n' FROM inngest.lease_runs('{pulled}')));
	is_deeply([ $leased, $event ], [ $child, 1 ], 'is invoked');
	$inn->sql(qq(SELECT inngest.complete_run('$child', '$lease', '{"b": 1, "a": 2}')));
	is_deeply(got($run), { data => { a => 2, b => 1 } }, 'and answers');
	is($inn->sql("SELECT memo FROM inngest.steps WHERE run_id::text = '$run'"), '{"data":{"a":2,"b":1}}', 'in canonical form');
};

subtest 'an end that comes before its beginning was told' => sub {
	my $run = start('quick');
	$app->wait_for_calls('quick', 1, is_open => 1);
	$app->release('quick');
	is(got($run)->{data}{by}, 'inngest/function.invoked', 'is not missed');
};

subtest 'over a restart' => sub {
	my $run = start('puller');
	my $child = child($run);
	my ($leased, $lease) = split /\|/, $inn->sql(q(SELECT run_id, lease_id FROM inngest.lease_runs('{pulled}')));
	my ($scheduler) = $inn->workers('scheduler');
	kill('STOP', $scheduler);
	$inn->sql(qq(SELECT inngest.complete_run('$child', '$lease', '5')));
	$inn->node->stop('immediate');
	kill('CONT', $scheduler);
	$inn->node->start;
	is_deeply(got($run), { data => 5 }, 'the answer comes');
};

subtest 'by SQL' => sub {
	my $run = $inn->run_of($inn->sql(q(SELECT inngest.invoke_function('stub-child', '{"n": 3}', "user" => '{"x": 1}'))));
	is_deeply($inn->output($run), { data => 3, user => { x => 1 }, by => 'inngest/function.invoked' }, 'it runs');
	my $uuid = $inn->sql(q(SELECT id FROM inngest.functions WHERE slug = 'stub-child'));
	is($inn->output($inn->run_of($inn->sql("SELECT inngest.invoke_function('$uuid')")))->{by}, 'inngest/function.invoked', 'by its UUID, too');
	like($inn->sql_error(q(SELECT inngest.invoke_function('nobody'))), qr/^IN011: function "nobody" does not exist/, 'if there is one');
	like($inn->sql_error(q(SELECT inngest.invoke_function(NULL))), qr/must not be null/, 'which has to be said');
	like($inn->sql_error(q(SELECT inngest.invoke_function('pulled', '[]'))), qr/^IN001: .*must be an object/, 'with an object');
	$inn->sql(q(BEGIN; SELECT inngest.invoke_function('pulled'); ROLLBACK));
	is($inn->sql(q(SELECT count(*) FROM inngest.queue)), 0, 'in my transaction');
	$inn->sql(q(SELECT inngest.invoke_function('pulled', event_id => 'once') FROM generate_series(1, 2)));
	is($inn->sql(q(SELECT count(*) FROM inngest.queue)), 1, 'an id is an id');
	like($inn->sql_error(q(SELECT inngest.send_event('inngest/function.invoked', '{"_inngest": {"fn_id": "pulled"}}'))), qr/^IN003/, 'nobody else may send that event');
};

subtest 'sessions' => sub {
	my %cases = (
		inherited => [ { propagated_sessions => { chat => 'c' } }, '{"sessions": {"chat": "c"}}' ],
		own => [ { sessions => { own => 'o', chat => undef, n => 5 }, propagated_sessions => { chat => 'c', more => 'm' } }, '{"sessions": {"n": "5", "own": "o", "more": "m"}}' ],
		none => [ { sessions => undef, propagated_sessions => { chat => 'c' } }, '' ],
		wrong => [ { sessions => { own => [] } }, '' ]);
	invokes("with-$_", function_id => 'stub-child', payload => { meta => $cases{$_}[0] }) for sort keys %cases;
	$app->register;
	$inn->mark_log;
	for my $case (sort keys %cases)
	{
		my $run = start("with-$case");
		ok(exists got($run)->{data}, "$case: it is answered");
		is($inn->sql("SELECT meta FROM inngest.events WHERE name = 'inngest/function.invoked' AND data->'_inngest'->>'correlation_id' LIKE '$run.%'"), $cases{$case}[1], "$case: merged, as in events that are sent");
	}
	$inn->wait_for_log(qr/inngest dropped the sessions of an event "inngest\/function.invoked": a session id in "meta.sessions" must be a string or a number/);
};

subtest 'over HTTP' => sub {
	my $answer = $inn->http('POST', '/invoke/stub-child', { data => { n => 4 }, user => { y => 2 } });
	is_deeply([ $answer->{status}, $answer->{json}{status} ], [ 200, 200 ], 'accepted');
	is_deeply($inn->output($inn->run_of($answer->{json}{id})), { data => 4, user => { y => 2 }, by => 'inngest/function.invoked' }, 'it runs');
	is($inn->http('POST', '/invoke/stub-child')->{status}, 200, 'without a body');
	is($inn->http('POST', '/invoke/nobody', {})->{status}, 404, 'if there is one');
	is($inn->http('POST', '/invoke/stub-child', '[1]')->{status}, 400, 'with an object');
	is($inn->http('GET', '/invoke/stub-child')->{status}, 405, 'and not to look');
};

done_testing();
