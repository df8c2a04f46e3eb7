# The Go SDK in dev mode: every feature that it has ends as it should, in the calls that it takes.
# How: an app with all of them behind a recorder; a line for each run in expected/.
use strict;
use warnings;

use SdkTest;
use Test::More;

my $sdk = SdkTest->new('go', mode => 'dev');

$sdk->check_sync('/api/inngest', '/api/checkpoint', '/api/stream', '/api/flow');
$sdk->play_brief('go.json', 'peer-go', 'go');
$sdk->play_brief('go-checkpoint.json', 'peer-gocp', 'gocp');
$sdk->play_brief('go-stream.json', 'peer-go-stream', 'gost');
$sdk->play_brief('go-flow.json', 'flow-go', 'gofc');
$sdk->check_endpoint('/endpoint/hello', '2');
$sdk->check_endpoint('/endpoint/async?q=x', '2 of x', status => 201, 'x-answer' => 'yes');
is($sdk->inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id LIKE '%endpoint%'"), 2, 'a request to an endpoint is a run');
$sdk->check_sanity;

done_testing();
