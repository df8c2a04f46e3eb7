# The TypeScript SDK in dev mode: with checkpointing (its default) and without, every feature gets the calls
# that the reference server makes, and ends as there.  How: an app with all of them behind a recorder,
# compared with what was recorded (expected/); further features by what they return.
use strict;
use warnings;

use SdkTest;
use StubApp qw(step_hash);
use Test::More;

my $sdk = SdkTest->new('ts', mode => 'dev');

$sdk->check_sync('/api/inngest', '/api/nocp', '/api/stream', '/api/cron');
$sdk->play('ts-cp.json', 'peer-app');
$sdk->play('ts-nc.json', 'peer-nocp');
$sdk->play_brief('ts-cp-more.json', 'peer-app', 'cp');
$sdk->play_brief('ts-nc-more.json', 'peer-nocp', 'nc');
$sdk->play_brief('ts-stream.json', 'peer-stream', 'st');
$sdk->check_metadata("peer-$_-scored",
	map { [ $_->[0] eq '' ? '' : step_hash($_->[0]), @$_[ 1, 2 ] ] }
	  [ '', 'inngest.experiment', { name => 'exp', variant => 'a' } ], [ '', 'inngest.score', { late => { value => JSON::PP::true } } ],
	[ 'exp', 'inngest.experiment', { name => 'exp', variant => 'a', selection_strategy => 'fixed', available_variants => [ 'a', 'b' ] } ],
	[ 'judge', 'inngest.score', { quality => { value => 0.5 } } ]) for qw(app nocp);
$sdk->check_cron('peer-cron-cron-min');
$sdk->check_endpoint('/endpoint/hello?x=1', '{"b":2}');
$sdk->check_endpoint('/endpoint/async', '"{\\"b\\":2}"');
$sdk->check_sanity;

done_testing();
