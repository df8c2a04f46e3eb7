# docs/openapi.json is true: it is what the server serves, has all routes and no others, and every answer,
# one at least for each status of each route, has the form it says.  How: the answers are checked against the
# schemas, which allow no field that they do not describe; so are the document's own examples.
use strict;
use warnings;

use FindBin;
use InngestTest;
use JsonSchema;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.max_request_size = '8kB'\ninngest.max_event_size = '4kB'\n");

my $document = $inn->http('GET', '/api/openapi.json')->{json};
my $schemas = JsonSchema->new($document);
my $ULID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
my %seen;

# The description of a route.
sub operation
{
	my ($method, $route) = @_;
	return $document->{paths}{$route}{ lc $method };
}

sub fits
{
	my ($schema, $value, $what) = @_;
	my @faults = eval { $schemas->check($schema, $value) };

	push @faults, $@ if $@;
	return is(join("\n", @faults), '', $what);
}

# Call a route and check the answer.  Options: id (for {id} and {key}), query, body, type (of the body).
sub call
{
	my ($status, $method, $route, %option) = @_;
	my $path = $route =~ s/\{\w+\}/$option{id}/r . (defined $option{query} ? "?$option{query}" : '');
	my $what = "$method $path: $status";
	my $answer = $inn->http($method, $path, $option{body},
		defined $option{type} ? (headers => { 'content-type' => $option{type} }) : ());
	my $response = operation($method, $route)->{responses}{$status};

	is($answer->{status}, $status, $what) or diag($answer->{content});
	$seen{"$method $route $status"} = 1;
	ok(defined $response, "$what is described") or return $answer->{json};
	my ($type) = keys %{ $response->{content} };
	is($answer->{headers}{'content-type'} =~ s/;.*//r, $type, "$what: the type") or return $answer->{json};
	fits($response->{content}{$type}{schema}, $type eq 'application/json' ? $answer->{json} : $answer->{content}, "$what: the form");

	fits(operation($method, $route)->{requestBody}{content}{'application/json'}{schema}, $option{body}, "$what: so has the request")
	  if $status < 300 && ref $option{body};
	return $answer->{json};
}

# the document itself
{
	open(my $file, '<', "$FindBin::Bin/../../docs/openapi.json") or die "could not open docs/openapi.json: $!";
	my $text = do { local $/; <$file> };
	is($inn->http('GET', '/api/openapi.json')->{content}, $text, 'the server serves docs/openapi.json');

	is($document->{openapi}, '3.1.0', 'it is OpenAPI 3.1');
	is($document->{info}{version}, $inn->sql('SELECT library FROM inngest.version()'), 'of this version');

	my @described;
	my %ids;
	for my $path (sort keys %{ $document->{paths} })
	{
		for my $method (sort grep { $_ ne 'parameters' } keys %{ $document->{paths}{$path} })
		{
			my $operation = $document->{paths}{$path}{$method};
			push @described, uc($method) . " $path";
			$ids{ $operation->{operationId} }++;
		}
		my @named = map { $_->{name} } @{ $document->{paths}{$path}{parameters} // [] };
		is_deeply(\@named, [ $path =~ /\{(\w+)\}/g ], "$path: its parameters");
	}
	is_deeply([ sort @described ], [ sort split /\n/, $inn->sql(q{SELECT method || ' ' || path FROM inngest.routes() WHERE is_own OR path = '/e/{key}'}) ],
		'all routes are described, and no others');
	is(scalar(keys %ids), scalar(@described), 'each has a name of its own');

	references($document, '#');
	examples($document, '#');
}

# Every reference leads somewhere.
sub references
{
	my ($value, $path) = @_;

	if (ref $value eq 'ARRAY') { references($value->[$_], "$path/$_") for 0 .. $#$value }
	return if ref $value ne 'HASH';
	if (exists $value->{'$ref'} && !eval { $schemas->resolve($value->{'$ref'}) }) { fail("$path: $@") }
	references($value->{$_}, "$path/$_") for sort keys %$value;
	return;
}

# Every example has the form that stands beside it.
sub examples
{
	my ($value, $path) = @_;

	if (ref $value eq 'ARRAY') { examples($value->[$_], "$path/$_") for 0 .. $#$value }
	return if ref $value ne 'HASH';
	fits($value->{schema}, $value->{example}, "$path: the example") if exists $value->{example};
	examples($value->{$_}, "$path/$_") for grep { $_ ne 'example' } sort keys %$value;
	return;
}

# the server
call(200, 'GET', $_) for '/', '/health', '/metrics', '/api/openapi.json';

# functions
my %config = (id => 'taken', app_id => 'shop', runtime => 'pull', retries => 1, triggers => [ { event => 'a/b' } ]);
call(201, 'POST', '/api/v1/functions', body => \%config);
call(200, 'POST', '/api/v1/functions', body => { %config, name => 'Taken' });
call(400, 'POST', '/api/v1/functions', body => { id => '?', triggers => 3 });
call(400, 'POST', '/api/v1/functions', body => { %config, concurrency => 1 });
call(400, 'POST', '/api/v1/functions', body => '{');
call(400, 'POST', '/api/v1/functions', body => '');
call(413, 'POST', '/api/v1/functions', body => ' ' x 9000);
call(415, 'POST', '/api/v1/functions', body => '{}', type => 'text/plain');
call(201, 'POST', '/api/v1/functions', body => { id => 'other' });
call(200, 'GET', '/api/v1/functions');
call(200, 'GET', '/api/v1/functions', query => 'limit=1');
call(400, 'GET', '/api/v1/functions', query => 'limit=0');
call(200, 'GET', '/api/v1/functions/{id}', id => 'taken');
$inn->sql("SELECT inngest.pause_function('other')");
call(200, 'GET', '/api/v1/functions/{id}', id => 'other');
call(404, 'GET', '/api/v1/functions/{id}', id => 'unknown');
call(200, 'DELETE', '/api/v1/functions/{id}', id => 'other');
call(404, 'DELETE', '/api/v1/functions/{id}', id => 'other');

# events, by both ways
my %event = (name => 'a/b', data => { n => 1 }, user => { u => 1 }, id => 'e1', ts => 1700000000000, v => '1',
	meta => { sessions => { s => 'x', n => 1 } });
my $answer = call(200, 'POST', '/api/v1/events', body => \%event);
my @runs = ($answer->{runs}[0]{id});
$answer = call(200, 'POST', '/api/v1/events', body => [ map { { name => 'a/b', data => undef } } 1 .. 4 ]);
push @runs, map { $_->{id} } @{ $answer->{runs} };
call(200, 'POST', '/api/v1/events', body => []);
call(400, 'POST', '/api/v1/events', body => [ { name => 'a/b' }, {} ]);
call(400, 'POST', '/api/v1/events', body => { name => 'inngest/x' });
call(400, 'POST', '/api/v1/events', body => '7');
call(413, 'POST', '/api/v1/events', body => { name => 'a/b', data => { x => 'x' x 5000 } });
call(413, 'POST', '/api/v1/events', body => ' ' x 9000);
call(415, 'POST', '/api/v1/events', body => '{}', type => 'text/plain');
call(200, 'POST', '/e/{key}', id => 'key', body => \%event);
call(200, 'POST', '/e/{key}', id => 'key', body => [ { name => 'x' }, { name => 'y' } ]);
call(200, 'POST', '/e/{key}', id => 'key', body => '');
call(400, 'POST', '/e/{key}', id => 'key', body => [ { name => 'x' }, {} ]);
call(400, 'POST', '/e/{key}', id => 'key', body => 'x');
call(401, 'POST', '/e/{key}', id => '', body => '{}');
call(413, 'POST', '/e/{key}', id => 'key', body => ' ' x 9000);
$inn->sql(q{ALTER TABLE inngest.events ADD CONSTRAINT no_poison CHECK (name <> 'poison')});
call(500, 'POST', '/e/{key}', id => 'key', body => { name => 'poison' });
call(500, 'POST', '/api/v1/events', body => { name => 'poison' });

# runs, as they come and go
sub lease
{
	my $taken = call(200, 'POST', '/api/v1/runs/lease',
		body => { functions => ['taken'], max => 1, lease => '60s', wait => '0s', @_ > 0 ? (run_ids => [@_]) : () });
	return $taken->{data}[0];
}

call(200, 'GET', '/api/v1/runs');
call(200, 'GET', '/api/v1/runs', query => 'limit=2&status=QUEUED&status=RUNNING&function_id=taken&app_id=shop&from=2020-01-01T00:00:00Z');
call(400, 'GET', '/api/v1/runs', query => 'status=DONE');
call(200, 'GET', '/api/v1/runs/{id}', id => $runs[0]);
call(400, 'GET', '/api/v1/runs/{id}', id => 'x');
call(404, 'GET', '/api/v1/runs/{id}', id => $ULID);

call(400, 'POST', '/api/v1/runs/lease', body => {});
call(404, 'POST', '/api/v1/runs/lease', body => { functions => ['unknown'] });
call(413, 'POST', '/api/v1/runs/lease', body => ' ' x 9000);
call(415, 'POST', '/api/v1/runs/lease', body => '{}', type => 'text/plain');

my $lease = lease($runs[0]);
call(200, 'GET', '/api/v1/runs/{id}', id => $runs[0]);
call(200, 'POST', '/api/v1/runs/{id}/extend', id => $runs[0], body => { lease_id => $lease->{lease_id}, lease => '5m' });
call(200, 'POST', '/api/v1/runs/{id}/complete', id => $runs[0], body => { lease_id => $lease->{lease_id}, output => { x => 1 } });
call(200, 'GET', '/api/v1/runs/{id}', id => $runs[0]);

my $failing = lease($runs[1]);
call(200, 'POST', '/api/v1/runs/{id}/fail', id => $runs[1], body => { lease_id => $failing->{lease_id}, error => 'again' });
$failing = lease($runs[2]);
call(200, 'POST', '/api/v1/runs/{id}/fail', id => $runs[2],
	body => { lease_id => $failing->{lease_id}, error => { message => 'never' }, retry => JSON::PP::false });
call(200, 'GET', '/api/v1/runs/{id}', id => $_) for @runs[ 1, 2 ];

for my $verb ('complete', 'fail', 'extend')
{
	my $route = "/api/v1/runs/{id}/$verb";

	call(400, 'POST', $route, id => $runs[0], body => {});
	call(400, 'POST', $route, id => $runs[0], body => { lease_id => $ULID, colour => 'red' });
	call(400, 'POST', $route, id => 'x', body => { lease_id => $ULID });
	call(404, 'POST', $route, id => $ULID, body => { lease_id => $ULID });
	call(409, 'POST', $route, id => $runs[0], body => { lease_id => $lease->{lease_id} });
	call(413, 'POST', $route, id => $runs[0], body => ' ' x 9000);
	call(415, 'POST', $route, id => $runs[0], body => '{}', type => 'text/plain');
}

call(200, 'DELETE', '/api/v1/runs/{id}', id => $_) for @runs[ 3, 3, 0 ];
call(400, 'DELETE', '/api/v1/runs/{id}', id => 'x');
call(404, 'DELETE', '/api/v1/runs/{id}', id => $ULID);
is_deeply(call(200, 'POST', '/api/v1/runs/lease', body => { functions => ['taken'], run_ids => [ $runs[0] ] })->{data}, [],
	'a run that has ended cannot be taken');

# a run with steps of all kinds, which a pull run has not
$inn->sql(<<"END");
INSERT INTO inngest.steps (run_id, id, op, name, memo, size, attempt, started_at, ended_at) VALUES
	('$runs[0]', 's1', 'run', 'first', '{"data": {"a": null}}', 20, 1, '2026-01-01 00:00:01Z', '2026-01-01 00:00:02.5Z'),
	('$runs[0]', 's2', 'run', 'second', '{"error": {"message": "no"}}', 20, 0, '2026-01-01 00:00:03Z', '2026-01-01 00:00:04Z'),
	('$runs[0]', 's3', 'wait', 'third', '{"name": "x"}', 20, 0, '2026-01-01 00:00:05Z', '2026-01-01 00:00:06Z'),
	('$runs[0]', 's4', 'sleep', 'fourth', 'null', 4, 0, '2026-01-01 00:00:07Z', '2026-01-01 00:00:08Z');
INSERT INTO inngest.jobs (app_id, run_at, kind, run_id, function_id, step_id, step_name, queued_at) VALUES
	(gen_random_uuid(), '2126-01-01', 'sleep', '$runs[0]', gen_random_uuid(), 's5', 'fifth', '2026-01-01 00:00:09Z');
INSERT INTO inngest.pauses (run_id, step_id, kind, app_id, function_id, name, event_name, since_xact, created_at, expires_at) VALUES
	('$runs[0]', 's6', 'event', gen_random_uuid(), gen_random_uuid(), 'sixth', 'y', '1', '2026-01-01 00:00:10Z', '2126-01-01');
INSERT INTO inngest.attempts (run_id, job_id, attempt, status, started_at, ended_at, retry_at, step_id, step_name, error) VALUES
	('$runs[0]', 7, 0, 'FAILED', '2026-01-01 00:00:01Z', '2026-01-01 00:00:01.25Z', '2026-01-01 00:00:01.5Z', 's1', 'first', '{"message": "once"}');
END
is_deeply([ map { "$_->{name} $_->{op} $_->{status}" } @{ call(200, 'GET', '/api/v1/runs/{id}', id => $runs[0])->{data}{steps} } ],
	[ 'first run COMPLETED', 'second run FAILED', 'third wait COMPLETED', 'fourth sleep COMPLETED', 'fifth sleep SLEEPING', 'sixth wait WAITING' ], 'steps are shown');

# a run whose event is gone
$inn->sql("SET search_path TO inngest; DELETE FROM events WHERE id = (SELECT event_id FROM function_runs WHERE id = '$runs[4]')");
call(200, 'GET', '/api/v1/runs/{id}', id => $runs[4]);
lease($runs[4]);

# what belongs to no route
for my $case ([ 'GET', '/nowhere', 404 ], [ 'PUT', '/health', 405 ], [ 'GET', '/e/key', 405 ], [ 'GET', '/%FF', 400 ])
{
	my ($method, $path, $status) = @$case;
	my $reply = $inn->http($method, $path);

	is($reply->{status}, $status, "$method $path: $status");
	fits({ '$ref' => '#/components/schemas/Error' }, $reply->{json}, "$method $path: the form");
}

# query parameters: the server knows those that are described
for my $route ('/api/v1/functions', '/api/v1/runs')
{
	my $message = $inn->http('GET', "$route?unknown=1")->{json}{error};
	my ($known) = $message =~ /there are: (.*)/;

	is_deeply([ sort split /, /, $known ], [ sort map { $_->{name} } @{ operation('GET', $route)->{parameters} } ],
		"GET $route: all query parameters are described");
}

# and every status has been seen, but for what takes a fault of the server
for my $path (sort keys %{ $document->{paths} })
{
	for my $method (sort grep { $_ ne 'parameters' } keys %{ $document->{paths}{$path} })
	{
		my @unseen = grep { $_ != 503 && !$seen{ uc($method) . " $path $_" } }
		  sort keys %{ $document->{paths}{$path}{$method}{responses} };
		is("@unseen", '', "\U$method\E $path: every status was seen");
	}
}

done_testing();
