# A standby: its workers wait; when it is promoted they serve what the primary has left.
use strict;
use warnings;

use InngestTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep);

my $inn = InngestTest->new('primary', no_start => 1);
my $primary = $inn->node;

$primary->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 4\nmax_replication_slots = 4\nhot_standby = on\n");
PostgreSQL::Test::Utils::append_to_file($primary->data_dir . '/pg_hba.conf', "local replication all trust\n");
$inn->start(create => 1);
$inn->register('moved', 'b/moved', { retries => 3 });
$inn->send('b/moved', id => "e$_", data => { n => $_ }) for 1 .. 5;
my ($leased) = @{ $inn->http('POST', '/api/v1/runs/lease', { functions => ['moved'], lease => '1h' })->{json}{data} };

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
my $port = PostgreSQL::Test::Cluster::get_free_port();
$standby->append_conf('postgresql.conf', "inngest.http_port = $port\n");
$standby->start;
$inn->send('b/moved', id => 'late');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'inngest %'"), 0, 'no workers on a standby');
is($standby->safe_psql('postgres', "SELECT count(*) FROM inngest.runs WHERE status = 'QUEUED'"), 5, 'but it can be read');
my $stderr = '';
$standby->psql('postgres', "SELECT inngest.send_event('b/moved')", stderr => \$stderr);
like($stderr, qr/cannot execute \S+ .*(?:read-only transaction|during recovery)/, 'a standby takes no events');

$primary->stop('immediate');
$standby->promote;
$inn->{http_port} = $port;
$inn->wait_for_http;
is($standby->safe_psql('postgres', "SELECT string_agg(substr(backend_type, 9), ' ' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'inngest %'"),
	'api api executor http launcher scheduler', 'workers after the promotion');
my $answer = $inn->http('POST', '/api/v1/runs/lease', { functions => ['moved'], max => 100 });
is(scalar @{ $answer->{json}{data} }, 5, 'they lease what was waiting');
is($inn->http('POST', "/api/v1/runs/$leased->{run_id}/complete", { lease_id => $leased->{lease_id} })->{json}{data}{status}, 'COMPLETED',
	'a lease of the primary is still good');
$answer = $inn->http('POST', '/api/v1/events', [ { name => 'b/moved', id => 'late' }, { name => 'b/moved', id => 'new' } ]);
is(scalar @{ $answer->{json}{runs} // [] }, 1, 'ids of before are known, new events make runs') or diag($answer->{content});
is($standby->safe_psql('postgres', q{SELECT count(*) FROM inngest.events WHERE name NOT LIKE 'inngest/%'}), 8, 'no event is missing');

done_testing();
