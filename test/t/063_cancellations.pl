# Bulk cancellations: which runs they end and which not, also those that appear late; the API of them; what is refused.
# How: runs of the pull runtime, more than the scheduler looks at in one piece; a sender that commits long afterwards.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main');
my $UNKNOWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

sub count
{
	my ($what) = @_;
	return $inn->sql("SELECT count(*) FROM inngest.runs WHERE $what");
}

sub now { return $inn->sql("SELECT inngest.iso_time(clock_timestamp())") }

# A time beyond the runs of before.  (A run has the millisecond in which it was created.)
sub later
{
	$inn->sql('SELECT pg_sleep(0.002)');
	my $now = now();
	$inn->sql('SELECT pg_sleep(0.002)');
	return $now;
}

sub cancel
{
	my (%fields) = @_;
	my $answer = $inn->http('POST', '/v1/cancellations', { app_id => 'shop', function_id => 'many', %fields });

	is($answer->{status}, 201, 'a bulk cancellation is made') or diag($answer->{content});
	return $answer->{json};
}

sub wait_until_over
{
	my ($id) = @_;
	wait_for(sub { $inn->sql("SELECT due_at = 'infinity' FROM inngest.cancellations WHERE id::text = '$id'") eq 't' }, 'the cancellation is over');
	return $inn->sql("SELECT cancelled FROM inngest.cancellations WHERE id::text = '$id'");
}

$inn->register('shop-many', 'c/many', { app_id => 'shop' });
$inn->register('shop-other', 'c/*', { app_id => 'shop' });

# a time
{
	$inn->sql("SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', 'c/many', 'data', jsonb_build_object('n', n))) FROM generate_series(1, 700) n))");
	my $from = later();
	$inn->sql("SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', 'c/many', 'data', jsonb_build_object('n', n))) FROM generate_series(1, 500) n))");
	my $until = later();
	$inn->send('c/many');
	my ($done) = map { $_->{run_id} } @{ $inn->http('POST', '/api/v1/runs/lease', { functions => ['shop-many'] })->{json}{data} };

	my $made = cancel(started_after => $from, started_before => $until);
	is_deeply([ @$made{qw(environment_id function_id started_after started_before)} ], [ '00000000-0000-4000-b000-000000000000', 'shop-many', $from, $until ], 'it says what it does');
	is($made->{function_internal_id}, $inn->sql("SELECT id FROM inngest.functions WHERE slug = 'shop-many'"), 'to which function');
	is(wait_until_over($made->{id}), 500, 'all runs of the time are cancelled');
	is(count("function_id = 'shop-many' AND status = 'CANCELLED'"), 500, 'and no others');
	is(count("function_id = 'shop-other' AND status = 'CANCELLED'"), 0, 'nor those of another function');
	is($inn->sql("SELECT count(*) FROM inngest.queue q JOIN inngest.functions f ON f.id = q.function_id WHERE f.slug = 'shop-many'"), 700, 'nothing is left of them');

	# the rest; one is being executed
	is(wait_until_over(cancel(function_id => 'shop-many', started_before => later())->{id}), 701, 'without a beginning: all before');
	is($inn->sql("SELECT status FROM inngest.runs WHERE id::text = '$done'"), 'CANCELLED', 'also what is leased');
	is(count("function_id = 'shop-many' AND status <> 'CANCELLED'"), 0, 'none is left');
}

# a condition
{
	$inn->send('c/many', data => { n => $_ }) for 1 .. 4;
	$inn->send('c/many', data => { n => 'x' });
	my $made = cancel(started_before => later(), if => 'event.data.n >= 3.0');
	is($made->{if}, 'event.data.n >= 3.0', 'it says so');
	is(wait_until_over($made->{id}), 2, 'only runs for whose event it is true');
	is($inn->sql("SELECT string_agg(e.data->>'n', ' ' ORDER BY e.id::text) FROM inngest.runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE r.function_id = 'shop-many' AND r.status = 'QUEUED'"),
		'1 2 x', 'those for which it fails live on');
}

# what it has not come to yet
{
	my $app = StubApp->new(inn => $inn);
	$app->function('held', events => ['held/start']);
	$app->on('held', program(op_wait('w', event => 'held/go', timeout => '1h', if => 'true'), op_run('s', 1), done('end')));
	$app->register;
	my @runs = map { $inn->run_of($inn->send('held/start', data => { n => $_ })) } 1, 2;
	$inn->wait_for_pauses($_) for @runs;
	my $id = $inn->sql("INSERT INTO inngest.cancellations (id, function_id, started_before, expression, due_at, swept_to) SELECT inngest.generate_ulid(), id, now(), 'event.data.n == 2', now() + interval '1 hour', '00000000000000000000000000' FROM inngest.functions WHERE slug = 'stub-held' RETURNING id");
	$inn->send('held/go');
	$inn->wait_for_end($runs[0], 'COMPLETED');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.jobs WHERE run_id::text = '$runs[1]' AND kind = 'call'") == 1 }, 'the other is to go on');
	$inn->wait_for_pauses($inn->run_of($inn->send('held/start', data => { n => 3 })));
	is(scalar(grep { $_->{body}{ctx}{run_id} eq $runs[1] } $app->calls('held')), 1, 'executes no step');
	$inn->sql("UPDATE inngest.cancellations SET due_at = now() WHERE id::text = '$id'; SELECT inngest.wake_scheduler()");
	$inn->wait_for_end($runs[1], 'CANCELLED');
	is(wait_until_over($id), 1, 'and is cancelled when it is its turn');
	$inn->sql("DELETE FROM inngest.cancellations WHERE id::text = '$id'");
}

# a sender that commits long after
{
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN');
	$session->query_safe("SELECT inngest.send_event('c/many', '{\"n\": \"late\"}')");
	my $made = cancel(started_before => later(), if => 'event.data.n == "late"');
	wait_for(sub { $inn->sql("SELECT since_xact IS NOT NULL FROM inngest.cancellations WHERE id::text = '$made->{id}'") eq 't' }, 'all that can be seen is done');
	is($inn->sql("SELECT due_at < 'infinity' AND cancelled = 0 FROM inngest.cancellations WHERE id::text = '$made->{id}'"), 't', 'it waits for who may still commit');
	$session->query_safe('COMMIT');
	$session->quit;
	is(wait_until_over($made->{id}), 1, 'and cancels what has come');
	$inn->send('c/many', data => { n => 'late' });
	is(count("function_id = 'shop-many' AND status = 'QUEUED'"), 4, 'what comes afterwards lives');
}

# a time that lies ahead
{
	my $ahead = $inn->sql("SELECT inngest.iso_time(clock_timestamp() + interval '3 seconds')");
	my $made = cancel(started_before => $ahead, if => 'event.data.n == "ahead"');
	$inn->send('c/many', data => { n => 'ahead' });
	is(wait_until_over($made->{id}), 1, 'what is created meanwhile is cancelled, too');
}

# list and delete
{
	my $list = $inn->http('GET', '/v1/cancellations')->{json};
	is(scalar @$list, 5, 'all are listed');
	is($list->[0]{if}, 'event.data.n == "ahead"', 'newest first');
	my $id = $list->[0]{id};
	my $answer = $inn->http('DELETE', "/v1/cancellations/$id");
	is_deeply([ $answer->{status}, $answer->{json}{data} ], [ 200, { ok => JSON::PP::true } ], 'one is deleted');
	is_deeply([ map { $inn->http('DELETE', "/v1/cancellations/$_")->{status} } $id, $UNKNOWN, 'zzz' ], [ 404, 404, 400 ], 'what is not there is not');
	is(scalar @{ $inn->http('GET', '/v1/cancellations')->{json} }, 4, 'it is gone');

	$inn->sql("UPDATE inngest.cancellations SET due_at = now() + interval '1 hour', is_last_round = false");
	$inn->sql("SELECT inngest.delete_cancellation(id) FROM inngest.cancellations");
	is($inn->sql('SELECT count(*) FROM inngest.cancellations'), 0, 'also such as are not over');
}

# what is refused
{
	my %good = (app_id => 'shop', function_id => 'many', started_before => now());
	my $refused = sub {
		my ($status, $error, $body) = @_;
		my $answer = $inn->http('POST', '/v1/cancellations', $body);
		is_deeply([ $answer->{status}, $answer->{json}{data} ], [ $status, undef ], "refused: $error") or diag($answer->{content});
		like($answer->{json}{error}, ref $error ? $error : qr/^\Q$error\E$/, 'and why');
	};
	$refused->(400, 'Invalid cancellation request', $_) for '[]', '', '"x"', { %good, app_id => 7 };
	$refused->(400, "app_id is required\nfunction_id is required\nstarted_before is required", {});
	$refused->(404, 'function not found', { %good, $_ => 'nope' }) for qw(app_id function_id);
	$refused->(400, qr/^started_before must be a time/, { %good, started_before => 'noon' });
	$refused->(400, qr/no more than 5 seconds ahead/, { %good, started_before => '2100-01-01T00:00:00Z' });
	$refused->(400, qr/^started_after must not be later/, { %good, started_before => '2025-01-01T00:00:00Z', started_after => '2025-01-02T00:00:00Z' });
	$refused->(400, qr/^the condition is not valid: /, { %good, if => 'event.data.n ==' });
	is($inn->sql('SELECT count(*) FROM inngest.cancellations'), 0, 'none is made');

	$inn->sql("INSERT INTO inngest.cancellations (id, function_id, started_before, due_at, swept_to) SELECT inngest.generate_ulid(), gen_random_uuid(), now(), 'infinity', inngest.generate_ulid() FROM generate_series(1, 1000)");
	$refused->(413, qr/^there are 1000 bulk cancellations already/, \%good);
	$inn->sql("UPDATE inngest.cancellations SET id = (now() - interval '31 days' + random() * interval '1 hour')::inngest.ulid WHERE id::text IN (SELECT id::text FROM inngest.cancellations LIMIT 1)");
	is($inn->http('POST', '/v1/cancellations', \%good)->{status}, 201, 'those that were over a month ago make room');
}

is($inn->log_count(qr/ERROR|FATAL|PANIC|failed and will try again/), 0, 'no error in the log') or diag(join "\n", grep { /ERROR|failed and/ } split /\n/, $inn->log_text);
done_testing();
