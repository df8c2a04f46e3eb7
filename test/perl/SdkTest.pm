# An app of a real SDK, a server, and between them a recorder: what test/sdk/*.pl are made of.
#
#	use SdkTest;
#
#	my $sdk = SdkTest->new('ts', mode => 'dev');            # skips the whole test if it cannot be installed
#	$sdk->check_sync('/api/inngest');                       # the app there registers itself
#	$sdk->play('ts-cp.json', 'peer-app');                   # every feature that was recorded: a test each
#	$sdk->play_brief('python.json', 'peer-python', 'py');   # features of expected/scripts.json
#
# Options: inn (an InngestTest that is there already), conf (for a new one), app (the file to run
# instead of the test app), mode: dev, or cloud (keys made in SQL, calls signed).  $sdk->inn is the InngestTest, $sdk->fake the URL
# of a service that steps can call.  See ../sdk/recorder.py and ../sdk/normalise.py.
package SdkTest;

use strict;
use warnings;

use HTTP::Tiny;
use InngestTest;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $folder = ($ENV{INN_TREE} // '.') . '/test/sdk';
my @processes;

sub new
{
	my ($class, $language, %option) = @_;
	my @command = command_of($language);
	my $mode = $option{mode} // 'dev';
	my $self = bless {
		language => $language,
		mode => $mode,
		features => {},
		folder => "$PostgreSQL::Test::Utils::log_path/sdk_$language",
		app_port => PostgreSQL::Test::Cluster::get_free_port(),
	}, $class;

	mkdir $self->{folder};
	$self->{inn} = $option{inn} // InngestTest->new("${language}_$mode", conf => conf($mode) . ($option{conf} // ''));
	if ($mode eq 'cloud')
	{
		$self->{event_key} = $self->{inn}->sql("SELECT inngest.create_event_key('test')");
		$self->{signing_key} = $self->{inn}->sql('SELECT inngest.create_signing_key()');
	}
	$self->_start_recorder;
	$command[-1] = $option{app} if $option{app};
	$self->_start_app(@command);
	return $self;
}

# Fast retries; the fake service is on loopback.
sub conf
{
	my ($mode) = @_;
	return "inngest.retry_interval = '100ms'\ninngest.mode = '$mode'\ninngest.allow_private_requests = on\n";
}

# The command that runs the app; the test is skipped if there is none.
sub command_of
{
	my ($language) = @_;
	my $why = missing($language);

	plan skip_all => $why if $why;
	return split / /, commands()->{$language}[0];
}

# Why a language cannot be tested; '' if it can.
sub missing
{
	my ($language) = @_;
	my ($command, $why) = @{ commands()->{$language} // [ 'skip', 'the SDKs are not installed (test/run does it)' ] };

	return $command eq 'skip' ? $why : '';
}

# What test/sdk/prepare printed: language => [ command ] or [ skip, why ].
sub commands
{
	open(my $file, '<', $ENV{INN_SDK_COMMANDS} // '/dev/null') or return {};
	return { map { chomp; my ($name, @rest) = split /\t/; $name => \@rest } <$file> };
}

sub inn { return $_[0]{inn} }
sub fake { return "http://127.0.0.1:$_[0]{ports}{fake}" }
sub journal { return "$_[0]{folder}/journal" }

# Where the server reaches the app, and where the app reaches the server: through the recorder.
sub app_url { return "http://127.0.0.1:$_[0]{ports}{to_app}" . ($_[1] // '') }
sub server_url { return "http://127.0.0.1:$_[0]{ports}{to_server}" . ($_[1] // '') }

# --- processes ---------------------------------------------------------------------------------------

# Start a program; its standard input ends with the test.  Returns its first line.
sub _spawn
{
	my ($self, $name, $environment, @command) = @_;

	pipe(my $reader, my $writer) or die "pipe: $!";
	pipe(my $lost, my $keep) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		close $keep;
		@ENV{ keys %$environment } = values %$environment;
		delete @ENV{ grep { /^(?:INNGEST_|PG|PERL)/ && !exists $environment->{$_} } keys %ENV };
		open(STDOUT, '>&', $writer)
		  and open(STDERR, '>>', "$PostgreSQL::Test::Utils::log_path/$name.log")
		  and open(STDIN, '<&', $lost)
		  and exec(@command);
		POSIX::_exit(127);
	}
	close $writer;
	close $lost;
	push @processes, { pid => $pid, owner => $$, keep => $keep };
	$self->{pids}{$name} = $pid;
	my $line = <$reader> // die "$name did not start, see $name.log\n";
	push @{ $self->{outputs} }, $reader;
	return $line;
}

sub _start_recorder
{
	my ($self) = @_;

	$self->{ports} = $json->decode($self->_spawn('recorder', {}, 'python3', "$folder/recorder.py",
		'--journal', $self->journal, '--server', $self->{inn}->url(''), '--app', "http://127.0.0.1:$self->{app_port}"));
	return;
}

sub _start_app
{
	my ($self, @command) = @_;
	my %environment = (PORT => $self->{app_port}, FAKE => $self->fake);

	if ($self->{mode} eq 'dev')
	{
		$environment{INNGEST_DEV} = $self->server_url;
	}
	else
	{
		@environment{qw(INNGEST_BASE_URL INNGEST_EVENT_KEY INNGEST_SIGNING_KEY)} =
		  ($self->server_url, $self->{event_key}, $self->{signing_key});
	}
	$self->_spawn('app', \%environment, @command);
	return;
}

# --- sync ----------------------------------------------------------------------------------------------

# Have an app register itself: as anybody may in dev mode, by a PUT to it; else by the server's signed one.
sub sync
{
	my ($self, $path) = @_;

	return $self->put($path) if $self->{mode} eq 'dev' || $self->{language} ne 'go';
	$self->{inn}->sql("SELECT inngest.sync_app('" . $self->app_url($path) . "')");
	return;
}

# Sync the apps at these paths.
sub check_sync
{
	my ($self, @paths) = @_;

	for my $path (@paths)
	{
		$self->sync($path);
		eval { wait_for(sub { $self->{inn}->sql("SELECT count(*) FROM inngest.apps WHERE url LIKE '%$path' AND name IS NOT NULL") == 1 }, "$path is known", 20) };
		is($@, '', "$self->{mode}: $path registers itself") or diag($self->{inn}->sql('SELECT * FROM inngest.syncs'));
		next if $self->{mode} ne 'dev';
		my $answer = $self->put($path);
		is($answer->{status}, 200, "$self->{mode}: $path registers itself again");
	}
	return;
}

# PUT to the app through the recorder; the answer.
sub put
{
	my ($self, $path) = @_;
	my $answer = HTTP::Tiny->new(timeout => 30)->request('PUT', $self->app_url($path));
	return { %$answer, json => eval { $json->decode($answer->{content}) } };
}

# --- features ------------------------------------------------------------------------------------------

# Play scripts to their ends: all at the same time, but those with much data by themselves, since others
# have times to keep.
sub send_all
{
	my ($self, $scripts, $functions) = @_;
	my @heavy = grep { /^(?:big|use-api-large-state)$/ } keys %$scripts;
	my %heavy = map { $_ => delete $scripts->{$_} } @heavy;

	for my $part ($scripts, \%heavy)
	{
		$self->send_scripts($part, $functions);
		$self->wait_for_end;
	}
	return;
}

# Send a feature's events as its script says, each part when so many of its calls are over.
# Takes { name => [ { events, after_calls }, ... ] }, and plays all of them side by side.
sub send_scripts
{
	my ($self, $scripts, $functions) = @_;
	my %left = map { $_ => [ @{ $scripts->{$_} } ] } keys %$scripts;
	my $until = time() + 60;

	while (%left)
	{
		my $calls = $self->calls_by_function;

		for my $name (sort keys %left)
		{
			my $part = $left{$name}[0];
			my $over = 0;

			$over += $calls->{$_} // 0 for @{ $functions->{$name} };
			next if $over < $part->{after_calls} || ($part->{after_calls} > 0 && !$self->is_settled(@{ $functions->{$name} }));
			$self->send_events($name, $part->{events});
			shift @{ $left{$name} };
			delete $left{$name} unless @{ $left{$name} };
		}
		last if time() > $until;
		Time::HiRes::sleep(0.02) if %left;
	}
	fail("$self->{mode}: the scripts of " . join(', ', sort keys %left) . ' come to their end') if %left;
	return;
}

# POST events through the recorder, and remember that they are a feature's.
sub send_events
{
	my ($self, $name, $events) = @_;
	my @events = map { +{%$_} } @$events;

	for my $event (@events)
	{
		$event->{ts} = int(time() * 1000) + $event->{ts} if defined $event->{ts};
		$event->{data}{at} = POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time() + 2)) if ($event->{data}{at} // '') eq '+2s';
	}
	my $answer = HTTP::Tiny->new(timeout => 30)->request('POST', $self->server_url('/e/' . ($self->{event_key} // 'test')),
		{ content => $json->encode(@events == 1 ? $events[0] : \@events), headers => { 'content-type' => 'application/json' } });
	die "POST /e/: $answer->{status} $answer->{content}" if $answer->{status} != 200;
	push @{ $self->{features}{$name} }, @{ $json->decode($answer->{content})->{ids} };
	return;
}

# How many calls of each function are over.
sub calls_by_function
{
	my ($self) = @_;
	my %calls;

	open(my $file, '<', $self->journal . '.index') or return {};
	while (my $line = <$file>)
	{
		$calls{$1}++ if $line =~ /\tserver->sdk\tPOST [^\t]*[?&]fnId=([^&\t]+)/;
	}
	close $file;
	return \%calls;
}

# Is nothing of these functions due, nor any event still to be shown to those who wait?
sub is_settled
{
	my ($self, @functions) = @_;
	my $names = join(', ', map { "'$_'" } @functions);

	return $self->{inn}->sql(<<"END") eq 't';
SELECT NOT EXISTS (SELECT FROM inngest.jobs j JOIN inngest.functions f ON f.id = j.function_id
				   WHERE j.kind = 'call' AND f.slug IN ($names))
	   AND NOT EXISTS (SELECT FROM inngest.deliveries)
END
}

# Wait until every run has ended, also those that events will start later; those that have not are a failure, and named.
sub wait_for_end
{
	my ($self, $patience) = @_;
	my $open = "FROM inngest.runs WHERE ended_at IS NULL";

	return if eval { wait_for(sub { $self->{inn}->sql(<<"END") eq 't' }, 'all runs have ended', $patience // 60) };
SELECT NOT EXISTS (SELECT $open) AND NOT EXISTS (SELECT FROM inngest.queue WHERE kind = 'admit')
	   AND NOT EXISTS (SELECT FROM inngest.debounces) AND NOT EXISTS (SELECT FROM inngest.batches)
END
	fail("$self->{mode}: all runs have ended");
	diag($self->{inn}->sql("SELECT function_id, status, id $open ORDER BY 1"));
	return;
}

# Status and output of every run, as the API says it.
sub ends
{
	my ($self) = @_;
	my %ends;

	for my $id (split /\n/, $self->{inn}->sql('SELECT id FROM inngest.function_runs'))
	{
		my $answer = $self->{inn}->http('GET', "/v1/runs/$id", undef, headers => $self->bearer);
		my $run = $answer->{json}{data} // {};
		$ends{$id} = { status => $run->{status}, output => $run->{output} };
	}
	return \%ends;
}

# Headers of a request that has to be authorised.
sub bearer
{
	my ($self) = @_;
	return $self->{signing_key} ? { authorization => "Bearer $self->{signing_key}" } : {};
}

# normalise.py: its output.
sub normalise
{
	my ($self, @arguments) = @_;

	open(my $pipe, '-|', 'python3', "$folder/normalise.py", @arguments) or die "normalise.py: $!";
	my $output = do { local $/; <$pipe> };
	close($pipe) or die "normalise.py @arguments failed\n";
	return $output;
}

# The forms of what has been played, in a file that can be looked at later (INN_TEST_KEEP=1 of test/run);
# command is "ours" or "brief".
sub forms
{
	my ($self, $command, $name) = @_;
	my $plan = "$self->{folder}/plan";
	my $ours = "$self->{folder}/$name";

	_write($plan, $json->encode({ features => $self->{features}, runs => $self->ends }));
	_write($ours, $self->normalise($command, $self->journal, $plan));
	return $ours;
}

sub _write
{
	my ($path, $text) = @_;

	open(my $file, '>', $path) or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return;
}

sub _read
{
	my ($path) = @_;
	return $json->decode(PostgreSQL::Test::Utils::slurp_file($path));
}

# Play what was recorded, all at the same time, and compare: a test for each feature.
sub play
{
	my ($self, $file, $app) = @_;
	my $expected = "$folder/expected/$file";
	my $forms = _read($expected);
	my %functions;

	for my $name (keys %$forms)
	{
		$functions{$name} = [ map { "$app-$_->{function}" } @{ $forms->{$name}{runs} } ];
	}
	$self->send_all({ map { $_ => $forms->{$_}{script} } keys %$forms }, \%functions);
	my $ours = $self->forms('ours', $file);
	for my $name (sort keys %$forms)
	{
		my $diff = $self->normalise('diff', $expected, $ours, $name);
		ok($diff eq '', "$self->{mode}, $app: $name") or diag($diff);
	}
	$self->{features} = {};
	return;
}

# Play scripts that belong to no recording; expected are a line a run: function, status, output, and
# what the calls were: step/attempt and the app's answer.
sub play_brief
{
	my ($self, $file, $app, $prefix) = @_;
	my $expected = _read("$folder/expected/$file");
	my $scripts = _read("$folder/expected/scripts.json");
	my (%scripts, %functions);

	for my $name (keys %$expected)
	{
		my $part = $scripts->{$name} // die "no script for $name";
		$functions{$name} = [ map { "$app-$_" } $part->{functions} ? @{ $part->{functions} } : $name ];
		$scripts{$name} = [ map {
			+{ after_calls => $_->{after_calls} // 0,
				events => [ map { +{ %$_, name => "$prefix/$_->{name}" } } @{ $_->{events} } ] }
		} @{ $part->{script} } ];
	}
	$self->send_all(\%scripts, \%functions);
	my $ours = _read($self->forms('brief', $file));
	for my $name (sort keys %$expected)
	{
		is(join("\n", @{ $ours->{$name} // [] }), join("\n", @{ $expected->{$name} }), "$self->{mode}, $app: $name");
	}
	$self->{features} = {};
	return;
}

# What the last run of a function, and its steps, are said to be beside results: [step id, kind, values] each.
sub check_metadata
{
	my ($self, $slug, @expected) = @_;
	my $rows = $self->{inn}->sql("SELECT jsonb_agg(jsonb_build_array(step_id, kind, data)) FROM inngest.run_metadata WHERE run_id::text = (SELECT max(r.id::text) FROM inngest.runs r WHERE function_id = '$slug')");
	my $sorted = sub { return [ sort { "$a->[0] $a->[1]" cmp "$b->[0] $b->[1]" } @_ ] };

	is_deeply($sorted->(@{ $json->decode($rows || '[]') }), $sorted->(@expected), "$self->{mode}, $slug: metadata");
	return;
}

# Cron: the app at the path has been synced, its function fires with every minute.
sub check_cron
{
	my ($self, $slug) = @_;
	my $event = wait_for(
		sub {
			my $id = $self->{inn}->sql("SELECT r.event_id FROM inngest.runs r WHERE function_id = '$slug' AND status = 'COMPLETED' LIMIT 1");
			return $id && $json->decode($self->{inn}->sql("SELECT to_jsonb(e) FROM inngest.events e WHERE id::text = '$id'"));
		},
		"$slug has run", 90);

	is($event->{name}, 'inngest/scheduled.timer', "$self->{mode}: cron, the event");
	is_deeply([ sort keys %{ $event->{data} } ], [qw(cron fireAt scheduledAt)], "$self->{mode}: cron, its data");
	return;
}

# A durable endpoint: a request to the app that is a run; what the caller gets in the end: the content, status => (200), headers by their names.
sub check_endpoint
{
	my ($self, $path, $content, %more) = @_;
	my $status = delete $more{status} // 200;
	my $answer = HTTP::Tiny->new(timeout => 60)->get($self->app_url($path));

	is($answer->{content}, $content, "$self->{mode}: $path answers");
	is($answer->{status}, $status, "$self->{mode}: $path, status") or diag($answer->{content});
	is($answer->{headers}{$_}, $more{$_}, "$self->{mode}: $path, $_") for sort keys %more;
	return;
}

# Nothing went wrong that no feature would show: signatures, connections, the server's log.
sub check_sanity
{
	my ($self) = @_;
	my @bad;

	open(my $file, '<', $self->journal . '.index') or die $!;
	while (my $line = <$file>)
	{
		push @bad, $line if $line =~ /\t(?:401|403|404|502)$/;
	}
	close $file;
	is(join('', @bad), '', "$self->{mode}: nobody was turned away");
	is($self->{inn}->log_count(qr/\b(?:PANIC|TRAP|terminated by signal|exited with exit code [1-9])/), 0, "$self->{mode}: the server is well");
	return;
}

END
{
	my $status = $?;

	kill('TERM', map { $_->{pid} } grep { $_->{owner} == $$ } @processes);
	$? = $status;
}

1;
