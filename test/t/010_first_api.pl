# The ten checks of a first API test, in the order in which a newcomer makes them: health, root, functions,
# registration and its refusals, events, runs, memory, response time.  How: over HTTP, with a Redis beside it.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(time);

my $inn = InngestTest->new('main', redis => 1);
my $redis = $inn->redis;

my $ULID = qr/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
my $TIME = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

# The body of an answer that must be 200.
sub get
{
	my ($path) = @_;
	my $answer = $inn->http('GET', $path);

	is($answer->{status}, 200, "GET $path") or diag($answer->{content});
	return $answer->{json};
}

sub register
{
	my ($config) = @_;
	return $inn->http('POST', '/api/v1/functions', $config);
}

# What runs lists show, as a sorted text of ids.
sub run_ids
{
	my ($query) = @_;
	my $answer = $inn->http('GET', "/api/v1/runs?$query");

	return $answer->{content} if $answer->{status} != 200;
	return join(' ', sort map { $_->{id} } @{ $answer->{json}{data} });
}

# 1. health
{
	wait_for(sub { $inn->http('GET', '/health')->{json}{backends}{redis}{status} eq 'ok' }, 'Redis is connected');
	my $health = get('/health');

	is($health->{status}, 'ok', 'the server is well');
	is($health->{version}, $inn->sql('SELECT library FROM inngest.version()'), 'it tells its version');
	is($health->{backends}{postgres}{status}, 'ok', 'so is PostgreSQL');
	is($health->{backends}{redis}{backlog}, 0, 'Redis has been told everything');
	is_deeply($health->{queue}, { ready => 0, scheduled => 0, leased => 0 }, 'the queue is empty');

	$redis->stop;
	wait_for(sub { $inn->http('GET', '/health')->{json}{status} eq 'degraded' }, 'Redis is missed');
	$health = get('/health');
	is($health->{backends}{redis}{status}, 'down', 'without Redis the server is degraded, and says why');
	$redis->start;
	wait_for(sub { $inn->http('GET', '/health')->{json}{status} eq 'ok' }, 'Redis is back');
}

# 2. root discovery
{
	my $root = get('/');
	my %routes = map { ("$_->{method} $_->{path}" => $_->{summary}) } @{ $root->{routes} };

	is($root->{name}, 'inngest', 'the root tells the name');
	like($root->{version}, qr/^\d+\.\d+\.\d+$/, 'and the version');
	ok($routes{$_}, "and lists $_")
	  for 'GET /health', 'POST /api/v1/functions', 'POST /api/v1/events', 'POST /e/{key}', 'GET /api/v1/runs',
	  'POST /api/v1/runs/lease', 'GET /metrics', 'GET /api/openapi.json';
}

# 3. empty function list
is_deeply(get('/api/v1/functions'), { data => [], page => { cursor => undef, has_more => JSON::PP::false } },
	'no functions at first');

# 4. registration
{
	my $config = {
		id => 'shop-send-mail',
		name => 'Send mail',
		app_id => 'shop',
		runtime => 'pull',
		retries => 2,
		triggers => [ { event => 'shop/order.paid' }, { event => 'shop/mail.*' } ],
	};
	my $answer = register($config);
	my $function = $answer->{json}{data};

	is($answer->{status}, 201, 'a new function is created') or diag($answer->{content});
	is_deeply([ @$function{qw(id name app_id runtime version max_attempts)} ],
		[ 'shop-send-mail', 'Send mail', 'shop', 'pull', 1, 3 ], 'the answer shows it');
	is_deeply($function->{config}, $config, 'with its config as it was sent');
	like($function->{created_at}, $TIME, 'and when it was made');

	$answer = register($config);
	is_deeply([ $answer->{status}, $answer->{json}{data}{version} ], [ 200, 1 ], 'the same again changes nothing');
	$answer = register({ %$config, name => 'Send a mail' });
	is_deeply([ $answer->{status}, @{ $answer->{json}{data} }{qw(version name)} ], [ 200, 2, 'Send a mail' ],
		'a change makes version 2');

	$answer = register({
			id => 'bad id',
			name => '',
			retries => -1,
			triggers => [ { event => 'a*b' }, {}, { event => 'x', cron => '* * * * *' } ],
			rateLimit => { limit => 0, period => '2d' },
			cancel => [ { event => '' } ],
		});
	is($answer->{status}, 400, 'a bad config is refused');
	is_deeply([ @{ $answer->{json} }{qw(code status)} ], [ 'invalid_function', 400 ], 'with code and status');
	my %at = map { ($_->{path} => $_->{code}) } @{ $answer->{json}{faults} };
	for my $path ('id', 'name', 'retries', 'triggers[0].event', 'triggers[1]', 'triggers[2]', 'rateLimit.limit',
		'rateLimit.period', 'cancel[0].event')
	{
		is($at{$path}, 'invalid', "all faults are told at once: $path") or diag($answer->{content});
	}

	$answer = register({ id => 'x', concurrency => 5, priority => { run => '1' }, runtime => 'pull' });
	is_deeply([ $answer->{status}, $answer->{json}{code} ], [ 400, 'not_supported' ],
		'what cannot be executed yet is refused, not ignored');
	is_deeply([ sort map { "$_->{path} $_->{code}" } @{ $answer->{json}{faults} } ],
		[ 'concurrency not_supported', 'priority not_supported' ], 'each part of it');

	is(register('{"id":')->{json}{code}, 'invalid_json', 'a body that is not JSON is refused');
	is(register('[]')->{json}{code}, 'invalid_function', 'so is one that is not an object');
	is($inn->http('POST', '/api/v1/functions')->{status}, 400, 'and an empty one');
}

# 5. list after registration
register({ id => 'audit', app_id => 'back-office', runtime => 'pull', triggers => [ { event => 'shop/*' } ] });
{
	my $list = get('/api/v1/functions');

	is_deeply([ map { $_->{id} } @{ $list->{data} } ], [ 'audit', 'shop-send-mail' ], 'both functions are listed');
	is_deeply(get('/api/v1/functions/audit')->{data}, $list->{data}[0], 'one by its id shows the same');
	my $answer = $inn->http('GET', '/api/v1/functions/nothing');
	is_deeply([ $answer->{status}, $answer->{json}{code} ], [ 404, 'function_not_found' ], 'none is 404');
}

# 6. an event makes a run
my ($mail_run, $audit_run, $event);
{
	my $answer = $inn->http('POST', '/api/v1/events', { name => 'shop/order.paid', data => { order => 7 } });

	is($answer->{status}, 200, 'an event is accepted') or diag($answer->{content});
	is($answer->{json}{status}, 200, 'the body says so, too');
	($event) = @{ $answer->{json}{ids} };
	like($event, $ULID, 'with the id of the event');
	my %run = map { ($_->{function_id} => $_) } @{ $answer->{json}{runs} };
	is_deeply([ sort keys %run ], [ 'audit', 'shop-send-mail' ], 'and its runs, one per function');
	is($run{audit}{event_id}, $event, 'each names its event');
	($mail_run, $audit_run) = map { $_->{id} } @run{qw(shop-send-mail audit)};

	wait_for(sub { $redis->cli('XLEN', 'inngest:queue:shop-send-mail') == 1 }, 'the run in Redis');
	my $entry = $redis->stream('inngest:queue:shop-send-mail')->[0][1];
	is($entry->{run_id}, $mail_run, 'the run is queued in Redis');
	is($redis->hash("inngest:run:$mail_run")->{status}, 'QUEUED', 'and its status is to be found there');

	my $run = get("/api/v1/runs/$mail_run")->{data};
	is_deeply([ @$run{qw(id function_id app_id event_id status function_version)} ],
		[ $mail_run, 'shop-send-mail', 'shop', $event, 'QUEUED', 2 ], 'the run can be looked at');
	is_deeply($run->{events}[0]{data}, { order => 7 }, 'with what the event carried');
}

# 7. runs with filters: each one lets something in and keeps something out
{
	my $second = $inn->http('POST', '/api/v1/events', { name => 'shop/other' })->{json};
	my $other_run = $second->{runs}[0]{id};
	my $all = join(' ', sort $mail_run, $audit_run, $other_run);
	my $first_two = join(' ', sort $mail_run, $audit_run);

	is(run_ids(''), $all, 'all runs');
	is_deeply([ map { $_->{id} } @{ get('/api/v1/runs')->{data} } ], [ reverse sort $mail_run, $audit_run, $other_run ],
		'newest first');
	is(run_ids('function_id=shop-send-mail'), $mail_run, 'function_id');
	is(run_ids('function_id=nothing'), '', 'function_id of no function');
	is(run_ids('app_id=back-office'), join(' ', sort $audit_run, $other_run), 'app_id');
	is(run_ids('app_id=nothing'), '', 'app_id of no app');
	is(run_ids("event_id=$event"), $first_two, 'event_id');
	is(run_ids("event_id=$second->{ids}[0]"), $other_run, 'event_id of the other event');

	my $lease = $inn->http('POST', '/api/v1/runs/lease', { functions => ['shop-send-mail'] })->{json}{data}[0];
	is($inn->http('POST', "/api/v1/runs/$mail_run/complete", { lease_id => $lease->{lease_id}, output => 'sent' })
		  ->{json}{data}{status}, 'COMPLETED', 'one run is completed');
	is($inn->http('DELETE', "/api/v1/runs/$other_run")->{json}{data}{status}, 'CANCELLED', 'one is cancelled');
	is(run_ids('status=COMPLETED'), $mail_run, 'status');
	is(run_ids('status=QUEUED'), $audit_run, 'another status');
	is(run_ids('status=FAILED'), '', 'a status that no run has');
	is(run_ids('status=COMPLETED&status=CANCELLED'), join(' ', sort $mail_run, $other_run), 'status, repeated');
	is(run_ids('status=completed,cancelled'), join(' ', sort $mail_run, $other_run), 'status, as a list');
	is(run_ids('status=COMPLETED&function_id=audit'), '', 'two filters: both must hold');

	# all in one millisecond is possible, so the border is drawn far off
	is(run_ids('from=2020-01-01T00:00:00Z'), $all, 'from lets later runs in');
	is(run_ids('from=2100-01-01T00:00:00Z'), '', 'from keeps earlier runs out');
	is(run_ids('until=2100-01-01T00:00:00Z'), $all, 'until lets earlier runs in');
	is(run_ids('until=2020-01-01T00:00:00Z'), '', 'until keeps later runs out');
	my $border = $inn->sql(
		"SELECT inngest.iso_time(inngest.ulid_timestamp('$other_run') - interval '0'), inngest.iso_time(inngest.ulid_timestamp('$mail_run'))");
	my ($other_at, $mail_at) = split /\|/, $border;
	unlike(run_ids("until=$mail_at"), qr/$mail_run/, 'until does not include its moment');
	like(run_ids("from=$other_at"), qr/$other_run/, 'from does');

	my $page = get('/api/v1/runs?limit=2');
	is_deeply([ scalar @{ $page->{data} }, $page->{page}{has_more} ], [ 2, JSON::PP::true ], 'a page has the wanted size');
	$page = get("/api/v1/runs?limit=2&cursor=$page->{page}{cursor}");
	is_deeply([ scalar @{ $page->{data} }, $page->{page}{has_more}, $page->{page}{cursor} ],
		[ 1, JSON::PP::false, undef ], 'the last page ends the list');

	for my $query ('limit=0', 'limit=101', 'limit=x', 'status=DONE', 'from=yesterday', 'event_id=7', 'cursor=zz', 'color=red')
	{
		my $answer = $inn->http('GET', "/api/v1/runs?$query");
		is_deeply([ $answer->{status}, $answer->{json}{code} ], [ 400, 'invalid_parameter' ], "refused: $query");
	}
	is($inn->http('GET', '/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV')->{status}, 404, 'an unknown run is 404');
	is($inn->http('GET', '/api/v1/runs/nonsense')->{status}, 400, 'an impossible one 400');
}

# 8. an event that nothing waits for
{
	my $before = $inn->sql('SELECT count(*) FROM inngest.function_runs');
	my $answer = $inn->http('POST', '/api/v1/events', { name => 'nobody/cares' });

	is($answer->{status}, 200, 'an event without a match is accepted');
	is_deeply($answer->{json}{runs}, [], 'and makes no run');
	is($inn->sql("SELECT name FROM inngest.events WHERE id::text = '$answer->{json}{ids}[0]'"), 'nobody/cares', 'it is stored');
	is($inn->sql('SELECT count(*) FROM inngest.function_runs'), $before, 'no run has come');
}

# dev/asan and dev/valgrind check for faults, not for costs.
my $is_instrumented = $ENV{INN_TEST_PRELOAD} || $ENV{LD_PRELOAD} || $ENV{INN_TEST_WRAPPER};

# 9. memory: what a worker has for itself, and of files; buffers shared by all do not count
SKIP:
{
	skip 'memory checkers have needs of their own', 1 if $is_instrumented;
	for my $role (qw(launcher scheduler http api relay))
	{
		for my $pid ($inn->workers($role))
		{
			my $text = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/smaps_rollup");
			my ($anon) = $text =~ /^Pss_Anon:\s+(\d+) kB/m;
			my ($file) = $text =~ /^Pss_File:\s+(\d+) kB/m;

			cmp_ok($anon + $file, '<=', 8.7 * 1024, "memory of the $role worker: $anon + $file kB");
		}
	}
}

# 10. response time
SKIP:
{
	skip 'memory checkers take their time', 1 if $is_instrumented;
	for my $path ('/health', '/api/v1/runs')
	{
		my @times;

		for (1 .. 100)
		{
			my $start = time();
			$inn->http('GET', $path);
			push @times, time() - $start;
		}
		my $median = (sort { $a <=> $b } @times)[50];
		cmp_ok($median, '<', 0.1, sprintf('half of the answers to GET %s come within 100 ms (%.1f ms)', $path, $median * 1000));
	}
}

done_testing();
