# Calls with large bodies are few at a time, and keep nobody else from being called.  How: the test build, where an app may
# have 1 MB under way and all together 2 MB; apps that answer large calls when they are told.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1);
my ($app, $other) = map { StubApp->new(inn => $inn, id => $_) } qw(one other);

for ($app, $other)
{
	$_->function('large', events => [ $_->id . '/large' ]);
	$_->function('small', events => [ $_->id . '/small' ]);
	$_->on('large', with(done(1), hold => 'large'));
	$_->on('small', done(2));
	$_->register;
}

sub ended { return $inn->sql('SELECT count(*) FROM inngest.function_runs WHERE ended_at IS NOT NULL') }

# The event is in the body twice.
$inn->send('one/large', data => { text => 'x' x 100_000 }) for 1 .. 10;
$app->wait_for_calls('large', 6, is_open => 1);
$inn->send('one/small');
wait_for(sub { ended() == 1 }, 'a small call of the same app');
is(scalar $app->calls('large'), 6, 'large ones beyond 1 MB wait');
$inn->send('other/large', data => { text => 'x' x 100_000 });
$other->wait_for_calls('large', 1, is_open => 1);
is(scalar $app->calls('large'), 6, 'another app has room');

# Of those that wait some are not needed any more; that leaves room to the others.
my @waiting = split /\n/, $inn->sql('SELECT id FROM inngest.function_runs WHERE started_at IS NULL ORDER BY id');
is(scalar @waiting, 4, 'they have not started');
$inn->http('DELETE', "/api/v1/runs/$_") for @waiting[0, 1];
$_->release('large') for $app, $other;
wait_for(sub { ended() == 12 }, 'the end of all');
is(scalar $app->calls('large'), 8, 'each was called once');

done_testing();
