# A dump that is restored into a new cluster carries on: everything is there, unfinished runs are leased
# and completed, and the workers of the new cluster do not get in the way of the restore.
# How: one database with runs in every state, dumped in each format; each restored into a running server.
use strict;
use warnings;

use InngestTest;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(sleep);

# by which the workers know a parallel pg_restore; the harness puts its own name there
delete $ENV{PGAPPNAME};

my $old = InngestTest->new('old', conf => "inngest.retry_interval = '1h'\n");
$old->sql("SELECT inngest.sync_app('http://127.0.0.1:1/x')");
wait_for(sub { $old->sql('SELECT status FROM inngest.syncs') eq 'failed' }, 'nobody to answer');

# Runs in every state; events with all columns; rows in dated and in default partitions.
$old->register('work', 'd/work', { retries => 3 });
$old->register('rest', 'd/rest');
$old->register('gone', 'd/gone');
$old->register('called', 'd/called', {
	runtime => 'http', steps => { step => { runtime => { type => 'http', url => 'http://127.0.0.1:1/x?fnId=called' } } },
	timeouts => { start => '1h', finish => '1000000w' }, cancel => [ { event => 'd/stop', timeout => '30d' }, { event => 'd/stop', timeout => '2030-01-01T00:00:00Z' } ],
});
$old->sql(<<'END');
SELECT FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', 'd/work', 'id', 'w' || n, 'data', jsonb_build_object('n', n, 'text', E'quote '' " \\ \n\t ü'),
	'user', '{"u": 1}'::jsonb, 'v', '2', 'meta', '{"sessions": {"s": "t"}}'::jsonb)) FROM generate_series(1, 40) n));
SELECT inngest.complete_run(run_id, lease_id, '{"done": true}') FROM inngest.lease_runs(ARRAY['work'], 5);
SELECT inngest.fail_run(run_id, lease_id, '{"message": "final"}', false) FROM inngest.lease_runs(ARRAY['work'], 5);
SELECT inngest.fail_run(run_id, lease_id, '{"message": "retried"}') FROM inngest.lease_runs(ARRAY['work'], 5);
SELECT FROM inngest.lease_runs(ARRAY['work'], 5, '1h');
SELECT inngest.cancel_run(id) FROM (SELECT id FROM inngest.runs WHERE status = 'QUEUED' LIMIT 5) x;
SELECT FROM inngest.send_event('d/work', ts => now() + interval '1 day');
SELECT inngest.cancel_runs('gone', condition => 'event.data.x == 1'), inngest.create_event_key('sender'), inngest.create_signing_key(), inngest.create_signing_key();
SELECT FROM inngest.send_event('d/gone');
SELECT inngest.delete_function('gone');
SELECT inngest.pause_function('rest');
SELECT FROM inngest.send_event('d/rest');
INSERT INTO inngest.events (id, name, data, ts, received_at) VALUES ('2020-01-01'::timestamptz::inngest.ulid, 'd/outlier', '{}', now(), now());
INSERT INTO inngest.defers (run_id, id, name, status, size, created_at, changed_at) SELECT id, 'd', 'd', 'after_run', 0, now(), now() FROM inngest.runs LIMIT 3;
INSERT INTO inngest.steps (run_id, id, op, name, memo, size, attempt, started_at, ended_at) SELECT id, 's', 'run', 's', '{"data": 1}', 10, 0, now(), now() FROM inngest.runs LIMIT 3;
INSERT INTO inngest.run_metadata (run_id, step_id, kind, data, size, changed_at) SELECT id, '', 'userland.x', '{"a": 1}', 264, now() FROM inngest.runs LIMIT 3;
CREATE TABLE public.mine (event inngest.ulid PRIMARY KEY);
INSERT INTO public.mine SELECT id FROM inngest.events;
END
my %called = (runtime => 'http', steps => { step => { runtime => { type => 'http', url => 'http://127.0.0.1:1/x?fnId=called' } } });
$old->register('batched', 'd/batched', { %called, batchEvents => { maxSize => 100, timeout => '1h' } });
$old->register('placed', 'd/placed', { %called, concurrency => { fn => [ { limit => 1 } ] } });
$old->sql(q(SELECT FROM inngest.send_events('[{"name": "d/batched"}, {"name": "d/batched"}, {"name": "d/placed"}, {"name": "d/placed"}]')));
wait_for(sub { $old->sql('SELECT sum(nevents) FROM inngest.batches') eq '2' }, 'an open batch');
wait_for(sub { $old->sql("SELECT count(*) FILTER (WHERE is_waiting), count(*) FILTER (WHERE has_place), (SELECT count(*) FROM inngest.jobs WHERE kind = 'call' AND run_at > now()) FROM inngest.run_controls") eq '1|1|1' },
	'a run that waits for a place, and one to be called again');
wait_for(sub { $old->sql('SELECT count(*) FROM inngest.partitions') == 14 }, 'partitions');
isnt($old->sql("SELECT count(*) FROM inngest.events WHERE tableoid <> 'inngest.events_default'::regclass"), 0, 'there are rows in dated partitions');

# All there is, in a form that can be compared.  (The default environment comes with the extension.)
sub contents
{
	my ($inn) = @_;
	my %tables = (
		environments => 'id, name', apps => '*', syncs => '*', functions => '*', triggers => '*', function_cancels => '*', events => '*', function_runs => '*', attempts => '*', steps => '*', defers => '*', run_metadata => '*',
		cancellations => 'id, function_id, started_before, expression, cancelled', event_keys => '*', signing_keys => '*', idempotency_keys => '*', queue => '*', leases => '*',
		jobs => '*', run_controls => '*', batches => '*', batch_events => '*',
	);

	return { map {
			$_ => $inn->sql("SELECT count(*), md5(string_agg(x::text, E'\\n' ORDER BY x::text COLLATE \"C\")) FROM (SELECT $tables{$_} FROM inngest.$_) x")
		} keys %tables, };
}

my $before = contents($old);
my $run_command = sub {
	my ($stderr, $stdout) = ('', '');
	my $ok = IPC::Run::run([@_], '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(120));
	return ($ok, $stderr);
};
my $dir = PostgreSQL::Test::Utils::tempdir();
my @at_old = ('-h', $old->node->host, '-p', $old->node->port);

my @formats = (
	[ 'plain', [ '-Fp', '-f', "$dir/plain.sql" ], sub { ('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', "$dir/plain.sql", @_) } ],
	[ 'plain with INSERT', [ '--inserts', '-f', "$dir/inserts.sql" ], sub { ('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', "$dir/inserts.sql", @_) } ],
	[ 'custom', [ '-Fc', '-f', "$dir/custom" ], sub { ('pg_restore', '--exit-on-error', '-d', 'postgres', @_, "$dir/custom") } ],
	[ 'directory, parallel', [ '-Fd', '-j', '2', '-f', "$dir/directory" ], sub { ('pg_restore', '--exit-on-error', '-j', '2', '-d', 'postgres', @_, "$dir/directory") } ],
);

for my $format (@formats)
{
	my ($name, $dump, $restore) = @$format;
	my ($ok, $stderr) = $run_command->('pg_dump', @$dump, @at_old, 'postgres');

	is($stderr, '', "$name: pg_dump has nothing to say");
	my $new = InngestTest->new($name =~ s/\W+/_/gr, no_create => 1);
	# the roles belong to the cluster, as with every dump
	$new->sql("CREATE ROLE $_ NOLOGIN") for $name eq 'custom' ? qw(inngest_engine inngest_admin inngest_sender inngest_reader) : ();
	($ok, $stderr) = $run_command->($restore->('-h', $new->node->host, '-p', $new->node->port));
	ok($ok, "$name: restored into a running server") or diag($stderr);
	is($stderr, '', "$name: without a word");
	$new->wait_for_http;
	is_deeply(contents($new), $before, "$name: all is there");
	wait_for(sub { $new->sql('SELECT count(*) FROM inngest.partitions') == 7 }, 'partitions are made', 30);
	is_deeply(contents($new), $before, "$name: also when partitions have been made");

	# what was waiting is taken up, and new events follow
	my $queued = $new->sql("SELECT count(*) FROM inngest.runs WHERE status = 'QUEUED' AND function_id = 'work'") - 1;
	my $answer = $new->http('POST', '/api/v1/runs/lease', { functions => ['work'], max => 100 });
	my @leases = @{ $answer->{json}{data} };
	is(scalar @leases, $queued, "$name: all waiting runs are leased");
	is($leases[0]{event}{data}{text}, "quote ' \" \\ \n\t \x{fc}", "$name: with their event");
	is($new->http('POST', "/api/v1/runs/$_->{run_id}/complete", { lease_id => $_->{lease_id} })->{status}, 200, "$name: completed") for @leases[ 0, -1 ];
	is($new->sql("SELECT count(complete_run::text) FROM inngest.leases l, inngest.complete_run(l.run_id, l.lease_id) WHERE l.attempt = 0 AND l.expires_at > now() + interval '30 min'"), 5,
		"$name: leases of before are still good");
	$answer = $new->http('POST', '/api/v1/events', [ { name => 'd/work', id => 'w1' }, { name => 'd/work', id => 'new' }, { name => 'd/rest' }, { name => 'd/gone' } ]);
	is($answer->{status}, 200, "$name: new events are accepted") or diag($answer->{content});
	is(scalar @{ $answer->{json}{runs} }, 2, "$name: and known ids are still known") or diag($answer->{content});
	is($new->sql('SELECT count(*) FROM mine m JOIN inngest.events e ON e.id OPERATOR(inngest.=) m.event'), $new->sql('SELECT count(*) FROM mine'), "$name: tables of the user's, too");
	is($new->sql("SELECT (SELECT last_value FROM inngest.queue_id) > max(id) FROM inngest.queue"), 't', "$name: sequences are ahead");
	is($new->log_count(qr/ERROR|FATAL(?!:  terminating)|PANIC/), 0, "$name: no error in the log") or diag(join "\n", grep { /ERROR|FATAL/ } split /\n/, $new->log_text);
	$new->node->stop('immediate');
}

done_testing();
