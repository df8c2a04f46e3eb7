# Everything is killed all the time, and nothing is lost and nothing happens twice: the workers (SIGTERM, SIGKILL), the
# postmaster (SIGKILL), the app, Redis; and the number of executors changes, so that they hand runs over.
#
# How: runs of a function with steps, a fan-out, a sleep, a wait and an invocation, whose results are random and written down by the app before
# anybody hears of them (chaos/app.py).  Every 0.5 to 3 s something is killed.  Events are sent until they are acknowledged,
# never again after that.  When all runs have ended, what is stored is compared with what was written down.
#
# INN_CHAOS_SEEDS says how many rounds (10), INN_CHAOS_RUNS how many runs each has (100), INN_CHAOS_SEED repeats one.
use strict;
use warnings;

use HTTP::Tiny;
use InngestTest;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant {
	SENDING_S => 7,          # runs are started over this time at least
	RUNS_PER_S => 100,       # and not faster than that
	PATIENCE_S => 120,       # for the last run, once nothing is killed any more
	SQL => 1,                # by what every other event is sent
};

my $json = JSON::PP->new->utf8->canonical;
my $nseeds = $ENV{INN_CHAOS_SEEDS} // 10;
my $nruns = $ENV{INN_CHAOS_RUNS} // 100;
my @seeds = defined $ENV{INN_CHAOS_SEED} ? ($ENV{INN_CHAOS_SEED}) : map { int(rand(1_000_000)) } 1 .. $nseeds;

my $inn = InngestTest->new('main', redis => 1, conf => <<'END');
restart_after_crash = on
log_statement = none
inngest.retry_interval = 300ms
inngest.app_poll_interval = 0
END
my $node = $inn->node;
my $log = "$PostgreSQL::Test::Utils::tmp_check/chaos_app.log";
my %app = (port => PostgreSQL::Test::Cluster::get_free_port());
my $postmaster;

# Comparing ULIDs takes the operators of their schema.
$inn->sql('ALTER DATABASE postgres SET search_path TO inngest, public');

# ---- what is killed ----

sub start_app
{
	pipe(my $reader, my $writer) or die "pipe: $!";
	pipe(my $lost, my $keep) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		close $keep;
		open(STDOUT, '>&', $writer) and open(STDIN, '<&', $lost)
		  and open(STDERR, '>>', "$PostgreSQL::Test::Utils::log_path/chaos_app.log")
		  and exec('python3', "$ENV{INN_TREE}/test/chaos/app.py", '--port', $app{port}, '--server', $inn->http_port, '--log', $log);
		POSIX::_exit(127);
	}
	close $writer;
	close $lost;
	@app{qw(pid keep)} = ($pid, $keep);
	die "the app did not start\n" if (<$reader> // '') ne "ready\n";
	return;
}

sub kill_app
{
	kill('KILL', $app{pid});
	waitpid($app{pid}, 0);
	start_app();
	return;
}

sub kill_redis
{
	$inn->redis->stop('KILL');
	$inn->redis->start;
	return;
}

sub kill_postmaster
{
	my $data = $node->data_dir;

	$postmaster = PostgreSQL::Test::Utils::slurp_file("$data/postmaster.pid") =~ s/\n.*//sr;
	$node->kill9;
	wait_for(sub { !kill(0, $postmaster) }, 'the postmaster has gone');
	wait_for(sub { !grep { (readlink("$_/cwd") // '') eq $data } glob('/proc/[0-9]*') }, 'its children have gone');
	$node->start;
	return;
}

# False if there is none at the moment.
sub kill_worker
{
	my ($role, $signal) = @_;
	my ($pid) = eval { $inn->workers($role) } or return 0;

	kill($signal, $pid);
	return 1;
}

my @roles = qw(launcher scheduler http api executor relay);
my %killed;

sub kill_something
{
	my $what = (qw(worker worker worker postmaster app redis executors))[ rand(7) ];
	my $name = $what;

	if ($what eq 'worker')
	{
		my ($role, $signal) = ($roles[ rand(@roles) ], (qw(TERM KILL))[ rand(2) ]);
		$name = "$role by $signal";
		kill_worker($role, $signal) or return;
	}
	elsif ($what eq 'postmaster') { kill_postmaster() }
	elsif ($what eq 'app') { kill_app() }
	elsif ($what eq 'executors')
	{
		my $count = 1 + int(rand(3));
		$name = "$count executors";
		$inn->set_and_reload('inngest.executors', $count);
	}
	else { kill_redis() }
	$killed{$name}++;
	return;
}

# ---- what is sent ----

my $http = HTTP::Tiny->new(timeout => 10, keep_alive => 0);

# Events as [name, key, id]; true if they are acknowledged.
sub send_events
{
	my ($by_sql, @events) = @_;
	my @bodies = map { { name => $_->[0], id => $_->[2], data => { key => $_->[1] } } } @events;

	if ($by_sql)
	{
		return defined eval { $inn->sql('SELECT FROM inngest.send_events(' . InngestTest::quoted($json->encode(\@bodies)) . ')') };
	}
	my $answer = $http->post($inn->url('/e/test'), { content => $json->encode(\@bodies), headers => { 'content-type' => 'application/json' } });
	die "events: $answer->{status} $answer->{content}\n" if $answer->{status} =~ /^4/;
	return $answer->{success};
}

# Send what has not been acknowledged yet of these; a list of keys in, those that have gone.
sub deliver
{
	my ($state, $kind, @keys) = @_;
	my @sent;

	while (my @some = splice(@keys, 0, 20))
	{
		$state->{by_sql} = !$state->{by_sql};
		last unless send_events($state->{by_sql}, map { [ "chaos/$kind", $_, "$kind-$_" ] } @some);
		push @sent, @some;
	}
	return @sent;
}

# Keys of runs that wait and whose event was not sent yet.
sub waiting_keys
{
	my ($state) = @_;
	my $keys = eval {
		$inn->sql("SELECT e.data ->> 'key' FROM inngest.pauses p JOIN inngest.function_runs r ON r.id = p.run_id
			JOIN inngest.events e ON e.id = r.event_id WHERE p.kind = 'event'");
	} // '';

	return grep { !$state->{gone}{$_} } split /\n/, $keys;
}

sub count_unended
{
	return eval { $inn->sql("SELECT count(*) FROM inngest.function_runs WHERE outcome IS NULL") } // -1;
}

# One round: kill, change and send until all have ended.  Returns the keys.
sub round
{
	my ($seed) = @_;
	my @keys = map { "$seed-$_" } 1 .. $nruns;
	my $rate = $nruns / SENDING_S < RUNS_PER_S ? $nruns / SENDING_S : RUNS_PER_S;
	my %state = (gone => {});
	my ($begun, $nstarted) = (time, 0);
	my ($kill_at, $look_at) = ($begun + 0.5, 0);

	srand($seed);
	until ($nstarted == @keys && count_unended() == 0)
	{
		my $now = time;
		my $until = int($rate * ($now - $begun));

		$until = @keys if $until > @keys;
		$nstarted += deliver(\%state, 'start', @keys[ $nstarted .. $until - 1 ]) if $until > $nstarted;
		$state{gone}{$_} = 1 for deliver(\%state, 'go', waiting_keys(\%state));
		if ($now >= $kill_at && $now < $begun + 2 * $nruns / $rate)
		{
			kill_something();
			$kill_at = time + 0.5 + rand(2.5);
		}
		die "seed $seed: runs have not ended:\n" . explain_unended() if $now > $begun + 2 * $nruns / $rate + PATIENCE_S;
		sleep(0.1);
	}
	return @keys;
}

sub explain_unended
{
	return $inn->sql(<<'END');
SELECT r.id, r.started_at, e.data, (SELECT string_agg(s.name, ' ' ORDER BY s.position) FROM inngest.steps s WHERE s.run_id = r.id),
	(SELECT json_agg(j) FROM inngest.jobs j WHERE j.run_id = r.id), (SELECT json_agg(p) FROM inngest.pauses p WHERE p.run_id = r.id),
	(SELECT json_agg(m) FROM inngest.pause_matches m WHERE m.run_id = r.id)
FROM inngest.function_runs r LEFT JOIN inngest.events e ON e.id = r.event_id WHERE r.outcome IS NULL LIMIT 10
END
}

# ---- what must be true then ----

# What the app has written down since the last round.
my $log_at = 0;

sub read_log
{
	my (%returned, %acked, %seen, %results);

	open(my $file, '<', $log) or die "$log: $!";
	seek($file, $log_at, 0);
	while (my $line = <$file>)
	{
		my $entry = $json->decode($line);
		my $run = $entry->{run};

		$returned{$run}{ $entry->{step} }{ $entry->{value} } = 1 if defined $entry->{step};
		$acked{$run}{ $entry->{acked} }{ $entry->{value} } = 1 if defined $entry->{acked};
		$results{$run}{ $json->encode($entry->{result}) } = 1 if $entry->{result};
		$seen{$run}{$_}{ $json->allow_nonref->encode($entry->{seen}{$_}) } = 1 for keys %{ $entry->{seen} // {} };
	}
	$log_at = tell($file);
	return (\%returned, \%acked, \%seen, \%results);
}

# Complaints, none if all is well.
sub judge
{
	my ($seed, @keys) = @_;
	my ($returned, $acked, $seen, $results) = read_log();
	my (%runs_of, @faults);
	my $runs = $json->decode($inn->sql(<<"END"));
SELECT coalesce(json_agg(x), '[]') FROM (
	SELECT r.id AS run, e.data ->> 'key' AS key, r.outcome,
		(SELECT a.output FROM inngest.attempts a WHERE a.run_id = r.id AND a.status = 'COMPLETED') AS output,
		(SELECT json_object_agg(s.name, s.memo) FROM inngest.steps s WHERE s.run_id = r.id) AS steps,
		(SELECT count(*) FROM inngest.steps s WHERE s.run_id = r.id) AS nsteps,
		coalesce(f.n, 0) AS nfinished
	FROM inngest.function_runs r LEFT JOIN inngest.events e ON e.id = r.event_id
	LEFT JOIN (SELECT data ->> 'run_id' AS run, count(*) AS n FROM inngest.events WHERE name = 'inngest/function.finished' GROUP BY 1) f ON f.run = r.id::text
	WHERE e.name = 'chaos/start' AND e.data ->> 'key' LIKE '$seed-%') x
END
	my $children = $json->decode($inn->sql(<<"END"));
SELECT coalesce(json_object_agg(x.key, x.runs), '{}') FROM (
	SELECT e.data ->> 'key' AS key, json_agg(json_build_object('run', r.id, 'output', a.output)) AS runs
	FROM inngest.function_runs r JOIN inngest.events e ON e.id = r.event_id
	LEFT JOIN inngest.attempts a ON a.run_id = r.id AND a.status = 'COMPLETED'
	WHERE e.name = 'inngest/function.invoked' AND e.data ->> 'key' LIKE '$seed-%' GROUP BY 1) x
END

	for my $run (@$runs)
	{
		my ($child, @others) = @{ $children->{ $run->{key} } // [] };

		push @{ $runs_of{ $run->{key} } }, $run->{run};
		push @faults, "run $run->{run} has invoked " . (1 + @others) . ' runs' if @others;
		$returned->{ $run->{run} }{child}{ $child->{output} } = 1 if $child && $returned->{ $child->{run} }{child}{ $child->{output} // '' };
		push @faults, map { "run $run->{run} ($run->{key}) $_" } judge_run($run, map { $_->{ $run->{run} } // {} } $returned, $acked, $seen, $results);
	}
	push @faults, map { "key $_ has " . @{ $runs_of{$_} // [] } . ' runs' } grep { @{ $runs_of{$_} // [] } != 1 } @keys;
	for my $kind (qw(start go))
	{
		my %stored = map { $_ => 1 } split /\n/, $inn->sql("SELECT data ->> 'key' FROM inngest.events WHERE name = 'chaos/$kind' AND data ->> 'key' LIKE '$seed-%'");

		push @faults, map { "the $kind event of $_ is lost" } grep { !$stored{$_} } @keys;
	}
	return @faults;
}

my @steps = qw(a b p1 p2 p3 c d child e);

sub judge_run
{
	my ($run, $returned, $acked, $seen, $results) = @_;
	my $steps = $run->{steps} // {};
	my @faults;

	return "is $run->{outcome}" if ($run->{outcome} // '') ne 'COMPLETED';
	push @faults, "has $run->{nsteps} steps: " . join(' ', sort keys %$steps) if $run->{nsteps} != @steps + 2;
	push @faults, "has $run->{nfinished} events that say that it has ended" if $run->{nfinished} != 1;
	for my $step (@steps)
	{
		my $memo = $steps->{$step};
		my $value = ref $memo eq 'HASH' ? $memo->{data} // '' : '';

		push @faults, "step $step: stored is \"$value\", returned were " . join(' ', sort keys %{ $returned->{$step} // {} })
		  unless $returned->{$step}{$value};
		push @faults, "step $step: stored is \"$value\", but $_ was acknowledged" for grep { $_ ne $value } keys %{ $acked->{$step} // {} };
		push @faults, "step $step: the result of the run has another value" if ($run->{output}{$step} // '') ne $value;
	}
	push @faults, 'nap: not null' if defined $steps->{nap};
	push @faults, 'go: another event' if ref $steps->{go} ne 'HASH' || $steps->{go}{data}{key} ne $run->{key};
	push @faults, "step $_: calls have told different results of it: " . join(' ', keys %{ $seen->{$_} }) for grep { keys %{ $seen->{$_} } != 1 } keys %$seen;
	push @faults, 'the function has returned different results' if keys %$results != 1;
	return @faults;
}

sub function
{
	my ($id, @triggers) = @_;
	return {
		id => "chaos-$id",
		name => $id,
		triggers => \@triggers,
		steps => { step => { id => 'step', name => 'step', retries => { attempts => 20 },
			runtime => { type => 'http', url => "http://127.0.0.1:$app{port}/api/inngest?fnId=chaos-$id&stepId=step" } } },
	};
}

sub register
{
	my @functions = (function('f', { event => 'chaos/start' }), function('child', { event => 'chaos/never' }));
	my $answer = $inn->http('POST', '/fn/register',
		{ url => "http://127.0.0.1:$app{port}/api/inngest", deployType => 'ping', framework => 'stub', appName => 'chaos', functions => \@functions,
			sdk => 'js:v4.24.0', v => '0.1' },
		headers => { 'x-inngest-sdk' => 'inngest-js:v4.24.0' });

	die "register: $answer->{status} $answer->{content}" if $answer->{status} != 200;
	return;
}

start_app();
register();
for my $seed (@seeds)
{
	my $begun = time;
	my @faults;

	%killed = ();
	my @keys = eval { round($seed) };
	my $took = time - $begun;
	@faults = $@ ? $@ : judge($seed, @keys);
	ok(!@faults, "seed $seed") or diag(join("\n", @faults > 20 ? (@faults[ 0 .. 19 ], '...') : @faults));
	note(sprintf 'seed %d: %d runs in %.1f s; killed: %s', $seed, $nruns, $took, join(', ', map { "$_ $killed{$_}x" } sort keys %killed));
	last if $@;
}

wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.redis_outbox') == 0 }, 'Redis has been told all');
wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.deliveries') == 0 }, 'all events have been shown');
for my $table (qw(jobs pauses pause_matches queue leases))
{
	is($inn->sql("SELECT count(*) FROM inngest.$table"), 0, "nothing is left in $table");
}
$inn->{log_mark} = 0;
is($inn->log_count('PANIC|TRAP:|signal (?:4|6|7|8|11):'), 0, 'no process has crashed by itself');

kill('KILL', $app{pid});
done_testing();
