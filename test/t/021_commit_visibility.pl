# An event exists exactly if its transaction commits: rolled back, there is no event, no run and no entry
# in Redis; committed, there are all three, and the entry never before the commit is visible.
# How: transactions that end both ways while Redis is watched; then many short ones, and for each entry
# that a reader of the stream sees, the run is looked for in the database at that moment.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $inn = InngestTest->new('main', redis => 1, conf => "max_prepared_transactions = 4\n");
my $redis = $inn->redis;

$inn->register('watched', 'c/watched');

sub counts
{
	return join ' ', $inn->sql("SELECT count(*) FROM inngest.events"), $inn->sql('SELECT count(*) FROM inngest.function_runs'), $redis->cli('XLEN', 'inngest:runs');
}

subtest 'rolled back' => sub {
	$inn->sql("BEGIN; SELECT inngest.send_event('c/watched'); ROLLBACK");
	$inn->sql("DO \$\$ BEGIN PERFORM inngest.send_event('c/watched'); RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN NULL; END \$\$");
	$inn->sql("BEGIN; SELECT inngest.send_event('c/watched'); PREPARE TRANSACTION 'p'");
	is(counts(), '0 0 0', 'a prepared transaction is not visible');
	$inn->sql("ROLLBACK PREPARED 'p'");

	# A session that ends in the middle.
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	$session->query_safe("BEGIN; SELECT inngest.send_event('c/watched')");
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$inn->sql("SELECT pg_terminate_backend($pid)");
	eval { $session->quit };

	# What comes later is there: then the rolled back would have been, too.
	$inn->send('c/watched');
	wait_for(sub { $redis->cli('XLEN', 'inngest:runs') > 0 }, 'an entry');
	is(counts(), '1 1 1', 'only what was committed');
};

subtest 'committed' => sub {
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);

	$session->query_safe("BEGIN; SELECT count(inngest.send_event('c/watched')) FROM generate_series(1, 3)");
	sleep(0.5);
	is(counts(), '1 1 1', 'not before the commit');
	$session->query_safe('COMMIT');
	wait_for(sub { counts() eq '4 4 4' }, 'all of it');
	is(counts(), '4 4 4', 'all of it after the commit');
	$session->quit;

	$inn->sql("BEGIN; SELECT inngest.send_event('c/watched'); PREPARE TRANSACTION 'p'");
	$inn->sql("COMMIT PREPARED 'p'");
	wait_for(sub { counts() eq '5 5 5' }, 'the prepared one');
	is(counts(), '5 5 5', 'a prepared transaction after COMMIT PREPARED');
	is($inn->sql_error("BEGIN; SELECT inngest.cancel_run(max(id::text)::inngest.ulid) FROM inngest.function_runs; PREPARE TRANSACTION 'p'"),
		'0A000: cannot prepare a transaction that has operated on runs of inngest', 'workers would wait for it');
	is($inn->sql('SELECT count(*) FROM pg_prepared_xacts'), 0, 'it is rolled back');
};

subtest 'never before the commit is visible' => sub {
	my $script = PostgreSQL::Test::Utils::tempdir() . '/send.sql';
	my ($seen, $early, $last) = (0, 0, '0-0');

	PostgreSQL::Test::Utils::append_to_file($script, "BEGIN;\nSELECT inngest.send_event('c/watched');\nSELECT pg_sleep(0.002);\nEND;\n");
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '4', '-f', $script, '-h', $inn->node->host, '-p', $inn->node->port, 'postgres' ],
		'>', \my $stdout, '2>', \my $stderr);
	while ($bench->pumpable)
	{
		eval { $bench->pump_nb };
		my @lines = split /\n/, $redis->cli('XRANGE', 'inngest:runs', "($last", '+', 'COUNT', '500');
		($last) = (grep { /^\d+-\d+$/ } @lines)[-1] // $last;
		my @runs = map { $lines[ $_ + 1 ] } grep { $lines[$_] eq 'run_id' } 0 .. $#lines;
		next unless @runs;
		$seen += @runs;
		$early += @runs - $inn->sql("SELECT count(*) FROM inngest.function_runs WHERE id::text IN ('" . join("','", @runs) . "')");
	}
	$bench->finish;
	cmp_ok($seen, '>', 100, 'entries were seen as they came') or diag($stderr);
	note("$seen entries looked at");
	is($early, 0, 'each run was visible by then');
	wait_for(sub { my ($events, $runs, $entries) = split / /, counts(); $events == $runs && $runs == $entries }, 'all three agree');
	pass('in the end all three agree');
};

done_testing();
