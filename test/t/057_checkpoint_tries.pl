# A checkpoint lets the attempts of its call count from 0 again; what became of the tries is recorded all the same, and so
# is the output.  How: a step that fails, then a call that checkpoints the step and ends the run, or fails.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '10ms'\n");
my $app = StubApp->new(inn => $inn);

# The run that an event of this name starts, when it has ended.
sub run_of
{
	my ($name) = @_;
	my $event = $inn->send($name);
	my $id = wait_for(sub { $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event' AND ended_at IS NOT NULL") }, "$name has ended");

	return $inn->http('GET', "/api/v1/runs/$id")->{json}{data};
}

sub tries
{
	my ($run) = @_;
	return join(' ', map { "$_->{attempt} $_->{status}" } sort { $a->{started_at} cmp $b->{started_at} } @{ $run->{attempts} });
}

my @checkpoint = (checkpoint => [ [ op_run('a', 1) ] ]);

$app->function('ends', events => ['t/ends'], retries => 1);
$app->on('ends', op_error('a', 'once'), with(done('output'), @checkpoint));
$app->function('fails', events => ['t/fails'], retries => 1);
$app->on('fails', op_error('a', 'once'), with(failed('twice'), @checkpoint), failed('at last'));
$app->register;

my $run = run_of('t/ends');
is($run->{output}, 'output', 'the output of a try after a checkpoint');
is(tries($run), '0 FAILED 1 COMPLETED', 'each try is recorded');
is(($app->calls('ends'))[1]{end}{checkpoints}[0]{status}, 200, 'the checkpoint was accepted');

$run = run_of('t/fails');
is($run->{error}{message}, 'at last', 'the error of the last try');
is(tries($run), '0 FAILED 1 FAILED 2 FAILED', 'each try is recorded, though attempts begin again');
is_deeply([ map { $_->{attempt} } $app->calls('fails') ], [ 0, 1, 1 ], 'which the app is told');

done_testing();
