# Runs are found at whatever path of an event their condition looks, also at more paths than are kept in memory.  How: the
# test build, which keeps two; a restart, after which they are read from the table.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', testing => 1);
my $app = StubApp->new(inn => $inn);
my @paths = ('a', 'b', 'c.d', 'e' x 200);

for my $n (0 .. $#paths)
{
	$app->function("waits$n", events => ["start/$n"], retries => 0);
	$app->on("waits$n", program(op_wait('w', event => 'go', timeout => '1h', if => "async.data.$paths[$n] == event.data.id"), done('came')));
}
$app->register;

sub start
{
	my ($n) = @_;
	my $run = $inn->run_of($inn->send("start/$n", data => { id => "x$n" }));

	$inn->wait_for_pauses($run);
	return $run;
}

sub go
{
	my ($n, $run) = @_;
	my $value = "x$n";

	$value = { $_ => $value } for reverse split /\./, $paths[$n];
	$inn->send('go', data => $value);
	return is($inn->output($run), 'came', "path $n");
}

go($_, start($_)) for 0 .. 1;
go($_, start($_)) for 2, 0, 3, 1;

my @runs = map { start($_) } 0 .. $#paths;
$inn->node->restart;
go($_, $runs[$_]) for 0 .. $#paths;

done_testing();
