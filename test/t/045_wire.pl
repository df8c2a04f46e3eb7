# What is said to apps and what they say, without a network: calls and their signatures, ops, replies.
# How: the test module (test/c) hands values to the inside and tells what comes out.  What is expected of ops, calls
# and replies is what the Inngest server and its SDKs were seen to do.
use strict;
use warnings;

use Encode ();
use FindBin;
use InngestTest;
use JSON::PP ();
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $inn = InngestTest->new('main');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

$inn->load_module;

# The JSON that an expression is.
sub json_of { return $json->decode($inn->sql('SELECT ' . shift)) }

sub quoted { return InngestTest::quoted(shift) }

# ---- ops ----

my $id = '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8';

sub read_ops { return json_of('inngest_test.read_ops(' . quoted(ref $_[0] ? $json->encode($_[0]) : $_[0]) . ')') }

sub op
{
	my (%key) = @_;
	return read_ops([ { op => 'StepRun', id => $id, %key } ])->[0];
}

is_deeply(
	read_ops(
		'[{"id":"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8","op":"StepRun","name":"a","opts":{},"displayName":"A",'
		  . '"userland":{"id":"a"},"data":{"v":1},"timing":{"a":1795420906708000000,"b":16000000}}]'),
	[ { op => 'StepRun', id => $id, name => 'A', wire_name => 'a', opts => {}, data => { v => 1 }, timing => [ 1795420906708000000, 16000000 ] } ],
	'an op as the TypeScript SDK sends it');
is_deeply(read_ops([]), [], 'no ops');
is(read_ops({ op => 'sTEPrun', id => 'x' })->[0]{op}, 'StepRun', 'a single op, in any case of letters');
is(scalar @{ read_ops([ map { { op => 'StepPlanned', id => "$_" } } 1 .. 1000 ]) }, 1000, 'as many ops as there may be');

is(op(displayName => 'D', name => 'N')->{name}, 'D', 'name for people: displayName');
is(op(displayName => undef, name => 'N')->{name}, 'N', 'else name');
is(op(displayName => '', name => '')->{name}, $id, 'else id');
is(op(name => undef)->{wire_name}, '', 'no name');
is(length op(name => 'x' x 1025)->{name}, 1024, 'a name for people is cut off');
is(op(name => "\x{e4}" x 600)->{name}, "\x{e4}" x 512, 'between characters');
is(length op(name => 'x' x 1025)->{wire_name}, 1025, 'but not the name that is an argument');

is_deeply(op(opts => { type => 'step.sendEvent', parallelMode => 'race' }),
	{ op => 'StepRun', id => $id, name => $id, wire_name => '', type => 'step.sendEvent', is_race => JSON::PP::true, opts => { type => 'step.sendEvent', parallelMode => 'race' } },
	'options');
ok(!exists op(opts => undef)->{opts} && !exists op(opts => 'x')->{opts} && !exists op(opts => [])->{opts}, 'options that are no object are none');
ok(op(opts => { parallelMode => 'Race' })->{is_race}, 'as the SDK for Go says it');
ok(!op(opts => { parallelMode => 'other' })->{is_race}, 'another mode is no race');
ok(exists op(data => undef)->{data} && !exists op()->{data}, 'null is data, nothing is none');
ok(!exists op(timing => { a => -1, b => 1.5 })->{timing} && !exists op(timing => 7)->{timing}, 'timing that is none');

# errors, as they are memoised
is_deeply(
	op(op => 'StepFailed', error => { name => 'E', message => 'm', stack => 's', __serialized => JSON::PP::true, code => 7, cause => { name => 'C', message => 'c' } })->{error},
	{ name => 'E', message => 'm', stack => 's', cause => { name => 'C', message => 'c' } },
	'keys of an error that SDKs keep for themselves are left out');
is_deeply(op(op => 'StepError', error => { name => 'Step error', message => 'm', data => [ 0, '' ] })->{error},
	{ name => 'Step error', message => 'm', data => [ 0, '' ] }, 'data of an error stay as they are: Go reads them');
is_deeply(op(op => 'StepError', error => { message => 'm', noRetry => JSON::PP::true }),
	{ op => 'StepError', id => $id, name => $id, wire_name => '', is_final => JSON::PP::true, error => { name => 'Error', message => 'm', noRetry => JSON::PP::true } },
	'an error that is final, and has no name');
is_deeply(op(op => 'StepError', error => 'boom')->{error}, { name => 'Error', message => 'boom' }, 'an error that is a text');
is_deeply(op(op => 'StepError', error => '{"name":"E","message":"m"}')->{error}, { name => 'E', message => 'm' }, 'or a JSON text');
is_deeply(op(op => 'StepFailed', data => { name => 'E', message => 'm' })->{error}, { name => 'E', message => 'm' }, 'or among the data');
is_deeply(op(op => 'StepFailed', error => undef)->{error}, { name => 'Error', message => 'Function execution error' }, 'or missing');
is_deeply(op(op => 'StepFailed', error => {})->{error}, { name => 'Error', message => 'Function execution error' }, 'or empty');
is(length op(op => 'StepFailed', error => { name => 'E', message => 'm' x 40000 })->{error}{message}, 32 * 1024 - 1, 'a long one is cut off');
is_deeply([ sort keys %{ op(op => 'StepFailed', error => { name => 'E', message => 'm', cause => 'c' x 40000 })->{error} } ], [ 'message', 'name' ],
	'a large cause is left out');
ok(!exists op(error => undef)->{error}, 'a step that went well has none');

for my $op (qw(None DiscoveryRequest RunComplete SyncRunComplete))
{
	is(read_ops([ { op => $op } ])->[0]{id}, '', "$op needs no id");
}

# what is refused, and how it is said
for my $case (
	[ '"x"', 'neither an array of ops nor an op' ],
	[ 'null', 'neither an array of ops nor an op' ],
	[ '[1]', 'not an object (op 0)' ],
	[ '[{"op":"StepRun","id":"a"},[]]', 'not an object (op 1)' ],
	[ '[{}]', '"op" is missing or not a string (op 0)' ],
	[ '[{"op":1}]', '"op" is missing or not a string (op 0)' ],
	[ '[{"op":"Foo","id":"a"}]', 'Foo does not belong to Opcode values (op 0)' ],
	[ '[{"op":"StepNotFound","id":"a"}]', 'StepNotFound does not belong to Opcode values (op 0)' ],
	[ '[{"op":"' . 'x' x 100 . '","id":"a"}]', 'x' x 64 . ' does not belong to Opcode values (op 0)' ],
	[ '[{"op":"None"},{"op":"StepRun"}]', 'StepRun without an id (op 1)' ],
	[ '[{"op":"Sleep","id":""}]', 'Sleep without an id (op 0)' ],
	[ '[{"op":"StepRun","id":"' . 'x' x 129 . '"}]', 'id of 129 bytes; the limit is 128 (op 0)' ],
	[ '[' . join(',', ('{"op":"None"}') x 1001) . ']', '1001 ops; the limit is 1000', 1 ])
{
	my ($text, $error, $is_overflow) = @$case;

	is_deeply(read_ops($text), { error => $error, overflow => $is_overflow ? JSON::PP::true : JSON::PP::false }, "refused: $error");
}
for my $key (qw(opts data error))
{
	my $value = "jsonb_build_object('x', repeat('x', 4 * 1024 * 1024 - 8 + %d))";
	my $read = "inngest_test.read_ops(jsonb_build_object('op', 'StepRun', 'id', 'a', '$key', $value))";

	is($inn->sql("SELECT " . sprintf($read, 0) . " ->> 'error'"), '', "$key of 4 MB");
	is($inn->sql("SELECT " . sprintf($read, 1) . " ->> 'error'"), "\"$key\" of a step has more than 4194304 bytes of JSON (op 0)", "refused: $key of more than 4 MB");
}

# ---- calls ----

my %subject = (
	url => 'http://localhost:18400/api/nocp?fnId=peer-nocp-one-step&stepId=step',
	step_id => 'step',
	function_id => 'e2ba46c6-ec7c-5add-ac84-eabf47b684ee',
	run_id => '01M83PSS4NC90WMP1YB9AEK97E',
	request_id => '01M83PSSAN7316BT5VA7ZW7VEY',
	job_id => 42,
	generation => 1,
	attempt => 0,
	max_attempts => 5,
	request_version => -1,
	current => 0,
	events => [ { name => 'nc/one', id => '01M83PSS3DM4M7ATQDAJ1GCZTS', data => { a => 1 }, ts => 1795420906605, user => {} } ],
	stack => [],
);
my $event = '{"data":{"a":1},"id":"01M83PSS3DM4M7ATQDAJ1GCZTS","name":"nc/one","ts":1795420906605,"user":{}}';

sub build
{
	my (%change) = @_;
	my $request = json_of('inngest_test.build_request(' . quoted($json->encode({ %subject, %change })) . ')');

	$request->{decoded} = $json->decode(Encode::encode_utf8($request->{body}));
	return $request;
}

my $call = build();
is($call->{body},
	'{"ctx":{"attempt":0,"disable_immediate_execution":false,"env":"","fn_id":"e2ba46c6-ec7c-5add-ac84-eabf47b684ee","generation_id":1,"job_id":"42","max_attempts":5,"qi_id":"42",'
	  . '"request_id":"01M83PSSAN7316BT5VA7ZW7VEY","run_id":"01M83PSS4NC90WMP1YB9AEK97E","stack":{"current":0,"stack":[]},"step_id":"step","use_api":false},"defers":{},'
	  . "\"event\":$event,\"events\":[$event],\"steps\":{},\"use_api\":false,\"version\":-1}",
	'the first call of a run');
is($call->{url}, $subject{url}, 'its URL is the one registered');
is_deeply($call->{headers},
	[
		'Account-Id: 00000000-0000-4000-a000-000000000000',
		'Content-Type: application/json',
		'Traceparent: 00-01a2076ce4956241ca583e5a54e9a4ee-65e8bb51ffc3edde-01',
		'User-Agent: Inngest',
		'X-Inngest-Generation-Id: 1',
		'X-Inngest-Job-Id: 42',
		'X-Inngest-Req-Version: -1',
		'X-Inngest-Step-Id: step',
		'X-Request-Id: 01M83PSSAN7316BT5VA7ZW7VEY',
		'X-Run-Id: 01M83PSS4NC90WMP1YB9AEK97E',
	],
	'its headers') or diag(explain($call->{headers}));

$call = build(
	target => $id,
	attempt => 2,
	request_version => 2,
	is_planning => JSON::PP::true,
	generation => 0,
	current => 2,
	stack => [ { id => 'e9d71f', memo => { data => { v => 1 } } }, { id => '0737c2', memo => undef }, { id => 'a"b', memo => { error => { name => 'E', message => 'm' } } } ],
	input_id => 'b1',
	input => [ 1, 2 ],
	events => [ $subject{events}[0], { name => 'b' } ]);
is_deeply($call->{decoded}{ctx}{stack}, { current => 2, stack => [ 'e9d71f', '0737c2', 'a"b' ] }, 'a later call: the stack is in the order of completion');
is($call->{body} =~ /"steps":(.*),"use_api"/ ? $1 : '', '{"0737c2":null,"a\"b":{"error":{"message":"m","name":"E"}},"b1":{"input":[1,2]},"e9d71f":{"data":{"v":1}}}',
	'the steps are in the order of their ids, an input among them');
is_deeply([ @{ $call->{decoded}{ctx} }{qw(attempt disable_immediate_execution step_id)}, $call->{decoded}{version} ], [ 2, JSON::PP::true, 'step', 2 ], 'and it counts and plans');
is($call->{url}, "http://localhost:18400/api/nocp?fnId=peer-nocp-one-step&stepId=$id", 'a planned step is asked for in the URL');
ok((grep { $_ eq "X-Inngest-Step-Id: $id" } @{ $call->{headers} }), 'and in a header');
ok(!(grep { /generation/i } @{ $call->{headers} }), 'no generation, no header');
is(scalar @{ $call->{decoded}{events} }, 2, 'a batch has all of its events');
is($inn->sql('SELECT inngest.canonical_json(' . quoted(Encode::encode_utf8($call->{body})) . '::jsonb)'), Encode::encode_utf8($call->{body}), 'the body is canonical');

for my $case (
	[ 'http://h/api?fnId=a-b&stepId=step', 'http://h/api?fnId=a-b&stepId=s' ],
	[ 'http://h/api?stepId=step&fnId=a-b', 'http://h/api?stepId=s&fnId=a-b' ],
	[ 'http://h/api?fnId=a-b', 'http://h/api?fnId=a-b&stepId=s' ],
	[ 'http://h/api', 'http://h/api?stepId=s' ],
	[ 'http://h/api?', 'http://h/api?stepId=s' ],
	[ 'http://h/api?a=%26&&stepId&b=1#part?x', 'http://h/api?a=%26&stepId&b=1&stepId=s' ],
	[ 'http://h/?stepId=1&x=?&stepId=2', 'http://h/?stepId=s&x=?' ],
	[ 'http://h/?xstepId=1', 'http://h/?xstepId=1&stepId=s' ])
{
	is(build(url => $case->[0], target => 's')->{url}, $case->[1], "URL $case->[0]");
}
$call = build(target => "a b&c\r\nX: \x{e9}");
is($call->{url}, 'http://localhost:18400/api/nocp?fnId=peer-nocp-one-step&stepId=a%20b%26c%0D%0AX%3A%20%C3%A9', 'a step id stays in the query');
ok((grep { $_ eq 'X-Inngest-Step-Id: a%20b%26c%0D%0AX%3A%20%C3%A9' } @{ $call->{headers} }), 'and in its header');

# what is too large for a call is fetched by the app
my $large = 'x' x (1024 * 1024);
my @memos = map { { id => "s$_", memo => { data => $large } } } 1 .. 3;
$call = build(stack => \@memos);
ok(!$call->{uses_api} && !$call->{decoded}{use_api} && keys %{ $call->{decoded}{steps} } == 3, 'a call of 3 MB has its steps');
$call = build(stack => [ @memos, { id => 's4', memo => { data => $large } } ]);
ok($call->{uses_api} && $call->{decoded}{use_api} && $call->{decoded}{ctx}{use_api} && !%{ $call->{decoded}{steps} }, 'one of 4 MB has none and says so');
is_deeply([ scalar @{ $call->{decoded}{ctx}{stack}{stack} }, scalar @{ $call->{decoded}{events} } ], [ 4, 1 ], 'but the stack, and the events');
$call = build(events => [ map { { name => 'e', data => { x => $large } } } 1 .. 4 ]);
ok($call->{uses_api} && $call->{decoded}{event} && !@{ $call->{decoded}{events} }, 'nor has one with events of 4 MB those, but the first');
ok($call->{size} < 2 * 1024 * 1024, 'and is not large then');
$call = build(always_inline => JSON::PP::true, stack => [ @memos, { id => 's4', memo => { data => $large } } ]);
ok(!$call->{uses_api} && keys %{ $call->{decoded}{steps} } == 4, 'an SDK that cannot fetch gets all');

is($inn->sql("SELECT string_agg(coalesce(inngest_test.parse_queue_ref(ref)::text, '-'), ' ')
	FROM unnest(ARRAY['42', '9223372036854775807', '9223372036854775808', '0', '-1', '', ' 1', '1 ', '1x', '+1', '01']) AS ref"),
	'42 9223372036854775807 - - - - - - - - -', 'references to queue items');

# ---- replies ----

# What the reference server was sent in fixtures/replies.jsonl is what it was seen to be sent, and what is expected is what
# it was seen to make of it, but for the words after "before the SDK responded." and for steps without an id.
sub read_answer
{
	my ($answer, $body, %option) = @_;
	my $bytes = $option{expression} // sprintf(q(decode('%s', 'hex')), unpack('H*', $body));

	return json_of(sprintf('inngest_test.read_answer(%s, %s, %s)', quoted($json->encode($answer)), $bytes, $option{is_targeted} ? 'true' : 'false'));
}

my $replies = slurp_file("$FindBin::Bin/../fixtures/replies.jsonl");
for my $case (map { $json->decode(Encode::encode_utf8($_)) } split /\n/, Encode::decode_utf8($replies))
{
	my $body = Encode::encode_utf8($case->{body});
	my %option = ref $case->{repeat} || !$case->{repeat} ? ()
	  : (expression => sprintf(q(convert_to(replace(%s, '%%s', repeat('x', %d)), 'UTF8')), quoted($body), $case->{repeat}));
	my $outcome = read_answer($case->{answer}, $body, %option);

	if (my $length = $case->{expected}{result_length})
	{
		$outcome->{result_length} = length delete $outcome->{result};
	}
	is_deeply($outcome, $case->{expected}, "seen: $case->{name}") or diag(explain($outcome));
}

my %ts = (status => 200, sdk => 'inngest-js:v4.24.0');

sub result_of { return read_answer(\%ts, @_) }
sub error_of
{
	my ($body, %change) = @_;
	return read_answer({ %ts, status => 500, %change }, ref $body ? $json->encode($body) : $body)->{error};
}

# results
for my $case (
	[ '{"a":[1.50,"x"]}', { a => [ 1.5, 'x' ] }, 'JSON' ],
	[ " {\"a\":1}\n", { a => 1 }, 'JSON and a line end' ],
	[ '"{\"a\":1}"', { a => 1 }, 'a text that is an object is that' ],
	[ '"[1]"', '[1]', 'not one that is an array' ],
	[ '"{a}"', '{a}', 'nor one that only begins like one' ],
	[ '"{\"a\":\"\\\\u0000\"}"', '{"a":"\u0000"}', 'nor one that cannot be stored' ],
	[ " \n", undef, 'nothing but blanks is null' ],
	[ 'a "b" \u0000', 'a "b" \u0000', 'no JSON, but a text' ],
	[ Encode::encode_utf8("\x{e4}\x{1f600}"), "\x{e4}\x{1f600}", 'of any language' ],
	[ '{"a":1', '{"a":1', 'so is what begins like JSON' ],
	[ '"x\ud83d"', "x\x{fffd}", 'half a surrogate pair is no character' ])
{
	is_deeply(result_of($case->[0]), { kind => 'result', result => $case->[1] }, "result: $case->[2]");
}
for my $case (
	[ '{"a":"x\u0000"}', qr/\\u0000 cannot be converted to text/, '\u0000' ],
	[ '[' x 100000 . ']' x 100000, qr/Stack depth limit exceeded/, 'deep nesting' ],
	[ '1e500', qr/beyond the range of a double/, 'a number that is no double' ],
	[ '1.7976931348623159e308', qr/beyond the range of a double/, 'nor this one' ],
	[ '1e-401', qr/more than 400 digits behind the point/, 'a long number' ],
	[ "\xff", qr/not valid UTF-8/, 'bytes that are no text' ],
	[ "a\0b", qr/not valid UTF-8/, 'a zero byte' ])
{
	my ($body, $error, $what) = @$case;
	my $outcome = result_of($body);

	ok($outcome->{kind} eq 'error' && $outcome->{error}{message} =~ /^The result of the function cannot be stored: .*$error/, "result that cannot be stored: $what")
	  or diag(explain($outcome));
	$outcome = read_answer({ %ts, status => 206 }, $body =~ /^[\[1\xffa]/ ? $body : "[{\"op\":\"StepRun\",\"id\":\"a\",\"data\":$body}]");
	ok($outcome->{kind} eq 'error' && $outcome->{error}{message} =~ /^error reading generator opcode response: .*$error/, "nor in an op: $what") or diag(explain($outcome));
	$outcome = read_answer({ %ts, status => 500, no_retry => 'true' }, $body =~ /^[\[1\xffa]/ ? $body : "{\"message\":\"m\",\"stack\":$body}");
	ok($outcome->{kind} eq 'error' && $outcome->{no_retry} && $outcome->{error}{message} =~ /^The function failed, and its error cannot be stored: .*$error/,
		"nor in an error: $what") or diag(explain($outcome));
}

# errors of functions
my %typical = (name => 'TypeError', message => 'boom', stack => 's');
for my $case (
	[ { %typical, __serialized => JSON::PP::true, cause => { name => 'C', message => 'c' } }, { %typical, cause => { name => 'C', message => 'c' } }, 'as TypeScript has it' ],
	[ { code => 'x', %typical }, \%typical, 'as Python has it' ],
	[ { message => 'boom' }, { name => 'Error', message => 'boom' }, 'as Go has it' ],
	[ $json->encode($json->encode(\%typical)), \%typical, 'as a text' ],
	[ { error => \%typical }, \%typical, 'under "error"' ],
	[ { body => \%typical }, \%typical, 'under "body"' ],
	[ { body => $json->encode({ error => $json->encode(\%typical) }) }, \%typical, 'as texts in each other' ],
	[ { error => 'step not found', requestedStep => 'x', foundSteps => [] }, { name => 'Error', error => 'step not found', message => 'step not found' }, 'as a sentence' ],
	[ { message => '', name => 7, stack => undef, cause => undef }, { name => 'Error', message => 'Function execution error' }, 'without a word' ],
	[ '', { name => 'Error', message => 'Function execution error' }, 'empty' ],
	[ 'null', { name => 'Error', message => 'Function execution error' }, 'null' ],
	[ '[1]', { name => 'Error', message => 'Function execution error' }, 'an array' ],
	[ "Internal error\n", { name => 'Error', message => "Internal error\n" }, 'no JSON' ])
{
	is_deeply(error_of($case->[0]), { error => 'Function execution error', %{ $case->[1] } }, "error: $case->[2]");
}
is(error_of(\%typical, no_retry => 'true')->{error}, 'NonRetriableError', 'an error that is final is called so');
is(error_of({ error => 'mine', message => 'm' }, no_retry => 'true')->{error}, 'mine', 'unless the app calls it something');
my $long = error_of({ name => 'N', message => 'm' x 20000, stack => 's' x 20000, cause => 'c' });
is(length($long->{message}) + length($long->{stack}), 32 * 1024 - length('N' . 'Function execution error'), 'an error has 32 kB');
is_deeply(read_answer({ %ts, status => 500 }, '{"message":"m","x":1}')->{result}, { message => 'm', x => 1 }, 'what the app said about it is kept');

# what is asked of us
sub control { return read_answer({ %ts, status => 500, @_ }, '{}') }

for my $case (
	[ '1', 1 ], [ '90', 90 ], [ ' 90 ', 90 ], [ '0', 1 ], [ '86400', 86400 ], [ '86401', 86400 ], [ '9999999', 86400 ],
	[ '2026-11-23T08:14:08.506Z', 8.506 ], [ '2026-11-23T08:14:30+00:00', 30 ], [ '2026-11-23T09:15:00+01:00', 60 ], [ '2020-01-01T00:00:00Z', 1 ], [ '2027-01-01T00:00:00Z', 86400 ],
	[ 'Mon, 23 Nov 2026 08:14:10 GMT', 10 ], [ 'Monday, 23-Nov-26 08:14:10 GMT', 10 ], [ 'Mon Nov 23 08:14:10 2026', 10 ],
	[ '10000000', undef ], [ '-1', undef ], [ '1.5', undef ], [ '1s', undef ], [ '', undef ], [ 'soon', undef ], [ '2026-11-23T25:00:00Z', undef ])
{
	is(control(retry_after => $case->[0])->{retry_after}, $case->[1], "Retry-After: $case->[0]");
}
for my $case ([ 'true', 1 ], [ 'True', 1 ], [ 'false', 0 ], [ '1', 0 ], [ '', 0 ])
{
	is(control(no_retry => $case->[0])->{no_retry} ? 1 : 0, $case->[1], "no-retry: '$case->[0]'");
}
for my $case (
	[ 'inngest-js:v4.24.0', 0 ], [ 'js:v1.10.0', 1 ], [ 'inngest-js:v1.10.0', 1 ], [ 'inngest-js:v1.10.1', 0 ], [ 'inngest-js:v0.9.9', 1 ], [ 'inngest-js:v2.4.0', 1 ], [ 'inngest-js:v2.4.1', 0 ],
	[ 'inngest-js:v2.10.0', 0 ], [ 'inngest-js:v3.0.0', 0 ], [ 'py:v0.1.0', 0 ], [ 'go:v0.1.0', 0 ], [ 'js:v1', 0 ], [ '', 0 ])
{
	is(control(status => 400, sdk => $case->[0])->{no_retry} ? 1 : 0, $case->[1], "400 of '$case->[0]' is " . ($case->[1] ? 'final' : 'tried again'));
}
ok(!control(status => 500, sdk => 'inngest-js:v1.10.0')->{no_retry} && !control(status => 400, sdk => 'inngest-js:v1.10.0', no_retry => 'false')->{no_retry}, 'but no 500, nor if it says so');
for my $case ([ '2', 2 ], [ '1', 1 ], [ '0', 0 ], [ '-1', undef ], [ 'x', undef ], [ '2x', undef ], [ '', undef ], [ '99999999999', undef ])
{
	is(control(request_version => $case->[0])->{version}, $case->[1], "request version '$case->[0]'");
}
is_deeply(
	read_answer({ %ts, status => 206, no_retry => 'true', retry_after => '7', request_version => '2' }, '[{"op":"StepError","id":"a","error":{"name":"E","message":"m"}}]'),
	{
		kind => 'ops', no_retry => JSON::PP::true, retry_after => 7, version => 2,
		ops => [ { op => 'StepError', id => 'a', name => 'a', wire_name => '', error => { name => 'E', message => 'm' } } ],
	},
	'a failed step comes with all of that');

# streamed replies
my $ops = '[{"op":"RunComplete","data":1}]';
my $read = { kind => 'ops', ops => [ { op => 'RunComplete', id => '', name => '', wire_name => '', data => 1 } ] };

sub streamed
{
	my ($envelope, %option) = @_;
	return read_answer({ %ts, status => 201, content_type => 'application/json' }, ' ' x 100 . (ref $envelope ? $json->encode($envelope) : $envelope), %option);
}

is_deeply(streamed({ status => 206, headers => {}, body => $ops }), $read, 'streamed: a body that is a text');
is_deeply(streamed({ status => 206, body => $json->decode($ops) }), $read, 'a body that is JSON, and no headers');
is_deeply(streamed({ status => 206, headers => { 'X-Inngest-Req-Version' => '2', 'Retry-After' => [ '5' ] }, body => $ops }), { %$read, version => 2, retry_after => 5 }, 'headers count');
is_deeply(streamed({ status => 200, body => '"{\"a\":1}"' }), { kind => 'result', result => { a => 1 } }, 'a result that is encoded twice');
is_deeply(streamed({ status => 200, body => { a => 1 } }), { kind => 'result', result => { a => 1 } }, 'a result that is not');
is_deeply(streamed({ status => 200, body => 'x' }), { kind => 'result', result => 'x' }, 'a text');
is_deeply(streamed({ status => 200 }), { kind => 'result', result => undef }, 'no result');
is_deeply(streamed({ status => 200, body => JSON::PP::false }), { kind => 'result', result => JSON::PP::false }, 'false');
is_deeply(streamed({ status => 500, body => { message => 'm' }, noRetry => JSON::PP::true, retryAt => '2026-11-23T08:14:05Z' }),
	{
		kind => 'error', no_retry => JSON::PP::true, retry_after => 5, result => { message => 'm' },
		error => { name => 'Error', message => 'm', error => 'NonRetriableError' },
	},
	'an error as Go streams it');
is(streamed({ status => 500, headers => { 'x-inngest-no-retry' => 'false' }, body => '{"message":"m"}' })->{no_retry}, undef, 'an error to be tried again');
is_deeply(streamed({ status => 201, body => { status => 206 } }), { kind => 'result', result => { status => 206 } }, 'what is in it is not another');
is_deeply(streamed('{"a":1}'), { kind => 'result', result => { a => 1 } }, 'a 201 that is just that');
is_deeply(streamed({ status => 7 }), { kind => 'result', result => { status => 7 } }, 'and one with a status that is none');
is(read_answer({ status => 201, sdk => 'go:v0.16.0' }, '{"message":"json: unsupported value: NaN"}')->{error}{message},
	'the streamed reply has no status. The response (no content type): {"message":"json: unsupported value: NaN"}', 'but one of Go has one, or is an error');
like(streamed('{"status":206,"bo')->{error}{message}, qr/^could not read the streamed reply: /, 'one that was cut off');
like(streamed('')->{error}{message}, qr/^could not read the streamed reply: /, 'one of nothing but blanks');
is(read_answer({ status => 201 }, $json->encode({ status => 206, body => $ops }))->{error}{name}, 'not_sdk', 'one that is not of an SDK');

# who else may answer, or nobody
is_deeply(read_answer({ status => 503, no_retry => 'true', retry_after => '30', request_version => '2' }, "\xff\xfe"),
	{
		kind => 'error', retry_after => 30,
		error => {
			error => 'Your server returned HTTP 503 before the SDK responded.',
			name => 'Server returned a fatal error',
			message => 'Your server returned HTTP 503 before the SDK responded. The response has 2 bytes (no content type).',
		},
	},
	'a proxy may say when to come back, and nothing else');
my $message = read_answer({ status => 502, content_type => "text/html\xe9" }, Encode::encode_utf8("\x{e4}" x 1000))->{error}{message};
is($message, 'Your server returned HTTP 502 before the SDK responded. The response (strange content type): ' . "\x{e4}" x 512 . '...', 'of a page the first kilobyte is shown');
is_deeply(read_answer({ trouble => 1, sentence => 'connection refused' }, ''),
	{ kind => 'error', error => { name => 'Error', error => 'Unable to reach SDK URL', message => 'Unable to reach SDK URL: connection refused' } }, 'nobody answers');
ok(read_answer({ trouble => 2, sentence => 'no URL' }, '')->{no_retry}, 'nobody ever will');

# a call for one step
is_deeply(read_answer({ %ts, sdk => 'go:v0.16.0' }, "null\n"), { kind => 'result', result => undef }, 'a function in Go returns nothing');
like(read_answer({ %ts, sdk => $_ }, "null\n", is_targeted => 1)->{error}{message}, qr/without the step it was asked for/, "but was asked for a step ($_)")
  for 'go:v0.16.0', 'inngest-go:v0.16.0';
is(read_answer({ %ts, sdk => 'go:v0.16.0' }, '1', is_targeted => 1)->{kind}, 'result', 'something is a result all the same');
is(read_answer(\%ts, 'null', is_targeted => 1)->{kind}, 'result', 'and nothing, of others');

my $many = read_answer({ %ts, status => 206 }, '[' . join(',', ('{"op":"None"}') x 1001) . ']');
is_deeply($many,
	{
		kind => 'error', is_fatal => JSON::PP::true,
		error => {
			error => 'InngestErrFunctionOverflowed: The function run exceeded the step limit of 1000 steps.',
			name => 'InngestErrFunctionOverflowed',
			message => 'The function run exceeded the step limit of 1000 steps.',
		},
	},
	'too many ops end the run');

# ---- signatures ----

my $key = 'signkey-test-abcdef0123456789';
my $signature = 't=1700000000&s=044de62b18123c5bebbfe5234f42d11e943cc12ad33bff3c3b00a041d23fa197';

sub is_good
{
	my ($header, $body, %option) = @_;
	return $inn->sql(sprintf(q(SELECT inngest_test.verify(%s, %s, %s, %d, %s)),
		quoted($header), quoted($option{key} // $key), quoted($body), $option{now} // 1700000000, $option{canonical} ? 'true' : 'false')) eq 't';
}

is($inn->sql(qq(SELECT inngest_test.sign('$key', '{"a":1,"b":"x"}', 1700000000))), $signature, 'a signature');
is($inn->sql(qq(SELECT inngest_test.sign('abcdef0123456789', '{"a":1,"b":"x"}', 1700000000))), $signature, 'the prefix of a key does not count');
isnt($inn->sql(qq(SELECT inngest_test.sign('signkey-abcdef0123456789', '{"a":1,"b":"x"}', 1700000000))), $signature, 'if it is one');
is($inn->sql(q(SELECT inngest_test.sign('f' || repeat('0', 199), '', 1))) =~ /^t=1&s=[0-9a-f]{64}$/ ? 1 : 0, 1, 'a long key, and no body');
ok(is_good($signature, '{"a":1,"b":"x"}'), 'it is verified');
ok(is_good($signature, '{"a":1,"b":"x"}', now => 1700000300) && is_good($signature, '{"a":1,"b":"x"}', now => 1699999700), 'for five minutes');
ok(!is_good($signature, '{"a":1,"b":"x"}', now => 1700000301) && !is_good($signature, '{"a":1,"b":"x"}', now => 1699999699), 'and no longer');
ok(!is_good($signature, '{"a":1,"b":"y"}'), 'not with another body');
ok(!is_good($signature, '{"a":1,"b":"x"}', key => 'signkey-test-abcdef0123456788'), 'nor with another key');
ok(!is_good($signature, '{"b":"x", "a":1.0}') && is_good($signature, '{"b":"x", "a":1.0}', canonical => 1), 'the canonical form counts if it may');
ok(!is_good($signature, '{"b":', canonical => 1), 'what is no JSON has none');
for my $bad ('', 't=1700000000', 't=&s=' . '0' x 64, 's=' . substr($signature, 15) . '&t=1700000000', "$signature ", " $signature", substr($signature, 0, -1), "${signature}0",
	uc $signature, 't=99999999999999999999&s=' . '0' x 64, 't=-1&s=' . '0' x 64)
{
	ok(!is_good($bad, '{"a":1,"b":"x"}'), "no signature: $bad");
}
ok(build(signing_key => $key, now_s => 1700000000)->{headers}[7] eq
	  'X-Inngest-Signature: ' . $inn->sql("SELECT inngest_test.sign('$key', convert_to(" . quoted(build()->{body}) . ", 'UTF8'), 1700000000)"),
	'a call is signed over its body');

# ---- databases that are not UTF-8 ----

# What is said is UTF-8, and what they cannot express is refused.
for my $encoding (qw(LATIN1 SQL_ASCII))
{
	$inn->sql("CREATE DATABASE $encoding ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$inn->load_module(lc $encoding);
	$inn->node->safe_psql(lc $encoding, q(CREATE FUNCTION inngest_test.canonical_json(jsonb) RETURNS text LANGUAGE c AS 'inngest', 'inngest_canonical_json')
		  . q(; CREATE FUNCTION inngest_test.bytes(text) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to($1, getdatabaseencoding()) $$));
}

sub in_database
{
	my ($database, $query) = @_;
	my ($out, $err) = ('', '');

	$inn->node->psql($database, $query, stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=verbose' ],
		connstr => $inn->node->connstr($database) . ($database eq 'latin1' ? q( client_encoding='UTF8') : ''));
	return $err =~ /ERROR:\s+(.*)\n(?:DETAIL:\s+(.*))?/ ? join(' ', grep { defined } $1, $2) : $out;
}

sub utf8 { return Encode::encode_utf8(shift) }

is(in_database('latin1', utf8(qq(SELECT inngest_test.canonical_json('{"\x{e9}": "\x{e4}\\n", "z": 1}')))), utf8(qq({"z":1,"\x{e9}":"\x{e4}\\n"})), 'LATIN1: canonical JSON');
my $subject = $json->encode({ %subject, events => [ { name => "\x{e9}" } ], stack => [ { id => 'a', memo => { data => "\x{e4}" } } ], target => "\x{e9}" });
is(
	in_database('latin1', "SELECT encode(inngest_test.bytes(substring(inngest_test.build_request('$subject')->>'body' from '\"events\":.*')), 'hex')"),
	unpack('H*', utf8(qq("events":[{"name":"\x{e9}"}],"steps":{"a":{"data":"\x{e4}"}},"use_api":false,"version":-1}))),
	'LATIN1: the body of a call is UTF-8');
is(in_database('latin1', qq(SELECT inngest_test.read_answer('{"status": 200, "sdk": "js:v4"}', '\\x22c3a922') ->> 'result')), utf8("\x{e9}"), 'LATIN1: a result is converted');
is(in_database('latin1', qq(SELECT inngest_test.read_answer('{"status": 200, "sdk": "js:v4"}', '\\xc3a9') ->> 'result')), utf8("\x{e9}"), 'LATIN1: so is a text');
is(in_database('latin1', qq(SELECT inngest_test.read_answer('{"status": 200, "sdk": "js:v4"}', '\\x227b5c22615c223a5c22c3a95c227d22') -> 'result' ->> 'a')), utf8("\x{e9}"),
	'LATIN1: and an object that is a text');
is(in_database('latin1', utf8(qq(SELECT inngest_test.read_answer('{"status": 500, "sdk": "js:v4"}', convert_to('{"error":"{\\"message\\":\\"\x{e9}\\"}"}', 'UTF8')) #>> '{error,message}'))),
	utf8("\x{e9}"), 'LATIN1: and an error');
like(in_database('latin1', qq(SELECT inngest_test.read_answer('{"status": 200, "sdk": "js:v4"}', '\\x22e282ac22') #>> '{error,message}')),
	qr/^The result of the function cannot be stored: .*has no equivalent in encoding "LATIN1"/, 'LATIN1: what it cannot express is an error of the attempt');
like(in_database('latin1', qq(SELECT inngest_test.read_answer('{"status": 502}', '\\xe282ac') #>> '{error,message}')), qr/The response has 3 bytes/, 'LATIN1: and not quoted');

is(in_database('sql_ascii', utf8(qq(SELECT inngest_test.canonical_json('{"\x{e9}": "\x{20ac}"}')))), utf8(qq({"\x{e9}":"\x{20ac}"})), 'SQL_ASCII: what is UTF-8 may be said');
for my $value (q(to_jsonb(E'\\\\xff'::text)), q(jsonb_build_object(E'\\\\xe9', 1)), q(jsonb_build_array(E'a\\\\x80')))
{
	(my $query = "SELECT inngest_test.canonical_json($value)") =~ s/\\\\/\\/g;
	is(in_database('sql_ascii', $query), '22021: value has no canonical JSON A text is not valid UTF-8, which JSON is written in.', "SQL_ASCII: $value may not");
}

done_testing();
