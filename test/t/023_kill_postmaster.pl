# kill -9 of the postmaster while 16 clients post events: every event that was acknowledged is there
# afterwards with its runs, none is there twice, and every run reaches Redis.
#
# How: twenty rounds (INNGEST_KILL_ROUNDS), each killed at a random moment (INNGEST_KILL_SEED repeats
# them).  Clients keep their connections and write down what was acknowledged; each event starts two
# functions, so that half an event would show.
use strict;
use warnings;

use InngestTest;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use constant { CLIENTS => 16, FUNCTIONS => 2 };

my $rounds = $ENV{INNGEST_KILL_ROUNDS} // 20;
my $seed = $ENV{INNGEST_KILL_SEED} // int(1000 * time) % 1_000_000;
srand($seed);
note("seed $seed");

my $inn = InngestTest->new('main', redis => 1, conf => "log_statement = none\n");
my $node = $inn->node;

# Comparing ULIDs takes the operators of their schema.
$inn->sql('ALTER DATABASE postgres SET search_path TO inngest, public');

$inn->register("f$_", 'kill/event') for 1 .. FUNCTIONS;

my $postmaster;
my $longest_survival = 0;    # of the HTTP worker, in seconds

# Read one answer from a kept connection: its body; undef if the server has gone.
sub read_answer
{
	my ($socket) = @_;
	my $buffer = '';

	until ($buffer =~ /\r\n\r\n/)
	{
		sysread($socket, $buffer, 65536, length $buffer) or return;
	}
	my ($length) = $buffer =~ /^Content-Length: (\d+)/mi;
	my $end = index($buffer, "\r\n\r\n") + 4 + $length;
	while (length $buffer < $end)
	{
		sysread($socket, $buffer, 65536, length $buffer) or return;
	}
	die "unexpected answer: $buffer\n" if $buffer !~ m{^HTTP/1\.1 200 };
	return substr($buffer, $end - $length);
}

# Post events until the server goes; each acknowledgement is a line "event id, run ids".
sub client
{
	my ($round, $number, $file) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $inn->http_port) or die "connect: $!";
	my $n = 0;

	$SIG{PIPE} = 'IGNORE';
	open(my $log, '>', $file) or die "$file: $!";
	while (1)
	{
		my $body = sprintf '{"name": "kill/event", "data": {"key": "%d.%d.%d"}}', $round, $number, ++$n;
		my $request = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";

		last unless defined syswrite($socket, $request);
		my $answer = read_answer($socket) // last;
		my @ids = $answer =~ /"([0-7][0-9A-HJKMNP-TV-Z]{25})"/g;
		print $log join(' ', @ids), "\n";
	}
	close $log;
	return;
}

# What the clients of a round were told: [ events ], [ runs ].
sub round
{
	my ($round) = @_;
	my @files = map { "$PostgreSQL::Test::Utils::tmp_check/acks.$round.$_" } 1 .. CLIENTS;
	my (@pids, %ids);

	for my $number (1 .. CLIENTS)
	{
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			my $ok = eval { client($round, $number, $files[ $number - 1 ]); 1 };
			warn $@ unless $ok;
			POSIX::_exit($ok ? 0 : 1);
		}
		push @pids, $pid;
	}
	sleep(0.05 + rand(0.4));
	$postmaster = $node->{_pid};
	$node->kill9;
	my $killed = time;
	my $failed = 0;
	for my $pid (@pids)
	{
		waitpid($pid, 0);
		$failed++ if $?;
	}
	$longest_survival = time - $killed if time - $killed > $longest_survival;
	die "$failed clients got an answer other than 200\n" if $failed;
	return map { split /\n/, PostgreSQL::Test::Utils::slurp_file($_) } @files;
}

# Start when the last process of the killed server has gone: they all live in the data directory.
sub restart
{
	my $data = $node->data_dir;

	wait_for(sub { !grep { (readlink("$_/cwd") // '') eq $data } glob('/proc/[0-9]*') }, 'the old processes have gone');
	wait_for(sub { !kill(0, $postmaster) }, 'the postmaster has gone');
	$node->start;
	$inn->wait_for_http;
	return;
}

my ($acknowledged, $lost, $runs_lost) = (0, 0, 0);
my $started = time;

for my $round (1 .. $rounds)
{
	my @acks = round($round);

	restart();
	$acknowledged += @acks;
	# event id, then for each function: run id and event id
	my (@events, %runs);
	for my $ack (@acks)
	{
		my ($event, @rest) = split / /, $ack;
		push @events, $event;
		$runs{$_} = 1 for grep { $_ ne $event } @rest;
	}
	die "an acknowledgement without its runs\n" if keys %runs != FUNCTIONS * @events;
	$lost += $inn->sql("SELECT count(*) FROM unnest('{" . join(',', @events) . "}'::inngest.ulid[]) a (id) WHERE NOT EXISTS (SELECT FROM inngest.events e WHERE e.id = a.id)");
	$runs_lost += $inn->sql("SELECT count(*) FROM unnest('{" . join(',', keys %runs) . "}'::inngest.ulid[]) a (id) WHERE NOT EXISTS (SELECT FROM inngest.function_runs r WHERE r.id = a.id AND r.outcome IS NULL)");
}

my $events = $inn->sql('SELECT count(*) FROM inngest.events');
my $runs = $inn->sql('SELECT count(*) FROM inngest.function_runs');

note(sprintf '%d rounds in %.0f s: %d events acknowledged, %d stored, %d runs', $rounds, time - $started, $acknowledged, $events, $runs);
note(sprintf 'the HTTP worker served for at most %.2f s after the postmaster was gone', $longest_survival);
cmp_ok($acknowledged, '>', 0, 'events were acknowledged');
is($lost, 0, 'no acknowledged event is lost');
is($runs_lost, 0, 'nor any of its runs');
is($inn->sql("SELECT count(*) FROM (SELECT data FROM inngest.events GROUP BY data HAVING count(*) > 1) x"), 0, 'no event is there twice');
is($inn->sql('SELECT count(*) FROM inngest.events e WHERE (SELECT count(DISTINCT r.function_id) FROM inngest.function_runs r WHERE r.event_id = e.id) <> ' . FUNCTIONS),
	0, 'each has a run of each function');
is($runs, FUNCTIONS * $events, 'and one only');
is($inn->sql("SELECT count(*) FROM inngest.function_runs r WHERE (SELECT count(*) FROM inngest.queue q WHERE q.run_id = r.id) <> 1"), 0, 'each run waits once');

wait_for(sub { $inn->sql('SELECT count(*) FROM inngest.redis_outbox') == 0 }, 'Redis has been told all');
my @told = split /\n/, $inn->redis->cli('EVAL', <<'END', 1, 'inngest:runs');
local seen, ids = {}, {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
	for i = 1, #entry[2], 2 do
		if entry[2][i] == 'run_id' and not seen[entry[2][i + 1]] then
			seen[entry[2][i + 1]] = true
			ids[#ids + 1] = entry[2][i + 1]
		end
	end
end
return ids
END
is(scalar @told, $runs, 'as many runs in Redis');
note(sprintf '%d stream entries for %d runs', $inn->redis->cli('XLEN', 'inngest:runs'), scalar @told);
is(join("\n", sort @told), join("\n", sort split /\n/, $inn->sql('SELECT id FROM inngest.function_runs')), 'and they are the same');

done_testing();
