# Walking through the pages of a list while rows are added: none twice, none of the old ones missed.
# How: something is added before each page is asked for, in front of the cursor and behind it.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');

# All ids of a list, page by page; before each page a sub is called.
sub walk
{
	my ($path, $limit, $between) = @_;
	my $cursor = '';
	my $pages = 0;
	my @ids;

	while (1)
	{
		$between->(++$pages);
		my $answer = $inn->http('GET', "$path?limit=$limit" . ($cursor ne '' ? "&cursor=$cursor" : ''));
		die "page $pages: $answer->{content}" if $answer->{status} != 200 || $pages > 100;
		my $page = $answer->{json};

		push @ids, map { $_->{id} } @{ $page->{data} };
		is(scalar @{ $page->{data} }, $limit, "page $pages is full") if $page->{page}{has_more};
		last if !$page->{page}{has_more};
		$cursor = $page->{page}{cursor};
	}
	return @ids;
}

sub duplicates
{
	my %seen;
	return join(' ', grep { $seen{$_}++ } @_);
}

# Those of the first list that are not in the second.
sub missing
{
	my ($wanted, $there) = @_;
	my %there = map { ($_ => 1) } @$there;
	return join(' ', grep { !$there{$_} } @$wanted);
}

sub send_events
{
	my ($count) = @_;
	my $answer = $inn->http('POST', '/api/v1/events', [ map { { name => 'page/turned' } } 1 .. $count ]);
	return map { $_->{id} } @{ $answer->{json}{runs} };
}

# runs: newest first, so new ones come in front
{
	$inn->register('reader', 'page/turned');
	my @old = send_events(57);
	my @ids = walk('/api/v1/runs', 10, sub { send_events(3) if $_[0] > 1 });

	is(scalar @old, 57, 'there were 57 runs');
	is(duplicates(@ids), '', 'no run is shown twice');
	is(missing(\@old, \@ids), '', 'no old run is missing');
	is_deeply(\@ids, [ reverse sort @ids ], 'newest first over all pages');
	is(scalar @ids, 57, 'runs that came after the first page are not shown behind it');

	# filtered, and by several statuses at once, which are read from several places
	for my $run (@old[ 3, 13, 23, 33 ]) { $inn->http('DELETE', "/api/v1/runs/$run") }
	my @all = split /\n/, $inn->sql('SELECT id FROM inngest.function_runs ORDER BY id');
	@ids = walk_filtered('status=CANCELLED&status=QUEUED&function_id=reader', 7);
	is(duplicates(@ids), '', 'filtered: no run is shown twice');
	is(missing(\@all, \@ids), '', 'filtered: no old run is missing');
	is_deeply(\@ids, [ reverse sort @ids ], 'filtered: newest first');
	is(scalar walk_filtered('status=CANCELLED', 3), 4, 'filtered: only those wanted');

	# a run that changes its status between pages stays where it is
	my $changed = $old[0];
	@ids = walk('/api/v1/runs', 10, sub { $inn->http('DELETE', "/api/v1/runs/$changed") if $_[0] == 2 });
	is(scalar(grep { $_ eq $changed } @ids), 1, 'a run that ends meanwhile is shown once');
}

# functions: by id, so new ones come anywhere
{
	my @old = ('reader', map { sprintf('f%02d', $_ * 2) } 0 .. 24);

	$inn->register($_, 'page/other') for grep { $_ ne 'reader' } @old;
	my @ids = walk('/api/v1/functions', 5, sub {
			my ($page) = @_;

			$inn->register(sprintf('f%02d', ($page - 1) * 10 + 1), 'page/other') if $page < 5;
			$inn->register("a$page", 'page/other') if $page > 1;
			$inn->register("z$page", 'page/other') if $page > 1;
		});

	is(duplicates(@ids), '', 'no function is shown twice');
	is(missing(\@old, \@ids), '', 'no old function is missing');
	is_deeply(\@ids, [ sort @ids ], 'in one order over all pages');
	ok(scalar(grep { $_ eq 'z2' } @ids), 'functions that come behind the cursor are shown');
	ok(!scalar(grep { $_ eq 'a2' } @ids), 'those before it are not');

	# the function that the cursor names is deleted
	my $page = $inn->http('GET', '/api/v1/functions?limit=5')->{json};
	my @rest = map { $_->{id} } @{ $inn->http('GET', "/api/v1/functions?limit=5&cursor=$page->{page}{cursor}")->{json}{data} };
	$inn->http('DELETE', "/api/v1/functions/$page->{page}{cursor}");
	is_deeply([ map { $_->{id} } @{ $inn->http('GET', "/api/v1/functions?limit=5&cursor=$page->{page}{cursor}")->{json}{data} } ],
		\@rest, 'a cursor outlives the row that it names');
}

sub walk_filtered
{
	my ($filter, $limit) = @_;
	my ($cursor, @ids) = ('');

	for (1 .. 100)
	{
		my $page = $inn->http('GET', "/api/v1/runs?limit=$limit&$filter" . ($cursor ne '' ? "&cursor=$cursor" : ''))->{json};
		push @ids, map { $_->{id} } @{ $page->{data} };
		return @ids if !$page->{page}{has_more};
		$cursor = $page->{page}{cursor};
		send_events(2);
	}
	die 'the list does not end';
}

done_testing();
