# The app of the tests itself: what it answers, what it writes down.  How: requests by hand, no server.
use strict;
use warnings;

use HTTP::Tiny;
use HttpWire;
use JSON::PP ();
use StubApp;
use Test::More;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $app = StubApp->new(signing_key => 'signkey-test-abcdef0123456789', server => 'http://127.0.0.1:9');

# Call a function as the server would; ctx as more.
sub call
{
	my ($function, %more) = @_;
	my $step = delete $more{target} // 'step';
	my $body = {
		event => { name => 'x', data => { n => 7 }, id => 'e', ts => 1, user => {} },
		events => [],
		steps => delete $more{steps} // {},
		ctx => { attempt => 0, max_attempts => 3, run_id => 'r', disable_immediate_execution => JSON::PP::false,
			stack => { stack => [], current => 0 }, %more },
	};
	my $answer = HTTP::Tiny->new(max_redirect => 0)->request('POST', $app->url . '?fnId=' . $app->slug($function) . "&stepId=$step",
		{ content => $json->encode($body), headers => { 'x-inngest-signature' => 't=1&s=00' } });
	return { %$answer, json => eval { $json->decode($answer->{content}) } };
}

sub told
{
	my ($function, %more) = @_;
	my $answer = call($function, %more);
	return [ $answer->{status}, $answer->{json} ];
}

subtest 'replies in turn' => sub {
	$app->on('f', op_run('a', echo('event.data.n')), failed('no', retry_after => 2), done({ it => echo('step a') }));
	my $answer = call('f');
	is_deeply([ $answer->{status}, $answer->{json}[0]{op}, $answer->{json}[0]{data} ], [ 206, 'StepRun', 7 ], 'an op');
	is($answer->{headers}{'x-inngest-sdk'}, 'inngest-js:v4.24.0', 'as the SDK');
	$answer = call('f');
	is_deeply([ $answer->{status}, @{ $answer->{headers} }{qw(retry-after x-inngest-no-retry)} ], [ 500, 2, 'false' ], 'an error');
	is_deeply(told('f', steps => { step_hash('a') => { data => [1] } }), [ 200, { it => [1] } ], 'an echo of a memo');
	is(told('f')->[0], 200, 'the last goes on');
	my @calls = $app->wait_for_calls('f', 4);
	is_deeply([ map { $_->{end}{status} // $_->{end}{ops}[0]{op} } @calls ], [ 'StepRun', 500, (undef) x 2 ], 'all are written down');
	is($calls[0]{body}{event}{data}{n}, 7, 'with the body');
	is($calls[0]{signature}, 'malformed', 'and a judgement of the signature');
	ok($calls[0]{is_canonical}, 'and of its form');
};

subtest 'rules with conditions' => sub {
	$app->on('g', done('any'));
	$app->on({ function => 'g', attempt => 1 }, done('second'));
	$app->on({ function => 'g', step => 'a' }, sub { my ($call) = @_; our $n++; return done("a$n $call->{attempt}") });
	is_deeply(told('g')->[1], 'any', 'none');
	is_deeply(told('g', attempt => 1)->[1], 'second', 'an attempt');
	is_deeply([ map { $_->[1] } told('g', target => step_hash('a'), attempt => 1), told('g', target => step_hash('a')) ],
		[ 'a1 1', 'a2 0' ], 'a step, answered by a sub that remembers');
};

subtest 'a program' => sub {
	$app->on('p', program(op_run('a', 1, fails => 1), parallel(op_run('b', 2), [ op_sleep('s', '1s'), op_run('c', 3) ]), done(echo('step c'))));
	my %steps;
	my $ops = sub { return join(' ', map { "$_->{op}:$_->{name}" } @{ call('p', steps => \%steps, @_)->{json} }) };
	is($ops->(), 'StepError:a', 'the first attempt fails');
	is($ops->(attempt => 1), 'StepRun:a', 'the second does not');
	$steps{ step_hash('a') } = { data => 1 };
	is($ops->(), 'StepPlanned:b Sleep:1s', 'a parallel group is planned');
	is($ops->(target => step_hash('b')), 'StepRun:b', 'and its steps can be run');
	is_deeply(told('p', steps => \%steps, target => step_hash('zzz'))->[0], 500, 'others cannot');
	$steps{ step_hash('s') } = undef;
	is($ops->(), 'StepPlanned:b StepPlanned:c', 'branches go on by themselves');
	$steps{ step_hash('b') } = { data => 2 };
	is($ops->(disable_immediate_execution => JSON::PP::true), 'StepPlanned:c', 'one is planned if it must be');
	is($ops->(), 'StepRun:c', 'or run');
	$steps{ step_hash('c') } = { data => 3 };
	is_deeply(told('p', steps => \%steps), [ 200, 3 ], 'and the end');
	$steps{ step_hash('a') } = { error => { name => 'E', message => 'm' } };
	is_deeply(told('p', steps => \%steps), [ 400, { name => 'E', message => 'm' } ], 'an error is thrown');
};

subtest 'faults' => sub {
	$app->on('x', hang_up(), reset_connection(), with(done('abcdef'), cut => 4), with(done('abc'), chunked => 1, trickle_bytes => 1, trickle_ms => 1),
		huge(1_000_000), redirect('/elsewhere'), with(op_run('a', 1), stream => 1), raw(status => 502, body => '<h1>'), with(done('gz'), gzip => 1),
		with(done(1), twice => 1));
	is(call('x')->{status}, 599, 'hangs up') for 1 .. 2;
	is(call('x')->{status}, 599, 'cuts a body');
	is_deeply(told('x'), [ 200, 'abc' ], 'trickles');
	is(length call('x')->{content}, 1_000_000, 'is huge');
	is(call('x')->{headers}{location}, '/elsewhere', 'redirects');
	my $answer = call('x');
	is_deeply([ $answer->{status}, $answer->{json}{status}, $json->decode($answer->{json}{body})->[0]{op} ], [ 201, 206, 'StepRun' ], 'streams');
	$answer = call('x');
	is_deeply([ @$answer{qw(status content)}, $answer->{headers}{'x-inngest-sdk'} ], [ 502, '<h1>', undef ], 'is no SDK');
	is(call('x')->{headers}{'content-encoding'}, 'gzip', 'compresses');
	my $wire = HttpWire->new($app->port);
	$wire->request('POST', $app->{path} . '?fnId=stub-x', '{}');
	is_deeply([ map { $_->{content} } $wire->reply, $wire->reply ], [ '1', '1' ], 'repeats itself');
	$app->on('/elsewhere', raw(status => 200, body => 'here'));
	is(HTTP::Tiny->new->get($app->url =~ s{/api/inngest}{/elsewhere}r)->{content}, 'here', 'paths have rules, too');
};

subtest 'held replies, a killed app' => sub {
	$app->on('h', with(done(1), hold => 'h'), hang(), done(3), done(4));
	my $wire = HttpWire->new($app->port);
	$wire->request('POST', $app->{path} . '?fnId=stub-h', '{}');
	$app->wait_for_calls('h', 1, is_open => 1);
	is($app->in_flight, 1, 'is being answered');
	$app->release('h');
	is($wire->reply->{content}, '1', 'released');
	$wire->request('POST', $app->{path} . '?fnId=stub-h', '{}');
	$app->wait_for_calls('h', 2, is_open => 1);
	undef $wire;
	is(($app->wait_for_calls('h', 2))[1]{end}{state}, 'gone', 'sees the caller hang up');
	is(call('h')->{content}, 3, 'third');
	$app->stop('KILL');
	is(call('h')->{status}, 599, 'is down');
	$app->start;
	is(call('h')->{content}, 4, 'goes on where it was');
	is(scalar $app->wait_for_calls('h', 4), 4, 'and remembers all');
};

subtest 'canonical JSON and signatures' => sub {
	my $text = '{"b":"x","a":1}';
	my $say = sub {
		my ($text, $at) = @_;
		require Digest::SHA;
		my $mac = Digest::SHA::hmac_sha256_hex($text . $at, 'abcdef0123456789');
		HTTP::Tiny->new->post($app->url . '?fnId=stub-s', { content => $text, headers => { 'x-inngest-signature' => "t=$at&s=$mac" } });
		return (($app->wait_for_calls('s', 1))[-1]);
	};
	is($say->($text, time)->{signature}, 'good', 'good');
	ok(!$app->{requests}[-1]{is_canonical}, 'order of keys');
	is($say->('{}', time - 400)->{signature}, 'old', 'old');
	for my $canonical ('{"a":[1,0.5,1e-7,1e+21,100000000000000000000,-2.5,0.000001,123456.789,"é\u001f\"\\\\"]}', '[5e-324,1.7976931348623157e+308,9007199254740993]')
	{
		my $is = $say->($canonical, time)->{is_canonical} ? 1 : 0;
		is($is, $canonical =~ /993/ ? 0 : 1, "canonical or not: $canonical");
	}
};

done_testing();
