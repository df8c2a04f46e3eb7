# An app that speaks the protocol of the SDKs and answers as the test says: calls, faults, everything.
#
#	use StubApp;
#
#	my $app = StubApp->new(inn => $inn);                    # an HTTP server of its own; id "stub"
#	$app->function('order', events => ['shop/order'], retries => 1);
#	$app->on('order', op_run('charge', { ok => 1 }), op_sleep('nap', '1s'), done('shipped'));
#	$app->register;                                         # POST /fn/register, as an SDK does
#	$inn->send('shop/order');
#	my @calls = $app->wait_for_calls('order', 3);
#	is_deeply($calls[2]{body}{ctx}{stack}{stack}, [ step_hash('charge'), step_hash('nap') ]);
#
# Replies.  The n-th call that a rule fits gets its n-th reply, and the last reply goes on for ever.
# The rule with most conditions decides; on() again replaces the replies and counts from one:
#
#	$app->on('order', @replies);                            # every call of the function
#	$app->on({ function => 'order', step => 'charge', attempt => 1 }, @replies);
#	$app->on('/elsewhere', @replies);                       # whatever comes to a path, before all else
#
# A step is named by its id or its hash; 'step' is a call that targets none.  A reply is one of
#
#	done($value)                    200: the function has returned
#	op_...(...) or ops(op, op)      206: what happened, one or several; the list of ops is below
#	failed($message, %more)         500: the function threw; no_retry => 1, retry_after => '2',
#	                                status, or fields of the error (name, stack, cause)
#	raw(status => 404, body => '')  no SDK headers unless has_sdk => 1; headers => {}
#	redirect($location, $status)    307; to $app->url it goes on for ever
#	huge($bytes)                    200 with a JSON string that is so long
#	hang(), hang_up(), reset_connection()
#	program(@statements)            answers as an SDK would that runs these statements: ops, done, failed,
#	                                parallel(op, [op, op], ...); several steps, memos, retries, plans
#	sub { my ($call) = @_; ... }    called in a process of its own: it sees the test as it was at on(),
#	                                keeps its variables from call to call, and returns a reply
#
# with these changes to it, with(reply, %change):
#
#	hold => 'name'                  wait for $app->release('name') before answering (a late reply);
#	                                with hold_before => 1 also before checkpoints are posted
#	cut => 10                       hang up after so many bytes of the body
#	twice => 1                      send the reply two times
#	trickle_bytes => 1, trickle_ms => 50   slowly
#	chunked => 1, gzip => 1, close_after => 1
#	stream => 1                     as the 201 envelope
#	headers => {}, status, req_version; a header that is undef is left out
#	checkpoint => [ [op, ...], ... ]       POST each list to /v1/checkpoint/RUN/async first; what the
#	                                server said is in $call->{end}{checkpoints}
#
# echo('event.data.n') anywhere in values stands for what is there in the body of the call, echo('step
# charge') for the memo of a step (its data if it has some).
#
# Ops: op_run(id, data), op_error(id, message), op_failed(id, message), op_planned(id), op_sleep(id, '1s'),
# op_wait(id, event => , timeout => , if => ), op_signal(id, signal => , timeout => , conflict => ),
# op_invoke(id, function_id => , payload => , timeout => ), op_fetch(id, url => , ...), op_ai(id, url => , ...),
# op_complete(value), op_discovery(id), op_none(id), op_defer(id, fn_slug => , input => ), op(name, id, fields).
# In a program op_run takes fails => n (its first n attempts fail; error => {}), is_caught => 1 (an error
# that is memoised does not throw), reply => { changes of the reply that reports it }.
#
# What came: $app->calls('order') and requests() are hashes of
#	n, at, method, url, path, query {}, headers {} (lower case), body (decoded) or text (no JSON),
#	is_canonical (the body is RFC 8785), signature (good, missing, malformed, old, wrong; keyed apps only),
#	function (slug), step, attempt, rule; and when it is over:
#	end { state => answered, gone (caller hung up), killed (by stop), failed (a fault of the stub: trace),
#	      status, json, ops }
# They survive stop('KILL') and start(), and so does how far each rule has come.
package StubApp;

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Exporter 'import';
use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::UNIX;
use InngestTest;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use POSIX ();
use Socket qw(SHUT_WR SOCK_STREAM);
use Time::HiRes qw(sleep);

our @EXPORT = qw(done ops failed raw redirect huge hang hang_up reset_connection program parallel with echo step_hash
  op op_run op_error op_failed op_planned op_sleep op_wait op_signal op_invoke op_fetch op_ai op_complete
  op_discovery op_none op_defer);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @apps;

# Options: inn (the InngestTest of the server; its URL otherwise as server => ), id (stub), path
# (/api/inngest), port, sdk (js:v4.24.0), req_version (2), signing_key (then it judges signatures and
# sends the bearer), in_band => 1 (answers PUT with its functions), no_start.
sub new
{
	my ($class, %option) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $self = bless {
		id => 'stub',
		path => '/api/inngest',
		sdk => 'js:v4.24.0',
		req_version => 2,
		port => $option{port} // PostgreSQL::Test::Cluster::get_free_port(),
		%option,
		dir => $dir,
		journal => "$dir/journal",
		journal_at => 0,
		requests => [],
		by_number => {},
		functions => [],
		rules => {},
		responders => [],
		owner => $$,
	}, $class;

	push @apps, $self;
	$self->start unless $option{no_start};
	return $self;
}

sub id { return $_[0]{id} }
sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }
sub url { return "http://127.0.0.1:$_[0]{port}$_[0]{path}" }
sub slug { return "$_[0]{id}-$_[1]" }

# Where the server is, if the test told.
sub server
{
	my ($self) = @_;
	return $self->{server} // ($self->{inn} ? $self->{inn}->url('') =~ s{/$}{}r : undef);
}

# --- the process ---------------------------------------------------------------------------------

# Start it; a port that it had before is used again, and so are its rules.
sub start
{
	my ($self) = @_;
	my $script = dirname(__FILE__) . '/stub_app.py';

	$self->_read_journal;
	unlink "$self->{dir}/control";
	pipe(my $reader, my $writer) or die "pipe: $!";
	pipe(my $lost, my $keep) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		close $keep;
		open(STDOUT, '>&', $writer)
		  and open(STDERR, '>>', "$PostgreSQL::Test::Utils::log_path/stub_$self->{id}.log")
		  and open(STDIN, '<&', $lost)
		  and exec('python3', $script, '--port', $self->{port}, '--control', "$self->{dir}/control",
			'--journal', $self->{journal}, '--first', scalar @{ $self->{requests} });
		POSIX::_exit(127);
	}
	close $writer;
	close $lost;
	@$self{qw(pid keep)} = ($pid, $keep);
	die "the stub app did not start, see stub_$self->{id}.log\n" if (<$reader> // '') ne "ready\n";
	close $reader;
	$self->_configure;
	for my $key (sort keys %{ $self->{rules} })
	{
		my $used = grep { ($_->{rule} // '') eq $key && $_->{n} > $self->{rules}{$key}{since} } @{ $self->{requests} };
		$self->_send_rule($key, $used);
	}
	return $self;
}

# End it; signal: TERM unless given.  What was in flight is cut off.
sub stop
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} // return;

	kill($signal // 'TERM', $pid);
	kill('CONT', $pid);
	local $?;
	waitpid($pid, 0);
	$self->_read_journal;
	$_->{end} //= { state => 'killed' } for @{ $self->{requests} };
	return;
}

# Make it silent without closing its connections, and back.
sub freeze { kill('STOP', $_[0]{pid}); return }
sub thaw { kill('CONT', $_[0]{pid}); return }

# One command to the process, its answer.
sub _command
{
	my ($self, %command) = @_;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => "$self->{dir}/control")
	  // die "the stub app is not running: $!";

	print $socket $json->encode(\%command);
	$socket->flush;
	$socket->shutdown(SHUT_WR);
	my $answer = $json->decode(do { local $/; <$socket> });
	die "stub app: $answer->{error}" if defined $answer->{error};
	return $answer;
}

sub _configure
{
	my ($self) = @_;

	$self->_command(
		do => 'configure',
		path => $self->{path},
		server => $self->server,
		signing_key => $self->{signing_key},
		sdk_header => $self->_sdk_header,
		req_version => $self->{req_version},
		in_band => $self->{in_band} ? 1 : 0,
		functions => [ map { $_->{id} } @{ $self->{functions} } ],
		registration => $self->registration);
	return;
}

sub _sdk_header
{
	my ($self) = @_;
	return $self->{sdk} =~ /^(?:js|py):/ ? "inngest-$self->{sdk}" : $self->{sdk};
}

# --- functions and their registration --------------------------------------------------------------

# Define a function (again): events => [names], retries => n, and any key of its config, such as
# triggers, cancel, name.  Takes effect with the next register() or PUT.  Returns its slug.
sub function
{
	my ($self, $id, %config) = @_;
	my $slug = $self->slug($id);
	my $events = delete $config{events};
	my $retries = delete $config{retries};
	my $step = {
		id => 'step',
		name => 'step',
		runtime => { type => 'http', url => $self->url . "?fnId=$slug&stepId=step" },
	};

	$step->{retries} = { attempts => $retries } if defined $retries;
	@{ $self->{functions} } = grep { $_->{id} ne $slug } @{ $self->{functions} };
	push @{ $self->{functions} }, {
		id => $slug,
		name => $id,
		triggers => [ map { { event => $_ } } @{ $events // [] } ],
		steps => { step => $step },
		%config,
	};
	$self->_configure if defined $self->{pid};
	return $slug;
}

# Have no such function any more.
sub remove_function
{
	my ($self, $id) = @_;
	my $slug = $self->slug($id);

	@{ $self->{functions} } = grep { $_->{id} ne $slug } @{ $self->{functions} };
	$self->_configure if defined $self->{pid};
	return;
}

# The body of POST /fn/register; changes as a hash.
sub registration
{
	my ($self, %change) = @_;
	return {
		url => $self->url,
		deployType => 'ping',
		framework => 'stub',
		appName => $self->{id},
		functions => $self->{functions},
		sdk => $self->{sdk},
		v => '0.1',
		capabilities => { trust_probe => 'v1', connect => 'v1' },
		%change,
	};
}

# Register with the server; dies unless that succeeds.  The parsed answer.
sub register
{
	my ($self, %change) = @_;
	my $answer = $self->try_register(%change);

	die "register: $answer->{status} $answer->{content}" if $answer->{status} != 200;
	return $answer->{json};
}

# The same, whatever comes of it: the answer as InngestTest::http gives it.
sub try_register
{
	my ($self, %change) = @_;
	return $self->{inn}->http('POST', '/fn/register', $self->registration(%change),
		headers => { 'x-inngest-sdk' => $self->_sdk_header, authorization => 'Bearer ' . $self->bearer });
}

# What the app sends as its bearer: the hash of its signing key, or nothing.
sub bearer
{
	my ($self) = @_;
	my ($prefix, $key) = ($self->{signing_key} // '') =~ /^(signkey-\w+-)?(.*)$/;

	return $key eq '' ? '' : ($prefix // '') . Digest::SHA::sha256_hex(pack('H*', $key));
}

# --- rules -----------------------------------------------------------------------------------------

# What to answer: see the top.  Functions by their id without the app's, 'order' and not 'stub-order'.
sub on
{
	my ($self, $what, @replies) = @_;
	my %when = ref $what ? %$what : (function => $what);
	my $key = $when{function};

	die 'on() needs a reply' unless @replies;
	if ($key !~ m{^/})
	{
		my $step = $when{step} // '*';

		$step = step_hash($step) unless $step =~ /^(?:\*|step|[0-9a-f]{40})$/;
		$key = join(' ', $self->slug($key), $step, $when{attempt} // '*');
	}
	$self->_read_journal;
	$self->{rules}{$key} = {
		replies => [ map { ref eq 'CODE' ? { sub => $self->_respond($_) } : _reply($_) } @replies ],
		since => scalar @{ $self->{requests} },
	};
	$self->_send_rule($key, 0) if defined $self->{pid};
	return $self;
}

sub _send_rule
{
	my ($self, $key, $used) = @_;

	$self->_command(do => 'rule', key => $key, replies => $self->{rules}{$key}{replies}, used => $used);
	return;
}

# Let replies that hold a name go, now and from now on; hold() makes further ones wait again.
sub release { $_[0]->_command(do => 'release', name => $_[1]); return }
sub hold { $_[0]->_command(do => 'hold', name => $_[1]); return }

# How many requests are being answered.
sub in_flight { return $_[0]->_command(do => 'in_flight')->{in_flight} }

# A process that answers for a sub; the path of its socket.
sub _respond
{
	my ($self, $sub) = @_;
	my $path = "$self->{dir}/sub." . scalar @{ $self->{responders} };
	my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 128) // die "listen: $!";
	pipe(my $lost, my $keep) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		close $keep;
		while (_is_readable($listener, $lost))
		{
			my $caller = $listener->accept // next;
			my $call = $json->decode(do { local $/; <$caller> });
			my $reply = eval { _reply($sub->($call)) };

			print $caller $json->encode($reply // { status => 500, json => { message => "sub died: $@" } });
			close $caller;
		}
		POSIX::_exit(0);
	}
	close $lost;
	push @{ $self->{responders} }, { pid => $pid, keep => $keep };
	return $path;
}

# Wait for a caller; false when the test has ended.
sub _is_readable
{
	my ($listener, $lost) = @_;
	my @ready = IO::Select->new($listener, $lost)->can_read;

	return !grep { $_ == $lost } @ready;
}

# --- what came ---------------------------------------------------------------------------------------

# Read what the journal says more.
sub _read_journal
{
	my ($self) = @_;

	open(my $file, '<', $self->{journal}) or return;
	seek($file, $self->{journal_at}, 0);
	while (my $line = <$file>)
	{
		last unless $line =~ /\n$/;
		my $entry = $json->decode($line);
		if (defined $entry->{end})
		{
			$self->{by_number}{ $entry->{end} }{end} = $entry;
		}
		else
		{
			push @{ $self->{requests} }, $entry->{call};
			$self->{by_number}{ $entry->{call}{n} } = $entry->{call};
		}
		$self->{journal_at} = tell($file);
	}
	close $file;
	return;
}

# Every request, oldest first.
sub requests
{
	my ($self) = @_;

	$self->_read_journal;
	return @{ $self->{requests} };
}

# The calls of a function, or of all; oldest first.
sub calls
{
	my ($self, $function) = @_;
	my $slug = defined $function ? $self->slug($function) : undef;

	return grep { defined $_->{function} && (!defined $slug || $_->{function} eq $slug) } $self->requests;
}

# Wait until there are so many calls at least, and all of them are answered (or gone); the calls.
# is_open => 1: they need not be answered.
sub wait_for_calls
{
	my ($self, $function, $count, %option) = @_;
	my @calls;

	wait_for(
		sub {
			@calls = $self->calls($function);
			return @calls >= $count && ($option{is_open} || !grep { !$_->{end} } @calls);
		},
		"$count calls of $function",
		$option{timeout});
	return @calls;
}

# --- words for replies -------------------------------------------------------------------------------

sub step_hash { return sha1_hex($_[0]) }

sub echo { return { '$echo' => $_[0] } }

sub done { return { json => $_[0] } }

sub ops { return { ops => [ map { _op($_) } @_ ] } }

sub failed
{
	my ($message, %more) = @_;
	my %headers = ('x-inngest-no-retry' => delete $more{no_retry} ? 'true' : 'false');
	my $status = delete $more{status} // 500;

	$headers{'retry-after'} = delete $more{retry_after} if defined $more{retry_after};
	return { status => $status, headers => \%headers, json => { name => 'Error', message => $message, %more } };
}

sub raw
{
	my (%reply) = @_;
	my $has_sdk = delete $reply{has_sdk};

	return { body => '', %reply, no_sdk => $has_sdk ? 0 : 1 };
}

sub redirect { return raw(status => $_[1] // 307, headers => { location => $_[0] }) }
sub huge { return { json => undef, size => $_[0] } }
sub hang { return { hang => 1 } }
sub hang_up { return { close => 1 } }
sub reset_connection { return { reset => 1 } }

# Statements: ops, parallel(...), and done() or failed() last.
sub program { return { program => [@_] } }

# Branches of a program that go on at the same time: an op, or a list of ops one after the other.
sub parallel { return { parallel => [ map { ref eq 'ARRAY' ? $_ : [$_] } @_ ] } }

sub with
{
	my ($reply, %change) = @_;

	$reply = _reply($reply);
	$change{headers} = { %{ $reply->{headers} // {} }, %{ $change{headers} } } if $change{headers};
	return { %$reply, %change };
}

# A reply in full: an op alone is one, too.
sub _reply
{
	my ($reply) = @_;
	return ref $reply eq 'HASH' && defined $reply->{op} ? ops($reply) : $reply;
}

# An op as it is sent: without what only programs know.
sub _op
{
	my %op = %{ $_[0] };

	delete @op{qw(fails is_caught reply)};
	return \%op;
}

# --- words for ops -----------------------------------------------------------------------------------

sub op
{
	my ($name, $id, %fields) = @_;
	return { op => $name, id => step_hash($id), name => $id, displayName => $id, userland => { id => $id }, %fields };
}

sub op_run { my ($id, $data, %more) = @_; return op('StepRun', $id, data => $data, %more) }
sub op_planned { my ($id, %more) = @_; return op('StepPlanned', $id, %more) }
sub op_discovery { my ($id, %more) = @_; return op('DiscoveryRequest', $id, %more) }
sub op_none { my ($id, %more) = @_; return op('None', $id, %more) }
sub op_error { return _broken('StepError', @_) }
sub op_failed { return _broken('StepFailed', @_) }

sub _broken
{
	my ($name, $id, $message, %more) = @_;
	return op($name, $id, error => { name => 'Error', message => $message, %more });
}

sub op_sleep
{
	my ($id, $duration, %more) = @_;
	return op('Sleep', $id, name => $duration, %more);
}

sub op_wait
{
	my ($id, %opts) = @_;
	return op('WaitForEvent', $id, name => $opts{event}, opts => { timeout => '1h', %opts });
}

sub op_signal { my ($id, %opts) = @_; return op('WaitForSignal', $id, opts => \%opts) }
sub op_fetch { my ($id, %opts) = @_; return op('Gateway', $id, opts => \%opts) }
sub op_ai { my ($id, %opts) = @_; return op('AIGateway', $id, opts => { format => 'openai-chat', %opts }) }
sub op_defer { my ($id, %opts) = @_; return op('DeferAdd', $id, opts => \%opts) }

sub op_invoke
{
	my ($id, %opts) = @_;
	return op('InvokeFunction', $id, opts => { payload => { data => {} }, %opts });
}

sub op_complete
{
	my ($value) = @_;
	return { op => 'RunComplete', id => step_hash('complete'), data => $value };
}

END
{
	my $status = $?;

	for my $app (grep { $_->{owner} == $$ } @apps)
	{
		kill('KILL', map { $_->{pid} } @{ $app->{responders} });
		$app->stop('KILL');
	}
	$? = $status;
}

1;
