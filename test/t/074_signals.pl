# A signal goes to the one run that waits for it, in the transaction of who sends it.  How: an app, SQL and HTTP.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);

sub waits
{
	my ($name, %opts) = @_;

	$app->function($name, events => ["start/$name"], retries => 0);
	$app->on($name, program(op_signal('w', %opts), done(echo('steps'))));
	return;
}

sub start
{
	my ($name) = @_;
	my $run = $inn->run_of($inn->send("start/$name"));

	$inn->wait_for_pauses($run);
	return $run;
}

sub got
{
	my ($run) = @_;
	return $inn->output($run)->{ step_hash('w') };
}

waits('plain', signal => 'a/signal', timeout => '1h');
waits('second', signal => 'a/signal', timeout => '1h');
waits('replacing', signal => 'a/signal', timeout => '1h', conflict => 'replace');
waits('first', signal => 'b/signal', timeout => '2s');
waits('taking', signal => 'b/signal', timeout => '1h', conflict => 'replace');
waits('short', signal => 'c/signal', timeout => '1s');
$app->register;

subtest 'who waits for it gets it' => sub {
	is($inn->sql(q(SELECT inngest.send_signal('a/signal') IS NULL)), 't', 'nobody does');
	my $run = start('plain');
	is($inn->sql(q(SELECT inngest.send_signal('b/signal') IS NULL)), 't', 'nor for another');
	is($inn->sql(q(SELECT inngest.send_signal('a/signal', '{"b": 1, "a": [2]}'))), $run, 'this run does');
	is_deeply(got($run), { data => { signal => 'a/signal', data => { a => [2], b => 1 } } }, 'with what is said');
	is($inn->sql("SELECT memo FROM inngest.steps WHERE run_id::text = '$run'"), '{"data":{"data":{"a":[2],"b":1},"signal":"a/signal"}}', 'in canonical form');
	is($inn->sql(q(SELECT inngest.send_signal('a/signal') IS NULL)), 't', 'once');
	$run = start('plain');
	$inn->sql(q(SELECT inngest.send_signal('a/signal')));
	is_deeply(got($run), { data => { signal => 'a/signal', data => undef } }, 'nothing can be said, too');
};

subtest 'a timeout' => sub {
	is(got(start('short')), undef, 'says nothing');
};

subtest 'one run at a time' => sub {
	my $run = start('plain');
	my $other = $inn->run_of($inn->send('start/second'));
	$inn->wait_for_end($other, 'FAILED');
	like($inn->sql("SELECT error->>'message' FROM inngest.attempts WHERE run_id::text = '$other'"), qr/^Signal conflict; signal wait already exists for another run$/, 'the second fails');
	is($inn->status($run), 'RUNNING', 'the first does not notice');
	$inn->sql(q(SELECT inngest.send_signal('a/signal', '1')));
	is(got($run)->{data}{data}, 1, 'and gets it');

	my $first = start('first');
	my $taking = start('taking');
	is($inn->sql(q(SELECT inngest.send_signal('b/signal', '2'))), $taking, 'unless the second takes over');
	is(got($taking)->{data}{data}, 2, 'then it gets it');
	is(got($first), undef, 'and the first waits in vain');
};

subtest 'transactions' => sub {
	my $run = start('plain');
	$inn->sql(q(BEGIN; SELECT inngest.send_signal('a/signal', '1'); ROLLBACK));
	is($inn->status($run), 'RUNNING', 'what is rolled back was not sent');
	my $sender = $inn->node->background_psql('postgres', on_error_stop => 1);
	$sender->query_safe(q(BEGIN; SELECT inngest.send_signal('a/signal', '2')));
	like($inn->sql_error(q(SELECT inngest.send_signal('a/signal', '3'))), qr/^55P03: the run is being changed by another transaction/, 'another sender does not wait for long');
	$sender->query_safe('COMMIT');
	is(got($run)->{data}{data}, 2, 'what is committed was');

	$run = start('plain');
	my $at = $inn->mark_log;
	$sender->query_safe(q(BEGIN; SELECT inngest.send_signal('a/signal', '3')));
	my $taking = $inn->run_of($inn->send('start/replacing'));
	$inn->wait_for_log(qr/could not settle yet what an app has answered: who waits for the signal "a\/signal" is just being changed/, $at);
	$sender->query_safe('ROLLBACK');
	$inn->wait_for_pauses($taking);
	is($inn->sql(q(SELECT inngest.send_signal('a/signal', '4'))), $taking, 'who takes over meanwhile does so when it is over');
	is(got($taking)->{data}{data}, 4, 'and gets it');
	$inn->sql("SELECT inngest.cancel_run('$run')");
	$sender->quit;
};

subtest 'a run that has ended' => sub {
	my $run = start('plain');
	$inn->sql("SELECT inngest.cancel_run('$run')");
	is($inn->sql(q(SELECT inngest.send_signal('a/signal') IS NULL)), 't', 'waits no more');
	$inn->node->restart;
	$run = start('plain');
	$inn->node->restart;
	is($inn->sql(q(SELECT inngest.send_signal('a/signal', '4'))), $run, 'one that has not waits on, whatever happens');
	is(got($run)->{data}{data}, 4, 'and gets it');
};

subtest 'over HTTP' => sub {
	my $answer = $inn->http('POST', '/v1/signals', { signal => 'a/signal' });
	is_deeply([ $answer->{status}, $answer->{json}{error} ], [ 404, 'No signal found' ], 'nobody waits');
	my $run = start('plain');
	$answer = $inn->http('POST', '/v1/signals', { signal => 'a/signal', data => { hello => 1 } });
	is_deeply([ $answer->{status}, $answer->{json}{data} ], [ 200, { run_id => $run } ], 'somebody does');
	like($answer->{json}{metadata}{fetched_at}, qr/^\d{4}-.*Z$/, 'in the envelope');
	is_deeply(got($run)->{data}{data}, { hello => 1 }, 'and gets it');
	is($inn->http('POST', '/v1/signals', $_)->{status}, 400, 'no signal') for {}, [], { signal => 1 }, { signal => '' };
};

subtest 'two of one run' => sub {
	$app->function('both', events => ['start/both'], retries => 0);
	$app->on('both', program(parallel(op_signal('a', signal => 'both', timeout => '1s'), op_signal('b', signal => 'both', conflict => 'replace', timeout => '1h')), done(echo('steps'))));
	$app->function('turns', events => ['start/turns'], retries => 0);
	$app->on('turns', program(parallel(map { op_signal($_, signal => 'turns', timeout => '1h') } qw(a b)), done(echo('steps'))));
	$app->register;

	my $run = start('both');
	is($inn->sql(q(SELECT inngest.send_signal('both', '1'))), $run, 'one waits');
	my $got = $inn->output($run);
	is_deeply([ $got->{ step_hash('a') }, $got->{ step_hash('b') }{data}{data} ], [ undef, 1 ], 'the one that replaces the other');

	$run = start('turns');
	is($inn->sql(qq(SELECT inngest.send_signal('turns', '1'))), $run, 'without that the first one waits');
	wait_for(sub { $inn->sql(qq(SELECT inngest.send_signal('turns', '2'))) eq $run }, 'the second one');
	$got = $inn->output($run);
	is_deeply([ map { $got->{ step_hash($_) }{data}{data} } qw(a b) ], [ 1, 2 ], 'then the other');
};

done_testing();
