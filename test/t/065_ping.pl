# Asking apps for their functions: by inngest.sync_app(), and again and again while they have an error; what becomes of
# everything that an app can answer.
# How: a stub app, whose answers the test chooses; each request is waited for in inngest.syncs.
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.app_poll_interval = '100ms'\n");
my $app = StubApp->new(inn => $inn);

$app->function('work', events => ['work']);

# Ask the app at a path of the stub; the row when it is finished.
sub sync
{
	my ($path, $from) = @_;
	my $url = $path =~ /^http/ ? $path : ($from // $app)->url =~ s{/api/inngest$}{$path}r;
	my $id = $inn->sql('SELECT inngest.sync_app(' . InngestTest::quoted($url) . ')');
	return finished($id);
}

sub finished
{
	my ($id) = @_;
	my $row;

	wait_for(sub { $row = $inn->sql("SELECT row_to_json(s) FROM inngest.syncs s WHERE id = '$id' AND status <> 'pending'") }, 'the answer of an app');
	return JSON::PP->new->utf8->decode($row);
}

# What is wrong, as code and sentence; the URL of the stub is left out.
sub failure
{
	my $row = sync(@_);
	return "$row->{status} $row->{error_code}: $row->{error}";
}

# PUTs of a path of the stub, or of another app.
sub pings
{
	my ($path, $of) = @_;
	return grep { $_->{method} eq 'PUT' && $_->{path} eq ($path // '/api/inngest') } ($of // $app)->requests;
}

sub app_status
{
	my ($name) = @_;
	return $inn->sql("SELECT concat_ws(' ', status, error_code) FROM inngest.apps_status WHERE name = '$name'");
}

# an app that registers itself
{
	my $row = sync('/api/inngest');
	is($row->{status}, 'ok', 'an app is asked') or diag($row->{error});
	is($row->{app_id}, $inn->sql("SELECT id FROM inngest.apps WHERE name = 'stub'"), 'and is known');
	is($inn->sql("SELECT runtime || ' ' || language FROM inngest.functions WHERE slug = 'stub-work'"), 'http js', 'with its function');
	my ($ping) = pings();
	my $url = $app->url =~ s/127\.0\.0\.1/localhost/r;
	is_deeply($ping->{body}, { url => $url }, 'the request has the URL, and nothing else');
	ok($ping->{is_canonical}, 'in canonical JSON');
	is_deeply([ @{ $ping->{headers} }{qw(content-type x-inngest-server-kind x-inngest-signature host)} ], [ 'application/json', 'dev', undef, $url =~ m{//([^/]+)} ], 'and headers');
	is(sync('/api/inngest')->{status}, 'ok', 'an app that registers the same again is well, too');
	is(sync('/api/inngest?deployId=x&probe=y')->{url}, $url, 'the URL is normalised');
}

# what else can be there
{
	my @cases = (
		[ 401, '{"message":"Unauthorized"}', 'unauthorized: The app answered with HTTP 401: Unauthorized' ],
		[ 403, '', 'forbidden: The app answered with HTTP 403.' ],
		[ 404, 'not found', 'url_not_found: The app answered with HTTP 404.' ],
		[ 500, '[]', 'internal_server_error: The app answered with HTTP 500.' ],
		[ 502, '{"error":"bad gateway"}', 'unexpected_status: The app answered with HTTP 502: bad gateway' ],
		[ 301, '', 'unexpected_status: The app answered with HTTP 301.' ],
		[ 400, '{"message":"bad"}', 'not_sdk: What answered there is not an Inngest SDK.' ],
		[ 200, '{}', 'not_sdk: What answered there is not an Inngest SDK.' ],
	);
	my @sdk_cases = (
		[ 200, '{"message":"Successfully registered"}', 'not_registered: The app answered, but has not registered with this URL here: Successfully registered' ],
		[ 200, 'ok', 'not_registered: The app answered, but has not registered with this URL here.' ],
		[ 200, '{"code":"x","error":"refused","status":400}', 'not_registered: The app answered, but has not registered with this URL here: refused' ],
		[ 400, '{"message":"Invalid signing key"}', 'invalid_signing_key: The app answered with HTTP 400: Invalid signing key' ],
		[ 400, '{"message":"Missing signing key"}', 'missing_signing_key: The app answered with HTTP 400: Missing signing key' ],
		[ 400, '{"message":"No functions registered"}', 'no_functions: The app answered with HTTP 400: No functions registered' ],
		[ 400, '{"message":"At least one function is invalid"}', 'invalid_function: The app answered with HTTP 400: At least one function is invalid' ],
		[ 400, '{"message":"Branch environment name is required"}', 'missing_branch_env_name: The app answered with HTTP 400: Branch environment name is required' ],
		[ 400, '{"message":"bad"}', 'unexpected_status: The app answered with HTTP 400: bad' ],
		[ 401, '{"message":"' . 'x' x 2000 . '"}', 'unauthorized: The app answered with HTTP 401: ' . 'x' x 1000 ],
	);

	for (0 .. $#cases)
	{
		$app->on("/other$_", raw(status => $cases[$_][0], body => $cases[$_][1]));
		is(failure("/other$_"), "failed $cases[$_][2]", "HTTP $cases[$_][0] $cases[$_][1]");
	}
	for (0 .. $#sdk_cases)
	{
		$app->on("/sdk$_", raw(status => $sdk_cases[$_][0], body => $sdk_cases[$_][1], has_sdk => 1));
		is(failure("/sdk$_"), "failed $sdk_cases[$_][2]", 'of an SDK, HTTP ' . substr("$sdk_cases[$_][0] $sdk_cases[$_][1]", 0, 60));
	}
	$app->on('/handled', raw(status => 200, headers => { 'x-inngest-sdk-handled' => 'true' }));
	like(failure('/handled'), qr/^failed not_registered: /, 'an SDK that does not trust us hides its name');
	$app->on('/closed', hang_up());
	like(failure('/closed'), qr/^failed unreachable: The app could not be reached: \w/, 'hangs up');
	like(failure('http://127.0.0.1:1/x'), qr/^failed unreachable: The app could not be reached: \w/, 'nobody is there');
	is($inn->sql('SELECT count(*) FROM inngest.apps'), 1, 'that makes no apps');
	is(app_status('stub'), 'ok', 'and does not concern others');
}

# functions that are refused: the app is asked until they are right, and what is said does not change
{
	$app->function('work', events => ['work'], runtime => 'sql');
	my $row = sync('/api/inngest');
	is_deeply([ @$row{qw(status error_code)} ], [ 'failed', 'not_supported' ], 'a function is refused');
	like($row->{error}, qr/functions\[0\]\.runtime \(stub-work\)/, 'and the request says which');
	is(app_status('stub'), 'failing not_supported', 'so does the app');
	my $version = $inn->sql("SELECT xmin FROM inngest.apps WHERE name = 'stub'");
	my $asked = scalar pings();
	wait_for(sub { pings() > $asked + 3 }, 'the app to be asked again and again');
	is($inn->sql("SELECT xmin FROM inngest.apps WHERE name = 'stub'"), $version, 'what is known is not written again');
	$app->function('work', events => ['work']);
	wait_for(sub { app_status('stub') eq 'ok' }, 'the app to be right');
	pass('it is well without being told so');
}

# an app that comes and goes
{
	$app->stop;
	like(failure('/api/inngest'), qr/^failed unreachable: /, 'an app has stopped');
	is(app_status('stub'), 'failing unreachable', 'it is noted');
	is($inn->http('POST', '/api/v1/events', { name => 'work' })->{json}{runs}[0]{function_id}, 'stub-work', 'its functions are still started');
	$app->start;
	wait_for(sub { app_status('stub') eq 'ok' }, 'the app to be there again');
	my $asked = scalar pings();
	like(failure('/closed'), qr/unreachable/, 'another one is asked meanwhile') for 1 .. 3;
	is(scalar(pings()), $asked, 'an app that is well is not asked');

	# not at all, if so set
	$inn->set_and_reload('inngest.app_poll_interval', 0);
	$app->stop;
	sync('/api/inngest');
	$app->start;
	$asked = scalar pings();
	like(failure('/closed'), qr/unreachable/, 'another one is asked meanwhile') for 1 .. 3;
	is(scalar(pings()), $asked, 'an app that has an error is not asked, either');
	$inn->set_and_reload('inngest.app_poll_interval', '100ms');
	wait_for(sub { app_status('stub') eq 'ok' }, 'the app to be asked after the setting has changed');
	pass('now it is');
}

# an app that nobody knows yet, and that is not there yet
{
	my $late = StubApp->new(inn => $inn, id => 'late', no_start => 1);
	my $row = sync('/api/inngest', $late);

	is("$row->{status} $row->{error_code}", 'failed unreachable', 'an app has not started yet');
	$late->start;
	wait_for(sub { $inn->sql("SELECT status FROM inngest.syncs WHERE id = '$row->{id}'") eq 'ok' }, 'the app to be there');
	is(app_status('late'), 'ok', 'it registers when it is there');
	is($inn->sql("SELECT app_id = (SELECT id FROM inngest.apps WHERE name = 'late') FROM inngest.syncs WHERE id = '$row->{id}'"), 't', 'and the request is well after all');
	$late->stop;
}

# requests that are waiting
{
	is($inn->sql("BEGIN; SELECT FROM inngest.sync_app('http://localhost:1/rolled-back'); ROLLBACK; SELECT count(*) FROM inngest.syncs WHERE url LIKE '%rolled-back'"), 0, 'a request that is rolled back');

	$app->on('/slow', with(raw(status => 404), hold => 'slow'));
	my $url = $app->url =~ s{/api/inngest$}{/slow}r;
	my @ids = split /\n/, $inn->sql("SELECT inngest.sync_app('$url?n=' || n) FROM generate_series(1, 20) n");
	wait_for(sub { $app->in_flight == 8 }, 'as many apps to be asked as can be at a time');
	is($inn->sql("SELECT count(*) FROM inngest.syncs WHERE status = 'pending'"), 20, 'all wait');

	# a worker that dies asks again
	my ($executor) = $inn->workers('executor');
	$inn->sql("SELECT pg_terminate_backend($executor)");
	wait_for(sub { my ($other) = $inn->workers('executor'); defined $other && $other != $executor }, 'another executor');
	wait_for(sub { pings('/slow') == 16 }, 'it asks again');
	$app->release('slow');
	finished($_) for @ids;
	is(join(' ', sort { $a <=> $b } map { $_->{query}{n} } (pings('/slow'))[ -20 .. -1 ]), join(' ', 1 .. 20), 'all were asked');
	is($inn->sql("SELECT count(*) FROM inngest.syncs WHERE url LIKE '%/slow?%' AND error_code = 'url_not_found'"), 20, 'and have answered');
}

# an app that answers with its functions, as Go does
{
	my $go = StubApp->new(inn => $inn, id => 'go', sdk => 'go:v0.16.0', in_band => 1);
	$go->function('work', events => ['work']);
	my $row = sync('/api/inngest', $go);
	is_deeply([ @$row{qw(status app_id)} ], [ 'ok', $inn->sql("SELECT id FROM inngest.apps WHERE name = 'go'") ], 'the answer is registered') or diag($row->{error});
	is($inn->sql("SELECT language FROM inngest.functions WHERE slug = 'go-work'"), 'go', 'with the function');
	is($inn->sql("SELECT sdk FROM inngest.apps WHERE name = 'go'"), 'go:v0.16.0', 'and what the SDK is');
	$go->function('work', events => ['work'], retries => -1);
	$row = sync('/api/inngest', $go);
	is_deeply([ @$row{qw(status error_code)} ], [ 'failed', 'invalid_function' ], 'a function is refused');
	is(app_status('go'), 'failing invalid_function', 'that is noted with the app');
	$go->function('work', events => ['work']);
	wait_for(sub { app_status('go') eq 'ok' }, 'the app to be asked again');
	$go->stop;

	$app->on('/garbage', raw(status => 200, has_sdk => 1, headers => { 'x-inngest-sync-kind' => 'in_band' }, body => '{'));
	like(failure('/garbage'), qr/^failed invalid_answer: /, 'an answer that is not JSON');
	$app->on('/nothing', raw(status => 200, has_sdk => 1, headers => { 'x-inngest-sync-kind' => 'in_band' }, body => '[]'));
	like(failure('/nothing'), qr/^failed invalid_function: The app is invalid\nappName: Required/, 'an answer that has nothing of what it needs');
}

# with keys
{
	my $key = $inn->sql('SELECT inngest.create_signing_key()');
	my $keyed = StubApp->new(inn => $inn, id => 'keyed', sdk => 'go:v0.16.0', in_band => 1, signing_key => $key);
	my $stranger = StubApp->new(inn => $inn, id => 'stranger', in_band => 1, signing_key => 'signkey-test-' . 'ab' x 32);

	$keyed->function('work', events => ['work']);
	$stranger->function('work', events => ['work']);
	$inn->set_and_reload('inngest.mode', 'cloud');
	wait_for(sub { $inn->http('GET', '/health')->{headers}{'x-inngest-server-kind'} eq 'cloud' }, 'cloud mode');
	my $row = sync('/api/inngest', $keyed);
	is($row->{status}, 'ok', 'an app with the key registers by its answer') or diag($row->{error});
	my ($ping) = pings(undef, $keyed);
	is_deeply([ $ping->{signature}, $ping->{headers}{'x-inngest-server-kind'} ], [ 'good', 'cloud' ], 'the request was signed');
	like(failure('/api/inngest', $stranger), qr/^failed unauthorized: /, 'an app with another key does not trust us');
	$app->on('/unsigned', raw(status => 200, has_sdk => 1, headers => { 'x-inngest-sync-kind' => 'in_band' }, body => '{"app_id":"unsigned","url":"http://h","functions":[]}'));
	like(failure('/unsigned'), qr/^failed invalid_signature: /, 'we do not trust an answer without a signature');
	is($inn->sql("SELECT count(*) FROM inngest.apps WHERE name = 'unsigned'"), 0, 'and register nothing');

	my $asked = scalar pings(undef, $keyed);
	$keyed->stop;
	like(failure('/api/inngest', $keyed), qr/unreachable/, 'an app has stopped');
	$keyed->start;
	like(failure('/unsigned'), qr/invalid_signature/, 'another one is asked meanwhile') for 1 .. 3;
	is(scalar(pings(undef, $keyed)), $asked, 'apps are not asked by themselves in cloud mode');
}

is($inn->log_count(qr/(?:ERROR|WARNING|PANIC):/), 0, 'nothing is in the log') or diag(join "\n", grep { /ERROR|WARNING/ } split /\n/, $inn->log_text);
done_testing();
