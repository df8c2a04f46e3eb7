# What the TAP tests share: a server with the extension, its HTTP port, a Redis beside it.
#
#	use InngestTest;
#	use Test::More;
#
#	my $inn = InngestTest->new('main', redis => 1);     # initdb, start, CREATE EXTENSION, HTTP answers
#	$inn->register('my-function', 'app/thing.done');
#	my $answer = $inn->http('POST', '/api/v1/events', { name => 'app/thing.done' });
#	is($answer->{status}, 200);
#	my $run = $answer->{json}{runs}[0]{id};
#	wait_for(sub { $inn->redis->cli('XLEN', 'inngest:runs') == 1 }, 'the run in Redis');
#	is($inn->sql('SELECT count(*) FROM inngest.function_runs'), 1);
#	$inn->node->restart;                                # a PostgreSQL::Test::Cluster
#
# Servers are stopped when the test ends, however it ends.  Nothing here counts as a test of its own.
package InngestTest;

use strict;
use warnings;

use Exporter 'import';
use HTTP::Tiny;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(wait_for);

# Longest that wait_for() waits unless told otherwise, in seconds: slow machines and sanitizers.
use constant PATIENCE => 60;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# A cluster with the library loaded.  Options:
#	redis      => 1 starts a Redis and sets inngest.redis_url; an InngestTest::Redis uses that one
#	conf       => text for postgresql.conf, after all else
#	no_start   => 1: do not start (nor create the extension)
#	no_create  => 1: start, but do not create the extension
#	no_preload => 1: without shared_preload_libraries
#	testing    => 1: the library in which the clock can be set and processes be stopped, see advance() and arm()
sub new
{
	my ($class, $name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, $option{testing} ? (install_path => $ENV{INN_TESTING}) : ());
	my $self = bless {
		node => $node,
		http_port => PostgreSQL::Test::Cluster::get_free_port(),
		log_mark => 0,
		is_testing => $option{testing},
	}, $class;

	$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);    # whatever the environment says
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'inngest'\n")
	  unless $option{no_preload};
	$node->append_conf('postgresql.conf', <<"END");
inngest.database = 'postgres'
inngest.http_port = $self->{http_port}
max_worker_processes = 16
log_min_messages = info
END
	if ($option{redis})
	{
		$self->{redis} = ref $option{redis} ? $option{redis} : InngestTest::Redis->new($name);
		$self->{redis}->start unless $self->{redis}->is_running;
		$self->set('inngest.redis_url', $self->{redis}->url);
	}
	$node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};

	$self->start(create => !$option{no_create}) unless $option{no_start};
	return $self;
}

sub node { return $_[0]{node} }
sub redis { return $_[0]{redis} }
sub http_port { return $_[0]{http_port} }

# Start the server; create => 1 creates the extension, too, and waits until HTTP answers.
sub start
{
	my ($self, %option) = @_;

	$self->{node}->start;
	if ($option{create})
	{
		$self->sql('CREATE EXTENSION IF NOT EXISTS inngest');
		$self->wait_for_http;
		$self->_run_file('test/testing/testing.sql') if $self->{is_testing};
	}
	return;
}

# Rows as psql prints them: columns parted by |, rows by line ends.  Dies on an error.
sub sql
{
	my ($self, $query) = @_;
	return $self->{node}->safe_psql('postgres', $query);
}

# The message of the error that a query ends with, SQLSTATE first; '' if it succeeds.
sub sql_error
{
	my ($self, $query) = @_;
	my ($stdout, $stderr) = ('', '');

	$self->{node}->psql('postgres', $query, stdout => \$stdout, stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $stderr =~ /ERROR:\s+(.*)/ ? $1 : $stderr;
}

# Write a setting into postgresql.conf; takes effect at the next reload or restart.
# Not ALTER SYSTEM: test servers log their statements, and a value may be a password.
sub set
{
	my ($self, $name, $value) = @_;

	$value =~ s/'/''/g;
	$self->{node}->append_conf('postgresql.conf', "$name = '$value'\n");
	return;
}

# The same, and have the server read it.
sub set_and_reload
{
	my ($self, $name, $value) = @_;

	$self->set($name, $value);
	$self->{node}->reload;
	return;
}

# One HTTP request.  A body that is a reference is sent as JSON, a string as it is.
# Returns { status, reason, headers, content, json }; json is undef if the answer is none.
# Status 599 means that there was no answer; content says why.
#	headers => {...}, timeout => seconds
sub http
{
	my ($self, $method, $path, $body, %option) = @_;
	my $http = HTTP::Tiny->new(timeout => $option{timeout} // 30, keep_alive => 0, max_redirect => 0);
	my %request = (headers => { %{ $option{headers} // {} } });

	if (defined $body)
	{
		$request{content} = ref $body ? $json->encode($body) : $body;
		$request{headers}{'content-type'} = 'application/json'
		  unless grep { lc eq 'content-type' } keys %{ $request{headers} };
	}
	my $answer = $http->request($method, $self->url($path), \%request);
	my $decoded = eval { $json->decode($answer->{content}) };

	return { %$answer{qw(status reason headers content)}, json => $decoded };
}

sub url
{
	my ($self, $path) = @_;
	return "http://127.0.0.1:$self->{http_port}" . ($path // '/');
}

# Wait until the HTTP workers answer.
sub wait_for_http
{
	my ($self, $timeout) = @_;

	wait_for(sub { $self->http('GET', '/health', undef, timeout => 5)->{status} != 599 },
		'HTTP answers', $timeout);
	return;
}

# Register a pull function: its id, the names of the events that start it; more config as a hash at the end.
sub register
{
	my ($self, $id, @events) = @_;
	my $more = ref $events[-1] ? pop @events : {};
	my $config = $json->encode({
		id => $id,
		name => $id,
		runtime => 'pull',
		triggers => [ map { { event => $_ } } @events ],
		%$more,
	});

	$config =~ s/'/''/g;
	$self->sql("SELECT FROM inngest.register_function('$config')");
	return;
}

# Send one event by SQL; options: data (reference), id, ts (SQL timestamp).  Returns its internal id.
sub send
{
	my ($self, $name, %option) = @_;
	my @arguments = ("name => '$name'");

	push @arguments, "data => " . quoted($json->encode($option{data})) if defined $option{data};
	push @arguments, "id => " . quoted($option{id}) if defined $option{id};
	push @arguments, "ts => " . quoted($option{ts}) if defined $option{ts};
	return $self->sql('SELECT inngest.send_event(' . join(', ', @arguments) . ')');
}

# The run that an event has started, or the first of several.
sub run_of
{
	my ($self, $event) = @_;
	return wait_for(sub { $self->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event' ORDER BY id LIMIT 1") }, 'a run');
}

sub status { return $_[0]->sql("SELECT status FROM inngest.runs WHERE id::text = '$_[1]'") }

# Wait until a run has ended; dies if it ends otherwise.
sub wait_for_end
{
	my ($self, $run, $status) = @_;
	my $is = wait_for(sub { $self->sql("SELECT outcome FROM inngest.function_runs WHERE id::text = '$run'") }, "the end of run $run");

	$status //= 'COMPLETED';
	die "run $run has ended as $is, not $status\n" if $is ne $status;
	return;
}

# What a run has returned, decoded.
sub output
{
	my ($self, $run) = @_;

	$self->wait_for_end($run);
	my $output = $self->sql("SELECT output FROM inngest.attempts WHERE run_id::text = '$run' AND status = 'COMPLETED'");
	return $output eq '' ? undef : $json->decode($output);
}

# Wait until so many steps of a run wait for something.
sub wait_for_pauses
{
	my ($self, $run, $count) = @_;

	$count //= 1;
	wait_for(sub { $self->sql("SELECT count(*) FROM inngest.pauses WHERE run_id::text = '$run' AND kind <> 'cancel'") == $count }, "$count pauses of run $run");
	return;
}

# Wait until all events have been shown to those who wait.
sub wait_for_deliveries
{
	my ($self) = @_;

	wait_for(sub { $self->sql('SELECT count(*) FROM inngest.deliveries') == 0 }, 'no deliveries');
	return;
}

sub quoted
{
	my ($text) = @_;

	$text =~ s/'/''/g;
	return "'$text'";
}

# Create the functions of the test module (test/c) in the schema inngest_test, of another database if one is named.
sub load_module
{
	my ($self, $database) = @_;

	$self->_run_file('test/c/module.sql', $database);
	return;
}

sub _run_file
{
	my ($self, $file, $database) = @_;

	$self->{node}->safe_psql($database // 'postgres', PostgreSQL::Test::Utils::slurp_file("$ENV{INN_TREE}/$file"));
	return;
}

# Let an interval of SQL pass, or have it be a time; returns what time it is then.  testing => 1 only, as all that follows.
sub advance { return $_[0]->sql('SELECT inngest_test.advance(' . quoted($_[1]) . ')') }
sub set_time { return $_[0]->sql('SELECT inngest_test.set_time(' . quoted($_[1]) . ')') }
sub now { return $_[0]->sql('SELECT inngest_test.now()') }

# Have the next process that comes to a wait-point of the code (INN_WAIT_POINT) stay there; arm, then do what leads there.
sub arm
{
	my ($self, @names) = @_;

	$self->sql(join(';', map { 'SELECT inngest_test.arm(' . quoted($_) . ')' } @names));
	return;
}

# Wait until it is there; dies if none comes.
sub wait_until_reached
{
	my ($self, $name, $how_often) = @_;

	$self->sql('SELECT inngest_test.wait_until_reached(' . quoted($name) . ', ' . ($how_often // 1) . ')');
	return;
}

# Let it go on, and all that come later.
sub release
{
	my ($self, @names) = @_;

	$self->sql(join(';', map { 'SELECT inngest_test.release(' . quoted($_) . ')' } @names));
	return;
}

# What the server has logged since mark_log(), or since its start.
sub mark_log
{
	my ($self) = @_;

	$self->{log_mark} = -s $self->{node}->logfile // 0;
	return;
}

sub log_text
{
	my ($self) = @_;
	return PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile, $self->{log_mark});
}

# How often a pattern occurs in log_text().
sub log_count
{
	my ($self, $pattern) = @_;
	my $count = () = $self->log_text =~ /$pattern/g;
	return $count;
}

sub wait_for_log
{
	my ($self, $pattern, $timeout) = @_;

	wait_for(sub { $self->log_count($pattern) > 0 }, "log shows $pattern", $timeout);
	return;
}

# Pids of the workers of a role (launcher, scheduler, http, api, relay).
sub workers
{
	my ($self, $role) = @_;
	return split /\n/,
	  $self->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'inngest $role' ORDER BY pid");
}

# Call a sub until it returns something true, which is returned; die after so many seconds.
# An exception counts as false: servers may be away.
sub wait_for
{
	my ($condition, $what, $timeout) = @_;
	my $until = time() + ($timeout // PATIENCE);

	while (1)
	{
		my $result = eval { $condition->() };

		return $result if $result;
		die 'timed out waiting for ' . ($what // 'a condition') . ($@ ? ": $@" : '') . "\n"
		  if time() > $until;
		sleep(0.02);
	}
}

# A private Redis: its own port, socket, directory; no persistence, so a restart comes back empty.
package InngestTest::Redis;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

my @servers;

# conf => [ '--requirepass', 'secret', ... ]: more arguments for redis-server
sub new
{
	my ($class, $name, %option) = @_;
	my $self = bless {
		port => PostgreSQL::Test::Cluster::get_free_port(),
		dir => PostgreSQL::Test::Utils::tempdir_short(),
		log => "$PostgreSQL::Test::Utils::log_path/redis_$name.log",
		conf => $option{conf} // [],
		owner => $$,
	}, $class;

	push @servers, $self;
	return $self;
}

sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }
sub socket { return "$_[0]{dir}/redis.sock" }
sub url { return "redis://127.0.0.1:$_[0]{port}" }
sub unix_url { return 'unix://' . $_[0]->socket }
sub is_running { return defined $_[0]{pid} }

# Start it and wait until it accepts connections.
sub start
{
	my ($self) = @_;

	my $pid = fork() // die "could not fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>>', $self->{log}) and open(STDERR, '>&', \*STDOUT) and open(STDIN, '<', '/dev/null')
		  and exec('redis-server', '--port', $self->{port}, '--bind', '127.0.0.1', '--dir', $self->{dir},
			'--unixsocket', $self->socket, '--save', '', '--appendonly', 'no', '--daemonize', 'no',
			'--maxmemory-policy', 'noeviction', @{ $self->{conf} });
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	for (1 .. 1000)
	{
		return $self if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}", Timeout => 1);
		die "redis-server has exited, see $self->{log}\n" if waitpid($pid, POSIX::WNOHANG()) == $pid;
		sleep(0.02);
	}
	die "redis-server does not accept connections, see $self->{log}\n";
}

# End it; its data is gone.  Signal: TERM unless given.
sub stop
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} // return;

	kill($signal // 'TERM', $pid);
	kill('CONT', $pid);
	local $?;
	waitpid($pid, 0);
	unlink $self->socket;
	return;
}

# Make it silent without closing its connections, and back.
sub freeze { kill('STOP', $_[0]{pid}); return }
sub thaw { kill('CONT', $_[0]{pid}); return }

# redis-cli, its output without the last line end.  Raw form: one value a line.
sub cli
{
	my ($self, @command) = @_;

	open(my $pipe, '-|', 'redis-cli', '--no-auth-warning', '-p', $self->{port}, @{ $self->{cli} // [] }, @command)
	  or die "could not run redis-cli: $!";
	my $output = do { local $/; <$pipe> };
	close($pipe);
	chomp($output //= '');
	return $output;
}

# Arguments that every further cli() begins with, such as ('-a', 'secret') or ('-n', 2).
sub cli_with
{
	my ($self, @arguments) = @_;

	$self->{cli} = \@arguments;
	return;
}

# Entries of a stream as [ [ entry id, { field => value, ... } ], ... ], oldest first.
sub stream
{
	my ($self, $key) = @_;
	my @lines = split /\n/, $self->cli('--json', 'XRANGE', $key, '-', '+') || '[]', -1;
	my $entries = JSON::PP->new->utf8->decode(join('', @lines));

	return [ map { [ $_->[0], { @{ $_->[1] } } ] } @$entries ];
}

# A hash as a reference; empty if the key does not exist.
sub hash
{
	my ($self, $key) = @_;
	my @lines = split /\n/, $self->cli('HGETALL', $key), -1;

	push @lines, '' if @lines % 2;
	return {@lines};
}

END
{
	my $status = $?;

	for my $server (@servers)
	{
		$server->stop('KILL') if $server->{owner} == $$;
	}
	$? = $status;
}

1;
