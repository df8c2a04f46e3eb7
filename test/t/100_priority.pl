# Runs with priority go first (S27).  How: an app that may be called once at a time, runs queued behind a call that is held.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1, conf => "inngest.max_calls_per_app = 1\n");
my $app = StubApp->new(inn => $inn);

$app->function('first', events => ['t/first']);
$app->function('prio', events => ['t/prio'], priority => { run => 'event.data.p' });
$app->register;
$app->on('first', with(done(), hold => 'door'));
$app->on('prio', program(op_run('a', 1), done()));

# Queue runs behind a call; a minute lies between them.  The order in which they begin.
sub order
{
	my @priorities = @_;
	my $before = () = $app->calls('prio');

	$app->hold('door');
	$inn->send('t/first');
	wait_for(sub { $app->in_flight == 1 }, 'a call that is held');
	for my $p (@priorities)
	{
		$inn->send('t/prio', data => { p => $p, n => "$p" });
		$inn->advance('1 minute');
	}
	$app->release('door');
	$app->wait_for_calls('prio', $before + 2 * @priorities);
	my @calls = ($app->calls('prio'))[ $before .. $before + 2 * @priorities - 1 ];
	return [ map { $_->{body}{event}{data}{p} // 'none' } @calls ];
}

is_deeply(order(0, 120), [ 120, 120, 0, 0 ], 'a run goes before one that was queued less earlier, with all its calls');
is_deeply(order(0, 30), [ 0, 0, 30, 30 ], 'but not before one that was queued even earlier');
is_deeply(order(-300, 0, 10), [ 0, 0, 10, 10, -300, -300 ], 'or after');
is_deeply(order(0, 'x', 1.5, 43200 * 3), [ 129600, 129600, 0, 0, 'x', 'x', 1.5, 1.5 ], 'what is no integer is no priority');
is($inn->sql('SELECT count(*) FROM inngest.run_controls'), 0, 'nothing stays of runs that have ended');

$app->hold('door');
$inn->send('t/first');
$inn->send('t/prio', data => { p => $_ }) for 1e6, -1e6;
is($inn->sql('SELECT string_agg(priority::text, $$ $$ ORDER BY priority) FROM inngest.run_controls'), '-43200 43200', 'it ends at twelve hours');
$app->release('door');
wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.run_controls') == 0 }, 'the runs');

done_testing();
