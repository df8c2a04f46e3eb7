# The HTTP client of the executor: what it sends, what it makes of replies, good and bad, and its limits.
# How: a program of our own around src/execute/client.c, without a server, which does as it is told; against a
# peer that misbehaves on demand.  Names of hosts are looked up in the program, so that nobody is asked.
use strict;
use warnings;

use ClientDriver;
use InngestTest qw(wait_for);
use IO::Socket::INET;
use Test::More;

my $peer = ClientDriver::Peer->new;
my $client = ClientDriver->new(calls => 300);

sub header_of
{
	my ($reply, $name) = @_;
	my @found = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $reply->{json}{headers} };

	return @found == 1 ? $found[0] : scalar @found;
}

# what is sent
{
	my $reply = $client->call(url => $peer->url('/echo/a%20b?c=d&e'), body => '{"x":1}',
		header => [ 'Content-Type: application/json', 'X-Inngest-Signature: t=1&s=2', 'X-Empty:', 'X-Twice: 1', 'X-Twice: 2',
			'Content-Length: 3', 'Transfer-Encoding: chunked', 'expect: 100-continue', 'Connection: close' ]);

	is($reply->{status}, 200, 'POST');
	is($reply->{json}{method}, 'POST', 'the method');
	is($reply->{json}{target}, '/echo/a%20b?c=d&e', 'path and query as they were');
	is($reply->{json}{body}, '{"x":1}', 'the body');
	is(header_of($reply, 'Host'), '127.0.0.1:' . $peer->port, 'Host');
	is(header_of($reply, 'User-Agent'), 'Inngest', 'User-Agent');
	is(header_of($reply, 'Content-Type'), 'application/json', 'Content-Type');
	is(header_of($reply, 'X-Inngest-Signature'), 't=1&s=2', 'a header of the caller');
	is(header_of($reply, 'X-Empty'), '', 'an empty one');
	is(header_of($reply, 'X-Twice'), 2, 'one that comes twice');
	is(header_of($reply, 'Content-Length'), 7, 'Content-Length is ours');
	is(header_of($reply, $_), 0, "no $_") for qw(Transfer-Encoding Expect Connection);
	like(header_of($reply, 'Accept-Encoding'), qr/gzip/, 'Accept-Encoding');

	$reply = $client->call(url => $peer->url('/echo'), body_size => 3_000_000);
	is($reply->{json}{body_size}, 3_000_000, 'a large body');
	is(header_of($reply, $_), 0, "no $_ by itself") for qw(Expect Content-Type);

	for my $method (qw(GET DELETE OPTIONS PATCH PUT POST FETCH))
	{
		$reply = $client->call(method => $method, url => $peer->url('/echo'));
		is($reply->{json}{method}, $method, "$method without a body");
		my @length = map { $_->[1] } grep { $_->[0] eq 'Content-Length' } @{ $reply->{json}{headers} };
		is("@length", $method =~ /^P/ ? '0' : '', 'and its length');
	}
	$reply = $client->call(method => 'PUT', url => $peer->url('/echo'), body => 'put');
	is("$reply->{json}{method} $reply->{json}{body}", 'PUT put', 'PUT with a body');
	$reply = $client->call(method => 'HEAD', url => $peer->url('/echo'));
	is("$reply->{status} $reply->{size}", '200 0', 'HEAD');
	$reply = $client->call(url => 'http://us:pa@127.0.0.1:' . $peer->port . '/echo');
	is(header_of($reply, 'Authorization'), 'Basic dXM6cGE=', 'user and password of the URL');
	local $ENV{http_proxy} = 'http://127.0.0.1:1';
	my $other = ClientDriver->new;
	is($other->call(url => $peer->url('/echo'))->{status}, 200, 'a proxy of the environment is not looked at');
	is($other->finish, 0, 'the program ends well');
}

# what is understood
{
	my $reply = $client->call(url => $peer->url('/headers'));

	is_deeply($reply->{headers}, [ [ 'Content-Length', '1' ], [ 'x-INNGEST-sdk', 'js:v3' ], [ 'Set-Cookie', 'a=1,b=2, c,d' ],
			[ 'Empty', '' ], [ 'X-Colon', 'a: b' ], [ 'Latin', "\xe9" ] ], 'headers, those of one name joined, and none whose name is none');
	is($reply->{sdk}, 'js:v3', 'a header in another case');

	for my $case (
		[ '/chunked', 200, 'one two three' ],
		[ '/gzip', 200, '{"packed":true}' x 100 ],
		[ '/old', 200, 'until the end' ],
		[ '/interim', 200, 'late' ],
		[ '/stream', 201, qr/^\s+\{"status": 206/ ],
		[ '/drip/300', 200, 'd' x 300 ],
		[ '/big/5000000', 200, qr/^b{4096}$/ ],
		[ '/status/204', 204, '' ],
		[ '/status/404', 404, 'as asked' ],
		[ '/status/500', 500, 'as asked' ],
		[ '/status/304', 304, '' ],
		[ '/redirect/307', 307, 'elsewhere' ],
		[ '/redirect/300?/echo', 300, 'elsewhere' ])
	{
		my ($path, $status, $body) = @$case;

		$reply = $client->call(url => $peer->url($path));
		is("$reply->{error} $reply->{status}", "none $status", $path);
		ref $body ? like($reply->{body}, $body, 'its body') : is($reply->{body}, $body, 'its body');
		ok($reply->{terminated}, 'and a NUL');
		is($reply->{sdk}, $path eq '/stream' ? 'js:v3' : undef, 'headers of the last reply only, no trailers');
	}
}

# what goes wrong
for my $case (
	[ '/cut', 'cut_off', qr/closed the connection before the reply was whole/ ],
	[ '/cut-chunked', 'cut_off', qr/closed the connection/ ],
	[ '/cut-headers', 'cut_off', qr/closed the connection/ ],
	[ '/nothing', 'cut_off', qr/closed the connection/ ],
	[ '/reset', 'cut_off', qr/closed the connection/ ],
	[ '/garbage', 'garbled', qr/cannot be understood/ ],
	[ '/bad-encoding', 'garbled', qr/cannot be understood/ ],
	[ '/hang', 'timeout', qr/no whole reply .* within 300 ms/, timeout => 300 ],
	[ '/big/100000000', 'too_large', qr/more than 8388608 bytes/ ],
	[ '/big-chunked/100000000', 'too_large', qr/more than 8388608 bytes/ ],
	[ '/gzip-bomb/100000000', 'too_large', qr/more than 8388608 bytes/ ],
	[ '/big/1000', 'none', qr/^$/, max => 1000 ],
	[ '/big/1001', 'too_large', qr/more than 1000 bytes/, max => 1000 ],
	[ '/big-chunked/1001', 'too_large', qr/more than 1000 bytes/, max => 1000 ],
	[ '/many-headers/255', 'none', qr/^$/ ],
	[ '/many-headers/256', 'too_large', qr/of headers/ ],
	[ '/one-header/65000', 'none', qr/^$/ ],
	[ '/one-header/66000', 'too_large', qr/of headers/ ],
	[ '/one-header/300000', 'too_large', qr/of headers/ ],
	[ '/endless-headers', 'too_large', qr/of headers/ ],
	[ '/loop/1', 'redirects', qr/more than 60 redirects, the last by 127\.0\.0\.1/ ],
	[ '/redirect/302?ftp://x/', 'redirects', qr/redirects to a URL that cannot be used: its scheme/ ],
	[ '/redirect/302?http://[', 'redirects', qr/cannot be used/ ],
	[ '/redirect/302?http://127.0.0.1:1/', 'connect', qr/could not connect to 127\.0\.0\.1:1: Connection refused/ ])
{
	my ($path, $error, $sentence, %field) = @$case;
	my $reply = $client->call(url => $peer->url($path), %field);

	is($reply->{error}, $error, "$path: $error");
	like($reply->{sentence}, $sentence, 'its sentence');
	is("$reply->{status} $reply->{size} " . @{ $reply->{headers} }, '0 0 0', 'and nothing else') if $error ne 'none';
}
for my $case (
	[ 'http://127.0.0.1:1/', 'connect', qr/could not connect to 127\.0\.0\.1:1: Connection refused/ ],
	[ "https://127.0.0.1:1/", 'connect', qr/Connection refused/ ],
	[ 'http://nowhere.test/', 'resolve', qr/the host "nowhere\.test" has no address/ ],
	[ 'ftp://127.0.0.1/', 'invalid', qr/its scheme is neither http nor https/ ],
	[ 'file:///etc/passwd', 'invalid', qr/scheme/ ],
	[ 'gopher://127.0.0.1/', 'invalid', qr/scheme/ ],
	[ 'nonsense://x', 'invalid', qr/scheme/ ],
	[ '127.0.0.1/', 'invalid', qr/./ ],
	[ '/path', 'invalid', qr/./ ],
	[ 'http://', 'invalid', qr/./ ],
	[ 'http://h:99999/', 'invalid', qr/./ ],
	[ 'http://' . 'h' x 300 . '/', 'invalid', qr/too long/ ])
{
	my ($url, $error, $sentence) = @$case;
	my $reply = $client->call(url => $url);

	is($reply->{error}, $error, substr("$url: $error", 0, 60));
	like($reply->{sentence}, $sentence, 'its sentence');
}
for my $case (
	[ 'a header in a header', header => 'X-A: b\r\nX-C: d' ],
	[ 'half a line end', header => 'X-A: b\nX-C: d' ],
	[ 'no colon', header => 'X-A' ],
	[ 'no name', header => ': b' ],
	[ 'a blank in the name', header => 'X A: b' ],
	[ 'a semicolon in the name', header => 'X;A: b' ],
	[ 'two words for the method', method => 'GET /x' ],
	[ 'a long method', method => 'G' x 40 ])
{
	my ($what, %field) = @$case;

	is($client->call(url => $peer->url('/echo'), %field)->{error}, 'invalid', $what);
}

# redirects
{
	my @secrets = ('Authorization: Bearer s', 'Cookie: c=1', 'X-Api-Key: k');

	for my $status (301, 302, 303, 307, 308)
	{
		my $reply = $client->call(url => $peer->url("/redirect/$status?/echo/there"), body => 'kept', header => [ 'X-Mine: 1', @secrets ]);

		is("$reply->{json}{method} $reply->{json}{body}", 'POST kept', "$status: method and body are kept");
		is(join(' ', map { header_of($reply, $_) } qw(X-Mine Authorization Cookie X-Api-Key)), '1 Bearer s c=1 k', 'and headers');
		is($reply->{redirects}, 1, 'and it is counted');
	}
	is($client->call(url => $peer->url('/redirect/302?/echo'))->{json}{target}, '/echo', 'the query is not kept, it may be a secret');
	is($client->call(url => $peer->url('/redirect/302?/echo'), keep => 1)->{json}{target}, '/echo?/echo', 'but for who says so');
	is($client->call(url => $peer->url('/redirect/302?/echo?a=b'), keep => 1)->{json}{target}, '/echo?a=b', 'and not if there is another one');
	is($client->call(url => $peer->url('/redirect/302?echo'))->{json}{error} // 'none', 'none', 'a relative one');
	my $reply = $client->call(url => $peer->url('/redirect/302?' . $peer->url('/echo', 'local.test')), header => [ 'X-Mine: 1', @secrets, 'Host: mine' ]);
	is(join(' ', map { header_of($reply, $_) } qw(X-Mine Authorization Cookie X-Api-Key)), '1 0 0 0', 'to another host without secrets');
	is(header_of($reply, 'Host'), 'local.test:' . $peer->port, 'and with its own name');
	is($client->call(url => $peer->url('/redirect/302?/redirect/302?/hang'), timeout => 300)->{error}, 'timeout', 'time is for all together');
}

# addresses
{
	for (qw(8.8.8.8 1.1.1.1 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.255 9.255.255.255 11.0.0.0
		2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1 2001:4860::8888))
	{
		ok($client->ask('address', text => $_)->{public}, "$_ is public");
	}
	for (qw(0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1
		172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
		239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::808:808
		2002:7f00:1::1 2002:a00:1::1 2001::1 2001:db8::1 3fff::1 100::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 4000::1 unix))
	{
		ok(!$client->ask('address', text => $_)->{public}, "$_ is not");
	}

	my $reply = $client->call(url => $peer->url('/echo'), restricted => 1);
	is($reply->{error}, 'refused', 'restricted: not to ourselves');
	is($reply->{sentence}, 'the address 127.0.0.1 of the host "127.0.0.1" is not public', 'its sentence');
	is($client->call(url => $peer->url('/echo', $_), restricted => 1)->{error}, 'refused', "nor by $_")
	  for qw(localhost x.localhost 2130706433 0x7f.1 127.1 [::1] [::ffff:127.0.0.1] local.test private.test 0);
	is($client->call(url => $peer->url('/echo', 'local.test'))->{status}, 200, 'unrestricted it is reached');
	is($client->call(url => $peer->url('/echo', 'local.test'), restricted => 1)->{error}, 'refused', 'a connection that is kept is no way around');
	is($client->call(url => $peer->url('/echo', 'public.test'), restricted => 1)->{status}, 200, 'a public address is reached');
	is($client->call(url => $peer->url('/echo', 'both.test'), restricted => 1)->{status}, 200, 'of two addresses the public one');
	is($client->call(url => $peer->url('/redirect/302?' . $peer->url('/echo', 'local.test'), 'public.test'), restricted => 1)->{error},
		'refused', 'and no redirect leads around');
}

# connections
{
	my $other = ClientDriver->new;
	my $idle = $other->ask('stats');
	my @replies = map { $other->call(url => $peer->url('/echo'))->{json} } 1 .. 5;

	is($replies[4]{connection}, $replies[0]{connection}, 'a connection is used again');
	is($replies[4]{request}, 5, 'for the fifth request');
	for (1 .. 3)
	{
		is($other->call(url => $peer->url('/once'))->{status}, 200, 'a connection that was closed meanwhile does no harm');
	}
	my @ids = map { $other->start(url => $peer->url('/drip/100')) } 1 .. 20;
	is((grep { $other->reply($_)->{status} == 200 } @ids), 20, 'twenty at a time');
	cmp_ok($other->ask('stats')->{descriptors}, '>', $idle->{descriptors}, 'some connections are kept');
	cmp_ok($other->ask('stats')->{deadline_ms}, '<=', 60_000, 'for a minute');
	$other->command('clock', ms => 61_000);
	wait_for(sub { $other->ask('stats')->{descriptors} == $idle->{descriptors} }, 'then all are closed');
	is($other->ask('stats')->{deadline_ms}, -1, 'and nothing is waited for');

	$other->command('clock', ms => -3_600_000);
	is($other->call(url => $peer->url('/hang'), timeout => 200)->{error}, 'timeout', 'the clock may be put back');

	my $id = $other->start(url => $peer->url('/hang'));
	$other->command('clock', ms => -3_600_000);
	$other->call(url => $peer->url('/echo'));
	$other->command('abandon', id => $id);
	is($other->ask('stats')->{room}, 1000, 'an abandoned call leaves room');
	my $held = $other->start(url => $peer->url('/echo'), hold => 1);
	$other->reply($held);
	$id = $other->start(url => $peer->url('/hang'));
	$other->start(url => 'http://slow.test/');
	$other->start(url => 'http://slow.test/2');
	wait_for(sub { $other->ask('stats')->{looking} == 1 }, 'a lookup');
	$other->command('close');
	$other->command('open', n => 10);
	is($other->ask('stats')->{room}, 10, 'closed and opened with calls in every state');
	is($other->call(url => $peer->url('/echo'))->{status}, 200, 'it works again');
	ok(!$other->has_reply($id), 'and the old calls are forgotten');
	$other->command('release');
	is($other->finish, 0, 'the program ends well');
}

# names of hosts
{
	my $other = ClientDriver->new;
	my $url = $peer->url('/echo');
	my @slow = map { $other->start(url => $peer->url('/echo', "n$_.slow.test")) } 1 .. 40;
	my @same = map { $other->start(url => $peer->url('/echo', 'n1.slow.test')) } 1 .. 30;

	wait_for(sub { $other->ask('stats')->{looking} == 16 }, 'lookups');
	is($other->call(url => $url)->{status}, 200, 'who needs no lookup is not kept');
	is($other->call(url => $peer->url('/echo', 'localhost'))->{status}, 200, 'nor is who asks for localhost');
	is($other->ask('stats')->{looking}, 16, 'sixteen are looked up at a time');
	wait_for(sub { $other->command('release'); !grep { !$other->has_reply($_) } @slow, @same }, 'all replies');
	is((grep { $other->reply($_)->{status} == 200 } @slow, @same), 70, 'all get their reply');
	my $stats = $other->ask('stats');
	is($stats->{lookups}, 40, 'each name was looked up once');
	is($stats->{max_looking}, 16, 'sixteen at a time');
	is($stats->{unmasked}, 0, 'no signal may be delivered to the thread');
	wait_for(sub { $other->ask('stats')->{threads} == 1 }, 'the threads end');

	@same = map { $other->start(url => "http://slow.nowhere.test/$_") } 1 .. 10;
	wait_for(sub { $other->ask('stats')->{looking} == 1 }, 'a lookup');
	$other->command('release');
	is((grep { $other->reply($_)->{error} eq 'resolve' } @same), 10, 'who wants to know the same shares the failure');
	is($other->ask('stats')->{lookups}, 41, 'of one lookup');

	@same = map { $other->start(url => $peer->url('/echo', 'again.slow.test')) } 1 .. 3;
	wait_for(sub { $other->ask('stats')->{looking} == 1 }, 'a lookup');
	$other->command('abandon', id => $same[0]);
	wait_for(sub { $other->ask('stats')->{looking} == 2 }, 'another one takes over');
	$other->command('release');
	is((grep { $other->reply($_)->{status} == 200 } @same[ 1, 2 ]), 2, 'when the first is abandoned');

	@slow = map { $other->start(url => "http://late$_.slow.test/", timeout => 60_000) } 1 .. 17;
	wait_for(sub { $other->ask('stats')->{looking} == 16 }, 'lookups');
	ok(!$other->has_reply($slow[16]), 'the seventeenth waits');
	$other->command('clock', ms => 10_001);
	my $late = $other->reply($slow[16]);
	is($late->{error}, 'busy', 'but not for ever');
	like($late->{sentence}, qr/too many names of hosts/, 'its sentence');
	is($other->finish, 0, 'the program ends although threads are left');
}

# room
{
	my $other = ClientDriver->new(calls => 20);
	my @hang = map { $other->start(url => $peer->url('/hang')) } 1 .. 20;
	my $reply = $other->call(url => $peer->url('/echo'));

	is($reply->{error}, 'busy', 'more calls than were agreed');
	like($reply->{sentence}, qr/too many calls/, 'its sentence');
	is($other->ask('stats')->{room}, 0, 'there was no room');
	$other->command('abandon', id => $hang[0]);
	is($other->call(url => $peer->url('/echo'))->{status}, 200, 'now there is');
	is($other->finish, 0, 'the program ends with calls under way');
}

# descriptors; valgrind has its own idea of their limit
SKIP:
{
	skip 'not under valgrind', 6 if $ENV{INN_TEST_WRAPPER};
	my $other = ClientDriver->new;

	$other->command('close');
	$other->command('descriptors', n => 320);
	$other->command('open', n => 200);
	is($other->ask('stats')->{room}, 64, 'calls for which there are descriptors beside the reserved ones');
	my @hang = map { $other->start(url => $peer->url('/hang')) } 1 .. 64;
	my $refused;
	wait_for(sub { ($refused) = grep { $other->has_reply($_) } @hang }, 'some call fails');
	my $reply = $other->reply($refused);
	is($reply->{error}, 'busy', 'no descriptor left');
	like($reply->{sentence}, qr/no descriptor/, 'its sentence');
	cmp_ok($other->ask('stats')->{descriptors}, '<', 80, 'the reserve is left alone');
	$other->command('abandon', id => $_) for grep { !$other->has_reply($_) } @hang[ 0 .. 30 ];
	is($other->call(url => $peer->url('/echo'))->{status}, 200, 'and it goes on');
	is($other->finish, 0, 'the program ends well');
}

# memory
{
	my $other = ClientDriver->new;
	my @held;

	for (1 .. 32)
	{
		push @held, $other->start(url => $peer->url('/big/8000000'), hold => 1);
		is($other->reply($held[-1])->{error}, 'none', 'a large reply') or last;
	}
	is($other->call(url => $peer->url('/big/8000000'))->{error}, 'busy', 'more than all together may have');
	is($other->call(url => $peer->url('/big/16000'))->{status}, 200, 'small replies are not concerned');
	$other->command('free', id => $_) for @held;
	is($other->call(url => $peer->url('/big/8000000'))->{status}, 200, 'and when replies are freed, all is well');

	@held = map { $other->start(url => $peer->url('/big/8000000'), hold => 1) } 1 .. 60;
	my @errors = map { $other->reply($_)->{error} } @held;
	my $good = grep { $_ eq 'none' } @errors;
	cmp_ok($good, '>=', 1, 'of many at a time some get through');
	is((grep { $_ eq 'busy' } @errors), 60 - $good, 'the others fail for now');
	cmp_ok($other->ask('stats')->{resident_kb}, '<', 400_000, 'and the memory has a limit') unless $ENV{INN_TEST_WRAPPER} || $ENV{INN_TEST_PRELOAD};
	$other->command('free', id => $_) for @held;

	# nobody accepts, so the bodies stay where they are
	my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die $!;
	my @large = map { $other->start(url => 'http://127.0.0.1:' . $deaf->sockport, body_size => 90_000_000) } 1 .. 3;
	is($other->ask('stats')->{room}, 0, 'large requests: no room');
	is($other->call(url => $peer->url('/echo'))->{error}, 'busy', 'for another');
	$other->command('abandon', id => $_) for @large;
	is($other->call(url => $peer->url('/echo'))->{status}, 200, 'until they are gone');
	is($other->finish, 0, 'the program ends well');
}

# thousands that hang
{
	my $limit = `bash -c 'ulimit -Hn'`;
	my $n = $limit =~ /unlimited/ || $limit > 12_000 ? 10_000 : $limit - 1000;
	my $other = ClientDriver->new(calls => 11_000);
	my $before = $other->ask('bench', url => $peer->url('/fast'), n => 1000, concurrency => 8);
	my @hang;

	$other->call(url => $peer->url('/release'));
	wait_for(sub { $other->call(url => $peer->url('/echo'))->{json}{hanging} == 0 }, 'those of other tests are gone');
	@hang = map { $other->start(url => $peer->url('/hang')) } 1 .. $n;
	wait_for(sub { $other->call(url => $peer->url('/echo'))->{json}{hanging} == $n }, "$n calls hang");
	my $after = $other->ask('bench', url => $peer->url('/fast'), n => 1000, concurrency => 8);
	is("$before->{failed} $after->{failed}", '0 0', "$n hanging: others are served");
	cmp_ok($after->{cpu_us_per_call}, '<', 3 * $before->{cpu_us_per_call} + 30, 'at the same cost');
	note("processor time of a call: $before->{cpu_us_per_call} us, beside $n that hang $after->{cpu_us_per_call} us");
	$other->call(url => $peer->url('/release'));
	is((grep { $other->reply($_)->{body} eq 'at last' } @hang), $n, 'in the end they get their replies, too');
	is($other->finish, 0, 'the program ends well');
}

is($client->finish, 0, 'the program ends well');

done_testing();
