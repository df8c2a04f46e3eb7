# Cron triggers whose next time is wrong, of a zone that was not known for a while or a clock that was ahead, put themselves right
# within a minute.  How: the test build, whose clock goes on by a minute at once.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main', testing => 1);

sub registers
{
	my ($id, $cron) = @_;
	return $inn->register($id, { triggers => [ { cron => $cron } ] });
}

# Change rows of functions whose names are LIKE this.
sub spoil
{
	my ($like, $set) = @_;
	return $inn->sql("UPDATE inngest.schedules s SET $set FROM inngest.functions f WHERE f.id = s.function_id AND f.slug LIKE '$like'");
}

# How many of them fire within so long.
sub right
{
	my ($like, $interval) = @_;
	return $inn->sql("SELECT count(*) FROM inngest.schedules s JOIN inngest.functions f ON f.id = s.function_id WHERE f.slug LIKE '$like'"
		. " AND next_at BETWEEN inngest_test.now() AND inngest_test.now() + interval '$interval'");
}

# the scheduler has looked after it was started, so that it looks again is because a minute has passed
registers('monthly', '0 0 1 * *');
$inn->set_time('2031-05-06 07:08:09Z');
wait_for(sub { right('monthly', '31 days') == 1 }, 'what was missed');

# many at once, and one that never fires
{
	registers("many-$_", '0 * * * *') for 1 .. 120;
	registers('never', '0 0 30 2 *');
	spoil('many-%', "next_at = 'infinity'");
	is(right('many-%', '1 hour'), 0, 'none of many fires');
	$inn->advance('61 seconds');
	wait_for(sub { right('many-%', '1 hour') == 120 }, 'all of them to be put right');
	is($inn->sql("SELECT next_at FROM inngest.schedules s JOIN inngest.functions f ON f.id = s.function_id WHERE f.slug = 'never'"), 'infinity', 'what never fires, does not');
	$inn->sql("SELECT inngest.delete_function(slug) FROM inngest.functions WHERE slug LIKE 'many-%' OR slug = 'never'");
}

# the zone is gone, and comes back
{
	registers('zoned', '0 * * * *');
	spoil('zoned', "cron = 'TZ=Nowhere/Town 0 * * * *'");
	my $log = -s $inn->node->logfile;
	$inn->advance('1 hour');
	wait_for(sub { $inn->sql("SELECT next_at FROM inngest.schedules WHERE cron LIKE 'TZ%'") eq 'infinity' }, 'it to fire for the last time');
	ok($inn->node->log_contains('cannot read the cron trigger "TZ=Nowhere/Town', $log), 'the log says so');
	is($inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'zoned'"), 1, 'the tick was not lost');
	spoil('zoned', "cron = '0 * * * *'");
	$inn->advance('61 seconds');
	wait_for(sub { right('zoned', '1 hour') == 1 }, 'it to go on');
	ok($inn->node->log_contains('put right the next time of 1 cron trigger,', $log), 'and that it goes on');
	$inn->sql("SELECT inngest.delete_function('zoned')");
}

# and fires when it is time, not when the next check is
{
	registers('soon', '0 * * * *');
	spoil('soon', "next_at = 'infinity'");
	$inn->set_time('2031-05-06 10:59:57Z');
	wait_for(sub { right('soon', '1 minute') == 1 }, 'it to be put right');
	wait_for(sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'soon'") == 1 }, 'its run', 30);
	cmp_ok($inn->sql("SELECT extract(epoch FROM inngest_test.now() - '2031-05-06 11:00Z')"), '<', 40, 'at its time');
	$inn->sql("SELECT inngest.delete_function('soon')");
}

# the clock was set back a little: what has fired does not fire again, not even where nothing would keep it from a second run.  That another
# is put right shows that all were looked at.
{
	my $ticks = sub { $inn->sql("SELECT count(*) FROM inngest.events WHERE name = 'inngest/scheduled.timer' AND caller_id = '2031-05-06T12:00:00Z'") };

	$inn->register('debounced', { triggers => [ { cron => '0 * * * *' } ], debounce => { period => '1s' } });
	$inn->set_time('2031-05-06 12:00:05Z');
	wait_for(sub { $ticks->() == 1 }, 'a tick');
	registers('another', '30 * * * *');
	spoil('another', "next_at = 'infinity'");
	$inn->set_time('2031-05-06 11:58:30Z');
	wait_for(sub { right('another', '1 hour') == 1 }, 'the timetable to be checked');
	$inn->set_time('2031-05-06 12:00:05Z');
	$inn->set_time('2031-05-06 13:00:05Z');
	wait_for(sub { $inn->sql("SELECT next_at FROM inngest.schedules WHERE cron = '0 * * * *'") =~ /^2031-05-06 14:00/ }, 'the next one');
	is($ticks->(), 1, 'the first has not fired again');
	$inn->sql("SELECT inngest.delete_function('debounced'), inngest.delete_function('another')");
}

# the clock was a year ahead: at once
{
	my $runs = sub { $inn->sql("SELECT count(*) FROM inngest.runs WHERE function_id = 'monthly'") };
	my $before = $runs->();

	$inn->set_time('2032-05-06 07:08:09Z');
	wait_for(sub { right('monthly', '31 days') == 1 }, 'a year of ticks');
	is($runs->(), $before + 12, 'each month has its run');
	$inn->set_time('2031-05-06 07:20:00Z');
	wait_for(sub { right('monthly', '31 days') == 1 }, 'it to be put right');
	$inn->set_time('2031-06-02 00:00:00Z');
	wait_for(sub { $inn->sql("SELECT min(next_at) FROM inngest.schedules") =~ /^2031-07-01/ }, 'the first of the month once more');
	is($runs->(), $before + 12, 'which has had its run');
}

# what somebody has locked keeps neither the others nor the scheduler
{
	registers($_, '0 * * * *') for qw(locked open);
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	spoil($_, "next_at = 'infinity'") for qw(locked open);
	$session->query('BEGIN');
	$session->query("SELECT FROM inngest.schedules s JOIN inngest.functions f ON f.id = s.function_id WHERE f.slug = 'locked' FOR UPDATE OF s");
	$inn->advance('61 seconds');
	wait_for(sub { right('open', '1 hour') == 1 }, 'the other');
	is(right('locked', '1 hour'), 0, 'what is locked stays');
	$session->query('COMMIT');
	$session->quit;
	$inn->advance('61 seconds');
	wait_for(sub { right('locked', '1 hour') == 1 }, 'it, too, when it is free');
}

done_testing();
