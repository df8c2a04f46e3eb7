# Runs have the time that their function gives them, to start and to finish, as it says when the time has come.
# How: an app that keeps its callers waiting, pull functions that nobody takes.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $app = StubApp->new(inn => $inn);

sub start
{
	my ($name, %option) = @_;
	return $inn->run_of($inn->send("start/$name", %option));
}

sub pull
{
	my ($name, %timeouts) = @_;

	$inn->register($name, "start/$name", { timeouts => \%timeouts });
	return;
}

# Seconds from when it was created, or has started, until it was cancelled.
sub lasted
{
	my ($run, $from) = @_;

	$inn->wait_for_end($run, 'CANCELLED');
	return $inn->sql("SELECT extract(epoch FROM ended_at - $from) FROM inngest.runs WHERE id::text = '$run'");
}

subtest 'to start' => sub {
	pull('start', start => '1s');
	my $run = start('start');
	my $seconds = lasted($run, 'queued_at');
	cmp_ok($seconds, '>=', 1, 'not before');
	cmp_ok($seconds, '<', 10, 'nor much later');
	is($inn->sql('SELECT count(*) FROM inngest.queue'), 0, 'it is not started any more');
	is($inn->sql(qq(SELECT string_agg(name, ' ' ORDER BY id::text) FROM inngest.events WHERE data->>'run_id' = '$run')),
		'inngest/function.finished inngest/function.cancelled', 'it was cancelled');

	pull('started', start => '1s');
	$run = start('started');
	my ($leased, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{started}')");
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.jobs') == 0 }, 'the time is over');
	is($inn->status($run), 'RUNNING', 'one that has started goes on');
	$inn->sql("SELECT inngest.complete_run('$run', '$lease')");
};

subtest 'to finish' => sub {
	pull('finish', finish => '1s');
	my $run = start('finish');
	my ($leased, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{finish}')");
	my $seconds = lasted($run, 'started_at');
	cmp_ok($seconds, '>=', 1, 'not before');
	cmp_ok($seconds, '<', 10, 'nor much later');
	like($inn->sql_error("SELECT inngest.complete_run('$run', '$lease')"), qr/^IN021/, 'the report comes too late');
	$run = start('finish');
	($leased, $lease) = split /\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs('{finish}')");
	$inn->sql("SELECT inngest.complete_run('$run', '$lease')");
	is($inn->sql('SELECT count(*) FROM inngest.jobs'), 0, 'it goes with the run');
};

subtest 'of an app' => sub {
	$app->function('finish', events => ['start/app'], timeouts => { finish => '1s' });
	$app->on('finish', with(done(1), hold => 'finish'));
	$app->function('sleeps', events => ['start/sleeps'], timeouts => { start => '1h', finish => '1s' });
	$app->on('sleeps', op_sleep('s', '1h'));
	$app->function('later', events => ['start/later'], timeouts => { start => '1s' });
	$app->on('later', done(1));
	$app->register;
	my $run = start('app');
	my $sleeps = start('sleeps');
	my $later = start('later', ts => '2098-01-01 UTC');
	cmp_ok(lasted($run, 'started_at'), '<', 10, 'while it is called');
	cmp_ok(lasted($sleeps, 'started_at'), '<', 10, 'while it sleeps');
	cmp_ok(lasted($later, 'queued_at'), '<', 10, 'while it has to wait for its time');
	$app->release('finish');
	wait_for(sub { !grep { !$_->{end} } $app->calls('finish') }, 'the answer');
	is($inn->sql('SELECT count(*) FROM inngest.jobs'), 0, 'nothing is left');
};

subtest 'as the function says now' => sub {
	my @names = qw(longer none);
	pull($_, start => '1s') for @names;
	my %runs = map { $_ => start($_) } @names;
	pull('longer', start => '3s');
	pull('none');
	cmp_ok(lasted($runs{longer}, 'queued_at'), '>=', 3, 'it may be prolonged');
	is($inn->status($runs{none}), 'QUEUED', 'or taken away');

	pull('shorter', start => '1h');
	my $run = start('shorter');
	pull('shorter', start => '1s');
	is($inn->status($run), 'QUEUED', 'what is shortened was put for the old time');
};

subtest 'over a restart' => sub {
	pull('restart', start => '2s');
	my $run = start('restart');
	$inn->node->restart;
	cmp_ok(lasted($run, 'queued_at'), '<', 20, 'it is still cancelled');
};

subtest 'a run that is held by an open transaction' => sub {
	pull('held', start => '1s');
	my ($run, $other) = map { start('held') } 1, 2;
	my $worker = $inn->node->background_psql('postgres', on_error_stop => 1);
	$worker->query_safe("BEGIN; SELECT FROM inngest.lease_runs('{held}', runs => '{$run}')");
	lasted($other, 'queued_at');
	is($inn->status($run), 'QUEUED', 'does not keep others');
	$worker->query_safe('ROLLBACK');
	lasted($run, 'queued_at');
	ok(1, 'and has its turn');
	$worker->quit;
};

done_testing();
