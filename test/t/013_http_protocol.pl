# HTTP/1.1 as it comes over the wire: connections kept and reused, methods, sizes, slow and vanishing clients,
# the limit of connections.  How: bytes are written by hand; where time matters, inngest.http_timeout is short.
use strict;
use warnings;

use HttpWire;
use InngestTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $inn = InngestTest->new('main', conf => <<'END');
inngest.max_request_size = '32kB'
inngest.max_event_size = '16kB'
END

$inn->register('idle', 'wire/never');

sub wire { return HttpWire->new($inn->http_port) }
sub event { return qq({"name":"wire/$_[0]"}) }

# Status and code of one request on a connection of its own.
sub answer_to
{
	my ($bytes) = @_;
	my $wire = wire();

	$wire->write($bytes);
	my $reply = $wire->reply;
	return 'none' if !defined $reply;
	my $json = eval { JSON::PP::decode_json($reply->{content}) };
	return $reply->{status} . (defined $json && exists $json->{code} ? " $json->{code}" : '');
}

sub chunked
{
	my ($path, @chunks) = @_;

	return "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	  . join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) } @chunks) . "0\r\n\r\n";
}

# one connection, many requests
{
	my $wire = wire();

	for my $n (1 .. 20)
	{
		$wire->request($n % 2 ? ('GET', '/health') : ('POST', '/e/k', event("kept$n")));
		my $reply = $wire->reply;
		is($reply->{status}, 200, "request $n on one connection") or last;
	}
	$wire->request('GET', '/nowhere');
	is($wire->reply->{status}, 404, 'an error does not end it');
	$wire->request('GET', '/health', undef, 'Connection: close');
	is($wire->reply->{headers}{connection}, 'close', 'the client may ask for the end');
	ok($wire->is_closed, 'and gets it');
}

# several requests at once
{
	my $wire = wire();

	$wire->write(join('', map { "$_->[0] $_->[1] HTTP/1.1\r\nHost: x\r\nContent-Length: " . length($_->[2]) . "\r\n\r\n$_->[2]" }
			[ 'GET', '/api/v1/functions', '' ], [ 'POST', '/e/k', event('piped') ], [ 'GET', '/nowhere', '' ],
			[ 'POST', '/e/k', '{bad' ], [ 'GET', '/health', '' ]));
	my @replies = map { $wire->reply } 1 .. 5;

	is_deeply([ map { $_->{status} } @replies ], [ 200, 200, 404, 400, 200 ], 'five requests in one write: five replies in order');
	like($replies[0]{content}, qr/"data"/, 'the first reply is that to the first');
	like($replies[1]{content}, qr/"ids":\["/, 'the second that to the second');
	like($replies[4]{content}, qr/"backends"/, 'the last that to the last');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'wire/piped'"), 1, 'the event among them is stored');
}

# a request in pieces
{
	my $wire = wire();
	my $request = "POST /e/k HTTP/1.1\r\nHost: x\r\nContent-Length: " . length(event('bytes')) . "\r\n\r\n" . event('bytes');

	for my $byte (split //, $request)
	{
		$wire->write($byte);
	}
	is($wire->reply->{status}, 200, 'byte by byte');
	is(answer_to(chunked('/e/k', split(/(?<=e)/, event('chunks')))), '200', 'in chunks');
	is($inn->sql("SELECT string_agg(name, ' ' ORDER BY name) FROM inngest.events WHERE name IN ('wire/bytes', 'wire/chunks')"),
		'wire/bytes wire/chunks', 'both have arrived whole');
}

# methods
{
	for my $path ('/health', '/', '/api/openapi.json', '/api/v1/runs')
	{
		my $wire = wire();

		$wire->request('GET', $path);
		my $get = $wire->reply;
		$wire->request('HEAD', $path);
		my $head = $wire->reply(no_body => 1);
		is($head->{status}, 200, "HEAD $path");
		is_deeply([ @{ $head->{headers} }{qw(content-type content-length)} ],
			[ @{ $get->{headers} }{qw(content-type content-length)} ], 'has the headers of GET');
		ok($wire->is_silent(0.05), 'and no body');
		$wire->request('GET', '/health');
		is($wire->reply->{status}, 200, 'the connection goes on');
	}

	my %allow = (
		'/' => 'GET, HEAD, OPTIONS',
		'/health' => 'GET, HEAD, OPTIONS',
		'/e/k' => 'POST, OPTIONS',
		'/api/v1/functions' => 'GET, HEAD, POST, OPTIONS',
		'/api/v1/functions/f' => 'GET, HEAD, DELETE, OPTIONS',
		'/api/v1/runs/lease' => 'POST, OPTIONS',
		'/api/v1/runs/r' => 'GET, HEAD, DELETE, OPTIONS',
		'/api/v1/runs/r/complete' => 'POST, OPTIONS',
	);
	for my $path (sort keys %allow)
	{
		my $answer = $inn->http('PATCH', $path);
		is_deeply([ $answer->{status}, $answer->{json}{code}, $answer->{headers}{allow} ],
			[ 405, 'method_not_allowed', $allow{$path} ], "PATCH $path is told what is allowed");

		$answer = $inn->http('OPTIONS', $path, undef, headers => { origin => 'http://a.example' });
		is_deeply([ $answer->{status}, $answer->{content} // '', @{ $answer->{headers} }{qw(allow access-control-allow-origin
				access-control-allow-headers access-control-max-age access-control-allow-credentials)} ],
			[ 204, '', $allow{$path}, '*', '*, Authorization', 3600, undef ], "OPTIONS $path lets browsers in");
		like($answer->{headers}{'access-control-allow-methods'}, qr/\bPOST\b.*\bDELETE\b/, 'with every method');
	}
	my $answer = $inn->http('GET', '/health');
	is_deeply([ @{ $answer->{headers} }{qw(access-control-allow-origin access-control-expose-headers x-inngest-server-kind)} ],
		[ '*', 'Link', 'dev' ], 'every answer may be read by any origin');
}

# paths
for my $path ('/nowhere', '/health/', '/api/v1/functions/', '/api/v1/functions/a/b', '//health', '/e/k/more', '/api/v1/runs/x/unknown',
	'/../health', '/%2e')
{
	is(answer_to("GET $path HTTP/1.1\r\nHost: x\r\n\r\n"), '404 not_found', "nothing at $path");
}
is(answer_to("GET /%68ealth HTTP/1.1\r\nHost: x\r\n\r\n"), '200', 'an escaped path is the same path');
is(answer_to("GET $_ HTTP/1.1\r\nHost: x\r\n\r\n"), '400 invalid_parameter', "what is not UTF-8 is refused: $_")
  for '/%FF', '/api/v1/functions/%C0%80', '/api/v1/runs?limit=%FF', '/api/v1/runs?%FF=1';
is(answer_to("GET /api/v1/functions/%22%0a%5c HTTP/1.1\r\nHost: x\r\n\r\n"), '404 function_not_found', 'quotes and controls are escaped');

# query parameters
{
	my $many = join('&', map { "status=QUEUED" } 1 .. 64);

	is(answer_to("GET /api/v1/runs?$many HTTP/1.1\r\nHost: x\r\n\r\n"), '200', '64 query parameters');
	is(answer_to("GET /api/v1/runs?$many&limit=1 HTTP/1.1\r\nHost: x\r\n\r\n"), '400 invalid_parameter', '65 are too many');
	is(answer_to("GET /api/v1/runs?colour=red HTTP/1.1\r\nHost: x\r\n\r\n"), '400 invalid_parameter', 'an unknown one is refused');
	is(answer_to("GET /api/v1/functions?status=QUEUED HTTP/1.1\r\nHost: x\r\n\r\n"), '400 invalid_parameter', 'also if known elsewhere');
	is(answer_to("GET /api/v1/runs?limit HTTP/1.1\r\nHost: x\r\n\r\n"), '400 invalid_parameter', 'one without a value is empty');
}

# content types
for my $type ('application/json', 'Application/JSON; charset=utf-8', 'application/cloudevents+json')
{
	is($inn->http('POST', '/api/v1/events', event('typed'), headers => { 'content-type' => $type })->{status}, 200, "type $type");
}
for my $type ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'json')
{
	my $answer = $inn->http('POST', '/api/v1/events', event('typed'), headers => { 'content-type' => $type });
	is_deeply([ $answer->{status}, $answer->{json}{code} ], [ 415, 'unsupported_media_type' ], "type $type is refused");
}
is(answer_to("POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" . '{"name":"w/x"}'), '200', 'no type at all is JSON');
is($inn->http('POST', '/api/v1/functions', '{}', headers => { 'content-type' => 'text/html' })->{status}, 415,
	'so it is with the other routes that take a body');

# sizes
{
	my $limit = 32 * 1024;
	my $large = '[' . ' ' x ($limit - 2) . ']';
	my $wire = wire();

	is($inn->http('POST', '/e/k', $large)->{status}, 200, 'the largest body');
	is(answer_to(chunked('/e/k', substr($large, 0, 20000), substr($large, 20000))), '200', 'in chunks, too');
	is(answer_to(chunked('/e/k', $large, ' ')), '413 request_too_large', 'a larger one, in chunks');
	for my $path ('/e/k', '/api/v1/events', '/api/v1/functions')
	{
		my $answer = $inn->http('POST', $path, "$large ");
		is_deeply([ $answer->{status}, $answer->{json}{code} ], [ 413, 'request_too_large' ], "POST $path: a larger body");
		like($answer->{json}{error}, qr/32768 bytes \(inngest\.max_request_size\)/, 'the limit is named');
	}

	$wire->request('POST', '/e/k', "$large ");
	is($wire->reply->{status}, 413, 'the connection survives it');
	$wire->request('POST', '/e/k', event('afterwards'));
	is($wire->reply->{status}, 200, 'and takes the next request');

	# much more than it may: it need not be listened to for ever
	$wire = wire();
	$wire->write("POST /e/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
	my $sent = 0;
	while ($sent < 200 && $wire->write('x' x 65536)) { $sent++ }
	cmp_ok($sent, '<', 200, 'who sends without end is cut off');
	is($inn->http('GET', '/health')->{status}, 200, 'nobody else is harmed');

	is(answer_to("GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " . 'x' x 8000 . "\r\n\r\n"), '200', 'headers of 8 kB');
	is(answer_to("GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " . 'x' x 20000 . "\r\n\r\n"), '431', 'headers of 20 kB are too large');
	is(answer_to("GET /" . 'x' x 20000 . " HTTP/1.1\r\nHost: x\r\n\r\n"), '414', 'so is a path of 20 kB');
}

# what is not HTTP
{
	is(answer_to("POST /e/k HTTP/1.1\r\nHost: x\r\nContent-Length: $_\r\n\r\n"), '400', "a length of $_") for '-1', 'x';
	for my $garbage ("hello\r\n\r\n", "\x16\x03\x01\x02\0" . 'x' x 60 . "\r\n\r\n")
	{
		like(answer_to($garbage), qr/^(?:none|400)$/, 'garbage is not served');
	}
	is($inn->http('GET', '/health')->{status}, 200, 'everybody else is');
}

# Expect
{
	my $wire = wire();
	my $body = event('expected');

	$wire->write("POST /e/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " . length($body) . "\r\n\r\n");
	is($wire->reply->{status}, 100, 'the body is asked for');
	$wire->write($body);
	is($wire->reply->{status}, 200, 'and accepted');
}

# slow clients
{
	$inn->mark_log;
	$inn->set_and_reload('inngest.http_timeout', '500ms');
	$inn->wait_for_log('inngest is listening on');

	my %slow = map { ($_ => wire()) } qw(silent header body dripping idle);
	$slow{header}->write("GET /health HTTP/1.1\r\nHost:");
	$slow{body}->write("POST /e/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
	$slow{dripping}->write('GET /health');
	$slow{idle}->request('GET', '/health');
	is($slow{idle}->reply->{status}, 200, 'a connection is served and then idle');

	# the one that drips is never silent for long, and yet it must end
	my $drips = 0;
	while ($drips < 1000 && $slow{dripping}->write('h'))
	{
		is($inn->http('GET', '/health')->{status}, 200, 'others are served meanwhile') if $drips % 10 == 0;
		$drips++;
		sleep(0.05);
	}
	cmp_ok($drips, '<', 1000, 'a client that drips its headers is cut off');
	for my $kind (qw(silent header body idle))
	{
		ok($slow{$kind}->is_closed, "so is the one that is slow: $kind");
	}

	# whoever waits for us is not slow
	my $wire = wire();
	my $start = time();
	$wire->request('POST', '/api/v1/runs/lease', '{"functions":["idle"],"wait":"1500ms"}', 'Content-Type: application/json');
	is($wire->reply->{status}, 200, 'a request that waits longer than the timeout is answered');
	cmp_ok(time() - $start, '>', 1.4, 'at its time');
}

# clients that vanish; the timeout is still short, for those whose end is not noticed at once
{
	for my $path ('/e/k', '/api/v1/events')
	{
		my $wire = wire();
		$wire->request('POST', $path, event('vanished'), 'Content-Type: application/json');
		$wire->close(hard => 1);
	}
	for (1 .. 20)
	{
		my $wire = wire();
		$wire->request('GET', '/api/v1/runs');
		$wire->close(hard => $_ % 2);
	}
	my $wire = wire();
	$wire->write("POST /e/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" . event('half'));
	$wire->close;
	$wire = wire();
	$wire->request('POST', '/api/v1/runs/lease', '{"functions":["idle"],"wait":"1s"}', 'Content-Type: application/json');
	$wire->close;

	is($inn->http('GET', '/health')->{status}, 200, 'clients that vanish harm nobody');
	wait_for(sub { $inn->http('GET', '/metrics')->{content} =~ /^inngest_http_connections 1$/m }, 'their connections are gone');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'wire/half'"), 0, 'half an event is none');
}

# the limit of connections
{
	$inn->mark_log;
	# longer than anything here waits: it must not be what lets the next one in
	$inn->set('inngest.http_timeout', '5min');
	$inn->set_and_reload('inngest.http_max_connections', 4);
	$inn->wait_for_log('inngest is listening on');

	my @wires = map { wire() } 1 .. 4;
	for my $wire (@wires)
	{
		$wire->request('GET', '/health');
		is($wire->reply->{status}, 200, 'a connection within the limit');
	}
	my $fifth = wire();
	$fifth->request('GET', '/health');
	ok($fifth->is_silent(0.3), 'one more has to wait');
	$wires[1]->request('POST', '/e/k', event('within'));
	is($wires[1]->reply->{status}, 200, 'the others go on');
	$wires[2]->close;
	is($fifth->reply->{status}, 200, 'its turn comes when one of them ends');
}

# several workers share the port
{
	$inn->mark_log;
	$inn->set('inngest.http_max_connections', 100);
	$inn->set_and_reload('inngest.http_workers', 2);
	wait_for(sub { $inn->log_count('inngest is listening on') == 2 }, 'two HTTP workers listen');

	# which of them gets a connection is up to the kernel, so there are enough of them
	my @wires = map { wire() } 1 .. 40;
	$wires[$_]->request('POST', '/e/k', event("shared$_")) for 0 .. $#wires;
	is(scalar(grep { my $reply = $_->reply; defined $reply && $reply->{status} == 200 } @wires), 40,
		'two workers serve one port');
	is($inn->sql("SELECT count(DISTINCT name) FROM inngest.events WHERE name LIKE 'wire/shared%'"), 40, 'events of both are stored');
}

unlike(PostgreSQL::Test::Utils::slurp_file($inn->node->logfile), qr/server process .* was terminated|exited with exit code/,
	'no worker has died');

done_testing();
