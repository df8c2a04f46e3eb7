# Rate limits, idempotency, debouncing, throttling, singletons: which events start runs, and when.  How: pull functions, whose
# runs show when they may start; the clock is set.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;
use Time::HiRes qw(time);

my $inn = InngestTest->new('main', testing => 1);
my $json = JSON::PP->new->canonical;

sub runs
{
	my ($function, $what) = @_;
	return $inn->sql("SELECT coalesce(string_agg($what, ' ' ORDER BY r.id), '') FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = '$function'");
}

# Wait until everything that was sent has been decided on; the values of n of the runs of a function, less those that were skipped.
sub decided
{
	my ($function) = @_;
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.queue WHERE kind = 'admit' AND run_at <= inngest_test.now()") == 0 }, 'decisions');
	return runs($function, q{CASE WHEN r.status <> 'SKIPPED' THEN e.data->>'n' ELSE '(' || (e.data->>'n') || ')' END});
}

sub send_all
{
	my ($name, @data) = @_;
	$inn->sql('SELECT FROM inngest.send_events(' . InngestTest::quoted($json->encode([ map { { name => $name, data => $_ } } @data ])) . ')');
	return;
}

# When the attempts of a function may start, in seconds from the first.
sub starts
{
	my ($function) = @_;
	return $inn->sql("SELECT string_agg(round(extract(epoch FROM run_at - first))::text, ' ' ORDER BY run_at, id)
		FROM (SELECT *, min(run_at) OVER () AS first FROM inngest.queue WHERE kind = 'attempt' AND function_id = (SELECT id FROM inngest.functions WHERE slug = '$function')) x");
}

subtest 'rate limit' => sub {
	$inn->register('rate', 'rate', { rateLimit => { limit => 10, period => '1m', key => 'event.data.k' } });
	send_all('rate', map { { n => $_, k => 1 } } 1 .. 5);
	is(decided('rate'), '1 2', 'S21: one more than a tenth of the limit at once, the others leave nothing');
	send_all('rate', { n => 6, k => 2 }, map { { n => $_ } } 7 .. 9);
	is(decided('rate'), '1 2 6 7 8 9', 'keys are apart, and without one there is no limit');
	$inn->advance('6 seconds');
	send_all('rate', map { { n => $_, k => '1' } } 10 .. 12);
	is(decided('rate'), '1 2 6 7 8 9 10', 'then one after the other; 1 and "1" are the same');
	$inn->advance('1 hour');
	$inn->send('rate', data => { n => 20, k => 3 }, id => 'x') for 1 .. 3;
	send_all('rate', { n => 21, k => 3 }, { n => 22, k => 3 });
	is(decided('rate'), '1 2 6 7 8 9 10 20 21', 'S23: an event that comes again spends nothing');
	$inn->sql("SELECT FROM inngest.maintain()");
	cmp_ok($inn->sql('SELECT count(*) FROM inngest.rates'), '<=', 3, 'what is not used any more is not kept');

	$inn->register('bad', 'bad', { rateLimit => { limit => 1, period => '1m', key => '1 / int(event.data.k)' } });
	my $at = $inn->mark_log;
	send_all('bad', { n => 1, k => 0 }, { n => 2, k => 1 });
	is(decided('bad'), '2', 'a key that fails: no run');
	$inn->wait_for_log(qr/does not start function "bad" for an event, because the key of its rate limit failed/, $at);
};

subtest 'idempotency' => sub {
	$inn->register('idem', 'idem', { idempotency => 'event.data.k', rateLimit => { limit => 100, period => '1s' } });
	$inn->send('idem', data => { n => 1, k => 1 }, id => 'a');
	$inn->send('idem', data => { n => 2, k => 1 }, id => 'b');
	send_all('idem', { n => 3 }, { n => 4 });
	is(decided('idem'), '1 3 4', 'S13: one of a key, all without');
	$inn->advance('23 hours');
	send_all('idem', { n => 5, k => 1 });
	is(decided('idem'), '1 3 4', 'for a day');
	$inn->advance('1 hour 1 second');
	send_all('idem', { n => 6, k => 1 });
	is(decided('idem'), '1 3 4 6', 'and no longer');
};

subtest 'debounce' => sub {
	$inn->register('deb', 'deb', { debounce => { period => '5s', key => 'event.data.k' } });
	my $begun = $inn->set_time('2031-01-01 00:00:00Z');
	my $at = sub { $inn->set_time("2031-01-01 00:00:00Z"); $inn->advance("$_[0] seconds"); return };
	send_all('deb', { n => 1, k => 'a' }, { n => 10, k => 'b' });
	is(decided('deb'), '', 'S29: nothing at first');
	$at->(3);
	send_all('deb', { n => 2, k => 'a' });
	decided('deb');
	$at->(7);
	wait_for(sub { decided('deb') eq '10' }, 'the other key');
	$at->(8.1);
	is(decided('deb'), '10', 'nor when the window has passed that began with the first');
	send_all('deb', { n => 3, k => 'a' });
	decided('deb');
	$at->(13.2);
	is(decided('deb'), '10', 'an event in the last second still counts');
	$at->(15.3);
	wait_for(sub { decided('deb') eq '10 3' }, 'the last wins');
	$inn->send('deb', data => { n => 4, k => 'a' }, ts => '2031-01-01 00:01:00Z');
	$inn->send('deb', data => { n => 5, k => 'a' }, ts => '2031-01-01 00:00:59Z');
	decided('deb');
	$at->(80);
	wait_for(sub { decided('deb') eq '10 3 4' }, 'one that is older than what is kept is ignored');

	$inn->register('max', 'max', { debounce => { period => '5s', timeout => '10s' } });
	$at->(100);
	for my $n (0 .. 10)
	{
		$at->(100 + $n);
		send_all('max', { n => $n });
		is(decided('max'), '', "S31: none at $n");
	}
	$at->(111.2);
	wait_for(sub { decided('max') eq '10' }, 'but not longer than its timeout');

	$inn->register('steady', 'steady', { debounce => { period => '5s', timeout => '10s' } });
	for my $n (0 .. 13)
	{
		$at->(112 + $n);
		send_all('steady', { n => $n });
		decided('steady');
	}
	like(decided('steady'), qr/^1[0-3]$/, 'nor if events go on after it');

	$at->(130);
	send_all('max', { n => 20 });
	decided('max');
	$inn->sql("SELECT inngest.pause_function('max')");
	send_all('max', { n => 21 });
	decided('max');
	$inn->sql("SELECT inngest.resume_function('max')");
	$at->(150);
	wait_for(sub { decided('max') eq '10 (21)' }, 'S33: paused when the last came, so it is skipped');
};

subtest 'throttle' => sub {
	$inn->set_time('2032-01-01 00:00:00Z');
	$inn->register('thr', 'thr', { throttle => { limit => 2, period => '10s', key => 'event.data.k' } });
	send_all('thr', map { { n => $_, k => 1 } } 1 .. 5);
	is(decided('thr'), '1 2 3 4 5', 'all run');
	is(starts('thr'), '0 0 5 10 15', 'so many at once, the others one after the other');
	send_all('thr', map { { n => $_, k => 2 } } 6, 7);
	decided('thr');
	is(starts('thr'), '0 0 0 0 5 10 15', 'those of another key at once');
	$inn->register('burst', 'burst', { throttle => { limit => 1, period => '10s', burst => 2 } });
	send_all('burst', map { { n => $_ } } 1 .. 5);
	decided('burst');
	is(starts('burst'), '0 0 0 10 20', 'burst is added');
};

subtest 'throttle and the future' => sub {
	$inn->set_time('2032-06-01 00:00:00Z');
	$inn->register('soon', 'soon', { throttle => { limit => 1, period => '10s', key => 'event.data.k' } });
	$inn->send('soon', data => { n => 1 }, ts => '2032-06-01 00:01:00Z', id => 'same');
	$inn->send('soon', data => { n => 2 }, ts => '2032-06-01 00:01:00Z', id => 'same');
	$inn->send('soon', data => { n => 3 }, ts => '2032-06-01 00:00:59Z');
	$inn->send('soon', data => { n => 4 }, ts => '2032-06-01 00:01:00Z');
	$inn->send('soon', data => { n => 5, k => 1 }, ts => '2032-06-01 00:01:00Z');
	is(decided('soon'), '1 3 4 5', 'runs of the future are there at once, one of an id');
	is(starts('soon'), '', 'but nobody can take them');
	send_all('soon', { n => 6 });
	decided('soon');
	is(starts('soon'), '0', 'they do not hold up those of now');
	$inn->sql("SELECT inngest.cancel_run((SELECT r.id FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = 'soon' AND e.data->>'n' = '4'))");
	$inn->register('soon', 'soon', { throttle => { limit => 1, period => '20s', key => 'event.data.other' } });
	$inn->advance('61 seconds');
	wait_for(sub { starts('soon') =~ /^0 (\d+) \g1 (\d+)$/ && $1 >= 61 && $2 == $1 + 20 }, 'then they start one after the other, as the function says now');
	is(runs('soon', 'r.status'), 'QUEUED QUEUED CANCELLED QUEUED QUEUED', 'but the one that was cancelled');
	is($inn->sql("SELECT string_agg(e.data->>'n', ' ' ORDER BY q.run_at, q.id) FROM inngest.queue q JOIN inngest.runs r ON r.id OPERATOR(inngest.=) q.run_id JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = 'soon'"),
		'6 3 5 1', 'in the order of their times, by the keys they had when they were created');
};

subtest 'a throttle and a timeout that come due together' => sub {
	$inn->set_time('2032-06-10 00:00:00Z');
	$inn->register('both', 'both', { throttle => { limit => 1, period => '1h' }, timeouts => { start => '30s' } });
	$inn->send('both', data => { n => $_ }, ts => '2032-06-10 00:01:00Z') for 1, 2;
	is(decided('both'), '1 2', 'two runs');
	$inn->advance('2 minutes');
	wait_for(sub { runs('both', 'r.status') eq 'CANCELLED CANCELLED' }, 'their timeout');
	is(starts('both'), '', 'nothing is left of them');
	send_all('both', { n => 3 });
	decided('both');
	is($inn->sql("SELECT run_at <= inngest_test.now() FROM inngest.queue WHERE function_id = (SELECT id FROM inngest.functions WHERE slug = 'both')"), 't', 'and they have spent nothing');
};

subtest 'an event that cannot be decided on' => sub {
	$inn->set_time('2032-06-20 00:00:00Z');
	$inn->register($_, $_, { throttle => { limit => 100, period => '1s' } }) for qw(bad-luck good-luck);
	$inn->sql(q(CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no run today''; END'));
	my $id = $inn->sql(q(SELECT id FROM inngest.functions WHERE slug = 'bad-luck'));
	$inn->sql("CREATE TRIGGER refuse BEFORE INSERT ON inngest.function_runs FOR EACH ROW WHEN (NEW.function_id = '$id') EXECUTE FUNCTION refuse()");
	my $at = $inn->mark_log;
	send_all('bad-luck', { n => 1 });
	send_all('good-luck', { n => $_ }) for 1 .. 3;
	wait_for(sub { runs('good-luck', 'r.status') eq 'QUEUED QUEUED QUEUED' }, 'does not keep others');
	$inn->wait_for_log(qr/inngest could not decide whether an event starts a function, and will try again later: \w{26}/, $at);
	$inn->sql('DROP FUNCTION refuse CASCADE');
	$inn->advance('10 minutes');
	wait_for(sub { runs('bad-luck', 'r.status') eq 'QUEUED' }, 'it is tried again');
	pass('and is not lost');
};

subtest 'a scheduler that goes on failing' => sub {
	my $count = sub { $inn->log_count(qr/inngest scheduler failed and will try again: not now/) };
	$inn->mark_log;
	$inn->sql(q(CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not now''; END'));
	$inn->sql('CREATE TRIGGER refuse BEFORE DELETE ON inngest.deliveries EXECUTE FUNCTION refuse()');
	my $began = time;
	for my $try (1 .. 6)
	{
		$inn->sql(join "\n", map { "SELECT inngest.send_event('good-luck', '{}');" } 1 .. 100);
		wait_for(sub { $count->() >= $try }, "try $try");
	}
	cmp_ok($count->(), '<=', 3 + 10 * (time - $began), 'not once for each event');
	$inn->sql('DROP FUNCTION refuse CASCADE');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'good-luck'") == 603 }, 'all runs');
	pass('goes on when that is mended');
};

subtest 'a throttled call of the future' => sub {
	my $app = StubApp->new(inn => $inn, id => 'later');
	my %throttle = (throttle => { limit => 1, period => '1h' });
	$app->function('calm', events => ['calm'], %throttle, cancel => [ { event => 'stop', if => 'event.data.n == async.data.n' } ]);
	$app->function('brief', events => ['brief'], %throttle, timeouts => { start => '30s' });
	$app->function('placed', events => ['placed'], %throttle, concurrency => { fn => [ { limit => 1 } ] });
	$app->on($_, done(echo('event.data.n'))) for qw(calm brief);
	$app->on('placed', program(op_sleep('nap', '90m'), done('ok')));
	$app->register;
	$inn->set_time('2032-07-01 00:00:00Z');
	for my $name (qw(calm brief placed))
	{
		$inn->send($name, data => { n => $_ }, ts => '2032-07-01 00:01:00Z') for 1 .. 3;
		is(decided("later-$name"), '1 2 3', "$name: they are there");
	}
	my ($id) = split /\n/, $inn->sql("SELECT id FROM inngest.runs WHERE function_id = 'later-calm' ORDER BY id");
	like($inn->http(GET => "/api/v1/runs/$id")->{content}, qr/"next_attempt_at": "2032-07-01T00:01:00/, 'they say when they may start');
	is($inn->sql("SELECT ready || '|' || scheduled FROM inngest.queue_depth WHERE function_id = 'later-calm'"), '0|3', 'they count as scheduled');
	is($inn->sql("SELECT count(*) FROM inngest.run_steps WHERE run_id::text = '$id'"), 0, 'and have no step');
	$inn->send('stop', data => { n => 2 });
	wait_for(sub { runs('later-calm', 'r.status') eq 'QUEUED CANCELLED QUEUED' }, 'an event cancels one');
	$inn->advance('31 seconds');
	wait_for(sub { runs('later-brief', 'r.status') eq 'CANCELLED CANCELLED CANCELLED' }, 'their timeouts go on');
	is(scalar($app->calls($_)), 0, "$_ was not called") for qw(calm brief placed);

	$inn->advance('30 seconds');
	wait_for(sub { runs('later-calm', 'r.status') eq 'COMPLETED CANCELLED QUEUED' }, 'one starts when its time has come');
	wait_for(sub { runs('later-placed', 'r.status') eq 'RUNNING QUEUED QUEUED' }, 'one has a place');
	$inn->advance('61 minutes');
	wait_for(sub { runs('later-calm', 'r.status') eq 'COMPLETED CANCELLED COMPLETED' }, 'the next starts an hour later');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.run_controls WHERE is_waiting') == 1 }, 'a throttle that lets one go does not give it a place');
	$inn->advance('30 minutes');
	wait_for(sub { runs('later-placed', 'r.status') eq 'COMPLETED RUNNING QUEUED' }, 'which it has when that is free');
};

subtest 'singleton' => sub {
	my $lease = sub { return split(/\|/, $inn->sql("SELECT run_id, lease_id FROM inngest.lease_runs(ARRAY['$_[0]'])")) };
	$inn->register('skip', 'skip', { singleton => { mode => 'skip', key => 'event.data.k' } });
	send_all('skip', { n => 1, k => 1 }, { n => 2, k => 1 }, { n => 3, k => 2 }, { n => 4 }, { n => 5 });
	is(decided('skip'), '1 (2) 3 4 5', 'a run that is there makes others be skipped; S43: none without a key');
	my ($run, $lease_id) = $lease->('skip');
	send_all('skip', { n => 6, k => 1 });
	is(decided('skip'), '1 (2) 3 4 5 (6)', 'also while it executes');
	$inn->sql("SELECT inngest.complete_run('$run', '$lease_id')");
	send_all('skip', { n => 7, k => 1 });
	is(decided('skip'), '1 (2) 3 4 5 (6) 7', 'S41: and not when it has ended');
	$inn->sql("SELECT inngest.cancel_run((SELECT max(id::text) FROM inngest.function_runs)::inngest.ulid)");
	send_all('skip', { n => 8, k => 1 });
	is(decided('skip'), '1 (2) 3 4 5 (6) 7 8', 'or was cancelled');

	$inn->register('can', 'can', { singleton => { mode => 'cancel' } });
	send_all('can', map { { n => $_ } } 1 .. 3);
	decided('can');
	is(runs('can', 'r.status'), 'CANCELLED CANCELLED QUEUED', 'the new one cancels the old one');
	my $event = $inn->send('can', data => { n => 4 }, id => 'same');
	decided('can');
	$inn->send('can', data => { n => 5 }, id => 'same');
	decided('can');
	is(runs('can', 'r.status'), 'CANCELLED CANCELLED CANCELLED QUEUED', 'but an event that comes again does not cancel its own run');

	$inn->register('text', 'text', { singleton => { mode => 'skip', key => 'event.data.k' } });
	send_all('text', { n => 1, k => 'false' }, { n => 2, k => 'false' }, { n => 3, k => JSON::PP::false }, { n => 4, k => JSON::PP::false });
	is(decided('text'), '1 (2) 3 4', 'false turns it off, the text "false" does not');
};

# Decisions of one transaction may depend on each other.
subtest 'a singleton with a rate limit' => sub {
	$inn->register('each', 'each', { singleton => { mode => 'cancel' }, idempotency => 'event.data.k' });
	send_all('each', map { { n => $_, k => $_ } } 1 .. 4);
	decided('each');
	is(runs('each', 'r.status'), 'CANCELLED CANCELLED CANCELLED QUEUED', 'no event is refused because of itself');
	$inn->register('few', 'few', { singleton => { mode => 'cancel' }, rateLimit => { limit => 20, period => '1m' } });
	send_all('few', map { { n => $_ } } 1 .. 4);
	decided('few');
	is(runs('few', 'r.status'), 'CANCELLED CANCELLED QUEUED', 'and none spends twice');
};

# Another session keeps the run that is to be cancelled.
subtest 'a singleton that has to wait' => sub {
	$inn->register('turn', 'turn', { singleton => { mode => 'cancel' } });
	send_all('turn', { n => 1 });
	decided('turn');
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN');
	$session->query_safe('SELECT inngest.cancel_run(id) FROM inngest.runs WHERE function_id = \'turn\'');
	send_all('turn', { n => 2 });
	wait_for(sub { $inn->sql("UPDATE inngest.queue SET run_at = run_at + interval '1 hour' WHERE kind = 'admit' AND run_at > inngest_test.now() RETURNING 1") }, 'it is put off');
	$session->query_safe('ROLLBACK');
	$session->quit;
	send_all('turn', { n => 3 });
	wait_for(sub { runs('turn', 'r.status') eq 'CANCELLED QUEUED' }, 'a newer event was faster');
	$inn->advance('1 hour 1 second');
	is(decided('turn'), '1 3 (2)', 'and wins');
	is(runs('turn', 'r.status'), 'CANCELLED QUEUED SKIPPED', 'for good');
};

subtest 'throttled beyond the end of time' => sub {
	$inn->register('years', 'years', { throttle => { limit => 1, period => '365d' } });
	send_all('years', map { { n => $_ } } 1 .. 300);
	decided('years');
	is($inn->sql("SELECT count(*) FROM inngest.queue q JOIN inngest.functions f ON f.id = q.function_id WHERE f.slug = 'years' AND q.kind = 'attempt' AND q.run_at < inngest_test.now() + interval '300 days'"), 1, 'one may start');
};

subtest 'invoked beyond the rate' => sub {
	my $app = StubApp->new(inn => $inn);
	$app->function('limited', rateLimit => { limit => 1, period => '1h' });
	$app->function('caller', events => ['call'], retries => 0);
	$app->on('limited', done('ran'));
	$app->on('caller', program(op_invoke('i', function_id => 'stub-limited', payload => {}), done(echo('step i'))));
	$app->register;
	$inn->send('call');
	wait_for(sub { runs('stub-caller', 'r.status') eq 'COMPLETED' }, 'the first call');
	$inn->send('call');
	wait_for(sub { runs('stub-caller', 'r.status') eq 'COMPLETED FAILED' }, 'the second call');
	like($inn->sql("SELECT memo::text FROM inngest.steps WHERE op = 'invoke' ORDER BY position DESC LIMIT 1"), qr/invoked function is rate limited/, 'the caller is told at once');
	my $id = uc $inn->sql("SELECT id FROM inngest.functions WHERE slug = 'stub-limited'");
	$app->on('caller', program(op_invoke('i', function_id => $id, payload => {}), done(echo('step i'))));
	$inn->send('call');
	wait_for(sub { runs('stub-caller', 'r.status') eq 'COMPLETED FAILED FAILED' }, 'also if he calls it by its id');

	$app->function('fleeting', debounce => { period => '1m' });
	$app->on('caller', program(op_invoke('i', function_id => 'stub-fleeting', payload => {}), done(echo('step i'))));
	$app->register;
	$inn->send('call');
	wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.debounces d JOIN inngest.functions f ON f.id = d.function_id WHERE slug = \'stub-fleeting\'') == 1 }, 'a debounced invocation');
	$inn->sql("SELECT inngest.delete_function('stub-fleeting')");
	$inn->advance('2 minutes');
	wait_for(sub { runs('stub-caller', 'r.status') eq 'COMPLETED FAILED FAILED FAILED' }, 'the caller of a function that is deleted before its run begins');
	like($inn->sql("SELECT memo::text FROM inngest.steps WHERE op = 'invoke' ORDER BY position DESC LIMIT 1"), qr/could not find function/, 'is told');
};

subtest 'retention' => sub {
	$inn->set_time('2033-01-01 00:00:00Z');
	$inn->register('far', 'far', { throttle => { limit => 1, period => '1s' } });
	$inn->register('still', 'still', { debounce => { period => '7d' } });
	$inn->send('far', data => { n => 1 }, ts => '2033-02-01 00:00:00Z');
	send_all('still', { n => 1 });
	is(decided('far') . '|' . decided('still'), '1|', 'a run of the future, and an event that has still to start one');
	# the clock of maintenance is not the one that is set
	$inn->sql(q(SELECT inngest.default_expire('events', '-100 years', 100000)));
	$inn->set_time('2033-02-01 00:00:01Z');
	wait_for(sub { decided('still') eq '1' }, 'the event is kept');
	wait_for(sub { decided('far') eq '1' && starts('far') eq '0' }, 'and that of the run');
};

done_testing();
