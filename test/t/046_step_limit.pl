# A run may have a thousand steps, and its end, which the same call reports, is none; nor is a step that is reported again, as our answer
# was lost.  How: steps that are reported by checkpoints.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);

sub runs { return [ map { op_run("s$_", 1) } @_ ] }

my %case = (
	full => [ with(ops(op_complete('end')), checkpoint => [ runs(1 .. 600), runs(601 .. 1000) ]), 'COMPLETED' ],
	beside => [ with(ops(op_run('last', 1), op_complete('end')), checkpoint => [ runs(1 .. 600), runs(601 .. 999) ]), 'COMPLETED' ],
	beyond => [ with(ops(op_run('last', 1), op_complete('end')), checkpoint => [ runs(1 .. 600), runs(601 .. 1000) ]), 'FAILED' ],
	again => [ with(ops(@{ runs(990 .. 1000) }, op_complete('end')), checkpoint => [ runs(1 .. 600), runs(601 .. 1000), runs(401 .. 1000) ]), 'COMPLETED' ],
	partly => [ with(ops(@{ runs(990 .. 1000) }, op_complete('end')), checkpoint => [ runs(1 .. 600), runs(501 .. 995) ]), 'COMPLETED' ]);

for my $name (sort keys %case)
{
	$app->function($name, events => ["start/$name"], retries => 0);
	$app->on($name, $case{$name}[0]);
}
$app->register;
for my $name (sort keys %case)
{
	my $run = $inn->run_of($inn->send("start/$name"));

	$inn->wait_for_end($run, $case{$name}[1]);
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id::text = '$run'"), 1000, "$name: a thousand steps, $case{$name}[1]");
	is($inn->sql("SELECT error->>'name' FROM inngest.attempts WHERE run_id::text = '$run' ORDER BY ended_at DESC LIMIT 1"),
		$case{$name}[1] eq 'FAILED' ? 'InngestErrFunctionOverflowed' : '', 'and why');
}

done_testing();
