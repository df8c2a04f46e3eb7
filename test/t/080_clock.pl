# Tests set the clock and stop processes where they want.  How: the test build (src/base/testing.h) and what it should
# do by itself, so that a test that uses it can be believed.
use strict;
use warnings;

use InngestTest;
use Test::More;
use Time::HiRes qw(time);

my $inn = InngestTest->new('main', testing => 1);

is($inn->sql("SELECT abs(extract(epoch FROM inngest_test.now() - clock_timestamp())) < 1"), 't', 'at first it is now');
like($inn->set_time('2031-05-06 07:08:09Z'), qr/^2031-05-06 07:08:09/, 'the clock is set');
is($inn->sql("SELECT inngest_test.now() - inngest_test.now() < '1s' AND inngest_test.now() BETWEEN '2031-05-06 07:08:09Z' AND '2031-05-06 07:09:09Z'"),
	't', 'for other sessions, too, and it goes on');
$inn->register('f', 'a/b', { retries => 0 });
my $event = $inn->send('a/b');
like($inn->sql("SELECT received_at FROM inngest.events WHERE id::text = '$event'"), qr/^2031-05-06 07:0/, 'events come at that time');
is($inn->sql("SELECT date_trunc('minute', min(inngest.ulid_timestamp(id))) BETWEEN '2031-05-06 07:08Z' AND '2031-05-06 07:09Z' FROM inngest.function_runs"), 't',
	'and their runs');
like($inn->advance('1 year 2 days'), qr/^2032-05-08 07:0/, 'time passes');

# A year of minutes: the tick that was to come in a minute comes at once.
$inn->sql(q{SELECT FROM inngest.register_function('{"id":"tick","name":"tick","runtime":"pull","triggers":[{"cron":"0 0 1 1 *"}]}')});
my $begun = time();
$inn->advance('300 days');
wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'tick'") == 1 }, 'the worker wakes');
cmp_ok(time() - $begun, '<', 30, 'a worker that sleeps for a year is woken');

like($inn->sql('SELECT inngest_test.real_time() - clock_timestamp()'), qr/^-?00:00:00/, 'and back');

# ---- wait-points ----

like($inn->sql_error("SELECT inngest_test.wait_until_reached('nowhere')"), qr/was never armed/, 'a point that was not armed');
$inn->arm('scheduler before its tick');
$inn->send('a/b');
$inn->sql('SELECT inngest_test.advance(interval \'1 day\')');
$inn->wait_until_reached('scheduler before its tick');
is($inn->sql("SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'inngest scheduler'"), 'Extension', 'it is there and waits');
$inn->release('scheduler before its tick');
wait_for(sub { $inn->sql("SELECT state FROM pg_stat_activity WHERE backend_type = 'inngest scheduler'") eq 'idle' }, 'it goes on');
$inn->arm('scheduler before its tick');
$inn->sql('SELECT inngest_test.advance(interval \'1 day\')');
$inn->wait_until_reached('scheduler before its tick');
my $pid = ($inn->workers('scheduler'))[0];
kill 'TERM', $pid;
wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 }, 'it can be ended there');
$inn->release('scheduler before its tick');
wait_for(sub { ($inn->workers('scheduler'))[0] }, 'another comes');

done_testing();
