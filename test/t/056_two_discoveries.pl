# A step that two calls plan at the same time is executed once, also if their answers are settled together; and so is one that is
# named twice in one answer.
# How: many runs that speak version 1 of the protocol, where each of two parallel steps is followed by a call
# of its own, and both of these plan the next step.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

use constant RUNS => 200;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn, req_version => 1);

$app->function('f', events => ['t/f']);
$app->on('f', program(parallel(op_run('a', 1), op_run('b', 2)), op_run('join', 3), done('joined')));
$app->register;

$inn->http('POST', '/e/test', [ map { { name => 't/f', data => { n => $_ } } } 1 .. RUNS ]);
wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE status = 'COMPLETED'") == RUNS }, 'all runs are complete');

my %calls;
$calls{ $_->{step} }{ $_->{body}{ctx}{run_id} }++ for $app->calls('f');
for my $step (qw(a b join))
{
	my $of = $calls{ step_hash($step) };

	is(scalar keys %$of, RUNS, "step $step was executed for each run");
	is(scalar(grep { $_ > 1 } values %$of), 0, 'once');
}

$app->function('twice', events => ['t/twice']);
$app->on('twice', ops(op_planned('p'), op_planned('p')), done('end'));
$app->on({ function => 'twice', step => 'p' }, op_run('p', 1));
$app->function('nap', events => ['t/nap']);
$app->on('nap', ops(op_sleep('s', '10ms'), op_sleep('s', '10ms')), done('end'));
$app->register;
for my $name (qw(twice nap))
{
	my $run = $inn->run_of($inn->send("t/$name"));
	is($inn->output($run), 'end', "$name: the run ends");
	is($inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id::text = '$run'"), 0, 'nothing is left');
}
is(scalar(grep { $_->{step} eq step_hash('p') } $app->calls('twice')), 1, 'a step that is planned twice is executed once');
is(scalar($app->calls('nap')), 2, 'after a sleep that is there twice the function is called once');

done_testing();
