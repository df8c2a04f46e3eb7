# What a run defers is done when it has ended, once, and nothing that is wrong with it fails the run.  How: an app that reports
# DeferAdd and DeferAbort in replies and in checkpoints, and has functions that subscribe to the event.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '100ms'\ninngest.max_request_size = '32MB'\n");
my $app = StubApp->new(inn => $inn);

my $mail = $app->function('mail', triggers => [ { event => 'inngest/deferred.schedule', expression => "event.data._inngest.fn_slug == 'stub-mail'" } ]);
$app->on('mail', done(echo('event.data.to')));

sub defer
{
	my ($id, %opts) = @_;
	return op_defer($id, fn_slug => $mail, input => { to => $id }, %opts);
}

sub undo
{
	my ($id) = @_;
	return op('DeferAbort', "$id:abort", opts => { target_hashed_id => step_hash($id) });
}

# Run a function that answers so; the run, when it has ended.
my $n = 0;
sub ended
{
	my ($replies, %config) = @_;
	my $id = 'f' . ++$n;

	$app->function($id, events => ["go/$id"], retries => 0, %config);
	$app->on($id, @$replies);
	$app->register;
	my $event = $inn->send("go/$id", data => { n => $n });
	my $run = wait_for(sub { $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event' AND outcome IS NOT NULL") }, "the end of $id");
	my $detail = $inn->http('GET', "/api/v1/runs/$run")->{json}{data};
	$detail->{calls} = [ $app->wait_for_calls($id, 1) ];
	return $detail;
}

# Events that a run has caused, by the id of the defer.
sub scheduled
{
	my ($run) = @_;
	return $inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'inngest/deferred.schedule' AND data #>> '{_inngest,parent_run_id}' = '$run->{id}'");
}

sub states { return { map { $_->{name} => $_->{status} } @{ $_[0]{defers} } } }

# What became of defers in the order of their ops.
sub reasons { return [ map { $_->{reason} } sort { $a->{name} cmp $b->{name} } @{ $_[0]{defers} } ] }

subtest 'the end of a run starts what it has deferred' => sub {
	my $run = ended([ ops(op_run('a', 1), defer('one')), ops(defer('one'), op_run('b', 2)), ops(defer('two'), op_complete('over')) ]);
	is_deeply([ @$run{qw(status output)} ], [ 'COMPLETED', 'over' ], 'the run');
	is_deeply([ map { $_->{body}{defers} } @{ $run->{calls} } ],
		[ {}, ({ step_hash('one') => { abortable => JSON::PP::true } }) x 2 ], 'calls tell what is known, and it is known once');
	ok(!(grep { !$_->{is_canonical} } @{ $run->{calls} }), 'in canonical form');
	is_deeply(states($run), { one => 'scheduled', two => 'scheduled' }, 'the API shows them');

	my @calls = $app->wait_for_calls('mail', 2);
	my ($one) = grep { $_->{body}{event}{data}{to} eq 'one' } @calls;
	my $app_id = $inn->sql("SELECT id FROM inngest.apps WHERE name = 'stub'");
	my $function_id = $inn->sql("SELECT id FROM inngest.functions WHERE slug = '$run->{function_id}'");
	is_deeply($one->{body}{event}{data}, {
		to => 'one',
		_inngest => {
			fn_slug => 'stub-mail', parent_app_id => $app_id, parent_fn_id => $function_id, parent_fn_slug => $run->{function_id},
			parent_run_id => $run->{id}, parent_defer_span => substr(step_hash('one'), 0, 16),
		},
	}, 'the input, and whose it is');
	is(scalar(() = map { $_->{body}{event}{data}{to} } @calls), 2, 'each once');
	like($one->{body}{event}{id}, qr/^[0-9A-Z]{26}$/, 'the event has an id');
	isnt($one->{body}{event}{id}, $calls[ $calls[0] == $one ? 1 : 0 ]{body}{event}{id}, 'of its own');
	is(substr($one->{body}{event}{id}, 0, 10), substr($run->{id}, 0, 10), 'that follows from the run');
	is_deeply([ map { $_->{trigger}{eventName} } @{ $inn->http('GET', '/v2/runs?isDeferred=true')->{json}{data} } ],
		[ ('inngest/deferred.schedule') x 2 ], 'v2 knows which runs were deferred');
};

subtest 'whatever the outcome' => sub {
	my $failed = ended([ ops(op_run('a', 1), defer('x')), failed('no') ]);
	is_deeply([ $failed->{status}, states($failed) ], [ 'FAILED', { x => 'scheduled' } ], 'failed');
	is(scheduled($failed), 1, 'an event');

	$app->function('sleeper', events => ['go/sleeper']);
	$app->on('sleeper', ops(defer('y'), op_sleep('s', '1h')));
	$app->register;
	my $event = $inn->send('go/sleeper');
	my $id = wait_for(sub { $inn->sql("SELECT run_id FROM inngest.defers WHERE name = 'y'") }, 'the defer');
	is(scheduled({ id => $id }), 0, 'none while it goes on');
	$inn->sql("SELECT inngest.cancel_run('$id')");
	is(scheduled({ id => $id }), 1, 'cancelled');
	$inn->sql("SELECT inngest.cancel_run('$id')");
	is(scheduled({ id => $id }), 1, 'once');
};

subtest 'aborted ones never come back' => sub {
	my $run = ended([ ops(op_run('a', 1), defer('u'), defer('v')), ops(undo('u'), op_run('b', 2)), ops(defer('u'), undo('w'), op_complete(1)) ]);
	is_deeply(states($run), { u => 'aborted', v => 'scheduled' }, 'nor does one that is not there matter');
	is(scheduled($run), 1, 'an event for the other');
	is_deeply($run->{calls}[2]{body}{defers}, { step_hash('u') => { abortable => JSON::PP::false }, step_hash('v') => { abortable => JSON::PP::true } },
		'calls say what can be aborted');
};

subtest 'in checkpoints' => sub {
	my $run = ended([ with(done('c'), checkpoint => [ [ op_run('a', 1), defer('p'), defer('q') ], [ op_run('b', 1), undo('q') ], [ defer('r') ] ]) ]);
	is_deeply([ map { $_->{status} } @{ $run->{calls}[0]{end}{checkpoints} } ], [ 200, 200, 200 ], 'are accepted');
	is_deeply(states($run), { p => 'scheduled', q => 'aborted', r => 'scheduled' }, 'all');
};

subtest 'before the others of a reply' => sub {
	my $run = ended([ ops(op_complete('x'), defer('late')) ]);
	is_deeply(states($run), { late => 'scheduled' }, 'behind the end');
};

subtest 'what is wrong is rejected' => sub {
	my $big = 'x' x (4 * 1024 * 1024);
	my @bad = (
		op('DeferAdd', 'a0', opts => undef), defer('a1', fn_slug => 1), defer('a2', fn_slug => 'stub-nobody'), defer('a3', input => [1]),
		defer('a4', input => undef), defer('a6', meta => 'x'), defer('a7', meta => { b => 'x' x 32768 }),
		defer('b0', input => { b => substr($big, 0, 3 << 20) }));
	my @large = (defer('a5', input => { b => $big }), defer('b1', input => { b => substr($big, 0, 1 << 20) }), defer('b2'));
	my $run = ended([ with(ops(@bad, op_run('s', 1)), checkpoint => [ [ $large[0] ] ]), with(done('fine'), checkpoint => [ [ @large[ 1, 2 ] ] ]) ]);
	is_deeply([ @$run{qw(status output)} ], [ 'COMPLETED', 'fine' ], 'the run goes on');
	is_deeply(reasons($run), [
		('opts.fn_slug must name a function') x 2, 'there is no such function', ('opts.input must be an object') x 2, 'opts.input has more than 4194304 bytes',
		'opts.meta must be an object', 'opts.meta has more than 32768 bytes', undef, "the inputs of the run's defers have more than 4194304 bytes together", undef,
	], 'for a reason each');
	is($run->{calls}[1]{body}{defers}{ step_hash('a5') }{abortable}, JSON::PP::false, 'the SDK need not send it again');
	is(scheduled($run), 2, 'the others are not');
};

subtest 'limits' => sub {
	my $run = ended([ ops((map { defer(sprintf 'd%03d', $_) } 0 .. 149), op_complete(1)) ]);
	is_deeply([ scalar(grep { $_->{status} eq 'scheduled' } @{ $run->{defers} }), scalar @{ $run->{defers} } ], [ 20, 100 ], 'of a run, and of what is recorded');
	is(reasons($run)->[20], 'the run has 20 defers already, which is the limit', 'the reason');
	is(scheduled($run), 20, 'as many events');
};

subtest 'sessions' => sub {
	my $run = ended([ ops(defer('a', meta => { propagated_sessions => { chat => 'c' } }), defer('b', meta => { sessions => undef }), defer('c'), op_complete('over')) ]);
	is($inn->sql("SELECT string_agg(coalesce(meta::text, '-'), ' ' ORDER BY data->>'to') FROM inngest.events WHERE name = 'inngest/deferred.schedule' AND data #>> '{_inngest,parent_run_id}' = '$run->{id}'"),
		'{"sessions": {"chat": "c"}} - -', 'are merged, as in events that are sent');
};

done_testing();
