# The older API of Inngest (/v0, /v1) and GET /dev: each route with what it knows, what it does not know, and nonsense.
# How: events and runs in every state, by functions of the pull runtime; whole bodies, where time does not matter.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');
my $UNKNOWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
my $ULID = qr/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
my $TIME = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
my $ENV = '00000000-0000-4000-b000-000000000000';

# The data of an answer that must be 200 and have the envelope of v1.
sub data
{
	my ($path, $what) = @_;
	my $answer = $inn->http('GET', $path);

	is_deeply([ $answer->{status}, $answer->{headers}{'content-type'}, sort keys %{ $answer->{json} // {} } ],
		[ 200, 'application/json', 'data', 'metadata' ], $what // "GET $path")
	  or diag($answer->{content});
	like($answer->{json}{metadata}{fetched_at}, $TIME, 'the envelope has its time');
	ok(exists $answer->{json}{metadata}{cached_until} && !defined $answer->{json}{metadata}{cached_until}, 'and says that nothing was cached');
	return $answer->{json}{data};
}

# An error has the form of this family, and the HTTP status that the body tells.
sub refused
{
	my ($method, $path, $status, $error, %option) = @_;
	my $answer = $inn->http($method, $path, $option{body});

	is_deeply([ $answer->{status}, $answer->{headers}{'content-type'}, $answer->{json} ],
		[ $status, 'application/json', { error => $error, data => undef, status => $status } ], "$method $path: $status")
	  or diag($answer->{content});
	return;
}

sub lease
{
	my ($run) = @_;
	return $inn->http('POST', '/api/v1/runs/lease', { functions => ['shop-pull'], run_ids => [$run] })->{json}{data}[0]{lease_id};
}

sub started_by
{
	my ($event) = @_;
	return $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event'");
}

$inn->register('shop-pull', 'v1/start', { app_id => 'shop', retries => 0 });
my @ids = @{ $inn->http('POST', '/e/test',
		[ { name => 'v1/start', data => { n => 1 }, id => 'mine', user => { u => 1 }, v => '2', ts => 1700000000000 }, map { { name => 'v1/start', data => { n => $_ } } } 2 .. 5 ])->{json}{ids} };
my @runs = map { started_by($_) } @ids;
$inn->http('POST', '/e/test', { name => 'v1/other' });

# runs: one completed, one failed, one cancelled, one running, one waiting
$inn->http('POST', "/api/v1/runs/$runs[0]/complete", { lease_id => lease($runs[0]), output => { done => [ 1, 2.5 ] } });
$inn->http('POST', "/api/v1/runs/$runs[1]/fail", { lease_id => lease($runs[1]), error => { message => 'never' } });
$inn->http('DELETE', "/api/v1/runs/$runs[2]");
lease($runs[3]);

# one event
{
	my $event = data("/v1/events/$ids[0]");
	like(delete $event->{received_at}, $TIME, 'when it was received');
	is_deeply($event,
		{
			internal_id => $ids[0], account_id => '00000000-0000-4000-a000-000000000000', environment_id => $ENV, source => '', source_id => undef,
			id => 'mine', name => 'v1/start', data => { n => 1 }, user => { u => 1 }, v => '2', ts => 1700000000000
		}, 'all that an event has');
	$event = data("/v1/events/$ids[1]");
	is($event->{id}, $ids[1], 'an event without an id of its own has its internal one');
	ok(!exists $event->{$_}, "nor has it $_") for qw(user v);
	refused('GET', "/v1/events/$UNKNOWN", 404, 'Event not found');
	refused('GET', '/v1/events/not-a-ulid', 400, 'Invalid event ID: not-a-ulid');
	refused('GET', '/v1/events/a%2Fb%25', 400, 'Invalid event ID: a/b%');
}

# events
{
	my $list = data('/v1/events');
	is_deeply([ map { $_->{name} } @$list ], [ 'v1/other', ('v1/start') x 5 ], 'newest first');
	is_deeply([ map { $_->{internal_id} } @{ data('/v1/events?limit=2&name=v1/start') } ], [ @ids[ 4, 3 ] ], 'limit and name');
	is_deeply([ map { $_->{internal_id} } @{ data("/v1/events?limit=2&name=v1/start&cursor=$ids[3]") } ], [ @ids[ 2, 1 ] ], 'cursor');
	is_deeply(data('/v1/events?name=v1'), [], 'a name is whole');
	is(scalar @{ data('/v1/events?received_after=2020-01-01T00:00:00Z') }, 6, 'received_after lets later ones in');
	is_deeply(data('/v1/events?received_after=2020-01-01T00:00:00Z&received_before=2021-01-01T00:00:00'), [], 'received_before keeps them out');
	is_deeply(data('/v1/events?received_after=2100-01-01T00:00:00Z'), [], 'received_after keeps earlier ones out');
	is(scalar @{ data('/v1/events?limit=abc&colour=red') }, 6, 'nonsense is ignored');
	is(scalar @{ data('/v1/events?limit=0') }, 1, 'at least one');
	refused('GET', '/v1/events?cursor=zzz', 400, 'cursor must be a ULID (26 characters), not "zzz"');
	refused('GET', '/v1/events?received_after=2026-01-01T00:00:00%2B16:00', 400, 'received_after must be a time such as 2026-01-31T12:00:00Z, not "2026-01-01T00:00:00+16:00"');
	refused('GET', '/v1/events?received_after=noon', 400, 'received_after must be a time such as 2026-01-31T12:00:00Z, not "noon"');

	$inn->sql("INSERT INTO inngest.events (id, name, data, ts, received_at) SELECT inngest.generate_ulid(), 'inngest/function.finished', '{}', now(), now() FROM generate_series(1, 60)");
	is(data('/v1/events')->[0]{name}, 'v1/other', 'internal events are not shown');
	is_deeply(data('/v1/events?name=inngest/function.finished'), [], 'also if asked for by name');
	is(scalar @{ data('/v1/events?include_internal=true&limit=100') }, 51, 'unless they are wanted; 51 at most');
	is(scalar @{ data('/v1/events?include_internal=true') }, 20, '20 if not said');
}

# runs
{
	my $function = $inn->sql("SELECT id FROM inngest.functions WHERE slug = 'shop-pull'");
	my $run = data("/v1/runs/$runs[0]");
	like(delete $run->{$_}, $TIME, $_) for qw(run_started_at ended_at);
	is_deeply($run,
		{
			run_id => $runs[0], function_id => $function, function_version => 1, environment_id => $ENV, event_id => $ids[0],
			status => 'Completed', output => { done => [ 1, 2.5 ] }
		}, 'a run that has ended');
	is_deeply([ map { data("/v1/runs/$_")->{status} } @runs ], [qw(Completed Failed Cancelled Running Scheduled)], 'every status');
	is_deeply(data("/v1/runs/$runs[1]")->{output}, { message => 'never' }, 'the output of a failed run is its error');
	$run = data("/v1/runs/$runs[4]");
	is_deeply([ exists $run->{output}, $run->{ended_at} ], [ '', undef ], 'a run that has not ended has none');
	is_deeply(data("/v1/events/$ids[0]/runs"), [ data("/v1/runs/$runs[0]") ], 'the runs of an event');
	is_deeply(data("/v1/events/$UNKNOWN/runs"), [], 'an unknown event has none');
	refused('GET', '/v1/events/not-a-ulid/runs', 400, 'Invalid event ID: not-a-ulid');
	refused('GET', "/v1/runs/$UNKNOWN", 404, "Unable to load function run: $UNKNOWN");
	refused('GET', '/v1/runs/zzz', 400, 'Invalid run ID: zzz');

	my $again = $inn->sql("SELECT inngest.rerun('$runs[0]')");
	is(data("/v1/runs/$again")->{original_run_id}, $runs[0], 'a rerun tells of what');
	is_deeply([ map { $_->{run_id} } @{ data("/v1/events/$ids[0]/runs") } ], [ $runs[0], $again ], 'both are runs of the event');
}

# jobs
{
	my ($job, @more) = @{ data("/v1/runs/$runs[4]/jobs") };
	like(delete $job->{at}, $TIME, 'when');
	like(delete $job->{JobID}, qr/^\d+$/, 'which');
	is(delete($job->{Raw})->{run_id}, $runs[4], 'in full');
	is_deeply([ $job, @more ], [ { position => 1, kind => 'attempt', attempt => 0 } ], 'what a run has still to do');
	is_deeply(data("/v1/runs/$runs[0]/jobs"), [], 'nothing, once it has ended');
	refused('GET', "/v1/runs/$UNKNOWN/jobs", 404, "Unable to load function run: $UNKNOWN");
	refused('GET', '/v1/runs/zzz/jobs', 400, 'Invalid run ID: zzz');
}

# functions
{
	my $answer = $inn->http('GET', '/v1/apps/shop/functions');
	is($answer->{status}, 200, 'functions of an app');
	my ($function, @more) = @{ $answer->{json} };
	is_deeply([ @$function{qw(id name env_id)}, $function->{config}{retries}, scalar @more ], [ 'shop-pull', 'shop-pull', $ENV, 0, 0 ], 'in an array without an envelope');
	is_deeply($inn->http('GET', '/v1/apps/nope/functions')->{json}, [], 'an unknown app has none');
	$inn->register('odd', 'v1/never', { app_id => 'a/b %c' });
	is($inn->http('GET', '/v1/apps/a%2Fb%20%25c/functions')->{json}[0]{id}, 'odd', 'a name with a slash in it');
}

# cancelling
{
	for my $run ($runs[4], $runs[4], $runs[0])
	{
		my $answer = $inn->http('DELETE', "/v1/runs/$run");
		is_deeply([ $answer->{status}, $answer->{content} ], [ 200, '' ], 'a run is cancelled, or has ended anyway');
	}
	is_deeply([ map { data("/v1/runs/$_")->{status} } @runs[ 0, 4 ] ], [ 'Completed', 'Cancelled' ], 'it is cancelled only if it had not');
	refused('DELETE', "/v1/runs/$UNKNOWN", 404, "Unable to load function run: $UNKNOWN");
	refused('DELETE', '/v1/runs/zzz', 400, 'Invalid run ID: zzz');

	my $answer = $inn->http('DELETE', "/v0/runs/$runs[3]");
	is_deeply([ $answer->{status}, $answer->{content} // '' ], [ 204, '' ], 'the older way');
	refused('DELETE', "/v0/runs/$runs[3]", 409, "function run $runs[3] has ended already");
	refused('DELETE', "/v0/runs/$UNKNOWN", 404, "Unable to load function run: $UNKNOWN");
	refused('DELETE', '/v0/runs/zzz', 400, 'Invalid run ID: zzz');
}

# what is only accepted, and what is not there
{
	for my $path ('/v0/telemetry', '/v1/traces/userland', '/dev/traces', '/v1/realtime/publish', '/v1/realtime/publish/tee')
	{
		my $answer = $inn->http('POST', $path, "\0\xff no JSON", headers => { 'content-type' => 'application/x-protobuf' });
		is_deeply([ $answer->{status}, $answer->{content} ], [ 200, $path =~ /userland/ ? '{}' : '' ], "POST $path is accepted and dropped");
	}
	my $answer = $inn->http('POST', '/v0/connect/start', '');
	is_deeply([ $answer->{status}, $answer->{content} ], [ 200, '' ], 'the server is up');
	refused('POST', '/v0/connect/start', 501, 'Connect is not supported', body => 'x');
	refused('GET', '/v1/prom/prod', 501, 'not implemented; see /metrics');
	refused('GET', '/v1/nope', 404, 'there is nothing at /v1/nope; GET / lists what there is');
	refused('PUT', '/v1/events', 405, '/v1/events does not take PUT, but GET, HEAD, OPTIONS');
}

# metadata
{
	my $change = sub { my ($run, $body) = @_; return $inn->http('POST', "/v1/runs/$run/metadata", $body) };
	my $said = sub {
		my ($metadata, %target) = @_;
		my $answer = $change->($runs[0], { target => { run_id => $runs[0], %target }, metadata => $metadata });
		is_deeply([ $answer->{status}, $answer->{content} ], [ 200, '' ], 'metadata') or diag($answer->{content});
		return;
	};
	my $kept = sub { return [ map { delete $_->{changed_at}; $_ } @{ $inn->http('GET', "/api/v1/runs/$runs[0]")->{json}{data}{metadata} } ] };
	my $hash = $inn->sql("SELECT inngest.step_hash('a')");

	is($hash, '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8', 'the hash of a step');
	$said->([ { kind => 'userland.default', op => 'set', values => { a => 1, b => 'x', c => [1] } } ]);
	$said->([ { kind => 'userland.default', op => 'merge', values => { b => 'y', d => 2.5 } }, { kind => 'userland.default', op => 'delete', values => { c => undef, z => undef } } ]);
	$said->([ { kind => 'userland.default', op => 'add', values => { a => 2, b => 3, e => -1 } }, { kind => 'inngest.score', op => 'merge', values => { q => { value => JSON::PP::true } } } ]);
	$said->([ { kind => 'userland.s', op => 'set', values => { n => $_ } } ], step_id => $_ == 3 ? $hash : 'a', step_index => $_ == 2 ? 1 : undef, step_attempt => 0) for 1 .. 3;
	$said->([], step_id => '', step_index => undef);
	is_deeply($kept->(),
		[
			{ step_id => undef, kind => 'inngest.score', values => { q => { value => JSON::PP::true } } },
			{ step_id => undef, kind => 'userland.default', values => { a => 3, b => 3, d => 2.5, e => -1 } },
			{ step_id => $hash, kind => 'userland.s', values => { n => 3 } },
			{ step_id => $inn->sql("SELECT inngest.step_hash('a:1')"), kind => 'userland.s', values => { n => 2 } },
		], 'set, merged, deleted and added');
	is_deeply($inn->http('GET', "/v2/runs/$runs[0]/trace")->{json}{data}{rootSpan}{metadata},
		[ { kind => 'inngest.score', values => { q => { value => JSON::PP::true } } }, { kind => 'userland.default', values => { a => 3, b => 3, d => 2.5, e => -1 } } ], 'in a trace');

	my $path = "/v1/runs/$runs[0]/metadata";
	my $one = sub { return { metadata => [ { kind => 'userland.x', op => 'set', values => {}, @_ } ] } };
	my $form = 'The body must be an object: {"target"?: {...}, "metadata": [{"kind", "op", "values"}]}';
	refused('POST', $path, 400, $form, body => $_) for '[]', {}, { metadata => {} }, '';
	refused('POST', $path, 400, 'metadata must have at most 100 entries', body => { metadata => [ (1) x 101 ] });
	refused('POST', $path, 400, 'metadata[0]: must be an object: {"kind", "op", "values"}', body => { metadata => [1] });
	refused('POST', $path, 400, 'metadata[0]: kind must be a text', body => $one->(kind => 1));
	refused('POST', $path, 400, 'metadata[0]: kind must have at most 128 characters', body => $one->(kind => 'userland.' . 'x' x 120));
	refused('POST', $path, 400,
		'metadata[0]: kind must begin with "userland.", or be inngest.ai, inngest.http, inngest.http.timing, inngest.response_headers, inngest.warnings, inngest.experiment or inngest.score',
		body => $one->(kind => $_)) for 'inngest.other', 'mine', 'userland.';
	refused('POST', $path, 400, 'metadata[0]: op must be merge, set, delete or add', body => $one->(op => $_)) for 'replace', 1, undef;
	refused('POST', $path, 400, 'metadata[0]: values must be an object', body => $one->(values => [1]));
	refused('POST', $path, 400, 'metadata[0]: values must be numbers of at most 1e300, to be added', body => $one->(op => 'add', values => { a => $_ })) for 'x', undef;
	refused('POST', $path, 400, 'metadata[1]: kind must be a text', body => { metadata => [ { kind => 'userland.y', op => 'set', values => { a => 1 } }, {} ] });
	refused('POST', $path, 400, 'target must be an object: {"step_id"?, "step_index"?, "step_attempt"?, "span_id"?}', body => { %{ $one->() }, target => [] });
	refused('POST', $path, 400, 'target.step_id is required with step_index, step_attempt or span_id', body => { %{ $one->() }, target => $_ })
	  for { step_index => 0 }, { step_attempt => 1 }, { step_id => '', span_id => 'x' };
	refused('POST', $path, 400, 'target.step_id must be a text of at most 1024 characters', body => { %{ $one->() }, target => { step_id => $_ } }) for 5, 'x' x 1025;
	refused('POST', $path, 400, 'target.step_index must be a whole number from 0', body => { %{ $one->() }, target => { step_id => 'a', step_index => $_ } }) for -1, 1.5, 'x';
	refused('POST', "/v1/runs/$UNKNOWN/metadata", 404, "Unable to load function run: $UNKNOWN", body => $one->());

	my $large = $change->($runs[0], $one->(values => { x => 'x' x 65_536 }));
	is($large->{status}, 413, 'too much for a step');
	like($large->{json}{error}, qr/^the metadata would be 66\d{3} bytes; the limit is 65536 for a step, or the run itself$/, 'and why');
	is($change->($runs[1], { target => { step_id => "s$_" }, %{ $one->(values => { x => 'x' x 60_000 }) } })->{status}, $_ <= 17 ? 200 : 413, "and for a run, $_") for 1, 2 .. 18;
	for my $hundred (1 .. 3)
	{
		my @many = map { { kind => "userland.$hundred.$_", op => 'set', values => {} } } 1 .. 100;
		is($change->($runs[2], { metadata => \@many })->{status}, $hundred <= 2 ? 200 : 413, "kinds count, too: ${hundred}00");
	}
	is(scalar @{ $kept->() }, 4, 'what is refused changes nothing');
}

# the dev server
{
	my $answer = $inn->http('GET', '/dev');
	is($answer->{status}, 200, 'GET /dev');
	is_deeply([ @{ $answer->{json} }{qw(authed handlers isSingleNodeService isMissingSigningKey isMissingEventKeys features)} ],
		[ JSON::PP::false, undef, (JSON::PP::true) x 3, {} ], 'tells of itself');
	is_deeply([ map { $_->{slug} } @{ $answer->{json}{functions} } ], [ 'odd', 'shop-pull' ], 'and of its functions');
	ok(exists $answer->{json}{startOpts}{$_}, "startOpts has $_") for qw(dir urls autodiscover poll retry_interval require_keys);

	$inn->sql("SELECT inngest.create_event_key('k', 'evkey1234abcd'), inngest.create_signing_key('abcdef0123456789')");
	is_deeply([ @{ $inn->http('GET', '/dev')->{json} }{qw(isMissingSigningKey isMissingEventKeys)} ], [ (JSON::PP::false) x 2 ], 'also of its keys');
	$inn->set_and_reload('inngest.mode', 'cloud');
	wait_for(sub { $inn->http('GET', '/health')->{headers}{'x-inngest-server-kind'} eq 'cloud' }, 'cloud mode');
	is($inn->http('GET', '/dev', undef, headers => { authorization => 'Bearer abcdef0123456789' })->{status}, 404, 'in cloud mode there is no such thing');
}

done_testing();
