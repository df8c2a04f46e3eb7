# A step that waits for an event gets the one that it waits for, once, and no other; nothing loses it: not an open
# transaction, not a restart, not a busy run.  How: an app whose functions wait, and events by SQL.
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "max_prepared_transactions = 10\n");
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical;

# A function that waits as told and returns what it got.
sub waits
{
	my ($name, %opts) = @_;

	$app->function($name, events => ["start/$name"], retries => 0);
	$app->on($name, program(op_wait('w', event => 'go', timeout => '1h', %opts), done(echo('steps'))));
	return;
}

# Start it; the run, when it waits.
sub start
{
	my ($name, %data) = @_;
	my $run = $inn->run_of($inn->send("start/$name", data => \%data));

	$inn->wait_for_pauses($run);
	return $run;
}

sub got
{
	my ($run) = @_;
	return $inn->output($run)->{ step_hash('w') };
}

sub still_waits
{
	my ($run, $why) = @_;

	$inn->wait_for_deliveries;
	is($inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$run'"), 1, $why);
	return;
}

waits('plain', event => 'plain/go');
waits('keyed', event => 'keyed/go', if => 'event.data.id == async.data.id');
waits('literal', event => 'literal/go', if => q(async.data.n > 10 && async.data.kind == "b"));
waits('broad', event => 'broad/go', if => 'async.data.n > event.data.n');
waits('broken', event => 'broad/go', if => 'async.data.n.startsWith("x")');
waits('self', event => 'start/self');
waits('short', event => 'short/go', timeout => '1s');
waits('now', event => 'short/go', timeout => '');
waits('twice', event => 'twice/go', if => 'async.data.run == event.data.run');
waits('crowd', event => 'crowd/go', if => 'async.data.kind == event.data.kind');
waits('mass', event => 'mass/go');
$app->function('both', events => ['start/both']);
$app->on('both', program(parallel(op_wait('a', event => 'both/go'), op_wait('b', event => 'both/go', if => 'async.data.n == 1')), done(echo('steps'))));
$app->function('loop', events => ['start/loop']);
$app->on('loop', program(op_wait('a', event => 'loop/go'), op_wait('b', event => 'loop/go'), done(echo('steps'))));
$app->function('early', events => ['start/early']);
$app->on('early', program(op_run('s', 1, reply => { hold => 'early' }), op_wait('w', event => 'early/go', timeout => '1s'), done(echo('steps'))));
$app->register;

subtest 'an event is the memo, as it is' => sub {
	my $run = start('plain');
	my $event = $inn->send('plain/go', data => { b => [ 1, { c => 'x' } ], a => undef });
	my $memo = got($run);
	is_deeply([ @$memo{qw(id name data user)} ], [ $event, 'plain/go', { b => [ 1, { c => 'x' } ], a => undef }, {} ], 'all of it');
	like($inn->sql("SELECT memo FROM inngest.steps WHERE run_id::text = '$run'"), qr/^\{"data":\{"a":null,"b":\[1,\{"c":"x"\}\]\},"id":"$event","name":"plain\/go","ts":\d+,"user":\{\}\}$/,
		'in canonical form');
	is($inn->sql("SELECT op || ' ' || name FROM inngest.steps WHERE run_id::text = '$run'"), 'wait w', 'as a wait');
};

subtest 'found by a value' => sub {
	my %runs = map { $_ => start('keyed', id => $_) } qw(one two);
	my $none = start('keyed');
	is($inn->sql("SELECT count(DISTINCT path) FROM inngest.pauses WHERE event_name = 'keyed/go'"), 1, 'the waits have a key');
	$inn->send('keyed/go', data => { id => 'three' });
	$inn->send('other/go', data => { id => 'one' });
	$inn->send('keyed/go/more', data => { id => 'one' });
	$inn->send('keyed/go', data => { id => 'two' });
	is(got($runs{two})->{data}{id}, 'two', 'the right one goes on');
	still_waits($runs{one}, 'and no other');
	$inn->send('keyed/go', data => {});
	is_deeply(got($none)->{data}, {}, 'what both do not have is equal');
	$inn->send('keyed/go', data => { id => 'one' });
	is(got($runs{one})->{data}{id}, 'one', 'each has its turn');
};

subtest 'tried with an expression' => sub {
	my $run = start('literal');
	$inn->send('literal/go', data => { n => 10, kind => 'b' });
	$inn->send('literal/go', data => { n => 11, kind => 'a' });
	still_waits($run, 'neither is true');
	$inn->send('literal/go', data => { n => 10.5, kind => 'b' });
	is(got($run)->{data}{n}, 10.5, 'now it is');
};

subtest 'one that fails harms nobody' => sub {
	my @broken = map { start('broken') } 1 .. 3;
	my $run = start('broad', n => 5);
	my $other = start('broad', n => 50);
	$inn->mark_log;
	$inn->send('broad/go', data => { n => 7 });
	is(got($run)->{data}{n}, 7, 'the valid one goes on');
	still_waits($other, 'that of which it is false does not');
	is($inn->status($_), 'RUNNING', 'nor those that fail') for @broken;
	is($inn->log_count(qr/an expression of run \w+ failed for an event "broad\/go"/), 1, 'the log says it once');
};

subtest 'not before it waits' => sub {
	my $run = $inn->run_of($inn->send('start/early'));
	$app->wait_for_calls('early', 1, is_open => 1);
	$inn->send('early/go');
	$inn->wait_for_deliveries;
	$app->release('early');
	is(got($run), undef, 'an event from before is none');
};

subtest 'the event that started the run is not it' => sub {
	my $run = start('self');
	still_waits($run, 'it waits');
	my $event = $inn->send('start/self');
	is(got($run)->{id}, $event, 'for the next');
};

subtest 'one event of two' => sub {
	my $run = start('loop');
	$inn->sql(q(SELECT inngest.send_events('[{"name": "loop/go", "data": {"n": 1}}, {"name": "loop/go", "data": {"n": 2}}]')));
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id::text = '$run'") == 1 }, 'the first');
	$inn->wait_for_pauses($run);
	still_waits($run, 'the other has no effect');
	$inn->send('loop/go', data => { n => 3 });
	my $steps = $inn->output($run);
	is_deeply([ map { $steps->{ step_hash($_) }{data}{n} } qw(a b) ], [ 1, 3 ], 'each step has its own');
};

subtest 'one event for several steps' => sub {
	my $run = $inn->run_of($inn->send('start/both'));
	$inn->wait_for_pauses($run, 2);
	$inn->send('both/go', data => { n => 2 });
	$inn->wait_for_pauses($run, 1);
	$inn->send('both/go', data => { n => 1 });
	is_deeply([ map { $inn->output($run)->{ step_hash($_) }{data}{n} } qw(a b) ], [ 2, 1 ], 'the second waits on');
	$run = $inn->run_of($inn->send('start/both'));
	$inn->wait_for_pauses($run, 2);
	$inn->send('both/go', data => { n => 1 });
	is_deeply([ map { $inn->output($run)->{ step_hash($_) }{data}{n} } qw(a b) ], [ 1, 1 ], 'or both go on');
};

subtest 'timeouts' => sub {
	is(got($inn->run_of($inn->send('start/short'))), undef, 'nothing came');
	is(got($inn->run_of($inn->send('start/now'))), undef, 'nor was there time');
};

subtest 'senders whose transaction is open' => sub {
	my $sender = $inn->node->background_psql('postgres', on_error_stop => 1);
	$sender->query_safe(q(BEGIN; SELECT inngest.send_event('plain/go', '{"from": "open"}')));
	my $run = start('plain');
	$inn->send('other/go');
	$inn->wait_for_deliveries;
	$sender->query_safe('COMMIT');
	is(got($run)->{data}{from}, 'open', 'a wait that began meanwhile sees the event');

	$sender->query_safe(q(BEGIN; SELECT inngest.send_event('plain/go', '{"from": "nowhere"}')));
	$run = start('plain');
	$sender->query_safe('ROLLBACK');
	still_waits($run, 'what was rolled back never was');

	$sender->query_safe(q(BEGIN; SELECT inngest.send_event('plain/go', '{"from": "prepared"}'); PREPARE TRANSACTION 'p1'));
	still_waits($run, 'what is prepared is not yet');
	$inn->sql(q(COMMIT PREPARED 'p1'));
	is(got($run)->{data}{from}, 'prepared', 'until it is committed');
	$sender->quit;
};

subtest 'a long transaction does not show events twice' => sub {
	my $old = $inn->node->background_psql('postgres', on_error_stop => 1);
	$old->query_safe(q(BEGIN; SELECT inngest.send_event('other/go')));
	my $run = start('loop');
	$inn->send('loop/go', data => { n => 1 });
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id::text = '$run'") == 1 }, 'the first');
	$inn->wait_for_pauses($run);
	still_waits($run, 'the second waits for another');
	$old->query_safe('ROLLBACK');
	$old->quit;
	$inn->send('loop/go');
	$inn->wait_for_end($run);
};

subtest 'a run that is busy' => sub {
	my ($run, $other) = map { start('plain') } 1, 2;
	my $busy = $inn->node->background_psql('postgres', on_error_stop => 1);
	$busy->query_safe("BEGIN; SELECT inngest.cancel_run('$run')");
	$inn->send('plain/go', data => { n => 1 });
	is(got($other)->{data}{n}, 1, 'does not keep others');
	$inn->wait_for_deliveries;
	$inn->send('plain/go', data => { n => 2 });
	$inn->wait_for_deliveries;
	is($inn->sql('SELECT count(*) FROM inngest.pause_matches'), 1, 'it is remembered');
	$busy->query_safe('ROLLBACK');
	is(got($run)->{data}{n}, 1, 'and goes on with the first event');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.pause_matches') == 0 }, 'nothing is left');

	$run = start('plain');
	$busy->query_safe("BEGIN; SELECT inngest.cancel_run('$run')");
	$inn->send('plain/go', data => { n => 3 });
	$inn->wait_for_deliveries;
	$busy->query_safe('COMMIT');
	is($inn->status($run), 'CANCELLED', 'or has ended');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.pause_matches') == 0 }, 'nothing is left then, either');
	$busy->quit;
};

subtest 'restarts' => sub {
	my $run = start('twice', run => 1);
	my $other = start('twice', run => 2);
	$inn->node->restart;
	$inn->send('twice/go', data => { run => 1 });
	is(got($run)->{data}{run}, 1, 'a wait outlives one');

	# Frozen, so that nobody looks at what is committed before the crash.
	my ($scheduler) = $inn->workers('scheduler');
	kill('STOP', $scheduler);
	$inn->send('twice/go', data => { run => 2 });
	$inn->node->stop('immediate');
	kill('CONT', $scheduler);
	$inn->node->start;
	is(got($other)->{data}{run}, 2, 'so does an event');
};

subtest 'many' => sub {
	my $count = 3000;
	$inn->sql(q(SELECT count(inngest.send_event('start/crowd', jsonb_build_object('kind', CASE WHEN n % 100 = 0 THEN 'few' ELSE n::text END)))) . " FROM generate_series(1, $count) n");
	$inn->sql(q(SELECT count(inngest.send_event('start/mass', '{}'))) . " FROM generate_series(1, $count) n");
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.pauses') >= 2 * $count }, 'all wait', 180);
	$inn->send('crowd/go', data => { kind => 'few' });
	$inn->send('mass/go', data => { n => 'all' });
	wait_for(sub { $inn->sql(q(SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-mass' AND status = 'COMPLETED')) == $count }, 'all have ended', 180);
	is($inn->sql(q(SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-crowd' AND status = 'COMPLETED')), $count / 100, 'and of the others those that match');
	is($inn->sql(q(SELECT count(*) FROM inngest.steps s JOIN inngest.runs r ON r.id::text = s.run_id::text WHERE function_id IN ('stub-mass', 'stub-crowd'))),
		$count + $count / 100, 'each once');
	is($inn->sql(q(SELECT count(*) FROM inngest.jobs)), 0, 'nothing is left');
};

done_testing();
