# Whatever an app answers has one meaning.  How: the odd replies that were recorded of the reference, each with
# what it made of it: calls (target/attempt+stack), status, output.  Where we mean to differ it says "ours".
use strict;
use warnings;

use InngestTest;
use POSIX ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '100ms'\n");
my $app = StubApp->new(inn => $inn, id => 'odd');

# The steps of the recordings are called a and b; ops as they were, without more.
my ($A, $B) = map { step_hash($_) } qw(a b);

sub bare
{
	my ($op, %fields) = @_;
	return ops({ op => $op, id => $A, %fields });
}

# A reply of an SDK whose body is this text.
sub sdk
{
	my ($status, $body, %headers) = @_;
	return raw(status => $status, body => $body, has_sdk => 1, headers => \%headers);
}

sub later
{
	my ($format, $seconds) = @_;
	return sub { return failed('ra', retry_after => POSIX::strftime($format, gmtime(time + $seconds))) };
}

my $done = done('done');
my $all = done(echo('steps'));
my $two = 'step/0 step/1';

# name, replies, calls (undefined: on the wire there may be more), status, output (of errors a pattern of the message)
my @cases = (
	[ 'html500', [ raw(status => 500, body => '<h1>oops</h1>') ], $two, 'FAILED', qr/HTTP 500/ ],
	[ 'plain404', [ raw(status => 404, body => 'nope') ], $two, 'FAILED', qr/HTTP 404/ ],
	[ 'ok200_nosdk', [ raw(status => 200, body => '{"a":1}') ], $two, 'FAILED', qr/./ ],
	[ 'ok200_sdk', [ sdk(200, '{"a":1}') ], 'step/0', 'COMPLETED', { a => 1 } ],
	[ 'ok200_empty', [ sdk(200, '') ], 'step/0', 'COMPLETED', undef ],
	[ 'ok200_nonjson', [ sdk(200, 'hello') ], 'step/0', 'COMPLETED', 'hello' ],
	[ 'ok201_sdk', [ sdk(201, '{"status":200,"body":"\"x\""}') ], 'step/0', 'COMPLETED', 'x' ],
	[ 'ok204', [ sdk(204, '') ], 'step/0', 'COMPLETED', undef ],
	[ 'e206_empty', [ ops(), $done ], 'step/0 step/0', 'COMPLETED', 'done' ],
	[ 'e206_badjson', [ sdk(206, '[{') ], $two, 'FAILED', qr/./ ],
	[ 'e206_object', [ sdk(206, qq({"op":"StepRun","id":"$A","data":1})), $done ], 'step/0 step/0+a', 'COMPLETED', 'done' ],
	[ 'e206_unknown', [ bare('Foo') ], $two, 'FAILED', qr/Foo/ ],
	[ 'e206_notfound', [ bare('StepNotFound') ], $two, 'FAILED', qr/./ ],
	[ 'e206_none', [ bare('None'), $done ], 'step/0 step/0', 'COMPLETED', 'done' ],    # ours: not stuck
	[ 'e206_noid', [ ops({ op => 'StepRun', data => 1 }) ], $two, 'FAILED', qr/./ ],    # ours: a step has an id
	[ 'e206_nosdk', [ raw(status => 206, body => qq([{"op":"StepRun","id":"$A","data":1}])) ], $two, 'FAILED', qr/./ ],
	[ 'e400_sdk', [ sdk(400, '{"name":"Error","message":"m400"}') ], $two, 'FAILED', qr/^m400$/ ],
	[ 'e500_noretry', [ failed('nr', no_retry => 1) ], 'step/0', 'FAILED', qr/^nr$/ ],
	[ 'e500_retryafter_date', [ later('%Y-%m-%dT%H:%M:%S.506Z', 2) ], $two, 'FAILED', qr/^ra$/ ],
	[ 'e500_retryafter_http', [ later('%a, %d %b %Y %H:%M:%S GMT', 2) ], $two, 'FAILED', qr/^ra$/ ],
	[ 'e500_retryafter_0', [ failed('ra', retry_after => 0) ], $two, 'FAILED', qr/^ra$/ ],
	[ 'reset', [ reset_connection() ], undef, 'FAILED', qr/Unable to reach SDK URL/ ],
	[ 'hang_up', [ hang_up() ], undef, 'FAILED', qr/Unable to reach SDK URL/ ],
	[ 'cut', [ with(done('x' x 100), cut => 50) ], $two, 'FAILED', qr/./ ],
	[ 'r302', [ redirect('/other', 302) ], 'step/0', 'COMPLETED', 'redirected' ],
	[ 'r307', [ redirect('/other', 307) ], 'step/0', 'COMPLETED', 'redirected' ],
	[ 'gzip', [ with(done('gz'), gzip => 1) ], 'step/0', 'COMPLETED', 'gz' ],
	[ 'big5mb', [ huge(5_242_882) ], 'step/0', 'COMPLETED', 'x' x 5_242_880 ],
	[ 'big9mb', [ huge(9_437_186) ], $two, 'FAILED', qr/exceeds the maximum size/ ],
	[ 'step5mb', [ sdk(206, qq([{"op":"StepRun","id":"$A","data":") . 'x' x 5_242_880 . '"}]'), $done ], $two, 'COMPLETED', 'done' ],
	[ 'discovery', [ bare('DiscoveryRequest'), $done ], 'step/0 step/0', 'COMPLETED', 'done' ],
	[ 'sleep_bad', [ bare('Sleep', name => 'zzz') ], 'step/0', 'FAILED', qr/zzz/ ],    # ours: ends
	[ 'sleep_opts', [ bare('Sleep', opts => { duration => '1s' }), $done ], 'step/0 step/0+a', 'COMPLETED', 'done' ],
	[ 'sleep_0', [ bare('Sleep', name => '0s'), $done ], 'step/0 step/0+a', 'COMPLETED', 'done' ],
	[ 'sleep_neg', [ bare('Sleep', name => '2020-01-01T00:00:00Z'), $done ], 'step/0 step/0+a', 'COMPLETED', 'done' ],
	[ 'sleep_2y', [ bare('Sleep', name => '104w') ], 'step/0', 'FAILED', qr/104w/ ],
	[ 'wait_badexpr', [ bare('WaitForEvent', opts => { event => 'x/y', timeout => '2s', if => 'async.data. ==' }) ],
		'step/0', 'FAILED', qr/./ ],
	[ 'wait_noevent', [ bare('WaitForEvent', opts => { timeout => '2s' }) ], 'step/0', 'FAILED', qr/./ ],    # ours: ends
	[ 'wait_notimeout', [ bare('WaitForEvent', opts => { event => 'x/y' }), $done ], 'step/0 step/0+a', 'COMPLETED', 'done' ],
	[ 'steperror_nofail', [ (bare('StepError', error => { name => 'E', message => 'm' })) x 2, $all ], 'step/0 step/1 step/0+a',
		'COMPLETED', { $A => { error => { name => 'E', message => 'm' } } } ],
	[ 'stepfailed_first', [ bare('StepFailed', error => { name => 'E', message => 'm' }, data => { fallback => 1 }), $all ],
		'step/0 step/0+a', 'COMPLETED', { $A => { error => { name => 'E', message => 'm' } } } ],
	[ 'step_then_complete', [ ops({ op => 'StepRun', id => $A, data => 1 }, op_complete('rc')) ], 'step/0', 'COMPLETED', 'rc' ],
	[ 'runerror_op', [ bare('RunError', error => { name => 'E', message => 'm' }) ], $two, 'FAILED', qr/RunError/ ],
	[ 'dup_report', [ bare('StepRun', data => 0), bare('StepRun', data => 1), $all ], undef, 'COMPLETED', { $A => { data => 0 } } ],
	[ 'stepdata_wrapped', [ bare('StepRun', data => { data => 'inner' }), $all ], 'step/0 step/0+a', 'COMPLETED',
		{ $A => { data => { data => 'inner' } } } ],
	[ 'steprun_nodata', [ bare('StepRun'), $all ], 'step/0 step/0+a', 'COMPLETED', { $A => { data => undef } } ],
	[ 'step_legacy', [ bare('Step', data => { data => 5 }), $all ], 'step/0 step/0+a', 'COMPLETED', { $A => { data => 5 } } ],
	[ 'plan_plus_step', [ ops({ op => 'StepPlanned', id => $A }, { op => 'StepRun', id => $B, data => 'b' }), bare('StepRun', data => 'a'), $all ],
		'step/0 a/0+b step/0+b+a', 'COMPLETED', { $A => { data => 'a' }, $B => { data => 'b' } } ],
	[ 'single_plan', [ bare('StepPlanned'), bare('StepRun', data => 'a'), $all ], 'step/0 a/0 step/0+a', 'COMPLETED', { $A => { data => 'a' } } ],
	[ 'invoke_noid', [ bare('InvokeFunction', opts => { payload => { data => {} } }), $all ], undef, undef, undef ],
	[ 'stream201', [ with(ops(op_complete('streamed')), stream => 1) ], 'step/0', 'COMPLETED', 'streamed' ],
);

$app->on('/other', sdk(200, '"redirected"'));
for my $case (@cases)
{
	my ($name, $replies) = @$case;

	$app->function($name, events => ["odd/$name"], retries => 1);
	$app->on($name, @$replies);
}
$app->register;
my %event = map { $_->[0] => $inn->send("odd/$_->[0]") } @cases;
eval { wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.function_runs WHERE outcome IS NULL') == 0 }, 'all runs have ended', 30) };
is($inn->sql('SELECT function_id, status FROM inngest.runs WHERE ended_at IS NULL ORDER BY 1'), '', 'all runs have ended');

# "step/0 a/1+b": target, attempt and stack of each call
sub called
{
	my ($name) = @_;
	my %id = ($A => 'a', $B => 'b');

	return join(' ', map {
		join('+', ($id{ $_->{step} } // $_->{step}) . "/$_->{attempt}", map { $id{$_} // $_ } @{ $_->{body}{ctx}{stack}{stack} })
	} $app->calls($name));
}

for my $case (@cases)
{
	my ($name, undef, $calls, $status, $output) = @$case;
	my $id = $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event{$name}'");
	my $run = $inn->http('GET', "/api/v1/runs/$id")->{json}{data};

	subtest $name => sub {
		is(called($name), $calls, 'calls') if defined $calls;
		is($run->{status}, $status, 'status') if defined $status;
		if (ref $output eq 'Regexp')
		{
			like($run->{error}{message}, $output, 'error');
		}
		elsif (ref $output || !defined $output || length $output < 1000)
		{
			is_deeply($run->{output}, $output, 'output');
		}
		else
		{
			ok($run->{output} eq $output, 'output');
		}
	};
}

done_testing();
