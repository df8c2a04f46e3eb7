# A request of ours (step.fetch, step.ai.infer) that fails beside other steps is made again by the call that has asked for it, and by no
# other: the run has one way on.  How: an app whose function asks an address that fails at first, while another step is executed.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.retry_interval = '500ms'\n");
my $app = StubApp->new(inn => $inn);
my $target = 'http://127.0.0.1:' . $app->port;

sub requests_of
{
	my ($path) = @_;
	return scalar grep { $_->{path} eq $path } $app->requests;
}

for my $case (
	[ first => parallel(op_ai('ask', url => "$target/first", body => {}), op_run('other', 2)) ],
	[ last => parallel(op_run('other', 2), op_ai('ask', url => "$target/last", body => {})) ],
	[ two => parallel(op_fetch('quick', url => "$target/fine"), op_run('other', 2), op_ai('ask', url => "$target/two", body => {})) ])
{
	my ($name, $steps) = @$case;

	$app->function($name, events => ["start/$name"], retries => 3);
	$app->on($name, program($steps, op_run('join', 3), done(echo('step ask'))));
	$app->on("/$name", raw(status => 503, body => 'busy'), raw(status => 200, body => '{"n": 1}', headers => { 'Content-Type' => 'application/json' }));
	$app->on('/fine', raw(status => 200, body => 'fine'));
	$app->register;

	my $run = $inn->run_of($inn->send("start/$name"));
	is_deeply($inn->output($run), { n => 1 }, "$name: the run ends with the answer");
	is(requests_of("/$name"), 2, 'the request was made twice');
	my %steps;
	$steps{ $_->{step} }++ for $app->calls($name);
	is_deeply(\%steps, { step => 4, step_hash('other') => 1 }, 'and every other call once')
	  or diag(explain(\%steps));
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id::text = '$run'"), @{ $inn->http('GET', "/api/v1/runs/$run")->{json}{data}{steps} }, 'each step is recorded once');
	is($inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id::text = '$run'"), 0, 'nothing is left to do');
}

# A run that was cancelled while its app was working asks nobody.
$app->function('late', events => ['start/late']);
$app->on('late', with(op_fetch('ask', url => "$target/late"), hold => 'late'));
$app->on('/late', raw(status => 200, body => 'late'));
$app->register;
my $late = $inn->run_of($inn->send('start/late'));
$app->wait_for_calls('late', 1, is_open => 1);
$inn->sql("SELECT inngest.cancel_run('$late')");
$app->release('late');
wait_for(sub { $app->in_flight == 0 }, 'its answer');
$inn->wait_for_end($inn->run_of($inn->send('start/first'))); # which is settled later
is($inn->status($late), 'CANCELLED', 'a cancelled run');
is(requests_of('/late'), 0, 'makes no request');

done_testing();
