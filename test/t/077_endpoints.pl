# A request to an app can become a run: the app begins it, reports its steps, and hands it over when that takes time; then the server
# repeats the request until the endpoint has answered, and whoever has asked fetches the answer.  How: the test plays the SDK
# that begins runs, an app answers what is repeated; one part of it with keys.
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use HTTP::Tiny;
use HttpWire;
use InngestTest;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64url);
use StubApp;
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '100ms'\n");
my $app = StubApp->new(inn => $inn);
my $origin = 'http://127.0.0.1:' . $app->port;

# Begin a run, as an SDK does: the answer; its request as a hash.
my $run;
sub begin
{
	my ($request, $steps, %more) = @_;

	$run = $more{run_id} // $inn->sql('SELECT inngest.generate_ulid()');
	return $inn->http('POST', delete $more{path} // '/v1/checkpoint', {
			run_id => $run,
			event => { name => delete $more{event_name} // 'inngest/http.request', data => {
				content_type => '', domain => $origin, ip => '', method => 'GET', path => '/page', query_params => '', body => '', fn => '', %$request } },
			ts => int(time * 1000), request_version => 2, retries => 3, defined $steps ? (steps => $steps) : (), %more },
		headers => { 'x-inngest-sdk' => delete $more{sdk} // 'inngest-js:v4.24.0' });
}

sub report
{
	my (@ops) = @_;
	return $inn->http('POST', "/v1/checkpoint/$run/steps", { run_id => $run, steps => \@ops, ts => int(time * 1000) });
}

sub detail { return $inn->http('GET', "/api/v1/runs/$run")->{json}{data} }

sub page
{
	my ($content, %more) = @_;
	return { headers => { 'content-type' => 'text/plain' }, status => 200, body => $content, version => 2, %more };
}

sub output
{
	my ($token, %option) = @_;
	return $inn->http($option{method} // 'GET', "/v1/http/runs/$run/output?token=$token");
}

# Requests of a path.
sub requests_of
{
	my ($path) = @_;
	return grep { $_->{path} eq $path } $app->requests;
}

subtest 'a run that its app executes' => sub {
	my $answer = begin({ path => '/a', query_params => 'x=1' }, [ op_run('one', 1) ]);
	is($answer->{status}, 200, 'is begun');
	my $data = $answer->{json}{data};
	like($data->{$_}, qr/^[0-9a-f-]{36}$/, $_) for qw(fn_id app_id);
	is($data->{run_id}, $run, 'by the id that it was given');
	like($data->{token}, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, 'with a token');
	like($data->{realtime_token}, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, 'and another');
	like($answer->{json}{metadata}{fetched_at}, qr/^\d{4}-/, 'in the envelope of v1');
	is_deeply([ @{ detail() }{qw(status function_id app_id)} ], [ 'RUNNING', "$origin-GET /a", $origin ], 'of a function that is known from now on');
	is_deeply([ $inn->http('GET', "/v0/runs/$run/batch")->{json}[0]{data}{query_params} ], ['x=1'], 'with the request as its event');

	$answer = report(op_run('two', 2));
	is_deeply([ @$answer{qw(status content)} ], [ 200, '' ], 'a step is reported');
	is_deeply($inn->http('GET', "/v0/runs/$run/actions")->{json}, { step_hash('one') => { data => 1 }, step_hash('two') => { data => 2 } }, 'and recorded');
	is(report(op_complete(page('the end')))->{status}, 200, 'the end');
	is_deeply([ @{ detail() }{qw(status output)} ], [ 'COMPLETED', page('the end') ], 'with what the endpoint has answered');
	$answer = output($data->{token});
	is_deeply([ @$answer{qw(status content)}, $answer->{headers}{'content-type'} ], [ 200, 'the end', 'text/plain' ], 'which can be had again');
	is(scalar requests_of('/a'), 0, 'without any call');
	is(report(op_complete(page('the end')))->{status}, 200, 'the same said twice');
	is(report(op_run('three', 3))->{status}, 409, 'but nothing new');
	begin({ path => '/a' }, [ op_run('one', 1) ]);
	is(report(op_run('one', 2))->{status}, 400, 'nor another result of a step that is recorded');
	$inn->sql("SELECT inngest.cancel_run('$run')");
	is($inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id::text = '$run'"), 0, 'nothing is left to do');
};

subtest 'functions' => sub {
	my $first = begin({ fn => 'named', path => '/b/1' }, [])->{json}{data};
	ok(!exists $first->{token}, 'no token without steps');
	my $second = begin({ fn => 'named', path => '/b/2' })->{json}{data};
	is($second->{fn_id}, $first->{fn_id}, 'known by name');
	my $third = begin({ path => '/b/3' }, [], path => '/v1/http/runs/')->{json}{data};
	isnt($third->{fn_id}, $first->{fn_id}, 'or by method and path');
	is($third->{app_id}, $first->{app_id}, 'of one app');
	is(begin({}, [ op_complete(page('at once')) ])->{status}, 200, 'begun and ended in one');
	is(detail()->{status}, 'COMPLETED', 'is over');
};

subtest 'nobody else' => sub {
	begin({ path => '/mine' }, []);
	my $function = detail()->{function_id};
	my $event = q('{"domain": "http://127.0.0.1:9", "path": "/stolen", "method": "POST"}');
	like($inn->sql_error("SELECT inngest.invoke_function('$function', $event)"), qr/function ".*" does not exist/, 'can invoke it');
	is($inn->http('POST', '/invoke/' . $function =~ s/([^\w-])/sprintf('%%%02x', ord $1)/ger, { data => { path => '/stolen' } })->{status}, 404, 'nor over HTTP');
	$app->function('caller', events => ['endpoint/call'], retries => 0);
	$app->on('caller', program(op_invoke('i', function_id => $function, payload => { data => { domain => $origin, path => '/stolen' } }), done(1)));
	$app->register;
	my $caller = $inn->run_of($inn->send('endpoint/call'));
	$inn->wait_for_end($caller, 'FAILED');
	like($inn->sql("SELECT memo FROM inngest.steps WHERE run_id::text = '$caller'"), qr/could not find function/, 'nor from a function');
	is(scalar requests_of('/stolen'), 0, 'so nothing is requested in its name');
	$inn->sql("SELECT inngest.cancel_run('$run')");
};

subtest 'in the background' => sub {
	$app->on('/c', ops(op_run('late', 3)), with(ops(op_complete(page('slept', status => 201))), status => 200), raw(status => 500));
	my $token = begin({ path => '/c', method => 'POST', query_params => 'q=%20&r', body => '{"b": 1}', content_type => 'application/json' }, [ op_run('one', 1) ])->{json}{data}{token};
	is(report(op_sleep('nap', '200ms'))->{status}, 200, 'a sleep is reported');
	my $answer = output($token);
	is_deeply([ @$answer{qw(status content)}, $answer->{headers}{'content-type'} ], [ 201, 'slept', 'text/plain' ], 'the output is waited for');
	my @calls = requests_of('/c');
	is(scalar @calls, 2, 'the request was repeated');
	is_deeply([ map { [ @$_{qw(method url body)} ] } @calls ], [ ([ 'POST', '/c?q=%20&r', { b => 1 } ]) x 2 ], 'as it was');
	is_deeply([ @{ $calls[0]{headers} }{qw(content-type x-run-id x-inngest-req-version)} ], [ 'application/json', $run, 2 ], 'with headers that say so');
	ok(!exists $calls[0]{headers}{'x-inngest-step-id'}, 'for no step');
	is(report(op_sleep('nap', '200ms'))->{status}, 200, 'what is known may be said again');
	is(output($token, method => $_)->{content}, 'slept', "$_ will do as well") for qw(POST PUT PATCH DELETE);
	is($inn->http('POST', "/v1/http/runs/$run/output?token=$token", 'a=b')->{content}, 'slept', 'with any body');
};

subtest 'steps at the same time' => sub {
	my ($p, $q) = map { step_hash($_) } qw(p q);
	$app->on('/d', sub {
		my ($call) = @_;
		my $step = $call->{headers}{'x-inngest-step-id'};
		return ops(op_run($step eq step_hash('p') ? 'p' : 'q', $step)) if defined $step;
		return ops(op_complete({ plan => $call->{headers}{'x-inngest-force-step-plan'} }));
	});
	my $token = begin({ path => '/d' }, [ op_planned('p'), op_planned('q') ])->{json}{data}{token};
	is_deeply(output($token)->{json}, { plan => undef }, 'what a function returns is JSON');
	is_deeply([ sort map { $_->{headers}{'x-inngest-step-id'} // '' } requests_of('/d') ], [ '', sort $p, $q ], 'each is asked for');
	is_deeply([ map { $_->{headers}{'x-inngest-force-step-plan'} } grep { $_->{headers}{'x-inngest-step-id'} } requests_of('/d') ], [ 'true', 'true' ], 'and the endpoint told to plan');
};

subtest 'errors' => sub {
	$app->on('/e', failed('again'), ops(op_run('x', 1)), failed('over', no_retry => 1));
	my $token = begin({ path => '/e' }, [ op('StepError', 'x', error => { name => 'E', message => 'first' }) ])->{json}{data}{token};
	my $answer = output($token);
	is_deeply([ $answer->{status}, $answer->{json}{message} ], [ 500, 'over' ], 'a run that fails');
	is_deeply([ map { [ $_->{step_name}, $_->{error}{message} ] } @{ detail()->{attempts} } ], [ [ 'x', 'first' ], [ undef, 'again' ], [ undef, 'over' ] ], 'after retries');
	begin({ path => '/e2' }, [ { op => 'StepFailed', id => step_hash('complete'), error => { name => 'E', message => 'no' } } ]);
	is_deeply([ detail()->{status}, @{ detail()->{error} }{qw(name message)} ], [ 'FAILED', 'E', 'no' ], 'one that has failed when it is reported');
	$app->on('/f', failed('over', no_retry => 1));
	begin({ path => '/f' }, [ { op => 'StepError', id => step_hash('complete'), error => { name => 'E', message => 'maybe' } } ]);
	wait_for(sub { detail()->{status} eq 'FAILED' }, 'the end');
	is(scalar requests_of('/f'), 1, 'a function that has failed is tried again');
	$app->on('/stray', redirect("$origin/elsewhere", 302));
	$app->on('/elsewhere', done('never'));
	begin({ path => '/stray' }, [ op_discovery('d') ], retries => 0);
	wait_for(sub { detail()->{status} eq 'FAILED' }, 'the end');
	is(scalar requests_of('/elsewhere'), 0, 'redirects are not followed');
	$app->on('/stray', with(done('new'), headers => { 'x-inngest-no-retry' => undef }));
	begin({ path => '/stray' }, [ op_discovery('d') ], retries => 0);
	wait_for(sub { detail()->{status} eq 'FAILED' }, 'the end');
	like(detail()->{error}{message}, qr/as to a new request/, 'an endpoint that takes it for a new request');
	$app->on('/g', raw(status => 404, body => 'not here', headers => { 'content-type' => 'text/html', 'x-inngest-sdk' => 'go:v0.16.0' }));
	$token = begin({ path => '/g' }, [ op_discovery('d') ])->{json}{data}{token};
	$answer = output($token);
	is_deeply([ @$answer{qw(status content)}, $answer->{headers}{'content-type'} ], [ 404, 'not here', 'text/html' ], 'one of Go may answer as it would its user');
};

subtest 'pages of Go' => sub {
	my $n = 0;
	my $shown = sub {
		my (%page) = @_;
		my $path = '/page' . ++$n;
		$app->on($path, raw(%page, headers => { 'x-inngest-sdk' => 'go:v0.16.0', %{ $page{headers} // {} } }));
		return output(begin({ path => $path }, [ op_discovery('d') ], retries => 0)->{json}{data}{token});
	};
	for my $case ([ 201, 'made' ], [ 201, '{"status":200,"id":5}' ], [ 206, 'a part' ], [ 206, '[1]' ], [ 503, 'not now' ], [ 200, '' ])
	{
		my ($status, $body) = @$case;
		my $answer = $shown->(status => $status, body => $body, headers => { 'x-inngest-no-retry' => 'true' });
		is_deeply([ @$answer{qw(status content)} ], $case, "$status $body");
		is(detail()->{status}, 'COMPLETED', 'is the end of the run');
	}
	my $answer = $shown->(status => 302, body => '', headers => { location => '/there', 'set-cookie' => 'a=1; Path=/', 'x-own' => 'yes' });
	is_deeply([ $answer->{status}, @{ $answer->{headers} }{qw(location set-cookie x-own x-run-id)} ], [ 302, '/there', 'a=1; Path=/', 'yes', undef ], 'with all headers');

	$answer = $shown->(status => 303, body => '', headers => { location => 'http://127.0.0.1:8288/v1/http/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/output?token=x' });
	is($answer->{status}, 500, 'an endpoint that has begun another run');
	like(detail()->{error}{message}, qr/answered HTTP 303 as to a new request: .*signing key/, 'is told so');
	$answer = $shown->(status => 206, body => '[{"op":"StepRun","id":"a","data":"\u0000"}]');
	is($answer->{status}, 500, 'ops that cannot be stored are no page');
	like(detail()->{error}{message}, qr/error reading generator opcode response/, 'but an error');
	$answer = $shown->(status => 201, body => '[{"op":"RunComplete","id":"a","data":{"status":200,"body":"by ops"}}]');
	is($answer->{content}, 'by ops', 'nor are ops with another status');

	my @planned = map { op_planned($_) } qw(p1 p2);
	$app->on('/parallel', with(ops(@planned), headers => { 'x-inngest-sdk' => 'go:v0.16.0' }));
	begin({ path => '/parallel' }, [ op_discovery('d') ], retries => 1);
	wait_for(sub { detail()->{status} eq 'FAILED' }, 'the end');
	like(detail()->{error}{message}, qr/planned it again/, 'steps in parallel that are planned for ever fail');
};

subtest 'requests of the server' => sub {
	$app->on('/fetched', raw(body => 'data'));
	$app->on('/h', ops(op_fetch('get', url => "$origin/fetched", method => 'GET')), ops(op_complete(page('fetched'))));
	my $token = begin({ path => '/h' }, [ op_fetch('get', url => "$origin/fetched", method => 'GET') ])->{json}{data}{token};
	is(output($token)->{content}, 'fetched', 'are made when the endpoint asks for them again');
};

subtest 'as Go has it' => sub {
	$app->on('/go', ops({ op => 'SyncRunComplete', id => step_hash('complete'), data => { data => { status => 203, headers => { 'X-Mine' => 'yes', 'X-Inngest-SDK' => 'no' }, body => "l1\n\nl2", duration => 5 } } }));
	my $token = begin({ path => '/go', method => 'PUT', body => 'w6kK', content_type => 'image/png' }, [ op_sleep('s', '1ms') ],
		path => '/v1/http/runs', event_name => 'http/run.started', sdk => 'go:v0.16.0')->{json}{data}{token};
	my $answer = output($token);
	is_deeply([ @$answer{qw(status content)}, @{ $answer->{headers} }{qw(x-mine x-inngest-sdk)} ], [ 203, "l1\n\nl2", 'yes', undef ], 'headers of the endpoint');
	my ($call) = requests_of('/go');
	is_deeply([ @$call{qw(method)}, $call->{headers}{'content-length'} ], [ 'PUT', 3 ], 'the body as bytes');
};

subtest 'an app that falls silent' => sub {
	$app->on('/i', ops(op_complete(page('taken over'))));
	my $token = begin({ path => '/i' }, [ op_run('one', 1) ])->{json}{data}{token};
	my $at = $inn->sql("SELECT round(extract(epoch FROM run_at - now()) / 60) FROM inngest.jobs WHERE run_id::text = '$run'");
	is($at, 60, 'has an hour');
	# time is over
	$inn->sql("UPDATE inngest.jobs SET run_at = now() WHERE run_id::text = '$run'");
	$inn->node->restart;
	$inn->wait_for_http;
	is(output($token)->{content}, 'taken over', 'then it is called');
	is(report(op_run('two', 2))->{status}, 409, 'and has no say any more');
};

subtest 'waiting' => sub {
	$app->on('/j', with(ops(op_complete(page('held', status => 202))), hold => 'j'));
	my $token = begin({ path => '/j' }, [ op_discovery('d') ])->{json}{data}{token};
	my $wire = HttpWire->new($inn->http_port);
	$wire->request('GET', "/v1/checkpoint/$run/output?token=$token");
	wait_for(sub { scalar requests_of('/j') }, 'the call');
	ok($wire->is_silent(0.1), 'nothing is said before the end');
	$app->release('j');
	my $reply = $wire->reply;
	is_deeply([ @$reply{qw(status content)} ], [ 202, 'held' ], 'then at once, whatever the status');
	$inn->sql("SELECT inngest.cancel_run('" . do { begin({ path => '/k' }, []); $run } . "')");
	$token = $inn->sql("SELECT inngest.run_token('$run')");
	is_deeply([ @{ output($token) }{qw(status)}, output($token)->{json}{message} ], [ 500, 'the run was cancelled' ], 'a run that was cancelled');
};

subtest 'tokens' => sub {
	my $token = begin({ path => '/l' }, [ op_complete(page('secret')) ])->{json}{data}{token};
	my ($head, $claims, $signature) = split /\./, $token;
	my $read = $json->decode(decode_base64($claims =~ tr{-_}{+/}r));
	is_deeply([ @$read{qw(iss sub RunID)}, $read->{exp} - $read->{iat} ], [ 'api.inngest.com', 'run-claim', $run, 3600 ], 'what they say');
	is($json->decode(decode_base64($head))->{alg}, 'HS256', 'how they are signed');
	my $secret = $inn->sql("SELECT secret FROM inngest.secrets WHERE name = 'token'");
	my $sign = sub { my ($claims, $secret) = @_; my $text = "$head." . encode_base64url($json->encode($claims)); return "$text." . encode_base64url(hmac_sha256($text, $secret)) };
	is(output($sign->($read, $secret))->{content}, 'secret', 'anybody who knows the secret can make them');
	is(output($sign->($read, 'guessed'))->{status}, 401, 'and nobody else');
	is(output($sign->({ %$read, exp => time - 1 }, $secret))->{status}, 401, 'their time is over some day');
	is(output($sign->({ %$read, RunID => '01ARZ3NDEKTSV4RRFFQ69G5FAV' }, $secret))->{status}, 401, 'they are for one run');
	my $none = encode_base64url('{"alg":"none","typ":"JWT"}') . ".$claims.";
	is(output($_)->{status}, 401, 'no token: ' . substr($_, 0, 20)) for '', 'x', 'a.b.c', "$head.$claims", "$head.$claims.", "$token.", $none, "$head." . ('x' x 5000);
	my $other = $inn->sql("SELECT rolname, has_table_privilege(rolname, 'inngest.secrets', 'SELECT') FROM pg_roles WHERE rolname LIKE 'inngest\\_%' AND rolname <> 'inngest_engine'");
	unlike($other, qr/\|t/, 'no role can read the secret');
};

subtest 'what is refused' => sub {
	my $refused = sub { my ($what, $status, $pattern, $answer) = @_; is($answer->{status}, $status, $what); like($answer->{content}, $pattern, "$what: why") };
	begin({ path => '/m' }, []);
	$refused->('a run that exists', 409, qr/exists already/, begin({ path => '/m' }, [], run_id => $run));
	$refused->('no run id', 400, qr/run_id must be a ULID/, begin({}, [], run_id => 'x'));
	$refused->('a run of another time', 400, qr/within a day/, begin({}, [], run_id => '01ARZ3NDEKTSV4RRFFQ69G5FAV'));
	$refused->('no event', 400, qr/event must be/, begin({}, [], event => undef));
	$refused->('no origin', 400, qr/domain/, begin({ domain => '' }, []));
	$refused->('a long name', 400, qr/too long/, begin({ fn => 'x' x 600 }, []));
	$refused->('steps that are none', 400, qr/steps of the checkpoint/, begin({}, [1]));
	$refused->('no body', 400, qr/JSON object/, $inn->http('POST', '/v1/checkpoint', ''));
	$run = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
	$refused->('steps of no run', 400, qr/does not exist/, report(op_run('a', 1)));
	begin({}, []);
	$refused->('no steps', 400, qr/there are none/, report());
	is($inn->sql("SELECT count(*) FROM inngest.functions WHERE slug LIKE '%xxxxx%'"), 0, 'nothing of it is left');
};

subtest 'that takes too long' => sub {
	($inn, my $usual) = (InngestTest->new('late', testing => 1), $inn);
	my $token = begin({ path => '/late' }, [ op_run('one', 1) ])->{json}{data}{token};
	open(my $client, '-|', 'curl', '-s', '-w', ' %{http_code}', $inn->url("/v1/http/runs/$run/output?token=$token")) or die "curl: $!";
	wait_for(sub { $inn->http('GET', '/metrics')->{content} =~ /^inngest_http_long_polls 1$/m }, 'the request');
	$inn->advance('5 minutes');
	is(scalar readline $client, '{"status": "running", "message": "run did not end within 5 minutes"} 202', 'is not waited for');
	is(detail()->{status}, 'RUNNING', 'but goes on');
	$inn = $usual;
};

subtest 'with keys' => sub {
	my $key = $inn->sql("SELECT inngest.create_signing_key()");
	my $keyed = StubApp->new(id => 'keyed', server => $inn->url, signing_key => $key);

	$inn->set_and_reload('inngest.mode', 'cloud');
	wait_for(sub { $inn->http('GET', '/v1/events')->{status} == 401 }, 'keys are asked for');
	is(begin({ path => '/n' }, [])->{status}, 401, 'to begin a run');
	$origin = 'http://127.0.0.1:' . $keyed->port;
	my %auth = (headers => { authorization => 'Bearer ' . $keyed->bearer, 'x-inngest-sdk' => 'inngest-js:v4.24.0' });
	for my $case ([ 'GET', '' ], [ 'POST', '{"b": 1, "a": 2}' ])
	{
		my ($method, $body) = @$case;
		$keyed->on("/n$method", ops(op_complete(page('signed'))));
		$run = $inn->sql('SELECT inngest.generate_ulid()');
		my $answer = $inn->http('POST', '/v1/checkpoint', { run_id => $run, steps => [ op_sleep('s', '1ms') ], request_version => 2,
				event => { name => 'inngest/http.request', data => { domain => $origin, method => $method, path => "/n$method", body => $body } } }, %auth);
		is(output($answer->{json}{data}{token})->{content}, 'signed', "$method: the output needs no key");
		my ($call) = grep { $_->{path} eq "/n$method" } $keyed->requests;
		my ($t, $s) = $call->{headers}{'x-inngest-signature'} =~ /^t=(\d+)&s=(\w+)$/;
		is($s, Digest::SHA::hmac_sha256_hex(($body eq '' ? '' : '{"a":2,"b":1}') . $t, $key =~ s/^signkey-\w+-//r), "$method: the call is signed");
	}
};

done_testing();
