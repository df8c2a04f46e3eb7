# What takes hours, days or a year takes milliseconds here: sleeps, timeouts of every kind, cron through a year, the waits
# between attempts, idempotency.  How: the test build, whose clock is put forward (src/base/testing.h).
use strict;
use warnings;

use InngestTest;
use JSON::PP ();
use POSIX ();
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1);
my $app = StubApp->new(inn => $inn);
my $json = JSON::PP->new->canonical;

$inn->sql('ALTER DATABASE postgres SET search_path TO inngest, public');

# Start a function; the run.
sub start
{
	my ($name, %option) = @_;
	return $inn->run_of($inn->send("start/$name", %option));
}

# Wait until a run is in the state that the condition describes: of jobs j, pauses p or attempts a.
sub wait_until
{
	my ($run, $what) = @_;
	my ($table) = $what =~ /^(\w+)/;

	wait_for(sub { $inn->sql("SELECT count(*) > 0 FROM inngest.$what AND run_id = '$run'") eq 't' }, "$what of $run");
	return;
}

sub sleeps { return wait_until(shift, "jobs WHERE kind = 'sleep'") }
sub waits { return wait_until(shift, "pauses WHERE kind <> 'cancel'") }

# Seconds from now on, by the clock that was set.
sub seconds_until { return $inn->sql("SELECT extract(epoch FROM ($_[0]) - inngest_test.now())") }

sub names_of_steps { return $inn->sql("SELECT string_agg(name, ' ' ORDER BY position) FROM inngest.steps WHERE run_id = '$_[0]'") }

subtest 'sleeps' => sub {
	$app->function($_, events => ["start/$_"]) for qw(300d 299d chain late);
	$app->on($_, program(op_run('a', 1), op_sleep('nap', $_), op_run('b', 2), done('rested'))) for qw(300d 299d);
	$app->on('chain', program((map { op_sleep("month $_", '30d') } 1 .. 12), done('a year')));
	$app->on('late', done('late'));
	$app->register;

	my ($long, $short, $chain) = map { start($_) } qw(300d 299d chain);
	sleeps($_) for $long, $short, $chain;
	my $left = seconds_until("SELECT run_at FROM inngest.jobs WHERE run_id = '$long'");
	ok(abs($left - 300 * 86400) < 60, 'a sleep of 300 days') or diag($left);
	$inn->advance('299 days 1 minute');
	$inn->wait_for_end($short);
	is($inn->status($long), 'RUNNING', 'after 299 days only the shorter is over');
	is(names_of_steps($long), 'a', 'nothing has happened to the other');
	$inn->advance('1 day');
	is($inn->output($long), 'rested', 'a day later it is, too');

	# The first month was over with the 299 days, and the second began then.
	for my $month (2 .. 12)
	{
		wait_until($chain, "jobs WHERE kind = 'sleep' AND step_name = 'month $month'");
		$inn->advance('30 days 1 second');
	}
	is($inn->output($chain), 'a year', 'sleeps in a row');
	is($inn->sql("SELECT count(*) FROM inngest.steps WHERE run_id = '$chain' AND memo::text = 'null'"), 12, 'each happened once');

	my $now = $inn->now;
	my $run = $inn->run_of($inn->send('start/late', ts => $inn->sql("SELECT timestamptz '$now' + interval '30 days'")));
	is($inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id = '$run' AND run_at > timestamptz '$now' + interval '29 days'"), 1,
		'an event of the future starts its run then');
	$inn->advance('30 days 1 second');
	is($inn->output($run), 'late', 'when it has come');
};

subtest 'waits' => sub {
	my %wait = (
		event => op_wait('w', event => 'never/comes', timeout => '366d'),
		date => op_wait('w', event => 'never/comes', timeout => $inn->sql("SELECT inngest.iso_time(inngest_test.now() + interval '200 days')")),
		signal => op_signal('w', signal => 'never', timeout => undef),
		invoke => op_invoke('w', function_id => 'idle'));

	$inn->register('idle', 'never/comes');
	for my $kind (sort keys %wait)
	{
		$app->function("wait-$kind", events => ["start/wait-$kind"]);
		$app->on("wait-$kind", program({ %{ $wait{$kind} }, is_caught => 1 }, done(echo('steps'))));
	}
	$app->function('wait-long', events => ['start/wait-long'], retries => 0);
	$app->on('wait-long', program(op_wait('w', event => 'never/comes', timeout => '367d'), done('no')));
	$app->register;

	my %run = map { $_ => start("wait-$_") } keys %wait;
	waits($_) for values %run;
	my %left = map { $_ => seconds_until("SELECT expires_at FROM inngest.pauses WHERE run_id = '$run{$_}'") / 86400 } keys %wait;
	is_deeply({ map { $_ => POSIX::floor($left{$_} + 0.5) } keys %left }, { event => 366, date => 200, signal => 365, invoke => 365 }, 'days that they wait')
	  or diag(explain(\%left));
	$inn->advance('200 days 1 minute');
	is($inn->output($run{date})->{ step_hash('w') }, undef, 'null when the date has come');
	$inn->advance('165 days');
	is($inn->output($run{signal})->{ step_hash('w') }, undef, 'null when no signal came');
	is_deeply($inn->output($run{invoke})->{ step_hash('w') }{error}{name}, 'InngestInvokeTimeoutError', 'an error when the invoked run has not ended');
	is($inn->status($run{event}), 'RUNNING', 'a wait of 366 days goes on');
	$inn->advance('1 day');
	is($inn->output($run{event})->{ step_hash('w') }, undef, 'and is over');
	is($inn->sql('SELECT count(*) FROM inngest.pauses'), 0, 'nobody waits any more');

	my $run = start('wait-long');
	$inn->wait_for_end($run, 'FAILED');
	like($inn->sql("SELECT error ->> 'name' FROM inngest.attempts WHERE run_id = '$run'"), qr/TimeoutTooLong/, 'longer is too long');
};

subtest 'cancelOn expires' => sub {
	$app->function('mortal', events => ['start/mortal'], cancel => [ { event => 'kill', timeout => '10d', if => 'event.data.id == async.data.id' } ]);
	$app->on('mortal', program(op_sleep('nap', '20d'), done('survived')));
	$app->register;
	my ($one, $two) = map { start('mortal', data => { id => $_ }) } 1, 2;
	sleeps($_) for $one, $two;
	$inn->advance('9 days 23 hours');
	$inn->send('kill', data => { id => 1 });
	$inn->wait_for_end($one, 'CANCELLED');
	$inn->advance('2 hours');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.pauses WHERE run_id = '$two'") == 0 }, 'it has expired');
	$inn->send('kill', data => { id => 2 });
	$inn->wait_for_deliveries;
	$inn->advance('11 days');
	is($inn->output($two), 'survived', 'after ten days nothing cancels it');
};

subtest 'time between attempts' => sub {
	my @table = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, (7200) x 11);
	my $n = 6;

	$app->function('fails', events => ['start/fails'], retries => 20);
	$app->on('fails', failed('no'));
	$app->register;
	my @runs = map { start('fails') } 1 .. $n;
	my $list = join(',', map { "'$_'" } @runs);
	my (@outside, %seen);

	for my $attempt (0 .. $#table)
	{
		wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.attempts WHERE attempt = $attempt AND run_id IN ($list)") == $n }, "attempt $attempt");
		my @delays = split /\n/, $inn->sql("SELECT extract(epoch FROM retry_at - ended_at) FROM inngest.attempts WHERE attempt = $attempt AND run_id IN ($list)");
		push @outside, map { "attempt $attempt: $_ s" } grep { $_ < $table[$attempt] || $_ >= $table[$attempt] + 30 } @delays;
		$seen{ POSIX::floor(1000 * ($_ - $table[$attempt]) + 0.5) } = 1 for @delays;
		$inn->advance(($table[$attempt] + 30) . ' seconds');
	}
	$inn->wait_for_end($_, 'FAILED') for @runs;
	is_deeply(\@outside, [], 'the table, and up to 30 s more');
	cmp_ok(scalar keys %seen, '>', @table * $n / 2, 'at random');
	is($inn->sql("SELECT count(*) FROM inngest.attempts WHERE run_id = '$runs[0]'"), 21, '21 attempts');
	is($inn->sql("SELECT count(*) FROM inngest.attempts WHERE attempt = 20 AND retry_at IS NULL AND run_id IN ($list)"), $n, 'and no more');
};

subtest 'Retry-After' => sub {
	# What the header says, how many seconds that are, at least and at most.
	my $day = 86400;
	my @cases = (
		[ '86400', $day - 1, $day ],
		[ '90000', $day - 1, $day ],
		[ '3600', 3599, 3600 ],
		[ '1', 0.5, 1 ],
		[ '0', 0.5, 1 ],
		[ '12345678', 15, 45 ],            # longer than numbers may be: the table
		[ 'soon', 15, 45 ],
		[ q(to_char(inngest_test.now() AT TIME ZONE 'UTC' + interval '5 hours', 'Dy, DD Mon YYYY HH24:MI:SS "GMT"')), 5 * 3600 - 60, 5 * 3600 ],
		[ q(inngest.iso_time(inngest_test.now() + interval '3 days')), $day - 1, $day ],
		[ q(inngest.iso_time(inngest_test.now() - interval '3 days')), 0.5, 1 ]);

	$app->function('later', events => ['start/later'], retries => 1);
	$app->register;
	for my $case (@cases)
	{
		my ($text, $min, $max) = @$case;

		$text = $inn->sql("SELECT $text") if $text =~ /\(/;
		$app->on('later', failed('not now', retry_after => $text), done('now'));
		my $run = start('later');
		wait_until($run, 'attempts WHERE attempt = 0');
		my $delay = $inn->sql("SELECT extract(epoch FROM retry_at - ended_at) FROM inngest.attempts WHERE run_id = '$run'");
		ok($delay >= $min && $delay <= $max, "Retry-After: $text") or diag("$delay s, not $min to $max");
		$inn->advance('1 day 1 second');
		is($inn->output($run), 'now', 'then it is tried again');
	}
};

subtest 'an id counts for 24 hours' => sub {
	$app->function('once', events => ['start/once']);
	$app->on('once', done('done'));
	$app->register;
	my $count = sub { return $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-once'") };
	my $run = start('once', id => 'abc');
	$inn->wait_for_end($run);
	$inn->advance('23 hours');
	$inn->send('start/once', id => 'abc');
	is($count->(), 1, 'after 23 hours it starts nothing, though the run has ended');
	$inn->send('start/once', id => 'other');
	is($count->(), 2, 'another id does');
	$inn->advance('1 hour');
	$inn->send('start/once', id => 'abc');
	is($count->(), 3, 'after 24 hours it does again');
	$inn->advance('23 hours 30 minutes');
	$inn->send('start/once', id => 'abc');
	is($count->(), 3, 'and the 24 hours begin anew');
};

subtest 'timeouts of runs' => sub {
	my %finish = (timeouts => { finish => '10s' });

	$app->function('prompt', events => ['start/prompt'], timeouts => { start => '5s' });
	$app->on('prompt', done('on time'));
	$app->function('brief', events => ['start/brief'], %finish);
	$app->function('longer', events => ['start/longer'], %finish);
	$app->function('freed', events => ['start/freed'], %finish);
	$app->on($_, program(op_sleep('nap', '1h'), done('done'))) for qw(brief longer freed);
	$app->register;

	# The executor is kept from taking anything.
	$inn->arm('executor before settling');
	my $other = start('once', id => 'keeps the executor busy');
	$inn->wait_until_reached('executor before settling');
	my $run = start('prompt');
	$inn->advance('4 seconds');
	is($inn->status($run), 'QUEUED', 'a run that has not started after four seconds');
	$inn->advance('2 seconds');
	$inn->wait_for_end($run, 'CANCELLED');
	$inn->release('executor before settling');
	$inn->wait_for_end($other);
	is(scalar $app->calls('prompt'), 0, 'is cancelled after five, and never called');
	is($inn->output(start('prompt')), 'on time', 'one that starts is not');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'inngest/function.cancelled' AND data ->> 'run_id' = '$run'"), 1, 'one event says so');

	my %run = map { $_ => start($_) } qw(brief longer freed);
	sleeps($_) for values %run;
	$app->function('longer', events => ['start/longer'], timeouts => { finish => '60s' });
	$app->function('freed', events => ['start/freed']);
	$app->register;
	$inn->advance('10 seconds');
	$inn->wait_for_end($run{brief}, 'CANCELLED');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id = '$run{freed}' AND kind = 'finish_timeout'") == 0 }, 'the time is up');
	is($inn->status($run{$_}), 'RUNNING', "not of one that was given more time since: $_") for qw(longer freed);
	my $left = seconds_until("SELECT run_at FROM inngest.jobs WHERE run_id = '$run{longer}' AND kind = 'finish_timeout'");
	ok($left > 40 && $left < 50, 'there are 50 seconds left') or diag($left);
	$inn->advance('50 seconds');
	$inn->wait_for_end($run{longer}, 'CANCELLED');
	$inn->advance('1 hour');
	is($inn->output($run{freed}), 'done', 'without a timeout it goes on');
};

subtest 'a throttle is for starts' => sub {
	$app->function('tight', events => ['start/tight'], throttle => { limit => 1, period => '1h' });
	$app->on('tight', program(op_run('a', 1), op_sleep('nap', '10s'), op_run('b', 2), op_run('c', 3), done('done')));
	$app->register;
	my $first = start('tight');
	sleeps($first);
	$inn->send('start/tight') for 1 .. 10;
	my $runs = sub { return $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-tight' AND status = '$_[0]'") };
	wait_for(sub { $runs->('QUEUED') == 10 }, 'starts that wait');
	$inn->advance('10 seconds');
	is($inn->output($first), 'done', 'S25: the steps of a run do not wait for the hour, nor behind ten starts');
	is($runs->('QUEUED'), 10, 'they wait on');
	is($inn->sql("SELECT min(gap), max(gap) FROM (SELECT run_at - lag(run_at) OVER (ORDER BY run_at) AS gap FROM inngest.jobs j JOIN inngest.functions f ON f.id = j.function_id WHERE f.slug = 'stub-tight') x"),
		'01:00:00|01:00:00', 'each for an hour longer than the one before');
	$inn->advance('1 hour');
	wait_for(sub { $runs->('QUEUED') == 9 }, 'the next starts');
};

subtest 'cron through a year' => sub {
	$inn->set_time('2029-12-31 12:00:00Z');
	$app->function('tick', triggers => [ { cron => 'TZ=Europe/Paris 30 2 * * *' } ]);
	$app->on('tick', done(echo('event.data.scheduledAt')));
	$app->register;
	for my $month (1 .. 12)
	{
		$inn->set_time($inn->sql("SELECT timestamptz '2029-12-31 12:00Z' + interval '$month months'"));
	}
	my $ticks = sub {
		return $inn->sql("SELECT data ->> 'scheduledAt' FROM inngest.events WHERE name = 'inngest/scheduled.timer' AND data ->> 'cron' LIKE '%Paris%' ORDER BY 1");
	};
	wait_for(sub { $ticks->() =~ /2030-12-31/ }, 'the last tick');
	my @days = split /\n/, $ticks->();
	my @expected = split /\n/, $inn->sql(<<'END');
SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM generate_series(timestamptz '2029-12-31 12:30Z', '2030-12-31 12:00Z', '30 minutes') t
WHERE to_char(t AT TIME ZONE 'Europe/Paris', 'HH24:MI') = '02:30' ORDER BY 1
END
	is_deeply(\@days, \@expected, 'each night once, missed or not') or diag(scalar(@days) . ' ' . scalar(@expected));
	ok(!(grep { /^2030-03-31/ } @days), 'but not in the night that has no 2:30');
	is(scalar(grep { /^2030-10-27/ } @days), 2, 'and twice in the one that has two');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'stub-tick' AND status = 'COMPLETED'") == @days }, 'all of them run');
	is($inn->sql("SELECT count(*) FROM inngest.schedules WHERE next_at > inngest_test.now()"), 1, 'the next lies ahead');
};

done_testing();
