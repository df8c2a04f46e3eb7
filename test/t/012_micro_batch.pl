# Bad requests in a micro-batch harm only themselves.  How: the HTTP worker is stopped while the last byte of
# many requests is sent, so that it finds all of them ready at once; /metrics tells how many transactions it took.
use strict;
use warnings;

use HttpWire;
use InngestTest;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.max_event_size = '64kB'\n");
my ($worker) = $inn->workers('http');

sub counter
{
	my ($name) = @_;
	my ($value) = $inn->http('GET', '/metrics')->{content} =~ /^inngest_$name (\d+)$/m;
	return $value;
}

# Post the bodies at one moment: [ path, body ]…  Returns the replies, decoded, in the same order.
sub post_together
{
	my (@posts) = @_;
	my @wires;

	for my $post (@posts)
	{
		my ($path, $body) = @$post;
		my $wire = HttpWire->new($inn->http_port);

		$wire->write("POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
			  . length($body) . "\r\n\r\n" . substr($body, 0, -1));
		push @wires, $wire;
	}
	# all but the last bytes have been read when a later request is answered
	$inn->http('GET', '/health');

	kill('STOP', $worker);
	$wires[$_]->write(substr($posts[$_][1], -1)) for 0 .. $#posts;
	kill('CONT', $worker);

	return map {
		my $reply = $_->reply;
		{ status => $reply->{status}, json => JSON::PP::decode_json($reply->{content}) }
	} @wires;
}

$inn->register('count', 'batch/good', 'batch/rare');

# 61 good, and one of each kind of bad, in the middle of them
{
	my @posts = map { [ '/e/key', qq({"name":"batch/good","data":{"number":$_}}) ] } 0 .. 60;
	my %bad = (
		malformed => [ '/e/key', '{"name":"batch/good",]' ],
		oversized => [ '/e/key', '{"name":"batch/good","data":{"text":"' . 'x' x 70000 . '"}}' ],
		reserved => [ '/e/key', '{"name":"inngest/function.finished"}' ],
	);
	my ($batches, $accepted, $refused) = (counter('event_batches_total'), counter('events_accepted_total'),
		counter('events_refused_total'));

	splice(@posts, 20, 0, $bad{malformed}, $bad{oversized}, $bad{reserved});
	is(scalar @posts, 64, 'there are 64 requests');
	my @replies = post_together(@posts);
	my @failed = splice(@replies, 20, 3);

	is(scalar(grep { $_->{status} == 200 && $_->{json}{status} == 200 && @{ $_->{json}{ids} } == 1 } @replies), 61,
		'61 good requests are answered 200 with an id');
	is_deeply([ map { [ $_->{status}, $_->{json}{status}, $_->{json}{ids} ] } @failed ], [ ([ 400, 400, [] ]) x 3 ],
		'three bad ones 400 without');
	like($failed[0]{json}{error}, qr/json/i, 'the malformed one is told so');
	like($failed[1]{json}{error}, qr/^Event is over the max size: Max 65536 bytes \/ Size 700\d\d bytes$/,
		'the oversized one, too');
	is($failed[2]{json}{error}, 'event name is reserved for internal use: inngest/function.finished',
		'and the reserved one');

	my %number = map { split /\|/ } split /\n/, $inn->sql("SELECT id, data->>'number' FROM inngest.events");
	is(scalar keys %number, 61, '61 events are stored');
	is_deeply([ map { $number{ $_->{json}{ids}[0] } } @replies ], [ 0 .. 60 ], 'each answer has the id of its own event');
	is($inn->sql('SELECT count(DISTINCT event_id) FROM inngest.function_runs'), 61, 'each event has its run');

	my $transactions = counter('event_batches_total') - $batches;
	cmp_ok($transactions, '<', 20, "they shared transactions: $transactions for 61 requests");
	is(counter('events_accepted_total') - $accepted, 61, 'all are counted');
	is(counter('events_refused_total') - $refused, 3, 'the refused ones, too');
}

# What only the database finds out, and only when it inserts
{
	$inn->sql(q{ALTER TABLE inngest.events ADD CONSTRAINT no_poison CHECK (name <> 'batch/poison')});
	my @posts = map { [ '/e/key', qq({"name":"batch/good","data":{"late":$_}}) ] } 0 .. 9;
	splice(@posts, 5, 0,
		[ '/e/key', '[{"name":"batch/rare","data":{"late":"lost"}},{"name":"batch/poison"}]' ],
		[ '/api/v1/events', '{"name":"batch/poison"}' ]);
	my $batches = counter('event_batches_total');

	$inn->mark_log;
	my @replies = post_together(@posts);
	my @failed = splice(@replies, 5, 2);

	is(scalar(grep { $_->{status} == 200 } @replies), 10, 'the others of the batch are stored');
	is($inn->sql("SELECT string_agg(data->>'late', ' ' ORDER BY (data->>'late')::int) FROM inngest.events WHERE data ? 'late'"),
		'0 1 2 3 4 5 6 7 8 9', 'and nothing of the refused requests, not even a part');
	is($failed[0]{status}, 500, 'the poisoned one is answered 500, so that the sender tries again');
	is_deeply($failed[0]{json}{ids}, [], 'without ids');
	like($failed[0]{json}{error}, qr/no_poison/, 'saying why');
	is_deeply([ $failed[1]{status}, $failed[1]{json}{code} ], [ 500, 'internal_error' ], 'so is the other one');
	is($inn->log_count('events could not be stored: .*no_poison'), 2, 'the log tells of each');
	is($inn->sql(q{SELECT count(*) FROM inngest.function_runs r JOIN inngest.events e ON e.id::text = r.event_id::text WHERE e.data ? 'late'}),
		10, 'the good ones have their runs');
	is(counter('event_batches_total') - $batches, 10, 'each was stored by itself after the batch had failed');
}

# The same for a fault of a single request among those that are well: duplicates of one id
{
	my @replies = post_together(map { [ '/api/v1/events', '{"name":"batch/good","id":"only-once"}' ] } 1 .. 16);

	is(scalar(grep { $_->{status} == 200 } @replies), 16, 'sixteen events with one id in one batch are accepted');
	is(scalar(map { @{ $_->{json}{runs} } } @replies), 1, 'and start one run');
	is($inn->sql("SELECT count(*) FROM inngest.events WHERE caller_id = 'only-once'"), 16, 'all are stored');
}

done_testing();
