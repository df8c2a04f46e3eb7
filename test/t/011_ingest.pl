# What POST /e/{key} answers, and what it stores: bodies good and bad, prefixes, limits, seeds, idempotency.
# How: one request each, the exact reply, and a look into the tables; nothing refused may leave a trace.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(time);

my $inn = InngestTest->new('main');

my $ULID = qr/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
my $NO_EVENTS = 'Request body must contain an event object or an array of event objects';

# Post a body as it is (or a reference as JSON).  Options as for http().
sub post
{
	my ($body, %option) = @_;
	return $inn->http('POST', $option{path} // '/e/test', $body, %option);
}

sub count_events { return $inn->sql('SELECT count(*) FROM inngest.events') }

# The body is refused with this error, and nothing is stored.
sub refused
{
	my ($what, $body, $error, %option) = @_;
	my $before = count_events();
	my $answer = post($body, %option);

	is_deeply([ $answer->{status}, @{ $answer->{json} // {} }{qw(ids status)} ], [ 400, [], 400 ], "$what: refused")
	  or diag($answer->{content});
	if (ref $error)
	{
		like($answer->{json}{error}, $error, "$what: says why");
	}
	else
	{
		is($answer->{json}{error}, $error, "$what: says why");
	}
	is(count_events(), $before, "$what: stores nothing");
	return;
}

# The body is accepted; returns the ids.
sub accepted
{
	my ($what, $body, $count, %option) = @_;
	my $answer = post($body, %option);

	is_deeply([ $answer->{status}, sort keys %{ $answer->{json} // {} } ], [ 200, 'ids', 'status' ], "$what: accepted")
	  or diag($answer->{content});
	is($answer->{json}{status}, 200, "$what: the body says 200, as SDKs demand");
	is(scalar(grep { /$ULID/ } @{ $answer->{json}{ids} }), $count, "$what: ids of $count events");
	return @{ $answer->{json}{ids} };
}

# A column of a stored event.
sub stored
{
	my ($id, $column) = @_;
	return $inn->sql("SELECT $column FROM inngest.events WHERE id::text = '$id'");
}

# how many there are
{
	my ($id) = accepted('one event', '{"name":"a/b","data":{"x":[1,2.50,"ü"]},"user":{"u":1},"v":"2026-01"}', 1);
	is(stored($id, 'name'), 'a/b', 'its name is stored');
	is(stored($id, 'data'), '{"x": [1, 2.50, "ü"]}', 'its data');
	is(stored($id, '"user"'), '{"u": 1}', 'its user');
	is(stored($id, 'v'), '2026-01', 'its version');
	is($inn->sql('SELECT count(*) FROM inngest.function_runs'), 0, 'nobody waits for it');

	my @ids = accepted('a batch', '[{"name":"n1"},{"name":"n2"},{"name":"n3"}]', 3);
	is(join(' ', map { stored($_, 'name') } @ids), 'n1 n2 n3', 'ids in the order of the events');
	is_deeply([ sort @ids ], \@ids, 'which is that of the ids');

	accepted('an empty body', '', 0);
	accepted('blanks', " \r\n\t", 0);
	accepted('an empty array', '[]', 0);
	accepted('JSON called text', '{"name":"t"}', 1, headers => { 'content-type' => 'text/plain' });
	accepted('JSON called a form', '{"name":"t"}', 1, headers => { 'content-type' => 'application/x-www-form-urlencoded' });
	accepted('a key that nobody knows', '{"name":"t"}', 1, path => '/e/any-key_at.all');
	is($inn->http('POST', '/e/test', '{"name":"t"}')->{headers}{'content-type'}, 'application/json',
		'the answer is called JSON');
}

# what is no event
refused('a string', '"text"', $NO_EVENTS);
refused('a number', '17', $NO_EVENTS);
refused('null', 'null', $NO_EVENTS);
refused('true', 'true', $NO_EVENTS);
refused('broken JSON', '{bad', qr/json.*bad/i);
refused('a broken array', '[{"name":"a"},}', qr/json/i);
refused('two objects', '{"name":"a"} {"name":"b"}', qr/end of input/);
refused('an array of numbers', '[1]', 'event must be a JSON object');
refused('an array in an array', '[[{"name":"a"}]]', 'event must be a JSON object');
refused('a form', 'name=a&data=b', qr/form/, headers => { 'content-type' => 'application/x-www-form-urlencoded' });
refused('a form of many parts', "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na\r\n--x--\r\n", qr/form/,
	headers => { 'content-type' => 'multipart/form-data; boundary=x' });

# fields
refused('no name', '{"data":{}}', 'event name is empty');
refused('an empty name', '{"name":""}', 'event name is empty');
refused('a name of null', '{"name":null}', 'event name is empty');
refused('a name that is a number', '{"name":7}', 'event field "name" must be a string');
refused('a name too long', '{"name":"' . 'n' x 1025 . '"}', qr/"name" is too long: 1025 bytes, the limit is 1024/);
refused("the reserved name $_", qq({"name":"$_"}), "event name is reserved for internal use: $_")
  for 'inngest/custom', 'Inngest/Function.Finished', 'INNGEST/';
accepted("the name $_", qq({"name":"$_"}), 1) for 'inngest', 'inngest.x', 'a/inngest/b', 'n' x 1024;
refused('data as an array', '{"name":"a","data":[1]}', 'event field "data" must be an object');
refused('data as a string', '{"name":"a","data":"x"}', 'event field "data" must be an object');
refused('user as a string', '{"name":"a","user":"x"}', 'event field "user" must be an object');
refused('v as a number', '{"name":"a","v":1}', 'event field "v" must be a string');
for my $body ('{"name":"d"}', '{"name":"d","data":null}', '{"name":"d","data":{}}')
{
	is(stored(accepted("no data: $body", $body, 1), 'data'), '{}', "no data: $body is {}");
}
is(stored(accepted('a reserved key in data', '{"name":"d","data":{"_inngest":{"x":1},"y":{"_inngest":2}}}', 1), 'data'),
	'{"y": {"_inngest": 2}}', 'the reserved key is taken out of data, at the top only');
is($inn->sql("SELECT string_agg(k, ' ' ORDER BY k) FROM (SELECT jsonb_object_keys(to_jsonb(e) - 'received_at') k FROM inngest.events e WHERE e.id::text = '"
		  . (accepted('unknown fields', '{"name":"d","color":"red","Name":"x","ids":[1]}', 1))[0] . "') x"),
	'caller_id data id meta name ts user v', 'unknown fields are dropped');

# ts
refused('ts as a string', '{"name":"t","ts":"2026-01-01"}', qr/"ts" must be an integer/);
refused('ts with a fraction', '{"name":"t","ts":1700000000000.5}', qr/"ts" must be an integer/);
refused('ts of 1979', '{"name":"t","ts":315532799999}', 'timestamp is before Jan 1, 1980');
refused('a negative ts', '{"name":"t","ts":-1}', 'timestamp is before Jan 1, 1980');
refused('ts of 2100', '{"name":"t","ts":4102444800001}', 'timestamp is after Jan 1, 2100');
refused("ts of $_", qq({"name":"t","ts":$_}), qr/ts|timestamp/) for '1e30', '9223372036854775808', '1e400';
is(stored(accepted('ts of 1980', '{"name":"t","ts":315532800000}', 1), 'extract(epoch FROM ts)::bigint'), 315532800,
	'the oldest ts');
is(stored(accepted('ts', '{"name":"t","ts":1700000000123}', 1), 'round(extract(epoch FROM ts) * 1000)::bigint'), 1700000000123,
	'ts is stored to the millisecond');
for my $ts (qw(0 null))
{
	is(stored(accepted("ts $ts", qq({"name":"t","ts":$ts}), 1), "ts BETWEEN now() - interval '1 minute' AND now()"), 't',
		"a ts of $ts is now");
}

# the sender's id
refused('id as a number', '{"name":"i","id":5}', 'event field "id" must be a string');
refused('id too long', '{"name":"i","id":"' . 'i' x 1025 . '"}', qr/"id" is too long/);
is(stored(accepted("id $_", qq({"name":"i","id":$_}), 1), 'caller_id IS NULL'), 't', "an id of $_ is none") for 'null', '""';
{
	my ($id) = accepted('id', '{"name":"i","id":"mine"}', 1);
	is(stored($id, 'caller_id'), 'mine', 'the id of the sender is stored');
	isnt($id, 'mine', 'and the answer has the internal one');
}

# sessions
is(stored(accepted('sessions', '{"name":"s","meta":{"sessions":{"a":"x","n":5},"propagated_sessions":{"b":"y","a":"z"},"more":1}}', 1), 'meta'),
	'{"sessions": {"a": "x", "b": "y", "n": "5"}}', 'sessions are merged and stored');
refused('a session of true', '{"name":"s","meta":{"sessions":{"a":true}}}', qr/meta\.sessions/);
refused('six sessions', '{"name":"s","meta":{"sessions":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}}}', qr/too many sessions: 6, the limit is 5/);
refused('meta as a string', '{"name":"s","meta":"x"}', 'event field "meta" must be an object');

# text that cannot be stored
refused('a zero character', '{"name":"u","data":{"x":"a\u0000b"}}', qr/\\u0000/);
refused('bytes that are not UTF-8', "{\"name\":\"u\xff\"}", qr/UTF-8/);
refused('an overlong zero', "{\"name\":\"u\xc0\x80\"}", qr/UTF-8/);
refused('a zero byte', "{\"name\":\"u\"}\0", qr/UTF-8/);
is(stored(accepted('a pair of surrogates', '{"name":"u","data":{"x":"\ud83d\ude00"}}', 1), "data->>'x' = U&'\\+01F600'"), 't',
	'a pair of surrogates is one character');
is(stored(accepted('half pairs of surrogates', '{"name":"u","data":{"x":"a\ud83d\\\\\ude00\ud83d\ud83d\ude00\ud83dd"}}', 1), "data->>'x' = U&'a\\FFFD\\\\\\FFFD\\FFFD\\+01F600\\FFFDd'"), 't',
	'half a pair is U+FFFD');
refused('half a pair beside a zero character', '{"name":"u","data":{"x":"\ud83d\u0000"}}', qr/\\u0000/);

# numbers
refused('a number out of range', '{"name":"u","data":{"x":1e400000}}', qr/numeric/);
refused("the number $_", qq({"name":"u","data":{"x":$_}}), qr/json/i) for 'NaN', 'Infinity', '01', '+1', '.5', '0x10';
is(stored(accepted('great numbers', '{"name":"u","data":{"x":1e300,"y":9007199254740993,"z":-0.1}}', 1),
		"data->>'y' || ' ' || length(data->>'x')"), '9007199254740993 301', 'numbers are kept exactly');

# nesting
{
	my $depth = 100_000;

	refused('deep arrays', '[' x $depth, qr/./);
	refused('deep arrays, closed', '{"name":"deep","data":{"x":' . '[' x $depth . ']' x $depth . '}}', qr/stack depth/i);
	refused('deep objects', '{"a":' x $depth, qr/./);
	accepted('a hundred levels', '{"name":"deep","data":{"x":' . '[' x 100 . ']' x 100 . '}}', 1);
}

# prefixes: what comes before the first bad event is accepted
{
	my $before = count_events();
	my $answer = post('[{"name":"p/good"},{"name":"p/better","ts":"x"},{"name":"p/lost"}]');

	is($answer->{status}, 400, '[good, bad, good] is answered 400');
	is_deeply([ $answer->{json}{status}, scalar @{ $answer->{json}{ids} } ], [ 400, 1 ], 'with the id of the first');
	like($answer->{json}{error}, qr/"ts"/, 'and the fault of the second');
	is(stored($answer->{json}{ids}[0], 'name'), 'p/good', 'the first is stored');
	is(count_events(), $before + 1, 'the third is not');
	refused('[bad, good]', '[{"name":"inngest/x"},{"name":"p/lost"}]', qr/reserved/);
}

# limits
{
	my $limit = 512 * 1024;
	my $frame = length '{"name":"big","data":{"x":""}}';

	accepted('the largest event', '{"name":"big","data":{"x":"' . 'x' x ($limit - $frame) . '"}}', 1);
	refused('a larger one', '{"name":"big","data":{"x":"' . 'x' x ($limit - $frame + 1) . '"}}',
		"Event is over the max size: Max $limit bytes / Size " . ($limit + 1) . ' bytes');
	my $answer = post('[{"name":"big"},{"name":"big","data":{"x":"' . 'x' x $limit . '"}},{"name":"big"}]');
	is_deeply([ $answer->{status}, scalar @{ $answer->{json}{ids} } ], [ 400, 1 ], 'in a batch the limit is that of each event');
	like($answer->{json}{error}, qr/^Event is over the max size/, 'and tells so');

	is(scalar accepted('the most events', '[' . join(',', ('{"name":"many"}') x 5000) . ']', 5000), 5000, '5000 events at once');
	refused('more events', '[' . join(',', ('{"name":"many"}') x 5001) . ']', 'Cannot have more than 5000 events in a batch');
}

# keys, methods
{
	for my $path ('/e/', '/e')
	{
		my $answer = post('{"name":"k"}', path => $path);
		is_deeply([ $answer->{status}, $answer->{json} ],
			[ 401, { status => 401, message => '', error => 'Event key is required' } ], "POST $path: no key");
	}
	for my $method (qw(GET PUT DELETE PATCH))
	{
		my $answer = $inn->http($method, '/e/test');
		is_deeply([ $answer->{status}, $answer->{headers}{allow} ], [ 405, 'POST, OPTIONS' ], "$method is told what to use");
	}
	my $answer = $inn->http('OPTIONS', '/e/test');
	is($answer->{status}, 204, 'OPTIONS is answered');
	is($answer->{headers}{'access-control-allow-origin'}, '*', 'for every origin');
	is($answer->{headers}{'x-inngest-server-kind'}, 'dev', 'every answer tells the kind of the server');
}

# seeds
{
	$inn->register('seeded', 'seed/sown');
	my %seed = (headers => { 'x-inngest-event-id-seed' => '1700000000000,AQIDBAUGBwgJCg==' });
	my $body = '[{"name":"seed/sown","data":{"n":1}},{"name":"seed/sown","data":{"n":2}}]';
	my @expected = ('01HF7YAT00041061050R3GG28B', '01HF7YAT00041061050R3GG28C');

	is_deeply([ accepted('a seed', $body, 2, %seed) ], \@expected, 'ids follow from the seed');
	is_deeply([ accepted('the seed again', $body, 2, %seed) ], \@expected, 'the same seed gives the same ids');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'seed/sown'"), 2, 'the events are stored once');
	is($inn->sql(
			"SELECT count(*) FROM inngest.function_runs WHERE event_id::text IN ('$expected[0]', '$expected[1]')"), 2,
		'each has one run');
	my $answer = $inn->http('POST', '/api/v1/events', { name => 'seed/none' }, %seed);
	unlike($answer->{json}{ids}[0], qr/^01HF7YAT0/, 'seeds are for /e/ only');
	for my $seed ('x', '1700000000000', '1700000000000,', '1700000000000,AQID', '-5,AQIDBAUGBwgJCg==', ',AQIDBAUGBwgJCg==',
		'1700000000000,AQIDBAUGBwgJCg==x', '99999999999999999999,AQIDBAUGBwgJCg==')
	{
		my ($id) = accepted("the bad seed $seed", '{"name":"seed/ignored"}', 1,
			headers => { 'x-inngest-event-id-seed' => $seed });
		cmp_ok(abs($inn->sql("SELECT extract(epoch FROM inngest.ulid_timestamp('$id') - now())::int")), '<', 60,
			"the bad seed $seed is ignored");
	}
}

# one run per function and event id, for 24 hours
{
	$inn->register('first', 'once/upon');
	my @ids = map { accepted("id a-time, $_", '{"name":"once/upon","id":"a-time"}', 1) } 1 .. 2;

	isnt($ids[0], $ids[1], 'an event id sent twice makes two events');
	is(runs_of('first'), 1, 'and one run');
	is($inn->http('POST', '/api/v1/events', '[{"name":"once/upon","id":"b"},{"name":"once/upon","id":"b"}]')
		  ->{json}{runs}[1], undef, 'also in one batch');
	is(runs_of('first'), 2, 'another id makes another run');

	$inn->register('second', 'once/upon');
	accepted('id a-time, 3', '{"name":"once/upon","id":"a-time"}', 1);
	is(runs_of('first') . runs_of('second'), '21', 'each function for itself');
	accepted('no id', '{"name":"once/upon"}', 1) for 1, 2;
	is(runs_of('first') . runs_of('second'), '43', 'events without an id are all different');

	is($inn->sql("SELECT bool_and(expires_at BETWEEN now() + interval '23:58' AND now() + interval '24:00') FROM inngest.idempotency_keys"),
		't', 'ids are remembered for 24 hours');
	$inn->sql('UPDATE inngest.idempotency_keys SET expires_at = now()');
	accepted('id a-time, 4', '{"name":"once/upon","id":"a-time"}', 1);
	is(runs_of('first') . runs_of('second'), '54', 'and may start runs again after that');
	accepted('id a-time, 5', '{"name":"once/upon","id":"a-time"}', 1);
	is(runs_of('first') . runs_of('second'), '54', 'once');
}

# a future event
{
	$inn->register('later', 'time/comes');
	my $ts = int((time() + 3600) * 1000);
	my ($id) = accepted('a future event', qq({"name":"time/comes","ts":$ts}), 1);

	is($inn->sql("SELECT q.run_at = e.ts FROM inngest.queue q JOIN inngest.function_runs r ON r.id::text = q.run_id::text
			JOIN inngest.events e ON e.id::text = r.event_id::text WHERE e.id::text = '$id'"), 't', 'its run waits for its time');
	is_deeply($inn->http('POST', '/api/v1/runs/lease', { functions => ['later'] })->{json}{data}, [], 'nobody gets it before');
}

is($inn->http('GET', '/health')->{json}{status}, 'ok', 'the server is well after all this');
is($inn->log_count('PANIC|server process .* was terminated|exited with exit code'), 0, 'no worker has died');

sub runs_of
{
	my ($function) = @_;
	return scalar @{ $inn->http('GET', "/api/v1/runs?limit=100&function_id=$function")->{json}{data} };
}

done_testing();
