# Settings of databases, roles and sessions that are meant for others do not stop the workers, nor senders.
# How: the settings first, then a run from its event to its completion.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main', no_create => 1, conf => "inngest.retry_interval = '100ms'\n");
my $node = $inn->node;

sub run_goes_through
{
	my ($what) = @_;
	my $name = 'h/' . $what =~ s/\W+/-/gr;

	$inn->wait_for_http;
	my $answer = $inn->http('POST', '/api/v1/functions', { id => $name =~ s{/}{-}r, triggers => [ { event => $name } ] });
	is($answer->{status}, 201, "$what: registered") or diag($answer->{content});
	$answer = $inn->http('POST', '/api/v1/events', { name => $name, id => 'x', data => { a => 1 } });
	is(scalar @{ $answer->{json}{runs} // [] }, 1, "$what: an event makes a run") or diag($answer->{content});
	$answer = $inn->http('POST', '/api/v1/runs/lease', { functions => [ $name =~ s{/}{-}r ], lease => '1s' });
	is(scalar @{ $answer->{json}{data} // [] }, 1, "$what: leased") or diag($answer->{content});
	# the scheduler works, too
	$answer = $inn->http('POST', '/api/v1/runs/lease', { functions => [ $name =~ s{/}{-}r ], wait => '20s' });
	is($answer->{json}{data}[0]{attempt}, 1, "$what: leased again when the lease has expired") or diag($answer->{content});
	my ($lease) = @{ $answer->{json}{data} };
	is($inn->http('POST', "/api/v1/runs/$lease->{run_id}/complete", { lease_id => $lease->{lease_id}, output => 1 })->{json}{data}{status}, 'COMPLETED', "$what: completed");
	return;
}

my %hostile = (
	default_transaction_isolation => 'serializable',
	default_transaction_read_only => 'on',
	default_transaction_deferrable => 'on',
	search_path => 'nowhere',
	statement_timeout => "'1ms'",
	lock_timeout => "'1ms'",
	idle_in_transaction_session_timeout => "'1ms'",
	transform_null_equals => 'on',
	bytea_output => 'escape',
	DateStyle => "'German, DMY'",
	IntervalStyle => 'sql_standard',
	TimeZone => "'Asia/Kathmandu'",
	enable_indexscan => 'off',
	row_security => 'off',
	default_tablespace => "''",
	check_function_bodies => 'off',
	xmloption => 'document',
	extra_float_digits => '-15',
	standard_conforming_strings => 'off',
	plan_cache_mode => 'force_generic_plan',
	session_replication_role => 'replica',
);

# Our own sessions are not what is tested.
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off'
  . ' -c default_transaction_isolation=read\\ committed -c session_replication_role=origin';

$inn->sql('CREATE EXTENSION inngest');
for my $whose ('DATABASE postgres', 'ROLE postgres', 'ROLE inngest_engine')
{
	my $user = $inn->sql('SELECT current_user');
	my $target = $whose eq 'ROLE postgres' ? "ROLE \"$user\"" : $whose;

	$node->safe_psql('template1', join '', map { "ALTER $target SET $_ TO $hostile{$_};\n" } sort keys %hostile);
	$node->restart;
	run_goes_through($whose);
	is($inn->log_count(qr/ERROR/), 0, "$whose: no error in the log") or diag(join "\n", grep { /ERROR/ } split /\n/, $inn->log_text);
	$node->safe_psql('template1', "ALTER $target RESET ALL");
	$inn->mark_log;
}
$node->restart;
$inn->wait_for_http;

# Senders of any isolation level.
$inn->register('levels', 'h/levels');
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	$inn->sql("BEGIN ISOLATION LEVEL $level; SELECT inngest.send_event('h/levels', id => '$level'); SELECT inngest.send_event('h/levels', id => '$level'); COMMIT");
	is($inn->sql("SELECT count(*) FROM inngest.function_runs r JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id WHERE e.caller_id = '$level'"), 1, "one run, $level");
}
like($inn->sql_error("BEGIN READ ONLY; SELECT inngest.send_event('h/levels')"), qr/^25006: cannot execute INSERT in a read-only transaction/, 'a read-only transaction cannot send');

# Another encoding: what it cannot express is refused, the rest goes through.
$inn->sql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$node->safe_psql('latin', 'CREATE EXTENSION inngest');
$inn->set_and_reload('inngest.database', 'latin');
wait_for(sub { $inn->sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'latin' AND backend_type = 'inngest http'") == 1 }, 'workers in the other database');
run_goes_through('LATIN1');
my $answer = $inn->http('POST', '/api/v1/events', qq({"name": "h/latin", "data": {"x": "\xc3\xbc"}}));
is($answer->{status}, 200, 'a letter that it has') or diag($answer->{content});
is($node->safe_psql('latin', "SELECT data->>'x' = chr(252) FROM inngest.events WHERE name = 'h/latin'"), 't', 'is stored as such');
$answer = $inn->http('POST', '/api/v1/functions', qq({"id": "letters", "name": "\xc3\xbc"}));
is($answer->{json}{data}{name}, "\x{fc}", 'and answered in UTF-8') or diag($answer->{content});
$answer = $inn->http('POST', '/api/v1/events', qq({"name": "h/latin", "data": {"x": "\xe2\x82\xac"}}));
is($answer->{status}, 400, 'a letter that it lacks is refused') or diag($answer->{content});
$answer = $inn->http('POST', '/api/v1/events', { name => 'h/latin' });
is($answer->{status}, 200, 'and nothing else with it');

done_testing();
