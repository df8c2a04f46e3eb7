# Keys: who gets in where, in dev and in cloud mode; keys that come and go; where the server listens.
# How: one request per way of asking; a change of keys is judged by the very next request.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use HttpWire;
use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');
my $FAILED = "Authentication failed\n";
my $HEX = 'abcdef0123456789abcdef0123456789';

# What the hashed form of a signing key is, as the SDKs send it.
sub hashed
{
	my ($key) = @_;
	return sha256_hex(pack('H*', $key =~ s/^signkey-\w+-//r));
}

sub bearer
{
	my ($token) = @_;
	return (headers => { authorization => "Bearer $token" });
}

# Status of GET /api/v1/runs with a token, or without one.
sub status_with
{
	my ($token) = @_;
	return $inn->http('GET', '/api/v1/runs', undef, defined $token ? bearer($token) : ())->{status};
}

sub send_with
{
	my ($key) = @_;
	return $inn->http('POST', "/e/$key", { name => 'auth/sent' });
}

sub switch_to
{
	my ($mode) = @_;

	$inn->set_and_reload('inngest.mode', $mode);
	wait_for(sub { $inn->http('GET', '/health')->{headers}{'x-inngest-server-kind'} eq $mode }, "$mode mode");
	return;
}

# making keys
my ($event_key, $signing_key);
{
	$event_key = $inn->sql("SELECT inngest.create_event_key('first')");
	like($event_key, qr/^[A-Za-z0-9_-]{32}$/, 'an event key fits into a URL');
	$signing_key = $inn->sql('SELECT inngest.create_signing_key()');
	like($signing_key, qr/^signkey-prod-[0-9a-f]{64}$/, 'a signing key has the form that SDKs want');
	is($inn->sql("SELECT count(*) FROM inngest.event_keys WHERE hash = sha256('$event_key')"), 1, 'the event key is stored as its hash');
	is($inn->sql("SELECT count(*) FROM inngest.event_keys k WHERE k::text LIKE '%$event_key%'"), 0, 'and not itself');
}

# dev mode: nobody is asked
{
	for my $token (undef, '', 'nonsense', $signing_key)
	{
		is(status_with($token), 200, 'dev mode needs no signing key, also if there is one');
	}
	is(send_with('any')->{status}, 200, 'nor an event key');
	my $answer = $inn->http('GET', '/health');
	is_deeply([ @{ $answer->{headers} }{qw(x-inngest-server-kind access-control-allow-origin)} ], [ 'dev', '*' ],
		'answers are of kind dev, and any page may read them');
}

# cloud mode: who is asked for what
switch_to('cloud');
{
	my %open = map { ($_ => 1) } 'GET /', 'GET /health', 'GET /api/openapi.json', 'POST /v0/telemetry', 'POST /dev/traces';

	for my $route (split /\n/, $inn->sql("SELECT method || ' ' || path FROM inngest.routes() ORDER BY 1"))
	{
		my ($method, $path) = split / /, $route;
		next if $path =~ m{^/e/} || $path =~ m{/output$};    # keys or tokens of their own: below, 077_endpoints.pl
		if ($path eq '/dev')
		{
			is($inn->http($method, $path)->{status}, 404, "$route is not there");
			next;
		}
		my $answer = $inn->http($method, $path =~ s/\{\w+\}/x/gr, $method eq 'POST' ? '{}' : undef);

		if ($open{$route})
		{
			is($answer->{status}, 200, "$route is open to all");
			next;
		}
		is_deeply([ $answer->{status}, $answer->{content}, $answer->{headers}{'content-type'}, $answer->{headers}{'x-inngest-server-kind'} ],
			[ 401, $FAILED, 'text/plain; charset=utf-8', 'cloud' ], "$route needs the signing key");
		is($inn->http($method, $path =~ s/\{\w+\}/x/gr, $method eq 'POST' ? '{}' : undef, bearer('x' x 64))->{content}, $FAILED,
			"$route needs the right one");
		isnt($inn->http($method, $path =~ s/\{\w+\}/x/gr, $method eq 'POST' ? '{}' : undef, bearer($signing_key))->{status}, 401,
			"$route lets it in");
	}
	is($inn->http('GET', '/health')->{headers}{$_}, undef, "no $_ in cloud mode")
	  for qw(access-control-allow-origin access-control-expose-headers);
	my $answer = $inn->http('OPTIONS', '/api/v1/runs');
	is_deeply([ $answer->{status}, $answer->{headers}{'access-control-allow-methods'} ], [ 204, undef ], 'nor at OPTIONS');
	is($inn->http('POST', '/api/v1/functions', 'x' x 100, headers => { 'content-type' => 'text/html' })->{status}, 401,
		'who has no key is not told what is wrong with the body');
}

# the forms of a signing key
{
	my $bare = $signing_key =~ s/^signkey-prod-//r;

	is(status_with($_), 200, 'accepted: ' . ($_ =~ s/[0-9a-f]{64}/…/r))
	  for $bare, $signing_key, "signkey-test-$bare", "signkey-a_1-$bare", hashed($bare), 'signkey-prod-' . hashed($bare);
	is(status_with($_), 401, 'refused: ' . ($_ =~ s/[0-9a-f]{64}/…/r))
	  for '', 'signkey-prod-', "signkey--$bare", "signkey-a-b-$bare", uc $bare, "$bare x", substr($bare, 0, 62), "${bare}00", hashed(hashed($bare)),
	  sha256_hex($bare), "Bearer $bare";
	is($inn->http('GET', '/api/v1/runs', undef, headers => { authorization => $_ })->{status}, 401, "refused: $_ …")
	  for "Basic $bare", $bare, 'Bearer';
	is($inn->http('GET', '/api/v1/runs', undef, headers => { authorization => "bearer  $bare" })->{status}, 200, 'the scheme in any case');
	my $wire = HttpWire->new($inn->http_port);
	$wire->request('GET', '/api/v1/runs', undef, "Authorization: Bearer \xff\xfe");
	is($wire->reply->{status}, 401, 'bytes that are no text');
}

# event keys
{
	is(send_with($event_key)->{status}, 200, 'the event key lets events in');
	for my $key ('wrong', uc $event_key, substr($event_key, 1), "${event_key}x", $signing_key, '%00', '%FF')
	{
		my $answer = send_with($key);
		next if $key eq '%FF' && is($answer->{status}, 400, 'a key that is not text');
		is_deeply([ $answer->{status}, $answer->{content}, $answer->{headers}{'content-type'} ],
			[ 401, '{"status":401,"message":"","error":"Event key not found"}', 'application/json' ], 'another one does not: ' . substr($key, 0, 12));
	}
	is($inn->http('POST', $_, '{}')->{json}{error}, 'Event key is required', "POST $_") for '/e/', '/e';
	is($inn->http('GET', '/api/v1/runs', undef, bearer($event_key))->{status}, 401, 'it is no signing key');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'auth/sent'"), 2, 'nothing else is stored');

	my $second = $inn->sql("SELECT inngest.create_event_key('second')");
	is(send_with($second)->{status}, 200, 'a new key counts at once');
	is(send_with($event_key)->{status}, 200, 'beside the old one');
	$inn->sql("SELECT inngest.delete_event_key('first')");
	is(send_with($event_key)->{status}, 401, 'a deleted one counts no more, at once');
	is(send_with($second)->{status}, 200, 'which leaves the other');
	$inn->sql("BEGIN; SELECT inngest.delete_event_key('second'); ROLLBACK");
	is(send_with($second)->{status}, 200, 'what is rolled back has not happened');
	$inn->sql("SELECT inngest.delete_event_key('second')");
	my $answer = send_with($second);
	is_deeply([ $answer->{status}, $answer->{content} ],
		[ 503, '{"status":503,"message":"","error":"Event keys are required to process events securely"}' ], 'without any key there are no events');
	is($inn->sql("SELECT inngest.create_event_key('mine', 'evkey1234abcd')"), 'evkey1234abcd', 'a key may be brought along');
	is(send_with('evkey1234abcd')->{status}, 200, 'and counts');
}

# changes and requests by turns: each request sees what was committed before it
{
	for my $n (1 .. 20)
	{
		my $key = $inn->sql("SELECT inngest.create_event_key('turn')");
		is(send_with($key)->{status}, 200, "turn $n: made and used") or last;
		$inn->sql("SELECT inngest.delete_event_key('turn')");
		is(send_with($key)->{status}, 401, "turn $n: deleted and refused") or last;
	}
}

# rotation
{
	my $old = $signing_key;
	my $new = $inn->sql("SELECT inngest.create_signing_key('signkey-test-$HEX')");

	is($new, "signkey-test-$HEX", 'a signing key may be brought along');
	is($inn->sql('SELECT key, is_current FROM inngest.signing_keys ORDER BY is_current'),
		"$HEX|f\n" . ($old =~ s/^signkey-prod-//r) . '|t', 'the second one is not signed with yet');
	is_deeply([ status_with($old), status_with($new), status_with(hashed($new)) ], [ 200, 200, 200 ], 'both are accepted');
	$inn->sql('SELECT inngest.rotate_signing_key()');
	is($inn->sql('SELECT key FROM inngest.signing_keys WHERE is_current'), $HEX, 'after rotation it is');
	is_deeply([ status_with(hashed($old)), status_with($new) ], [ 200, 200 ], 'still both are accepted');
	is($inn->sql('SELECT inngest.retire_signing_key()'), 't', 'the old one retires');
	is_deeply([ status_with($old), status_with(hashed($old)), status_with($new) ], [ 401, 401, 200 ], 'and is accepted no more');
	is($inn->sql('SELECT inngest.retire_signing_key()'), 'f', 'there is nothing more to retire');
	$signing_key = $new;
}

# listening beyond loopback
{
	my $port = $inn->http_port;

	$inn->mark_log;
	$inn->set_and_reload('inngest.http_address', '0.0.0.0');
	$inn->wait_for_log("listening on http://0.0.0.0:$port");
	is(status_with($signing_key), 200, 'in cloud mode with keys the server listens everywhere');

	$inn->mark_log;
	$inn->sql("SELECT inngest.delete_event_key('mine')");
	$inn->http('GET', '/health');
	$inn->wait_for_log('could not listen on 0.0.0.0:\d+: it is not a loopback address, and keys of both kinds are needed');
	is($inn->http('GET', '/health')->{status}, 599, 'when the last event key goes it does not');
	$inn->mark_log;
	$inn->sql("SELECT inngest.create_event_key('back', 'evkey1234abcd')");
	$inn->wait_for_log('inngest is listening');
	is(send_with('evkey1234abcd')->{status}, 200, 'when one comes back it does again');

	$inn->mark_log;
	is($inn->sql('SELECT inngest.delete_signing_keys()'), 1, 'the signing key goes');
	$inn->http('GET', '/health');
	$inn->wait_for_log('could not listen');
	$inn->mark_log;
	$inn->sql("SELECT inngest.create_signing_key('$HEX')");
	$inn->wait_for_log('inngest is listening');

	$inn->mark_log;
	$inn->set_and_reload('inngest.mode', 'dev');
	$inn->wait_for_log('could not listen on 0.0.0.0:\d+: it is not a loopback address');
	is($inn->log_count('Set "inngest.mode" to "cloud"'), 1, 'in dev mode it listens on loopback only, and says so once');
	is($inn->http('GET', '/health')->{status}, 599, 'and is not there');
	$inn->set('inngest.mode', 'cloud');
	$inn->set_and_reload('inngest.http_address', '127.0.0.1');
	$inn->wait_for_log('listening on http://127.0.0.1');
	is(status_with($signing_key), 200, 'back on loopback');
	is(status_with(undef), 401, 'the mode still counts');
}

# a restart, and a worker that is started anew, know the keys
{
	kill('TERM', $inn->workers('http'));
	$inn->wait_for_log('listening on http://127.0.0.1');
	wait_for(sub { $inn->http('GET', '/health')->{status} == 200 }, 'the worker is back');
	is_deeply([ status_with($signing_key), status_with(undef), send_with('evkey1234abcd')->{status} ], [ 200, 401, 200 ], 'a new worker knows the keys');
	$inn->node->restart;
	$inn->wait_for_http;
	is_deeply([ status_with($signing_key), status_with(undef), send_with('evkey1234abcd')->{status} ], [ 200, 401, 200 ], 'so does a new server');
}

is($inn->log_count(qr/ERROR|PANIC|exited with exit code [^1]/), 0, 'no error in the log') or diag(join "\n", grep { /ERROR/ } split /\n/, $inn->log_text);
unlike(PostgreSQL::Test::Utils::slurp_file($inn->node->logfile), qr/^.*LOG:(?!  (?:statement|execute)).*(?:$HEX|evkey1234abcd)/m, 'the server says no key of its own accord');

done_testing();
