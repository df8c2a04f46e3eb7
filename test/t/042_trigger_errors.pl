# Expressions of triggers that fail: the sender does not notice, the owner does.
# How: events by SQL and HTTP, and what the API and the view say afterwards.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');

sub trigger
{
	my ($id, $position) = @_;
	return $inn->http('GET', "/api/v1/functions/$id")->{json}{data}{triggers}[ $position // 0 ];
}

# Wait until so many errors of a trigger are shown.
sub wait_for_count
{
	my ($id, $position, $count) = @_;
	return InngestTest::wait_for(sub { trigger($id, $position)->{errors}{count} == $count && trigger($id, $position)->{errors} },
		"$count errors of trigger $position of $id");
}

sub runs_of
{
	my ($id) = @_;
	return $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = '$id'");
}

$inn->register('careful', { triggers => [ { event => 't/a', expression => 'event.data.n > 1' } ] });
$inn->register('typo', {
	triggers => [
		{ event => 't/a', expression => 'int(event.data.s)' },
		{ event => 't/a', expression => 'event.data.n > 1' },
		{ event => 't/a', expression => 'event.data.s' },
	]
});

is_deeply(trigger('careful')->{errors}, { count => 0, last_error => undef, last_error_at => undef }, 'no errors at first');
is(trigger('typo', 1)->{expression}, 'event.data.n > 1', 'the expression is shown');

# over HTTP
{
	my $answer = $inn->http('POST', '/api/v1/events', { name => 't/a', data => { n => 5, s => 'abc' } });

	is($answer->{status}, 200, 'an event for which an expression fails is accepted');
	is_deeply([ sort map { $_->{function_id} } @{ $answer->{json}{runs} } ], [qw(careful typo)], 'and starts what it starts');
	my $errors = wait_for_count('typo', 0, 1);
	is($errors->{last_error}, "type conversion error from 'string' to 'int'", 'what was said');
	my $expected = $inn->sql('SELECT sum(error_count) FROM inngest.trigger_errors');
	like($inn->http('GET', '/metrics')->{content}, qr/^inngest_trigger_errors $expected$/m, 'the metrics count them');
	like($errors->{last_error_at}, qr/^20\d\d-/, 'and when');
	is(trigger('typo', 2)->{errors}{count}, 0, 'a trigger after the one that matched is not tried');
}

# a value that is no boolean; the list shows it, too
{
	$inn->send('t/a', data => { n => 0, s => 'abc' });
	is(wait_for_count('typo', 2, 1)->{last_error}, 'the expression gives a string, not true or false', 'no boolean');
	is(wait_for_count('typo', 0, 2)->{count}, 2, 'errors add up');
	my ($listed) = grep { $_->{id} eq 'typo' } @{ $inn->http('GET', '/api/v1/functions')->{json}{data} };
	is_deeply([ map { $_->{errors}{count} } @{ $listed->{triggers} } ], [ 2, 0, 1 ], 'in the list of functions, too');
	is($inn->sql("SELECT function_id, position, event_name, error_count FROM inngest.trigger_errors ORDER BY 2"),
		"typo|1|t/a|2\ntypo|3|t/a|1", 'and in the view');
	is(runs_of('typo'), 1, 'no run of it');
}

# a sender that rolls back has tried, too
{
	$inn->sql("BEGIN; SELECT inngest.send_event('t/a', '{\"s\": \"x\"}'); ROLLBACK");
	is(wait_for_count('typo', 0, 3)->{count}, 3, 'an event that was rolled back counts');
}

# a limit is an error of the expression, not of the sender
{
	$inn->register('greedy', { triggers => [ { event => 't/l', expression =>
		'event.data.l.exists(a, event.data.l.exists(b, event.data.l.exists(c, event.data.l.exists(d, a + b + c + d < 0.0))))' } ] });
	$inn->send('t/l', data => { l => [ 1 .. 100 ] });
	like(wait_for_count('greedy', 0, 1)->{last_error}, qr/too many steps/, 'an expression without end');
}

# more triggers fail at once than there is room for: nobody is refused, and the log says so
{
	$inn->mark_log;
	$inn->sql(q{SELECT inngest.register_function(jsonb_build_object('id', 'many-' || n, 'triggers',
		jsonb_build_array(jsonb_build_object('event', 't/many', 'expression', '1 / 0')))) FROM generate_series(1, 300) n});
	$inn->send('t/many');
	$inn->wait_for_log(qr/the expressions of more than 256 triggers failed; 44 failures were not counted/);
	is($inn->sql("SELECT count(*) FROM inngest.trigger_errors WHERE function_id LIKE 'many-%'"), 256, 'as many as there is room for');
}

# a change begins anew
{
	$inn->register('typo', { triggers => [ { event => 't/a', expression => 'event.data.s == "abc"' } ] });
	is_deeply(trigger('typo')->{errors}, { count => 0, last_error => undef, last_error_at => undef }, 'a change forgets them');
	$inn->send('t/a', data => { s => 'abc' });
	is(runs_of('typo'), 2, 'and the new expression counts');
	$inn->sql("SELECT inngest.delete_function('greedy')");
	is($inn->sql("SELECT count(*) FROM inngest.trigger_errors WHERE function_id = 'greedy'"), 0, 'so does a deletion');
}

# what is wrong is said when registering, all of it
{
	my $answer = $inn->http('POST', '/api/v1/functions', { id => 'bad', triggers => [ { event => 't/a', expression => 'evnt.data.n > 1 && lower(event.data.s)' } ] });

	is($answer->{status}, 400, 'an expression with faults is refused');
	is_deeply([ map { "$_->{path}: $_->{message}" } @{ $answer->{json}{faults} } ], [
		'triggers[0].expression: At character 1: unknown name "evnt"; known: event.',
		'triggers[0].expression: At character 20: unknown function lower().',
	], 'with every fault and its place');
}

done_testing();
