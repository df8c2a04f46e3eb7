# The workers come and go with the extension, the database and the settings, and whatever happens to
# one of them it comes back.  How: each cause in turn; then the workers in pg_stat_activity, and a run
# that is made over HTTP.
use strict;
use warnings;

use InngestTest;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

# The database is not the one that tests connect to, so that it can be dropped.
my $inn = InngestTest->new('main', no_create => 1, conf => "inngest.database = 'work'\nrestart_after_crash = on\n");
my $node = $inn->node;

my $ALL = 'api api executor http scheduler';

sub work
{
	my ($query, $database) = @_;
	return $node->safe_psql($database // 'work', $query);
}

# The roles of the workers that are connected to a database, sorted.
sub crew
{
	my ($database) = @_;
	my $where = defined $database ? "datname = '$database'" : 'datname IS NOT NULL';

	return join ' ', split /\n/,
	  $inn->sql("SELECT substr(backend_type, 9) AS role FROM pg_stat_activity WHERE backend_type LIKE 'inngest %' AND $where ORDER BY role");
}

sub crew_is
{
	my ($wanted, $what, $database) = @_;
	my $crew = '';

	eval { wait_for(sub { ($crew = crew($database)) eq $wanted }, "workers: $wanted", 30) };
	is($crew, $wanted, $what);
	return;
}

# A run goes all the way: sent by SQL and by HTTP, leased by HTTP.
my $nworks = 0;

sub works
{
	my ($what, $database) = @_;
	my $leased = eval {
		$inn->wait_for_http(30);
		my $id = 'works-' . ++$nworks;
		work(qq(SELECT FROM inngest.register_function('{"id": "$id", "triggers": [{"event": "works/$id"}]}')), $database);
		work("SELECT inngest.send_event('works/$id')", $database);
		wait_for(sub { $inn->http('POST', '/api/v1/events', { name => "works/$id" })->{status} == 200 }, 'an event is accepted', 30);
		my $answer = $inn->http('POST', '/api/v1/runs/lease', { functions => [$id], max => 10, wait => '5s' });
		scalar @{ $answer->{json}{data} };
	};

	is($leased // $@, 2, "$what: runs are made and leased");
	return;
}

sub ticks
{
	my ($pid) = @_;
	my @stat = split / /, PostgreSQL::Test::Utils::slurp_file("/proc/$pid/stat");
	return $stat[13] + $stat[14];
}

subtest 'CREATE EXTENSION and DROP EXTENSION' => sub {
	ok($inn->wait_for_log(qr/inngest is waiting: database "work" does not exist\n.*HINT:/) // 1, 'a missing database is told');
	$inn->sql('CREATE DATABASE work');
	crew_is('', 'no workers without the extension');

	my $created = time;
	work('CREATE EXTENSION inngest');
	wait_for(sub { $inn->http('GET', '/health')->{status} == 200 }, 'HTTP answers');
	my $took = time - $created;
	note(sprintf 'workers answer %.0f ms after CREATE EXTENSION', $took * 1000);
	cmp_ok($took, '<', 5, 'workers start at once');
	crew_is($ALL, 'all workers are there', 'work');
	is(scalar $inn->workers('launcher'), 1, 'and the launcher, which is in no database');
	# the scheduler may still be looking for partitions to make
	wait_for(sub { $inn->sql("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type LIKE 'inngest %' AND (xact_start IS NOT NULL OR state <> 'idle'))") eq 't' },
		'all to be idle, without a transaction');
	works('created');

	work('BEGIN; DROP EXTENSION inngest; ROLLBACK');
	works('a DROP that was rolled back');
	work('DROP EXTENSION inngest');
	crew_is('', 'no workers after DROP EXTENSION');
	is($inn->http('GET', '/health')->{status}, 599, 'nobody listens');

	work('DROP EXTENSION IF EXISTS inngest; CREATE EXTENSION inngest') for 1 .. 10;
	crew_is($ALL, 'all workers after ten DROPs and CREATEs');
	works('created again');
	work('BEGIN; DROP EXTENSION inngest; CREATE EXTENSION inngest; COMMIT');
	works('replaced in one transaction');
	work('DROP SCHEMA inngest CASCADE');
	crew_is('', 'no workers after DROP SCHEMA');
	work('BEGIN; CREATE EXTENSION inngest; ROLLBACK');
	crew_is('', 'no workers after a CREATE that was rolled back');
	work('CREATE EXTENSION inngest');
	works('created after DROP SCHEMA');
	# A worker that waits for a lock on a table while it is dropped may say so before it is stopped.
	unlike($inn->log_text, qr/(?:ERROR|FATAL|PANIC):  (?!terminating|canceling statement due to lock timeout|relation "inngest\.\w+" does not exist)/, 'without an error');
};

subtest 'DROP DATABASE and another database' => sub {
	$inn->sql('DROP DATABASE work');
	crew_is('', 'DROP DATABASE is not hindered by the workers');
	$inn->sql('CREATE DATABASE work');
	work('CREATE EXTENSION inngest');
	works('created again with the database');

	$inn->mark_log;
	$inn->sql('ALTER DATABASE work RENAME TO trade');
	crew_is('', 'no workers after a rename');
	$inn->wait_for_log(qr/database "work" does not exist/);
	$inn->set_and_reload('inngest.database', 'trade');
	crew_is($ALL, 'they follow a changed inngest.database', 'trade');
	works('renamed', 'trade');
	$inn->sql('ALTER DATABASE trade RENAME TO work');
	$inn->set_and_reload('inngest.database', 'work');
	crew_is($ALL, 'and back', 'work');

	# A drop that fails does not leave it without workers.
	my $session = $node->background_psql('work', on_error_die => 1);
	$session->query_safe('SELECT 1');
	my ($stdout, $stderr) = ('', '');
	$node->psql('postgres', 'DROP DATABASE work', stderr => \$stderr);
	like($stderr, qr/is being accessed by other users/, 'others hinder it');
	$session->quit;
	works('after a DROP DATABASE that failed');

	$inn->sql('CREATE DATABASE other');
	$node->psql('other', 'CREATE EXTENSION inngest', stderr => \$stderr);
	like($stderr, qr/WARNING:  the inngest workers serve database "work", not this one\n.*HINT:/, 'an extension elsewhere is told so');
	work("SELECT inngest.send_event('elsewhere/one')", 'other');
	is(work("SELECT count(*) FROM inngest.events WHERE name = 'elsewhere/one'", 'other'), 1, 'and takes events');
	work('DROP EXTENSION inngest', 'other');
	works('after a DROP EXTENSION elsewhere');
	$inn->sql('DROP DATABASE other');
	is(crew('work'), $ALL, 'the drop of another database is nothing to the workers');
};

subtest 'each worker is terminated' => sub {
	for my $role (qw(http api scheduler launcher))
	{
		my @before = $inn->workers($role);

		is($inn->sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'inngest $role'"),
			scalar @before, "$role terminated");
		wait_for(sub {
				my %new = map { $_ => 1 } $inn->workers($role);
				keys %new == @before && !grep { $new{$_} } @before;
			}, "$role comes back");
		crew_is($ALL, "each worker once after $role was terminated");
		works("$role terminated");
	}
	my $before = join ' ', map { $inn->workers($_) } qw(http api scheduler launcher);
	sleep(1.5);
	is(join(' ', map { $inn->workers($_) } qw(http api scheduler launcher)), $before, 'and then all stay');
};

subtest 'a worker is killed' => sub {
	for my $role (qw(http launcher))
	{
		my ($pid) = $inn->workers($role);

		kill('KILL', $pid);
		wait_for(sub { my @new = $inn->workers($role); @new == 1 && $new[0] != $pid }, 'the server has restarted its processes');
		crew_is($ALL, "all workers after kill -9 of $role");
		works("kill -9 of $role");
	}
};

subtest 'restart and reload' => sub {
	$node->restart;
	crew_is($ALL, 'all workers after a restart');
	works('restarted');
	$node->stop('immediate');
	$node->start;
	works('started after an immediate shutdown');

	$inn->set('inngest.http_workers', 3);
	$inn->set_and_reload('inngest.api_workers', 4);
	crew_is('api api api api executor http http http scheduler', 'more workers');
	works('more workers');
	$inn->set('inngest.http_workers', 1);
	$inn->set_and_reload('inngest.api_workers', 2);
	crew_is($ALL, 'fewer workers');
	works('fewer workers');

	my $old = $inn->http_port;
	my ($worker) = $inn->workers('http');
	$inn->{http_port} = PostgreSQL::Test::Cluster::get_free_port();
	$inn->set_and_reload('inngest.http_port', $inn->http_port);
	works('another port');
	ok(!IO::Socket::INET->new(PeerAddr => "127.0.0.1:$old", Timeout => 1), 'nobody listens at the old one');
	is(join(' ', $inn->workers('http')), $worker, 'by the same worker');
};

subtest 'an address that cannot be had' => sub {
	my $blocker = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "no socket: $!";
	my $free = $inn->http_port;

	$inn->mark_log;
	$inn->{http_port} = $blocker->sockport;
	$inn->set_and_reload('inngest.http_port', $inn->http_port);
	$inn->wait_for_log(qr/could not listen on 127\.0\.0\.1:\d+: .*/);
	like($inn->sql("SELECT query FROM pg_stat_activity WHERE backend_type = 'inngest http'"), qr/^could not listen on/, 'pg_stat_activity tells why');
	sleep(2.5);
	is($inn->log_count(qr/could not listen/), 1, 'said once');
	like($inn->log_text, qr/could not listen.*\n.*HINT:.*inngest\.http_port/, 'with a hint');
	is(crew('work'), $ALL, 'the workers stay');
	close $blocker;
	works('the port is free again');

	$inn->mark_log;
	$inn->set_and_reload('inngest.http_address', '0.0.0.0');
	$inn->wait_for_log(qr/could not listen on 0\.0\.0\.0:\d+: it is not a loopback address\n.*HINT:.*inngest\.mode/);
	wait_for(sub { $inn->http('GET', '/health', undef, timeout => 2)->{status} == 599 }, 'nobody listens');
	$inn->set_and_reload('inngest.http_address', 'localhost');
	$inn->wait_for_log(qr/could not listen on localhost:/);
	$inn->set_and_reload('inngest.http_address', '127.0.0.2');
	wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.2', PeerPort => $inn->http_port, Timeout => 1) }, 'another loopback address');
	$inn->set_and_reload('inngest.http_address', '127.0.0.1');
	works('the address is good again');
};

subtest 'too few worker slots' => sub {
	# the launcher, the logical replication launcher, and two more
	$node->append_conf('postgresql.conf', "max_worker_processes = 4\n");
	$inn->mark_log;
	$node->restart;
	$inn->wait_for_log(qr/could not start worker "inngest \w+": too few worker slots/);
	like($inn->log_text, qr/WARNING:  could not start worker.*\n.*HINT:  Raise "max_worker_processes", which is 4/, 'with the setting to raise');
	my ($launcher) = $inn->workers('launcher');
	my $before = ticks($launcher);
	sleep(3);
	cmp_ok(ticks($launcher) - $before, '<', 10, 'the launcher does not spin');
	is($inn->log_count(qr/too few worker slots/), 1, 'said once');
	$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
	$node->restart;
	works('slots enough');
};

subtest 'not preloaded' => sub {
	my $bare = InngestTest->new('bare', no_preload => 1, no_create => 1, conf => "shared_preload_libraries = ''\n");
	my $stderr = '';

	$bare->node->psql('postgres', 'CREATE EXTENSION inngest', stderr => \$stderr);
	like($stderr, qr/WARNING:  the inngest workers are not running\n.*\n.*HINT:.*"shared_preload_libraries"/, 'CREATE EXTENSION says what to do');
	$bare->register('later', 'late/one', { retries => 1 });
	$bare->send('late/one', id => 'a');
	$bare->send('late/one', id => 'a');
	is($bare->sql('SELECT count(*) FROM inngest.events'), 2, 'events are accepted');
	is($bare->sql("SELECT complete_run FROM inngest.lease_runs(ARRAY['later']) l, inngest.complete_run(l.run_id, l.lease_id)"), '', 'the SQL API works');
	$bare->send('late/one', id => 'b');

	$bare->node->append_conf('postgresql.conf', "shared_preload_libraries = 'inngest'\n");
	$bare->node->restart;
	$bare->wait_for_http;
	my $answer = $bare->http('POST', '/api/v1/runs/lease', { functions => ['later'], max => 10, wait => '5s' });
	is(scalar @{ $answer->{json}{data} }, 1, 'what was sent before is there when it is preloaded');
	is($bare->sql('SELECT count(*) FROM inngest.function_runs'), 2, 'and nothing twice');
};

done_testing();
