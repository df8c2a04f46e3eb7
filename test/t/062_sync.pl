# Apps over HTTP: an SDK registers its app and is told what is wrong with it; functions that it registered start on events.
# How: what the TypeScript SDK was seen to send (test/fixtures/register-js.json), and variations of it.
use strict;
use warnings;

use FindBin;
use InngestTest;
use JSON::PP ();
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $inn = InngestTest->new('main');
my $fixture = JSON::PP->new->utf8->decode(slurp_file("$FindBin::RealBin/../fixtures/register-js.json"));
my %js = (%$fixture, functions => [ @{ $fixture->{functions} }[ 0 .. 2 ] ]);

# As the SDK sends it; in dev mode it has no key.
my %sdk = (
	'x-inngest-sdk' => 'inngest-js:v4.24.0',
	'x-inngest-framework' => 'express',
	'x-inngest-sync-kind' => 'out_of_band',
	authorization => 'Bearer undefined',
);

sub register
{
	my ($body, %header) = @_;
	return $inn->http('POST', '/fn/register', $body, headers => { %sdk, %header });
}

# registration
{
	my $answer = register(\%js);
	is_deeply([ $answer->{status}, $answer->{json}{ok}, $answer->{json}{modified} ], [ 200, JSON::PP::true, JSON::PP::true ], 'an app registers')
	  or diag($answer->{content});
	is(join(' ', sort keys %{ $answer->{json} }), 'app_id modified ok sync_id', 'the answer has what SDKs read');
	is($inn->sql("SELECT id FROM inngest.apps WHERE name = 'peer-app' AND framework = 'express' AND method = 'serve'"), $answer->{json}{app_id}, 'and the id of the app');
	my $again = register(\%js);
	is_deeply([ @{ $again->{json} }{qw(ok modified app_id)} ], [ JSON::PP::true, JSON::PP::false, $answer->{json}{app_id} ], 'the same again modifies nothing');
	is($inn->http('POST', '/api/v1/events', { name => 'cp/one' })->{json}{runs}[0]{function_id}, 'peer-app-one-step', 'an event starts a function of the app');
	is(register(JSON::PP->new->encode(\%js), 'content-type' => 'text/plain')->{status}, 200, 'the content type does not matter');
	is($inn->http('POST', '/fn/register?deployId=abc', \%js)->{json}{modified}, JSON::PP::false, 'a deploy id in the query');
}

# refusal
{
	my $answer = register({ %js, functions => [ $js{functions}[0], { %{ $js{functions}[1] }, runtime => 'sql' } ] });
	my $error = $answer->{json};
	is_deeply([ $answer->{status}, @$error{qw(status code)} ], [ 400, 400, 'not_supported' ], 'one function that is not supported refuses the whole');
	like($error->{error}, qr/^At least one function .*\nfunctions\[1\]\.runtime \(peer-app-one-step\): /, 'and says which');
	is_deeply([ map { @$_{qw(path function_id code)} } @{ $error->{data}{errors} } ], [qw(functions[1].runtime peer-app-one-step not_supported)], 'also to programs');
	is($inn->sql("SELECT error FROM inngest.apps_status WHERE name = 'peer-app'"), $error->{error}, 'it is noted with the app');
	is($inn->http('GET', '/api/v1/functions')->{json}{data}[2]{id}, 'peer-app-three-step', 'whose functions are as they were');
	is(register(\%js)->{json}{modified}, JSON::PP::true, 'an app with an error is not the same');
	is($inn->sql("SELECT status FROM inngest.apps_status WHERE name = 'peer-app'"), 'ok', 'and is well again');

	$answer = register('{');
	is($answer->{status}, 400, 'no JSON');
	is(join(' ', sort keys %{ $answer->{json} }), 'data error status', 'has the form of errors that SDKs read');
	like(register(undef)->{json}{error}, qr/^Invalid request: /, 'nothing at all');
	is_deeply(register(\%js, 'x-inngest-expected-server-kind' => 'cloud')->{json}, { error => 'Expected server kind dev, got cloud', status => 400 }, 'another kind of server');
	is(register(\%js, 'x-inngest-expected-server-kind' => 'dev')->{status}, 200, 'this kind of server');
}

# in cloud mode
{
	my $key = $inn->sql('SELECT inngest.create_signing_key()');
	$inn->set_and_reload('inngest.mode', 'cloud');
	wait_for(sub { $inn->http('GET', '/health')->{headers}{'x-inngest-server-kind'} eq 'cloud' }, 'cloud mode');
	my $answer = register(\%js);
	is_deeply([ @$answer{qw(status content)} ], [ 401, "Authentication failed\n" ], 'registering needs the key');
	is($inn->http('DELETE', '/fn/remove?url=http://h')->{status}, 401, 'so does removing');
	$answer = register(\%js, authorization => "Bearer $key", 'x-inngest-expected-server-kind' => 'cloud');
	is($answer->{status}, 200, 'with the key an app registers');
	is(register(\%js, authorization => "Bearer $key", 'x-inngest-expected-server-kind' => 'dev')->{json}{error}, 'Expected server kind cloud, got dev', 'unless it expects dev mode');
	$inn->set_and_reload('inngest.mode', 'dev');
	wait_for(sub { $inn->http('GET', '/health')->{headers}{'x-inngest-server-kind'} eq 'dev' }, 'dev mode');
}

# removal
{
	my $answer = $inn->http('DELETE', '/fn/remove?url=http%3A%2F%2Flocalhost%3A18400%2Fapi%2Finngest');
	is_deeply([ @$answer{qw(status json)} ], [ 200, { ok => JSON::PP::true } ], 'an app is removed by its URL') or diag($answer->{content});
	is_deeply($inn->http('GET', '/api/v1/functions')->{json}{data}, [], 'with its functions');
	is($inn->http('DELETE', '/fn/remove?url=http%3A%2F%2Flocalhost%3A18400%2Fapi%2Finngest')->{status}, 404, 'once');
	is($inn->http('DELETE', '/fn/remove')->{status}, 400, 'without a URL');
}

done_testing();
