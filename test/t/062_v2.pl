# The newer API of Inngest (/v2, which is /api/v2 too): each route with what it knows, what it does not know, and nonsense.
# How: events and runs in every state, by functions of the pull runtime; whole bodies, where time does not matter.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');
my $UNKNOWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
my $TIME = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

# The body of an answer that must be 200 and have the envelope of v2; options of http() after the body.
sub answer
{
	my ($method, $path, $body) = @_;
	my $answer = $inn->http($method, $path, $body);

	is_deeply([ $answer->{status}, $answer->{headers}{'content-type'} ], [ 200, 'application/json' ], "$method $path") or diag($answer->{content});
	like($answer->{json}{metadata}{fetchedAt}, $TIME, 'the envelope has its time');
	return $answer->{json};
}

sub data { return answer('GET', $_[0])->{data} }
sub ids { return [ map { $_->{id} } @{ data($_[0]) } ] }

sub refused
{
	my ($method, $path, $status, $code, $message, %option) = @_;
	my $answer = $inn->http($method, $path, $option{body});

	is_deeply([ $answer->{status}, $answer->{headers}{'content-type'}, $answer->{json} ],
		[ $status, 'application/json', { errors => [ { code => $code, message => $message } ] } ], "$method $path: $status $code")
	  or diag($answer->{content});
	return;
}

sub lease
{
	my ($run) = @_;
	return $inn->http('POST', '/api/v1/runs/lease', { functions => ['shop-pull'], run_ids => [$run] })->{json}{data}[0]{lease_id};
}

# the server
{
	is_deeply(data('/v2/health'), { status => 'ok' }, 'health');
	is_deeply(data('/api/v2/health'), { status => 'ok' }, 'by its other name');
	my $account = data('/v2/account');
	like(delete $account->{$_}, $TIME, $_) for qw(createdAt updatedAt);
	is_deeply($account, { id => '00000000-0000-4000-a000-000000000000', name => 'inngest', email => 'inngest@localhost' }, 'the account');
	my ($env, @more) = @{ data('/v2/envs') };
	is_deeply([ @$env{qw(id name type)}, scalar @more ], [ '00000000-0000-4000-b000-000000000000', 'default', 'TEST', 0 ], 'the environment');

	is_deeply(answer('GET', '/v2/keys/events')->{data}, [], 'no event keys');
	is_deeply(answer('GET', '/v2/keys/signing')->{data}, [], 'no signing keys');
	$inn->sql("SELECT inngest.create_event_key('mine', 'evkey1234abcd'), inngest.create_signing_key('abcdef0123456789'), inngest.create_signing_key('0123456789abcdef')");
	is_deeply([ map { $_->{name} } @{ data('/v2/keys/events') } ], ['mine'], 'event keys have names');
	is_deeply([ map { $_->{isCurrent} } @{ data('/v2/keys/signing') } ], [ JSON::PP::true, JSON::PP::false ], 'there are two signing keys');
	unlike($inn->http('GET', "/v2/keys/$_")->{content}, qr/evkey|abcdef0123|0123456789/, "but none is told: $_") for qw(events signing);
}

# events
my @runs;
$inn->register('shop-pull', 'v2/start', { app_id => 'shop', retries => 0, name => 'Pull' });
$inn->register('stock-count', 'v2/count', { app_id => 'stock' });
{
	my $event = answer('POST', '/v2/events', { name => 'v2/start', data => { n => 1 }, id => 'mine', ts => 1700000000000 })->{data}{eventId};
	is($inn->sql("SELECT name, caller_id, data->>'n', extract(epoch FROM ts)::bigint FROM inngest.events WHERE id::text = '$event'"), 'v2/start|mine|1|1700000000', 'an event is sent');
	push @runs, $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event'");
	is_deeply(ids("/v2/events/$event/runs"), [ $runs[0] ], 'its runs');
	is($inn->http('POST', '/v2/events', '{"name":"v2/x"}', headers => { 'content-type' => 'text/plain' })->{status}, 200, 'whatever the type of the body');
	answer('POST', '/v2/events', { name => 'x' x 512 });
	refused('POST', '/v2/events', 400, 'invalid_field_format', 'Event name must be at most 512 characters', body => { name => 'x' x 513 });
	refused('POST', '/v2/events', 400, 'api_error', 'event name is empty', body => { data => {} });
	refused('POST', '/v2/events', 400, 'api_error', 'event name is reserved for internal use: inngest/x', body => { name => 'inngest/x' });
	refused('POST', '/v2/events', 400, 'api_error', 'The body must be an event object', body => $_) for '[]', '""', '';
	my $answer = $inn->http('POST', '/v2/events', '{bad');
	is_deeply([ $answer->{status}, $answer->{json}{errors}[0]{code} ], [ 400, 'api_error' ], 'a body that is not JSON');
}

# runs in every state
for my $n (2 .. 5)
{
	my $event = $inn->send('v2/start', data => { n => $n });
	push @runs, $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event'");
}
$inn->http('POST', "/api/v1/runs/$runs[0]/complete", { lease_id => lease($runs[0]), output => { done => 1 } });
$inn->http('POST', "/api/v1/runs/$runs[1]/fail", { lease_id => lease($runs[1]), error => { message => 'never' } });
$inn->http('DELETE', "/api/v1/runs/$runs[2]");
lease($runs[3]);
$inn->send('v2/count');
my $count = $inn->sql("SELECT r.id FROM inngest.runs r WHERE function_id = 'stock-count'");

# one run
{
	my $run = data("/v2/runs/$runs[0]");
	like(delete $run->{$_}, $TIME, $_) for qw(queuedAt startedAt endedAt);
	like(delete $run->{durationMs}, qr/^\d+$/, 'milliseconds are a string');
	my $event = $inn->sql("SELECT event_id FROM inngest.function_runs WHERE id::text = '$runs[0]'");
	is_deeply($run,
		{
			id => $runs[0], status => 'COMPLETED', app => { id => 'shop' }, function => { id => 'pull', name => 'Pull', app => { id => 'shop' } },
			trigger => { eventIds => [$event], eventName => 'v2/start' }
		}, 'a run');
	is_deeply(data("/v2/runs/$runs[0]?includeOutput=true")->{output}, { done => 1 }, 'with its output');
	is_deeply(data("/v2/runs/$runs[1]?includeOutput=true")->{output}, { message => 'never' }, 'or its error');
	$run = data("/v2/runs/$runs[4]?includeOutput=true");
	ok(!exists $run->{$_}, "a run that waits has no $_") for qw(output startedAt endedAt durationMs);
	is_deeply([ map { data("/v2/runs/$_")->{status} } @runs ], [qw(COMPLETED FAILED CANCELLED RUNNING QUEUED)], 'every status');
	refused('GET', "/v2/runs/$UNKNOWN", 404, 'not_found', 'Run not found');
	refused('GET', '/v2/runs/zzz', 400, 'invalid_field_format', 'Run ID must be a valid ULID');
}

# runs
{
	my @all = reverse @runs, $count;
	is_deeply(ids('/v2/runs'), \@all, 'newest first');
	is_deeply(ids('/v2/runs?order=ASC'), [ reverse @all ], 'or oldest first');
	my $page = answer('GET', '/v2/runs?limit=4');
	is_deeply($page->{page}, { hasMore => JSON::PP::true, limit => 4, cursor => $all[3] }, 'a page');
	$page = answer('GET', "/v2/runs?limit=4&cursor=$all[3]");
	is_deeply([ [ map { $_->{id} } @{ $page->{data} } ], $page->{page} ], [ [ @all[ 4, 5 ] ], { hasMore => JSON::PP::false, limit => 4 } ], 'and the rest');
	is_deeply(ids("/v2/runs?limit=4&order=ASC&cursor=$all[3]"), [ @all[ 2, 1, 0 ] ], 'in the other direction, too');
	is_deeply(ids('/v2/runs?status=FAILED&status=QUEUED'), [ $count, @runs[ 4, 1 ] ], 'by status');
	is_deeply(ids('/v2/runs?status=COMPLETED,CANCELLED&order=ASC'), [ @runs[ 0, 2 ] ], 'as a list');
	is_deeply(ids('/v2/runs?appId=stock'), [$count], 'by app');
	is_deeply(ids('/v2/runs?appId=shop&functionId=pull'), [ reverse @runs ], 'by function');
	is_deeply(ids('/v2/runs?appId=shop&functionId=shop-pull&limit=1'), [ $runs[4] ], 'by its whole id');
	is_deeply(ids('/v2/runs?from=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z'), \@all, 'within a time');
	is_deeply(ids('/v2/runs?from=2100-01-01T00:00:00Z'), [], 'after');
	is_deeply(ids('/v2/runs?until=2020-01-01T00:00:00Z'), [], 'before');
	is_deeply(ids('/v2/runs?isDeferred=true'), [], 'deferred');
	is_deeply([ map { $_->{output} } @{ data('/v2/runs?includeOutput=true&status=FAILED') } ], [ { message => 'never' } ], 'with output');
	is_deeply(ids('/v2/apps/shop/functions/pull/runs?limit=2'), [ @runs[ 4, 3 ] ], 'of a function');
	is_deeply(ids('/v2/apps/shop/functions/shop-pull/runs?status=COMPLETED'), [ $runs[0] ], 'by its whole id, and status');

	for my $case (
		[ 'limit=0', 'limit must be a number from 1 to 100' ], [ 'limit=101', 'limit must be a number from 1 to 100' ], [ 'limit=x', 'limit must be a number from 1 to 100' ],
		[ 'cursor=zzz', 'cursor must be a valid ULID' ], [ 'order=UP', 'order must be ASC or DESC' ], [ 'timeField=ENDED_AT', 'timeField can only be QUEUED_AT' ],
		[ 'functionId=pull', 'functionId needs appId' ],
		[ 'status=DONE', 'status must be QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED or SKIPPED, not "DONE"' ],
		[ 'from=noon', 'from must be a time such as 2026-01-31T12:00:00Z, not "noon"' ])
	{
		refused('GET', "/v2/runs?$case->[0]", 400, 'invalid_field_format', $case->[1]);
	}
	refused('GET', '/v2/runs?appId=nope', 404, 'not_found', 'App not found');
	refused('GET', '/v2/runs?appId=shop&functionId=nope', 404, 'not_found', 'Function not found');
	refused('GET', '/v2/apps/nope/functions/pull/runs', 404, 'not_found', 'App not found');
	refused('GET', '/v2/apps/stock/functions/pull/runs', 404, 'not_found', 'Function not found');
	refused('GET', '/v2/events/zzz/runs', 400, 'invalid_field_format', 'Event ID must be a valid ULID');
	refused('GET', "/v2/events/$UNKNOWN/runs?limit=41", 400, 'invalid_field_format', 'limit must be a number from 1 to 40');
	is_deeply(ids("/v2/events/$UNKNOWN/runs"), [], 'an unknown event has started nothing');
}

# trace
{
	$inn->sql(<<"END");
INSERT INTO inngest.steps (run_id, id, op, name, memo, size, attempt, started_at, ended_at) VALUES
	('$runs[1]', 's1', 'run', 'first', '{"data": {"a": null}}', 20, 1, '2026-01-01 00:00:01Z', '2026-01-01 00:00:02.5Z'),
	('$runs[1]', 's2', 'run', 'second', '{"error": {"message": "no"}}', 20, 0, '2026-01-01 00:00:03Z', '2026-01-01 00:00:04Z'),
	('$runs[1]', 's3', 'wait', 'third', '{"name": "x"}', 20, 0, '2026-01-01 00:00:05Z', '2026-01-01 00:00:06Z'),
	('$runs[1]', 's4', 'sleep', 'fourth', 'null', 4, 0, '2026-01-01 00:00:07Z', '2026-01-01 00:00:08Z');
INSERT INTO inngest.jobs (app_id, run_at, kind, run_id, function_id, step_id, step_name, queued_at) VALUES
	(gen_random_uuid(), '2126-01-01', 'sleep', '$runs[1]', gen_random_uuid(), 's5', 'fifth', '2026-01-01 00:00:09Z');
INSERT INTO inngest.pauses (run_id, step_id, kind, app_id, function_id, name, event_name, since_xact, created_at, expires_at) VALUES
	('$runs[1]', 's6', 'event', gen_random_uuid(), gen_random_uuid(), 'sixth', 'y', '1', '2026-01-01 00:00:10Z', '2126-01-01');
INSERT INTO inngest.attempts (run_id, job_id, attempt, status, started_at, ended_at, retry_at, step_id, step_name, error) VALUES
	('$runs[1]', 7, 0, 'FAILED', '2026-01-01 00:00:01Z', '2026-01-01 00:00:01.25Z', '2026-01-01 00:00:01.5Z', 's1', 'first', '{"message": "once"}');
END
	my $trace = data("/v2/runs/$runs[1]/trace?includeOutput=true");
	my $root = $trace->{rootSpan};
	is_deeply([ $trace->{runId}, @$root{qw(name status output)} ], [ $runs[1], 'Pull', 'FAILED', { message => 'never' } ], 'the run is the root');
	my @children = @{ $root->{children} };
	is_deeply([ map { join ' ', $_->{name}, $_->{stepOp} // '-', $_->{status} } @children ],
		[ 'first RUN COMPLETED', 'second RUN FAILED', 'third WAIT_FOR_EVENT COMPLETED', 'fourth SLEEP COMPLETED', 'fifth SLEEP WAITING', 'sixth WAIT_FOR_EVENT WAITING',
			'Attempt 0 - FAILED' ], 'its steps, and attempts at the function itself');
	like($_->{id}, qr/^[0-9a-f]{16}$/, 'each has an id') for $root, @children;
	my $first = $children[0];
	my ($attempt) = @{ delete $first->{children} };
	delete $_->{id} for $first, $attempt;
	is_deeply($first,
		{
			name => 'first', stepId => 's1', stepOp => 'RUN', status => 'COMPLETED', output => { a => undef }, durationMs => '1500',
			queuedAt => '2026-01-01T00:00:01.000Z', startedAt => '2026-01-01T00:00:01.000Z', endedAt => '2026-01-01T00:00:02.500Z'
		}, 'a step');
	is_deeply($attempt,
		{
			name => 'Attempt 0', status => 'FAILED', output => { message => 'once' }, durationMs => '250',
			queuedAt => '2026-01-01T00:00:01.000Z', startedAt => '2026-01-01T00:00:01.000Z', endedAt => '2026-01-01T00:00:01.250Z'
		}, 'and an attempt at it that failed');
	is_deeply([ map { $_->{output} } @children[ 1 .. 5 ] ], [ { message => 'no' }, { name => 'x' }, undef, undef, undef ], 'what the others came to');
	unlike($inn->http('GET', "/v2/runs/$runs[1]/trace")->{content}, qr/"output"/, 'unless it is not wanted');
	refused('GET', "/v2/runs/$UNKNOWN/trace", 404, 'not_found', 'Run not found');
	refused('GET', '/v2/runs/zzz/trace', 400, 'invalid_field_format', 'Run ID must be a valid ULID');
}

# cancel
{
	is(answer('POST', "/v2/runs/$runs[4]/cancel", {})->{data}{status}, 'CANCELLED', 'a run is cancelled');
	is(answer('POST', "/v2/runs/$runs[3]/cancel")->{data}{status}, 'CANCELLED', 'without a body, too');
	refused('POST', "/v2/runs/$runs[4]/cancel", 409, 'run_already_cancelled', 'Run is cancelled already');
	refused('POST', "/v2/runs/$runs[0]/cancel", 409, 'run_already_ended', 'Cannot cancel an ended run');
	refused('POST', "/v2/runs/$UNKNOWN/cancel", 404, 'not_found', 'Run not found');
	refused('POST', '/v2/runs/zzz/cancel', 400, 'invalid_field_format', 'Run ID must be a valid ULID');
}

# rerun
{
	my $again = answer('POST', "/v2/runs/$runs[0]/rerun", {})->{data}{runId};
	is($inn->sql("SELECT original_run_id, status FROM inngest.runs WHERE id::text = '$again'"), "$runs[0]|QUEUED", 'a run is run again');
	isnt(answer('POST', "/v2/runs/$runs[0]/rerun")->{data}{runId}, $again, 'and once more, without a body');
	refused('POST', "/v2/runs/$UNKNOWN/rerun", 404, 'not_found', 'Run not found');
	refused('POST', "/v2/runs/$runs[0]/rerun", 400, 'api_error', 'unknown field "step"; there are: fromStep', body => { step => {} });
	refused('POST', "/v2/runs/$runs[0]/rerun", 400, 'api_error', 'unknown field "id"; there are: stepId, input', body => { from_step => { id => 'a' } });
	refused('POST', "/v2/runs/$runs[0]/rerun", 400, 'api_error', 'what is sent must be an object with: fromStep', body => $_) for [], '"x"';
	refused('POST', "/v2/runs/$runs[0]/rerun", 400, 'invalid_field_format', 'fromStep.stepId must name a step', body => { from_step => { step_id => undef } });
	refused('POST', '/v2/runs/zzz/rerun', 400, 'invalid_field_format', 'Run ID must be a valid ULID');
}

# apps and functions
{
	$inn->sql("UPDATE inngest.apps SET sdk = 'js:v4.24.0', url = 'http://localhost:1/x', framework = 'express', method = 'serve', app_version = 'v-1', synced_at = now() WHERE name = 'shop'");
	$inn->register("shop-f$_", 'v2/never', { app_id => 'shop' }) for 1 .. 3;
	my $app = data('/v2/apps/shop');
	like(delete $app->{createdAt}, $TIME, 'when it was made');
	like(delete $app->{latestSync}{syncedAt}, $TIME, 'and registered');
	is_deeply($app,
		{
			id => 'shop', name => 'shop', method => 'SERVE', appVersion => 'v-1', functionCount => 4,
			latestSync => { status => 'SUCCESS', sdkLanguage => 'js', sdkVersion => 'v4.24.0', framework => 'express', url => 'http://localhost:1/x', appVersion => 'v-1' }
		}, 'an app');
	is_deeply(ids('/v2/apps'), [qw(stock shop)], 'apps, newest first');
	my $page = answer('GET', '/v2/apps?limit=1');
	is_deeply($page->{page}, { hasMore => JSON::PP::true, limit => 1, cursor => 'stock' }, 'a page of them');
	is_deeply(ids('/v2/apps?limit=1&cursor=stock'), ['shop'], 'and the next');
	refused('GET', '/v2/apps?cursor=nope', 400, 'invalid_field_format', 'cursor must be that of a page before');
	is_deeply(ids('/v2/apps?archived=true'), [], 'none is archived');
	refused('GET', '/v2/apps/nope', 404, 'not_found', 'App not found');
	refused('GET', '/v2/apps?limit=0', 400, 'invalid_field_format', 'limit must be a number from 1 to 100');

	is_deeply(ids('/v2/apps/shop/functions'), [qw(f1 f2 f3 pull)], 'its functions');
	is_deeply(ids('/v2/apps/shop/functions?limit=2&cursor=f1'), [qw(f2 f3)], 'page by page');
	$inn->sql("SELECT inngest.delete_function('shop-f1'), inngest.pause_function('shop-f2')");
	is_deeply(ids('/v2/apps/shop/functions'), [qw(f2 f3 pull)], 'without those that are archived');
	is_deeply(ids('/v2/apps/shop/functions?archived=true'), ['f1'], 'unless they are wanted');
	is_deeply([ @{ data("/v2/apps/shop/functions/$_") }{qw(isPaused isArchived)} ], { f1 => [ undef, JSON::PP::true ], f2 => [ JSON::PP::true, undef ], f3 => [ undef, undef ] }->{$_}, "$_")
	  for qw(f1 f2 f3);

	$inn->register('shop-pull', 'v2/start', { app_id => 'shop', retries => 4, name => 'Pull', Triggers => [ { event => 'v2/start', expression => 'event.data.n == 1' }, { cron => '0 0 1 1 *' } ],
		cancel => [ { event => 'v2/stop', if => 'event.data.n == async.data.n', timeout => '1h' } ], triggers => undef });
	my $function = data('/v2/apps/shop/functions/pull');
	is_deeply($function,
		{
			id => 'pull', slug => 'pull', name => 'Pull', app => { id => 'shop' },
			triggers => [ { type => 'EVENT', value => 'v2/start', if => 'event.data.n == 1' }, { type => 'CRON', value => '0 0 1 1 *' } ],
			configuration => {
				cancellations => [ { event => 'v2/stop', condition => 'event.data.n == async.data.n', timeout => '1h' } ],
				retries => { value => 4, isDefault => JSON::PP::true },
				concurrency => [ { limit => { value => -1, isPlanLimit => JSON::PP::true }, scope => 'ACCOUNT' } ]
			}
		}, 'a function');
	is_deeply(data('/v2/apps/shop/functions/shop-pull'), $function, 'by its whole id');
	refused('GET', '/v2/apps/shop/functions/nope', 404, 'not_found', 'Function not found');
	refused('GET', '/v2/apps/nope/functions', 404, 'not_found', 'App not found');

	my %concurrency = (
		'5' => [ { limit => { value => 5 }, scope => 'FUNCTION' } ],
		'{"limit": 2, "key": "event.data.x", "scope": "env"}' => [ { limit => { value => 2 }, key => 'event.data.x', scope => 'ENVIRONMENT' } ],
		'[{"limit": 1}, {"limit": 3, "scope": "Account", "key": "k"}]' => [ { limit => { value => 1 }, scope => 'FUNCTION' }, { limit => { value => 3 }, key => 'k', scope => 'ACCOUNT' } ],
		'{"fn": null, "step": [{"limit": 7, "scope": null}]}' => [ { limit => { value => 7 }, scope => 'FUNCTION' } ],
	);
	is_deeply(JSON::PP::decode_json($inn->sql("SELECT inngest.v2_concurrency('{\"Concurrency\": $_}')")), $concurrency{$_}, "concurrency $_") for sort keys %concurrency;
}

# invoke
sub invoke
{
	my ($function, $body) = @_;
	return $inn->http('POST', "/v2/apps/shop/functions/$function/invoke", $body);
}

sub invoked
{
	my ($function, $body) = @_;
	my $data = answer('POST', "/v2/apps/shop/functions/$function/invoke", $body)->{data};

	like($data->{queuedAt}, $TIME, 'when it was queued');
	return $data->{runId};
}

sub not_invoked
{
	my ($function, $body, $status, $code) = @_;
	my $answer = invoke($function, $body);

	is_deeply([ $answer->{status}, map { $_->{code} } @{ $answer->{json}{errors} } ], [ $status, $code ], "$function: $code") or diag($answer->{content});
	return $answer->{json};
}

{
	my $run = invoked('f3', { data => { n => 7 } });
	is($inn->sql("SELECT r.function_id, e.name, e.data->>'n' FROM inngest.runs r JOIN inngest.events e ON e.id::text = r.event_id::text WHERE r.id::text = '$run'"),
		'shop-f3|inngest/function.invoked|7', 'a function is invoked, with data');
	invoked('shop-f3', {});
	$run = invoked('f3', { idempotencyKey => 'one' });
	is(not_invoked('f3', { idempotencyKey => 'one', data => { n => 8 } }, 409, 'run_exists')->{data}{runId}, $run, 'whose run it is');
	isnt(invoked('pull', { idempotencyKey => 'one' }), $run, 'another function does not know the key');
	my $run_of_one = $run;

	my $path = '/v2/apps/shop/functions/f3/invoke';
	refused('POST', $path, 400, 'api_error', 'The body must be an object: {"data"?: {...}, "idempotencyKey"?: "..."}', body => $_) for '[]', '';
	refused('POST', $path, 400, 'invalid_field_format', 'idempotencyKey must be a text', body => { idempotencyKey => 5 });
	refused('POST', $path, 400, 'api_error', 'unknown field "mode"; there are: data, idempotencyKey', body => { mode => 'sync' });
	is(not_invoked('f3', { idempotency_key => 'one' }, 409, 'run_exists')->{data}{runId}, $run_of_one, 'its other spelling');
	is(invoke('f3', { data => 5 })->{status}, 400, 'data must be an object');
	refused('POST', '/v2/apps/shop/functions/nope/invoke', 404, 'not_found', 'Function not found', body => {});
	refused('POST', '/v2/apps/nope/functions/f3/invoke', 404, 'not_found', 'App not found', body => {});
	refused('POST', '/v2/apps/shop/functions/f1/invoke', 404, 'not_found', 'function "shop-f1" does not exist', body => {});
	not_invoked('f2', {}, 422, 'function_skipped');
}

# what the scheduler decides on
{
	$inn->register("shop-$_->[0]", 'v2/never', { app_id => 'shop', %{ $_->[1] } })
	  for [ rated => { rateLimit => { limit => 1, period => '1h' } } ], [ debounced => { debounce => { period => '1h' } } ],
	  [ throttled => { throttle => { limit => 1, period => '1h' } } ], [ single => { singleton => { mode => 'skip' } } ],
	  [ both => { rateLimit => { limit => 1, period => '1h' }, debounce => { period => '1h' } } ];
	my $rated = invoked('rated', { idempotencyKey => 'two' });
	not_invoked('rated', {}, 422, 'rate_limited');
	is(not_invoked('rated', { idempotencyKey => 'two' }, 409, 'run_exists')->{data}{runId}, $rated, 'the key is known, and tells more');
	not_invoked('debounced', {}, 422, 'function_debounced');
	is($inn->sql("SELECT count(*) FROM inngest.debounces"), 1, 'its run will begin');
	isnt(invoked('throttled', {}), invoked('throttled', {}), 'a throttled run is known before its time');
	invoked('single', {});
	not_invoked('single', {}, 422, 'function_skipped');
	not_invoked('both', {}, 422, 'function_debounced');
	not_invoked('both', {}, 422, 'rate_limited');
}

# the same request several times, before the first is decided
{
	my ($scheduler) = $inn->workers('scheduler');
	my $last = $inn->sql('SELECT max(id::text) FROM inngest.function_runs');
	my $curl = "curl -s -d '{}' " . $inn->url('/v2/apps/shop/functions/throttled/invoke');

	kill STOP => $scheduler;
	my @clients = map { open(my $pipe, '-|', $curl) or die "curl: $!"; $pipe } 1 .. 3;
	InngestTest::wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.queue WHERE kind = 'admit'") == 3 }, 'three that wait');
	kill CONT => $scheduler;
	my @told = sort map { local $/; JSON::PP::decode_json(scalar readline $_)->{data}{runId} // 'none' } @clients;
	is(join("\n", @told), $inn->sql("SELECT id FROM inngest.function_runs WHERE id::text > '$last' ORDER BY id::text"), 'each has a run of its own');
}

# a scheduler that does not decide
{
	my $function = "(SELECT f FROM inngest.functions f WHERE slug = 'shop-throttled')";
	my $status = $inn->sql(<<"END");
BEGIN;
CREATE TEMP TABLE sent AS SELECT (now() - interval '11 s')::inngest.ulid AS old, now()::inngest.ulid AS new;
INSERT INTO inngest.queue (function_id, run_at, kind, event_id) SELECT ($function).id, 'infinity', 'admit', e FROM sent, unnest(ARRAY[old, new]) e;
SELECT (inngest.v2_invoked($function, new, NULL)).status, (inngest.v2_invoked($function, old, NULL)).status FROM sent;
ROLLBACK;
END
	is($status, '202|503', 'is not waited for for ever');
}

# what is not there
refused('POST', '/v2/envs', 501, 'not_implemented', 'environments cannot be made', body => {});
refused('POST', '/v2/apps/shop/syncs', 501, 'not_implemented', 'apps register themselves', body => {});
refused('POST', '/v2/insights/query', 501, 'not_implemented', 'there are no insights', body => {});
refused('GET', '/v2/experiments', 501, 'not_implemented', 'there are no experiments');
refused('GET', '/v2/sessions', 501, 'not_implemented', 'there are no sessions');
refused('GET', '/v2/zzz', 404, 'not_found', 'there is nothing at /v2/zzz; GET / lists what there is');
refused('DELETE', '/v2/runs', 405, 'api_error', '/v2/runs does not take DELETE, but GET, HEAD, OPTIONS');

done_testing();
