# What a run records has 32 MB, however it comes: by parallel steps, by checkpoints, by a last answer.  What is said again, as our answer
# was lost, counts once.  How: steps of 3.9 MB, of which eight have room.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);
my $large = 'x' x 3_900_000;

sub large { return map { op_run("large$_", $large) } @_ }

sub planned { return ops(map { op_planned("large$_") } @_) }

sub stored
{
	my ($run) = @_;
	return $inn->sql("SELECT count(*) || ' ' || sum(size) / 1000000 FROM inngest.steps WHERE run_id::text = '$run'");
}

# The error that a run has ended with.
sub fault
{
	my ($run) = @_;
	return $inn->sql("SELECT error->>'name' FROM inngest.attempts WHERE run_id::text = '$run' ORDER BY ended_at DESC LIMIT 1");
}

my %case = (
	# reported one by one, and in parallel, when no call knows of the other
	room => [ 'COMPLETED', '8 31', planned(1 .. 8), done('end') ],
	parallel => [ 'FAILED', '8 31', planned(1 .. 9), done('end') ],
	one_by_one => [ 'FAILED', '8 31', (map { ops($_) } large(1 .. 9)), done('end') ],
	# by a checkpoint, and with the end
	checkpoint => [ 'FAILED', '8 31', with(done('end'), checkpoint => [ map { [$_] } large(1 .. 9) ]) ],
	last => [ 'FAILED', '8 31', with(ops(large(9), op_complete('end')), checkpoint => [ map { [$_] } large(1 .. 8) ]) ],
	# said again
	again => [ 'COMPLETED', '8 31', with(ops(large(8), op_complete('end')), checkpoint => [ map { [$_] } large(1 .. 7), (large(8)) x 2 ]) ]);

for my $name (sort keys %case)
{
	my ($status, $stored, @replies) = @{ $case{$name} };

	$app->function($name, events => ["start/$name"], retries => 0);
	$app->on($name, @replies);
	$app->on({ function => $name, step => "large$_" }, large($_)) for 1 .. 9;
}
$app->register;
for my $name (sort keys %case)
{
	my ($status, $stored) = @{ $case{$name} };
	my $run = $inn->run_of($inn->send("start/$name"));

	$inn->wait_for_end($run, $status);
	is(stored($run), $stored, "$name: $status, what had room is kept");
	is(fault($run), $status eq 'FAILED' ? 'InngestErrStateOverflowed' : '', 'and why');
}

# waits record what they get, unasked: then the run is not called any more
{
	$app->function('waits', events => ['start/waits'], retries => 0);
	$app->on('waits', with(ops(map { op_wait("wait$_", event => 'a/answer', timeout => '1h') } 1 .. 20), checkpoint => [ map { [$_] } large(1 .. 8) ]),
		done('end'));
	$app->register;
	my $run = $inn->run_of($inn->send('start/waits'));
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$run'") == 20 }, 'the waits');
	$inn->sql("SELECT inngest.send_event(name => 'a/answer', data => jsonb_build_object('x', repeat('x', 200000)))");
	$inn->wait_for_end($run, 'FAILED');
	is(fault($run), 'InngestErrStateOverflowed', 'waits');
}

done_testing();
