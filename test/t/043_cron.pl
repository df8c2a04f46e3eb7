# Cron triggers fire, make up for what was missed, and go on whatever becomes of their runs.
# How: the row in inngest.schedules is put back in time, and the scheduler woken; nobody waits for a minute.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');

# Put the next time of a function so many minutes back, to a full minute, and have the scheduler look.
sub rewind
{
	my ($id, $minutes) = @_;

	$inn->sql("UPDATE inngest.schedules s SET next_at = date_trunc('minute', now()) - interval '$minutes minutes'"
		. " FROM inngest.functions f WHERE f.id = s.function_id AND f.slug = '$id'");
	$inn->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'inngest scheduler'");
	return;
}

sub runs
{
	my ($id) = @_;
	return split /\n/, $inn->sql("SELECT r.status || ' ' || (e.data->>'scheduledAt') FROM inngest.runs r JOIN inngest.events e ON e.id::uuid = r.event_id::uuid"
		. " WHERE r.function_id = '$id' ORDER BY e.data->>'scheduledAt'");
}

sub is_ahead
{
	my ($id) = @_;
	return $inn->sql("SELECT bool_and(next_at > now()) FROM inngest.schedules s JOIN inngest.functions f ON f.id = s.function_id WHERE f.slug = '$id'") eq 't';
}

# S15: each missed tick has its run, and the timetable ends up in the future
{
	$inn->register('every-minute', { triggers => [ { cron => '* * * * *' } ] });
	$inn->register('listener', 'inngest/scheduled.timer');
	ok(is_ahead('every-minute'), 'a new cron trigger begins from now');
	my $trigger = $inn->http('GET', '/api/v1/functions/every-minute')->{json}{data}{triggers}[0];
	like($trigger->{next_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/, 'the API says when it fires');

	rewind('every-minute', 4);
	wait_for(sub { is_ahead('every-minute') }, 'the missed ticks');
	my @runs = runs('every-minute');
	cmp_ok(@runs, '>=', 5, 'five ticks were missed, five runs started');
	my %times = map { ((split / /)[1] => 1) } @runs;
	is(keys %times, @runs, 'each with a scheduled time of its own');
	is((grep { /^QUEUED/ } @runs), @runs, 'and all can be run');

	my ($name, $data, $id, $is_ts) = split /\|/, $inn->sql('SELECT name, data, caller_id, extract(epoch FROM ts) = extract(epoch FROM (data->>\'fireAt\')::timestamptz)'
		. " FROM inngest.events WHERE name = 'inngest/scheduled.timer' ORDER BY received_at LIMIT 1");
	my $json = JSON::PP::decode_json($data);
	is($name, 'inngest/scheduled.timer', 'a tick is an event');
	is_deeply([ sort keys %$json ], [qw(cron fireAt scheduledAt)], 'with its data');
	is($id, $json->{scheduledAt}, 'the scheduled time is its id');
	is($is_ts, 't', 'and it has the time at which it fires');
	cmp_ok(scalar(runs('listener')), '>=', 5, 'others can have the event as their trigger');

	# the same tick again, as after a restore
	my $count = @runs;
	rewind('every-minute', 2);
	wait_for(sub { is_ahead('every-minute') }, 'the ticks once more');
	cmp_ok(scalar(runs('every-minute')), '<=', $count + 1, 'a tick starts no second run');
	$inn->sql("SELECT inngest.delete_function('every-minute'), inngest.delete_function('listener')");
}

# two of a function that fire together start one run
{
	$inn->register('twice', { triggers => [ { cron => '* * * * *' }, { cron => '*/1 * * * *' } ] });
	rewind('twice', 2);
	wait_for(sub { is_ahead('twice') }, 'both to catch up');
	my %times = map { ((split / /)[1] => 1) } runs('twice');
	is(scalar(runs('twice')), keys %times, 'one run for each time');
	$inn->sql("SELECT inngest.delete_function('twice')");
}

# paused: the timetable goes on
{
	$inn->register('paused', { triggers => [ { cron => '* * * * *' } ] });
	$inn->sql("SELECT inngest.pause_function('paused')");
	rewind('paused', 2);
	wait_for(sub { is_ahead('paused') }, 'the timetable to go on');
	my @runs = runs('paused');
	cmp_ok(@runs, '>=', 3, 'a paused function has its runs');
	is((grep { /^SKIPPED/ } @runs), @runs, 'which are skipped');
	$inn->sql("SELECT inngest.delete_function('paused')");
}

# S17: what is removed does not fire
{
	$inn->register('removed', { triggers => [ { cron => '* * * * *' } ] });
	$inn->register('removed', 'some/event');
	is($inn->sql('SELECT count(*) FROM inngest.schedules'), 0, 'a trigger that is removed has no next time');
	is(scalar(runs('removed')), 0, 'and never fired');
}

# a time that is wrong, of a zone that was not known or a clock that was ahead: registering the same again puts it right
{
	my %body = (
		appName => 'app', url => 'http://localhost:3000/api/inngest', framework => 'test', sdk => 'js:v3', v => '0.1', deployType => 'ping',
		functions => [ { id => 'synced', name => 'synced', triggers => [ { cron => '* * * * *' } ],
			steps => { step => { id => 'step', name => 'step', runtime => { type => 'http', url => 'http://localhost:3000/api/inngest?fnId=synced&stepId=step' } } } } ]);
	my %again = (
		alone => sub { $inn->register('alone', { triggers => [ { cron => '* * * * *' } ] }) },
		synced => sub { is($inn->http('POST', '/fn/register', \%body)->{status}, 200, 'an app registers') });

	for my $id (sort keys %again)
	{
		my $of = "FROM inngest.functions f WHERE f.id = s.function_id AND f.slug = '$id'";
		my $version = "SELECT version FROM inngest.functions WHERE slug = '$id'";

		$again{$id}->();
		my $before = $inn->sql($version);
		for my $wrong ("'infinity'", "now() + interval '1 year'")
		{
			$inn->sql("UPDATE inngest.schedules s SET next_at = $wrong $of");
			$again{$id}->();
			is($inn->sql("SELECT next_at <= now() + interval '1 minute' FROM inngest.schedules s WHERE EXISTS (SELECT $of)"), 't', "$id: next_at was $wrong");
		}
		is($inn->sql($version), $before, "$id: is the same");
		$inn->sql("SELECT inngest.delete_function('$id')");
	}
}

# a tick that was missed is still made up for, if the function is registered meanwhile
{
	$inn->register('missed', { triggers => [ { cron => '0 0 1 1 *' } ] });
	$inn->sql("UPDATE inngest.schedules SET next_at = '2020-01-01 00:00:00Z'");
	$inn->register('missed', { triggers => [ { cron => '0 0 1 1 *' } ] });
	$inn->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'inngest scheduler'"); # nobody has told it
	wait_for(sub { is_ahead('missed') }, 'the missed ticks');
	like((runs('missed'))[0], qr/2020-01-01T00:00:00Z/, 'registering loses no tick');
	$inn->sql("SELECT inngest.delete_function('missed')");
}

# jitter: the run waits, at least a second
{
	$inn->register('jittery', { triggers => [ { cron => '0 0 1 1 *', jitter => '5m' } ] });
	$inn->sql("UPDATE inngest.schedules SET next_at = now() + interval '1 hour'");
	rewind('jittery', 0);
	wait_for(sub { runs('jittery') > 0 }, 'the run');
	my $seconds = $inn->sql("SELECT extract(epoch FROM (data->>'fireAt')::timestamptz - (data->>'scheduledAt')::timestamptz) FROM inngest.events ORDER BY received_at DESC LIMIT 1");
	cmp_ok($seconds, '>=', 1, 'it fires at least a second later');
	cmp_ok($seconds, '<', 300, 'and not later than the jitter');
	$inn->sql("SELECT inngest.delete_function('jittery')");
}

# somebody is registering the function, and takes long: others are not kept waiting, and it fires afterwards
{
	$inn->register('held', { triggers => [ { cron => '* * * * *' } ] });
	$inn->register('free', { triggers => [ { cron => '* * * * *' } ] });
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	my $count = runs('held');
	$session->query('BEGIN');
	$session->query("UPDATE inngest.schedules s SET next_at = next_at - interval '10 minutes' FROM inngest.functions f WHERE f.id = s.function_id AND f.slug = 'held'");
	rewind('free', 1);
	wait_for(sub { runs('free') > 0 && is_ahead('free') }, 'the other function');
	is(scalar(runs('held')), $count, 'a tick that is not committed does not fire');
	$session->query('COMMIT');
	$session->quit;
	$inn->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'inngest scheduler'");
	wait_for(sub { runs('held') > $count && is_ahead('held') }, 'its ticks');
	ok(1, 'and does when it is');
	$inn->sql("SELECT inngest.delete_function('held'), inngest.delete_function('free')");
}

# a crash of the server, in the middle of catching up
{
	$inn->register('crashing', { triggers => [ { cron => '* * * * *' } ] });
	$inn->sql("UPDATE inngest.schedules SET next_at = date_trunc('minute', now()) - interval '300 minutes'");
	$inn->node->stop('immediate');
	$inn->start;
	wait_for(sub { is_ahead('crashing') }, 'five hours of ticks', 120);
	my @runs = runs('crashing');
	my %times = map { ((split / /)[1] => 1) } @runs;
	cmp_ok(@runs, '>=', 301, 'all were made up for');
	is(keys %times, @runs, 'none twice');
}

done_testing();
