# Whoever sends many events with ids and does not commit keeps nobody else from anything.  How: four sessions, each with more than one
# may claim.
use strict;
use warnings;

use InngestTest;
use Test::More;

use constant {
	SESSIONS => 4,
	PIECES => 9,
	EVENTS => 1000,
};

my $inn = InngestTest->new('main');

$inn->register('many', 'many');
$inn->register('live', 'live');
my @live = map { $inn->run_of($inn->send('live', id => "before $_")) } 1 .. 20;

my @sessions = map { $inn->node->background_psql('postgres', on_error_die => 1) } 1 .. SESSIONS;
for my $n (0 .. $#sessions)
{
	$sessions[$n]->query_safe('BEGIN');
	for my $piece (1 .. PIECES)
	{
		$sessions[$n]->query_safe("SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', 'many', 'id', format('$n $piece %s', i))) FROM generate_series(1, @{[ EVENTS ]}) i))");
	}
}

$inn->sql("SELECT inngest.cancel_run('$_')") for @live[ 0 .. 9 ];
is($inn->sql("SELECT count(*) FROM inngest.runs WHERE status = 'CANCELLED'"), 10, 'runs are cancelled');
my ($run, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{live}')");
$inn->sql("SELECT inngest.complete_run('$run', '$lease')");
is($inn->status($run), 'COMPLETED', 'and completed');
ok($inn->run_of($inn->send('live')), 'and created');
$inn->send('live', id => "after $_") for 1 .. 20;
wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE e.caller_id LIKE 'after%'") > 10 }, 'also of events with ids');

$_->query_safe('COMMIT') for @sessions;
$_->quit for @sessions;
wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'many'") == SESSIONS * PIECES * EVENTS }, 'all that was sent to become runs');
is($inn->sql("SELECT count(*) FROM inngest.queue WHERE kind = 'admit'"), 0, 'nothing is left to decide');

done_testing();
