# The Python SDK in dev mode: every feature that it has ends as it should, in the calls that it takes.
# How: an app with all of them behind a recorder; a line for each run in expected/.
use strict;
use warnings;

use SdkTest;
use Test::More;

my $sdk = SdkTest->new('python', mode => 'dev');

$sdk->check_sync('/api/inngest', '/api/stream', '/api/flow');
$sdk->play_brief('python.json', 'peer-python', 'py');
$sdk->play_brief('python-stream.json', 'peer-python-stream', 'pyst');
$sdk->play_brief('python-flow.json', 'flow-python', 'pyfc');
$sdk->check_sanity;

done_testing();
