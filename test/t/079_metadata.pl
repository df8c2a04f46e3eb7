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
