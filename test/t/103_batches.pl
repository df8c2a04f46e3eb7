# Batches: which events start a run together, and when; that run everywhere where runs and events are shown.  How: an app that
# returns the n of its events; the clock is set.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1);
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical;

my $numbers = sub {
	my ($call) = @_;
	return done([ map { $_->{data}{n} } @{ $call->{body}{events} } ]);
};

$app->function('plain', events => ['plain'], batchEvents => { maxSize => 3, timeout => '10s' });
$app->function('keyed', events => ['keyed'], batchEvents => { maxSize => 2, timeout => '10s', key => 'event.data.k' });
$app->function('faulty', events => ['faulty'], batchEvents => { maxSize => 2, timeout => '10s', key => '1 / int(event.data.k)' });
$app->function('if', events => ['if'], batchEvents => { maxSize => 2, timeout => '10s', if => 'event.data.b == true' });
$app->function('large', events => ['large'], batchEvents => { maxSize => 1000, timeout => '1h' });
$app->function('slow', events => ['slow'], batchEvents => { maxSize => 2, timeout => '10s' }, throttle => { limit => 1, period => '1h', key => 'event.data.k' },
	rateLimit => { limit => 1, period => '24h' });
$app->function('gone', events => ['gone'], batchEvents => { maxSize => 2, timeout => '1h' });
$app->function('invoked', batchEvents => { maxSize => 2, timeout => '10s' });
$app->function('invoker', events => ['invoker']);
$app->function('crowded', batchEvents => { maxSize => 600, timeout => '1h' });
$app->function('crowd', events => ['crowd']);
$app->function('fleeting', batchEvents => { maxSize => 5, timeout => '10s' });
$app->function('hopeful', events => ['hopeful'], retries => 0);
$app->function('heavy', batchEvents => { maxSize => 50, timeout => '1h' });
$app->function('porter', events => ['porter'], retries => 0);
$app->function('broken', events => ['broken'], batchEvents => { maxSize => 2, timeout => '10s' }, retries => 0);
$app->function('handler', events => ['inngest/function.failed']);
$app->on($_, $numbers) for qw(plain keyed faulty if large slow gone invoked timed);
$app->on('handler', done());
$app->register;

sub send_all
{
	my ($name, @data) = @_;
	return split /\n/, $inn->sql('SELECT * FROM inngest.send_events(' . InngestTest::quoted($json->encode([ map { { name => $name, data => $_ } } @data ])) . ')');
}

sub numbered { return map { { n => $_ } } @_ }

# Wait until everything that was sent has been decided on.
sub decided
{
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.queue WHERE kind = 'admit' AND run_at <= inngest_test.now()") == 0 }, 'decisions');
	return;
}

# What the runs of a function have returned, in the order of their ids, once there are so many and all have ended.
sub returned
{
	my ($function, $count) = @_;
	decided();
	my @runs = wait_for(
		sub {
			my @rows = split /\n/, $inn->sql("SELECT r.id, r.status FROM inngest.runs r WHERE function_id = 'stub-$function' ORDER BY r.id::text");
			return @rows == $count && !grep({ /QUEUED|RUNNING/ } @rows) ? \@rows : undef;
		}, "$count runs of $function");
	return map { my ($id, $status) = split /\|/; $status eq 'SKIPPED' ? "($status)" : join ',', @{ $inn->output($id) } } @{ $runs[0] };
}

sub runs { return split /\n/, $inn->sql("SELECT id FROM inngest.runs WHERE function_id = 'stub-$_[0]' ORDER BY id::text") }

subtest 'full' => sub {
	$inn->set_time('2031-01-01 00:00:00Z');
	send_all('plain', numbered(1 .. 7));
	is_deeply([ returned('plain', 2) ], [ '1,2,3', '4,5,6' ], 'as many as it takes, in their order');
	is($inn->sql('SELECT nevents FROM inngest.batches'), 1, 'the rest waits');
	$inn->set_time('2031-01-01 00:00:09Z');
	send_all('plain', numbered(8));
	decided();
	is(scalar(runs('plain')), 2, 'until its time is over');
	$inn->set_time('2031-01-01 00:00:10Z');
	is_deeply([ (returned('plain', 3))[2] ], ['7,8'], 'which began with its first event');
	is($inn->sql('SELECT count(*) FROM inngest.batches'), 0, 'no batch is left');
	my ($call) = grep { $_->{body}{events}[0]{data}{n} == 1 } $app->calls('plain');
	is_deeply($call->{body}{event}, $call->{body}{events}[0], 'the first one is the event');
	is($inn->sql('SELECT DISTINCT extract(epoch FROM queued_at - started_at)::int FROM inngest.runs'), 0, 'a run is as old as its start');
};

subtest 'keys and conditions' => sub {
	send_all('keyed', { n => 1, k => 1 }, { n => 2, k => 2 }, { n => 3, k => '1' }, { n => 4 }, { n => 5 });
	is_deeply([ returned('keyed', 2) ], [ '1,3', '4,5' ], 'S39: a batch for each key, and one for none');
	send_all('faulty', { n => 1, k => 0 }, { n => 2, k => 1 }, { n => 3, k => 0 });
	is_deeply([ returned('faulty', 1) ], ['1,3'], 'what has a key that fails is kept together');
	send_all('if', { n => 1, b => JSON::PP::true }, { n => 2 }, { n => 3, b => JSON::PP::false }, { n => 4, b => 'true' }, { n => 5, b => JSON::PP::true });
	is_deeply([ sort(returned('if', 4)) ], [ '1,5', '2', '3', '4' ], 'S37: what does not fulfil the condition runs alone');
	$inn->advance('10 seconds');
	is_deeply([ (returned('keyed', 3))[2] ], ['2'], 'S39: of one event, too');
	is_deeply([ (returned('faulty', 2))[1] ], ['2'], 'whatever its key');
};

subtest 'ticks' => sub {
	$app->function('timed', triggers => [ { cron => '* * * * *' }, { event => 'timed' } ], batchEvents => { maxSize => 2, timeout => '1h' });
	$app->register; # not before the clock was set: there would be years to make up for
	send_all('timed', numbered(1));
	decided();
	my $before = runs('timed');
	$inn->advance('1 minute');
	wait_for(sub { runs('timed') == $before + 1 }, 'a tick');
	is($inn->output((runs('timed'))[-1])->[0], undef, 'a tick runs alone');
	send_all('timed', numbered(2));
	wait_for(sub { runs('timed') == $before + 2 }, 'a batch');
	is_deeply($inn->output((runs('timed'))[-1]), [ 1, 2 ], 'events do not');
	$inn->sql("SELECT inngest.delete_function('stub-timed')");
};

subtest 'full and over at the same time' => sub {
	send_all('plain', numbered(10, 11));
	decided();
	my ($scheduler) = $inn->workers('scheduler');
	kill STOP => $scheduler;
	$inn->advance('10 seconds');
	send_all('plain', numbered(12));
	kill CONT => $scheduler;
	my @all = map { split /,/ } (returned('plain', 4))[3];
	$inn->advance('10 seconds');
	push @all, split /,/, (returned('plain', 5))[4] if @all < 3;
	is_deeply(\@all, [ 10 .. 12 ], 'S35: each event is in exactly one run');
};

subtest 'ids, times and limits' => sub {
	my $before = runs('plain');
	$inn->send('plain', data => { n => $_ }, id => 'same') for 20, 21;
	$inn->send('plain', data => { n => 22 }, ts => '2041-01-01 00:00:00Z');
	is_deeply([ (returned('plain', $before + 1))[-1] ], ['20,21,22'], 'ids and times of events are not looked at');
	send_all('slow', numbered(1 .. 4));
	returned('slow', 1) if 0;
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-slow'") == 2 }, 'two runs');
	is($inn->sql("SELECT string_agg(round(extract(epoch FROM run_at - inngest_test.now()) / 3600)::text, ' ') FROM inngest.jobs j JOIN inngest.functions f ON f.id = j.function_id WHERE f.slug = 'stub-slow' AND run_at > inngest_test.now()"),
		'1', 'a rate limit means nothing, a throttle does');
	$inn->advance('1 hour');
	is_deeply([ returned('slow', 2) ], [ '1,2', '3,4' ], 'then the second one runs');
};

subtest 'paused, and deleted' => sub {
	send_all('keyed', { n => 30, k => 9 });
	decided();
	$inn->sql("SELECT inngest.pause_function('stub-keyed')");
	my $before = runs('keyed');
	send_all('keyed', { n => 31, k => 9 });
	is_deeply([ (returned('keyed', $before + 1))[-1] ], ['(SKIPPED)'], 'paused when it is full: skipped');
	$inn->sql("SELECT inngest.resume_function('stub-keyed')");
	send_all('keyed', { n => 32, k => 9 }, { n => 33, k => 9 });
	is_deeply([ (returned('keyed', $before + 2))[-1] ], ['32,33'], 'its events do not come back');

	send_all('gone', numbered(1));
	decided();
	$inn->sql("SELECT inngest.delete_function('stub-gone')");
	$inn->advance('1 hour');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.batches') == 0 }, 'no batch');
	is(scalar(runs('gone')), 0, 'deleted: nothing');
};

subtest 'large' => sub {
	my $text = 'x' x 400_000;
	my $before = time;
	send_all('large', map { { n => $_, text => $text } } 10 * $_ + 1 .. 10 * $_ + 10) for 0 .. 2;
	is_deeply([ map { scalar(split /,/) } returned('large', 1) ], [0], 'a batch of 10 MB is full; its events are not in the call');
	my ($run) = runs('large');
	is($inn->sql("SELECT count(*) BETWEEN 26 AND 27 AND sum(bytes) > 10 * 1024 * 1024 FROM inngest.batch_events b JOIN inngest.function_runs r ON r.batch_id OPERATOR(inngest.=) b.batch_id WHERE r.id::text = '$run'"), 't', 'but in the batch');
	my ($call) = $app->calls('large');
	is_deeply([ $call->{body}{use_api}, $call->{body}{event}{data}{n} ], [ JSON::PP::true, 1 ], 'which says so');
	$app->on('large', with(done(1), hold => 'large'));
	$inn->advance('1 hour');
	wait_for(sub { runs('large') == 2 }, 'the rest');
	($run) = (runs('large'))[1];
	is_deeply([ map { $_->{data}{n} } @{ $inn->http('GET', "/v0/runs/$run/batch")->{json} } ], [ 28 .. 30 ], 'they can be asked for');
	$app->release('large');
	$inn->wait_for_end($run);
};

subtest 'invoked' => sub {
	$app->on('invoker', program(op_invoke('i', function_id => 'stub-invoked', payload => { data => { n => echo('event.data.n') } }), done(echo('step i'))));
	send_all('invoker', numbered(1, 2));
	my @runs = wait_for(sub { my @ids = runs('invoker'); return @ids == 2 ? \@ids : undef }, 'two runs');
	is_deeply([ map { $inn->output($_) } @{ $runs[0] } ], [ ([ 1, 2 ]) x 2 ], 'both are answered') or diag($inn->sql('TABLE inngest.run_steps'));
	is($inn->sql(<<'END'), '2|2|2|1', 'with an event each, the first with all');
SELECT count(*), count(DISTINCT data->>'correlation_id'), max(jsonb_array_length(data->'events')), min(jsonb_array_length(data->'events'))
FROM inngest.events WHERE name = 'inngest/function.finished' AND data->>'function_id' = 'stub-invoked' AND data #> '{event}' = data #> '{events,0}'
END
};

subtest 'invoked by many' => sub {
	$app->on('crowded', done(1));
	$app->on('crowd', program(op_invoke('i', function_id => 'stub-crowded', payload => { data => { text => 'x' x 12_000 } }), done(echo('step i'))));
	send_all('crowd', numbered(1 .. 600));
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-crowd' AND status = 'COMPLETED'") == 600 }, 'all runs');
	is(scalar($app->calls('crowded')), 1, 'all are answered by one run, in space that grows as they do');
};

subtest 'failed' => sub {
	$app->on('broken', failed('never'));
	send_all('broken', numbered(1, 2));
	my $handler = wait_for(sub { my ($id) = runs('handler'); return $id }, 'the handler');
	$inn->wait_for_end($handler);
	my ($call) = $app->calls('handler');
	is_deeply([ map { $_->{data}{n} } $call->{body}{event}{data}{event}, @{ $call->{body}{event}{data}{events} } ], [ 1, 1, 2 ], 'the handler gets all events');
	is(scalar(runs('handler')), 1, 'once');
};

subtest 'deleted while somebody waits for it' => sub {
	$app->on('hopeful', program(op_invoke('i', function_id => 'stub-fleeting', payload => {}), done(echo('step i'))));
	send_all('hopeful', numbered(1 .. 3));
	wait_for(sub { $inn->sql("SELECT sum(nevents) FROM inngest.batches b JOIN inngest.functions f ON f.id = b.function_id WHERE f.slug = 'stub-fleeting'") eq '3' }, 'an open batch');
	$inn->sql("SELECT inngest.delete_function('stub-fleeting')");
	$inn->advance('10 seconds');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-hopeful' AND status = 'FAILED'") == 3 }, 'all are told');
	like($inn->sql("SELECT memo::text FROM inngest.steps WHERE op = 'invoke' ORDER BY position DESC LIMIT 1"), qr/could not find function/, 'why');
};

subtest 'a batch that cannot be started' => sub {
	$inn->sql(q(CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no run today''; END'));
	my $id = $inn->sql(q(SELECT id FROM inngest.functions WHERE slug = 'stub-large'));
	$inn->sql("CREATE TRIGGER refuse BEFORE INSERT ON inngest.function_runs FOR EACH ROW WHEN (NEW.function_id = '$id') EXECUTE FUNCTION refuse()");
	my ($before, $others) = (scalar(runs('large')), scalar(runs('plain')));
	$inn->mark_log;
	send_all('large', numbered(1));
	send_all('plain', numbered(2));
	decided();
	$inn->advance('1 hour');
	wait_for(sub { runs('plain') == $others + 1 }, 'does not keep others');
	$inn->wait_for_log(qr/inngest could not start a batch, and will try again later: \w{26}/);
	$inn->mark_log;
	$inn->advance('10 minutes');
	$inn->wait_for_log(qr/no run today/);
	$inn->sql('DROP FUNCTION refuse CASCADE');
	$inn->advance('10 minutes');
	wait_for(sub { runs('large') == $before + 1 }, 'it is tried again');
	pass('and is not lost');
};

subtest 'a result for many' => sub {
	my $ended = sub { return $inn->sql("SELECT coalesce(string_agg(status || ' ' || n, ', ' ORDER BY status), '') FROM (SELECT status, count(*) AS n FROM inngest.runs WHERE function_id = 'stub-porter' GROUP BY status) x") };
	$app->on('porter', program(op_invoke('i', function_id => 'stub-heavy', payload => {}), done('told')));
	$app->on('heavy', done('y' x 100_000));
	send_all('porter', numbered(1 .. 50));
	wait_for(sub { $ended->() eq 'COMPLETED 50' }, 'a result that is large is told to all');
	$app->on('heavy', done('y' x 3_000_000));
	send_all('porter', numbered(51 .. 100));
	wait_for(sub { $ended->() eq 'COMPLETED 51, FAILED 49' }, 'one that is too large for so many is told to the first');
	is($inn->sql("SELECT DISTINCT inngest.run_result(r)->>'message' FROM inngest.function_runs r WHERE r.outcome = 'FAILED' AND r.function_id = (SELECT id FROM inngest.functions WHERE slug = 'stub-porter')"),
		'the result of the batch has 3000012 bytes, too many to be told to each of 49 who have invoked it: all may get 67108864 together', 'the others learn why not');
};

subtest 'shown' => sub {
	my ($run) = runs('plain');
	my @events = map { $_->{id} } @{ $inn->http('GET', "/api/v1/runs/$run")->{json}{data}{events} };
	is(scalar @events, 3, 'all events of a run');
	my $batch = $inn->sql("SELECT batch_id FROM inngest.function_runs WHERE id::text = '$run'");
	is_deeply($inn->http('GET', "/v2/runs/$run")->{json}{data}{trigger}, { eventIds => \@events, eventName => 'plain', isBatch => JSON::PP::true, batchId => $batch }, 'in v2');
	is_deeply([ @{ $inn->http('GET', "/v1/runs/$run")->{json}{data} }{qw(event_id batch_id)} ], [ $events[0], $batch ], 'in v1');
	is_deeply([ map { $_->{run_id} } @{ $inn->http('GET', "/v1/events/$events[1]/runs")->{json}{data} } ], [$run], 'the runs of an event, v1');
	is_deeply([ map { $_->{id} } @{ $inn->http('GET', "/v2/events/$events[2]/runs")->{json}{data} } ], [$run], 'v2');
	is_deeply([ map { $_->{id} } @{ $inn->http('GET', "/api/v1/runs?event_id=$events[1]")->{json}{data} } ], [$run], 'and ours');
	my $again = $inn->sql("SELECT inngest.rerun('$run')");
	is_deeply($inn->output($again), [ 1, 2, 3 ], 'a rerun has all events');

	my $answer = $inn->http('POST', '/v2/apps/stub/functions/plain/invoke', {});
	is_deeply([ $answer->{status}, $answer->{json}{errors}[0]{code} ], [ 422, 'function_batched' ], 'who invokes it is told');
	my $refused = $inn->http('POST', '/api/v1/functions', { id => 'pulled', runtime => 'pull', triggers => [ { event => 'x' } ], batchEvents => { maxSize => 2, timeout => '1s' } });
	is_deeply([ $refused->{status}, $refused->{json}{faults}[0]{path} ], [ 400, 'batchEvents' ], 'nobody who takes runs can have batches');
};

subtest 'retention' => sub {
	send_all('large', numbered(100));
	decided();
	my $open = $inn->sql('SELECT sum(nevents) FROM inngest.batches');
	# the clock of maintenance is not the one that is set
	$inn->sql("SELECT inngest.default_expire(p, '-100 years', 100000) FROM unnest('{events,batch_events}'::text[]) p");
	is($inn->sql('SELECT count(*), (SELECT count(*) FROM inngest.batch_events) FROM inngest.events e JOIN inngest.batch_events b ON b.event_id OPERATOR(inngest.=) e.id'), "$open|$open",
		'open batches keep what they have, others go');
	$inn->advance('1 hour');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.batches') == 0 }, 'no batch');
	is_deeply($inn->output((runs('large'))[-1]), 1, 'and runs');
};

done_testing();
