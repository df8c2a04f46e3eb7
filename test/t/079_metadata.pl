# What an app reports of its steps beside their results is kept, and a fault in it is no fault of the step.  How: steps with metadata of every
# kind of fault; the log.  (Changes over HTTP are in 061_v1.pl.)
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '10ms'\n");
my $app = StubApp->new(inn => $inn);

sub said { my ($kind, $values, %more) = @_; return { kind => "userland.$kind", op => 'set', scope => 'step', values => $values, %more } }

# What is kept of a run whose step "a" has this metadata, and which must complete: "step kind values", in order.
my $serial = 0;
sub kept
{
	my (@replies) = @_;
	my $name = 'f' . ++$serial;

	$app->function($name, events => [$name], retries => 1);
	$app->on($name, @replies);
	$app->register;
	my $run = $inn->run_of($inn->send($name));
	is_deeply($inn->output($run), { done => 1 }, 'the run completes');
	my $rows = $inn->sql("SELECT CASE step_id WHEN inngest.step_hash('a') THEN 'a' ELSE step_id END || ' ' || kind || ' ' || data FROM inngest.run_metadata WHERE run_id::text = '$run' ORDER BY 1");
	return [ split /\n/, $rows ];
}

sub with_metadata { return kept(program(op_run('a', 1, metadata => [@_]), done({ done => 1 }))) }

is_deeply(with_metadata(said('x', { n => 1 }), said('y', { n => 2 }, op => 'merge'), said('x', { m => 1 }, op => 'merge'), said('z', { n => 3 }, scope => 'run')),
	[ ' userland.z {"n": 3}', 'a userland.x {"m": 1, "n": 1}', 'a userland.y {"n": 2}' ], 'of the step, and of the run');
is_deeply(with_metadata(), [], 'nothing');
is_deeply(kept({ %{ op_error('a', 'once') }, metadata => [ said('try', { n => 1 }) ] }, program(op_run('a', 1, metadata => [ said('x', { n => 2 }) ]), done({ done => 1 }))),
	[ 'a userland.try {"n": 1}', 'a userland.x {"n": 2}' ], 'also of a try that has failed');

my $counted = op_run('a', 1, metadata => [ said('x', { n => 1 }, op => 'add') ]);
is_deeply(kept(with(done({ done => 1 }), checkpoint => [ [$counted], [$counted] ])), ['a userland.x {"n": 1}'], 'what comes again in a second checkpoint is not counted again');
is_deeply(kept(with(ops($counted), checkpoint => [ [$counted] ]), done({ done => 1 })), ['a userland.x {"n": 1}'], 'nor in an answer');

subtest 'a row that somebody holds' => sub {
	$app->function('held', events => ['held']);
	$app->on('held', ops(op_run('a', 1, metadata => [ said('x', { n => 1 }, scope => 'run') ])),
		with(ops(op_run('b', 2, metadata => [ said('x', { n => 2 }, scope => 'run'), said('y', { n => 3 }) ])), hold => 'second'), done('done'));
	$app->register;
	my $run = $inn->run_of($inn->send('held'));
	$app->wait_for_calls('held', 2, is_open => 1);
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	$session->query_safe($_) for 'BEGIN', "SELECT FROM inngest.run_metadata WHERE run_id::text = '$run' FOR UPDATE";
	$inn->mark_log;
	$app->release('second');
	is($inn->output($run), 'done', 'does not hold the run up for long');
	like($inn->log_text, qr/dropped metadata that came with step "[0-9a-f]{40}" of run $run: canceling statement due to lock timeout/, 'what cannot be written is logged');
	$session->query_safe($_) for 'COMMIT', 'BEGIN', "SELECT inngest.claim_run('$run')";
	is($inn->sql("SELECT string_agg(kind || data, ' ' ORDER BY kind) FROM inngest.run_metadata WHERE run_id::text = '$run'"), 'userland.x{"n": 1} userland.y{"n": 3}', 'and nothing else is lost');

	my $body = { metadata => [ { kind => 'userland.x', op => 'add', values => { n => 5 } } ] };
	my $answer = $inn->http('POST', "/v1/runs/$run/metadata", $body);
	is($answer->{status}, 503, 'who changes it by the API while the run is being changed is told to try again');
	$session->query_safe('COMMIT');
	$session->quit;
	is($inn->http('POST', "/v1/runs/$run/metadata", $body)->{status}, 200, 'and then');
	is($inn->sql("SELECT data FROM inngest.run_metadata WHERE run_id::text = '$run' AND kind = 'userland.x'"), '{"n": 6}', 'it is changed');
};

for my $fault (
	[ 'kind must begin', said('x', {}, kind => 'other') ],
	[ 'op must be', said('x', {}, op => 'replace') ],
	[ 'values must be an object', said('x', 5) ],
	[ 'must be an object', 7 ],
	[ 'the metadata would be 7\d{4} bytes', said('x', { text => 'x' x 70_000 }) ],
	[ '102 changes; the limit is 100', map { said("k$_", {}) } 0 .. 100 ])
{
	my ($sentence, @metadata) = @$fault;
	$inn->mark_log;
	is_deeply(with_metadata(@metadata, said('good', { n => 1 })), $sentence =~ /limit is 100/ ? [] : ['a userland.good {"n": 1}'], "$sentence: that is not kept");
	like($inn->log_text, qr/LOG:  inngest dropped metadata that came with step "[0-9a-f]{40}" of run \w{26}: $sentence/, 'and logged');
}

done_testing();
