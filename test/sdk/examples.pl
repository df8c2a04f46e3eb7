# The apps of examples/ do what their README says.  How: an order and its parcel for each.
use strict;
use warnings;

use InngestTest;
use SdkTest;
use Test::More;

my $tree = $ENV{INN_TREE} // '.';
my $inn = InngestTest->new('examples', conf => SdkTest::conf('dev'));
my %files = (ts => 'typescript/app.mjs', python => 'python/app.py', 'example-go' => undef);

symlink(readlink "$tree/test/sdk/ts/node_modules", "$tree/examples/typescript/node_modules");
for my $language (sort keys %files)
{
	my $file = $files{$language};

	SKIP:
	{
		my $why = SdkTest::missing($language);
		skip($why, 1) if $why;
		subtest $language => sub { process_order($language, $file ? "$tree/examples/$file" : undef) };
	}
}

sub process_order
{
	my ($language, $file) = @_;
	my $sdk = SdkTest->new($language, inn => $inn, app => $file);

	wait_for(sub { $sdk->put('/api/inngest')->{status} == 200 }, 'registers itself');    # it speaks before it listens
	my $event = $inn->send('shop/order.placed', data => { order => $language, items => [ { price => 20 }, { price => 22 } ] });
	wait_for(sub { waiting() == 1 }, 'waits for the parcel');
	$inn->send('shop/parcel.sent', data => { order => 'another', tracking => 'no' });
	$inn->send('shop/parcel.sent', data => { order => $language, tracking => 'XY123' });
	my $run = wait_for(sub { ended($event) }, 'the run has ended');
	is_deeply([ @$run{qw(status output)} ],
		[ 'COMPLETED', { order => $language, state => 'sent', total => 42, tracking => 'XY123' } ], 'and returns');
	is_deeply([ map { $_->{name} } @{ $run->{steps} } ],
		[ 'add up', 'charge the card', 'let it sink in', 'wait for the parcel' ], 'after its steps');
	$inn->sql("SELECT inngest.delete_function('" . $run->{function_id} . "')");    # the next app has the same trigger
	return;
}

sub waiting
{
	return $inn->sql("SELECT count(*) FROM inngest.run_steps WHERE status = 'WAITING'");
}

sub ended
{
	my ($event) = @_;
	my $id = $inn->sql("SELECT id FROM inngest.function_runs WHERE event_id::text = '$event' AND ended_at IS NOT NULL") || return;

	return $inn->http('GET', "/api/v1/runs/$id")->{json}{data};
}

done_testing();
