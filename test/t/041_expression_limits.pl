# A hostile expression ends in bounded time with an error that it cannot absorb, can be cancelled, and leaves nothing behind.
# How: each limit of docs/expressions.md is met and passed; memory is read from the backend.
use strict;
use warnings;

use InngestTest;
use Test::More;

my $inn = InngestTest->new('main');
my $is_instrumented = $ENV{INN_TEST_PRELOAD} || $ENV{LD_PRELOAD} || $ENV{INN_TEST_WRAPPER};

# The SQLSTATE and message of cel_eval(expression), the expression itself made by a SQL expression;
# and what the session then says to 1 + 1.
sub outcome
{
	my ($expression, $variables) = @_;
	my ($out, $err) = ('', '');

	$variables //= q('{}');
	$inn->node->psql('postgres', "SELECT 'value ' || left(inngest.cel_eval($expression, $variables)::text, 20);\nSELECT inngest.cel_eval('1 + 1', '{}');",
		stdout => \$out, stderr => \$err, on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	is($out =~ /(\d+)\s*$/ ? $1 : '', 2, 'and the session goes on') if $err;
	return $err =~ /ERROR:\s+(\w+: .*)/ ? $1 : $out =~ /^value (.*)/ ? $1 : $err;
}

# A document of variables: x is a list of so many numbers, or a text of so many letters.
sub list { return "jsonb_build_object('x', (SELECT jsonb_agg(n) FROM generate_series(1, $_[0]) n))" }
sub text { return "jsonb_build_object('x', repeat('$_[0]', $_[1]))" }

# text
is(outcome(q(rpad('1', 65536))), 1, '64 kB are an expression');
like(outcome(q(rpad('1', 65537))), qr/^54000: .*65536/, 'one byte more is none');

# nodes
is(outcome(q('size([' || repeat('1,', 9900) || '1])')), 9901, 'thousands of elements are fine');
like(outcome(q('size([' || repeat('1,', 10000) || '1])')), qr/^54000: .*10000/, 'but not ten thousand');

# depth, of all that nests; the body of a level is %s
my %nesting = (
	parentheses => '(%s)',
	lists => '[%s]',
	maps => '{"a": %s}',
	calls => 'dyn(%s)',
	methods => 'x.contains(%s)',
	indexes => 'x[%s]',
	conditions => 'true ? 1 : (%s)',
	macros => 'x.exists(i, %s)',
	negations => '-(%s)',
	has => 'has({"a": %s}.a)',
	'chained conditions' => 'true ? 1 : %s',
);

for my $what (sort keys %nesting)
{
	my ($before, $after) = split /%s/, $nesting{$what};
	my $nest = sub { my ($n) = @_; return "repeat(" . InngestTest::quoted($before) . ", ${\int $n}) || '1' || repeat(" . InngestTest::quoted($after // '') . ", ${\int $n})" };

	unlike(outcome($nest->(100), list(1)), qr/^54/, "$what: 100 levels");
	like(outcome($nest->(260), list(1)), qr/^54001: .*nested/, "$what: 260 levels are too many");
	like(outcome($nest->(20000 / length $nesting{$what}), list(1)), qr/^54001: .*nested/, "$what: and thousands, too");
}
like(outcome(q('x' || repeat('[0]', 300)), list(1)), qr/^54001: .*nested/, 'a chain of brackets counts as nesting, since it is evaluated so');
is(outcome(q(repeat('!', 200) || 'true')), 'true', 'hundreds of signs are fine');
like(outcome(q(repeat('!', 300) || 'true')), qr/^54001: .*nested/, 'but not more');
like(outcome(q('x == x'), "('{\"x\": ' || repeat('[', 3000) || repeat(']', 3000) || '}')::jsonb"), qr/^(true|54001)/, 'deep data are compared or refused');

# steps and bytes; nothing absorbs a limit
my $many = 'x.exists(a, x.exists(b, x.exists(c, a + b + c < 0)))';
my %hostile = (
	'nested exists' => [ $many, list(200), 'steps' ],
	'nested map' => [ 'size(x.map(a, x.map(b, x.map(c, a))))', list(200), 'steps|memory' ],
	'doubling lists' => [ 'size([x + x + x + x].map(a, a + a + a + a).map(a, a + a + a + a)[0])', list(20000), 'steps|memory' ],
	'doubling text' => [ 'size([x + x + x + x].map(a, a + a + a + a).map(a, a + a + a + a)[0])', text('a', 500000), 'steps|memory' ],
	'searching text' => [ 'l.exists(i, x.contains("b" + i))', "jsonb_build_object('x', repeat('a', 200000), 'l', (SELECT jsonb_agg(n::text) FROM generate_series(1, 1000) n))", 'steps' ],
	'comparing lists' => [ 'x.exists(i, x == [i])|| x.exists(i, x.map(j, j) == x && false)', list(2000), 'steps|memory' ],
	'searching lists' => [ 'x.all(i, i in x)', list(5000), 'steps' ],
	'parsing JSON' => [ 'l.exists(i, size(json_parse(x)) == 7)', "jsonb_build_object('x', '{\"a\": [' || repeat('1, ', 50000) || '1]}', 'l', (SELECT jsonb_agg(n) FROM generate_series(1, 5000) n))", 'steps|memory' ],
	'a pattern that backtracks' => [ 'x.matches("(a*)*[bc]")', text('a', 100000), 'steps' ],
	'alternatives' => [ 'x.matches("^(a|aa)+$")', "jsonb_build_object('x', repeat('a', 5000) || 'c')", 'steps' ],
	'many patterns' => [ 'l.all(i, !x.matches("(" + i + "b){50}c"))', "jsonb_build_object('x', repeat('a', 100), 'l', (SELECT jsonb_agg(n::text) FROM generate_series(1, 10000) n))", 'steps' ],
	'a long pattern' => [ 'x.matches(x)', text('a', 1001), 'longer than 1000 bytes' ],
	'a long pattern in the text' => [ 'x.matches("' . ('a' x 1001) . '")', text('a', 1), 'longer than 1000 bytes' ],
);

for my $what (sort keys %hostile)
{
	my ($expression, $variables, $limit) = @{ $hostile{$what} };

	for my $wrapped ($expression, "($expression) || true", "[$expression].exists(r, true)", "size(($expression) ? [1] : [])")
	{
		like(outcome(InngestTest::quoted($wrapped), $variables), qr/^54000: .*($limit)/, "$what: " . substr($wrapped, 0, 60));
	}
}

# cancellation: within one evaluation, which would end with another error a moment later
for my $what ('nested exists', 'a pattern that backtracks', 'alternatives', 'searching text')
{
	my ($expression, $variables) = @{ $hostile{$what} };
	my $error = $inn->sql_error("CREATE TEMP TABLE v AS SELECT $variables AS v;\nSET statement_timeout = '1ms';\n"
		. 'SELECT inngest.cel_eval(' . InngestTest::quoted($expression) . ', v) FROM v');

	like($error, qr/^57014/, "$what: stops at statement_timeout");
}
{
	my $session = $inn->node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');

	$session->query_until(qr/started/, "\\echo started\nSELECT count(inngest.cel_eval('x.exists(a, x.exists(b, a + b < 0))', v)) FROM (SELECT "
		. list(300) . " AS v, n FROM generate_series(1, 100000) n OFFSET 0) s;\n");
	wait_for(sub { $inn->sql("SELECT state = 'active' AND query LIKE '%exists%' FROM pg_stat_activity WHERE pid = $pid") eq 't' }, 'the query to run');
	$inn->sql("SELECT pg_cancel_backend($pid)");
	wait_for(sub { $inn->sql("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle' }, 'the query to end');
	is($session->query('SELECT inngest.cel_eval(\'1 + 1\', \'{}\')'), 2, 'a query that was cancelled leaves a session that goes on');
	$session->quit;
}

# Memory: many evaluations in one transaction, of one text and of many, with and without errors.
sub resident
{
	my ($pid) = @_;
	my ($kb) = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}

{
	my $session = $inn->node->background_psql('postgres', on_error_die => 1);
	my $pid = $session->query('SELECT pg_backend_pid()');
	my %work = (
		'one text' => q(SELECT count(inngest.cel_eval('"n-" + event.data.n + [1, 2].map(i, i * event.data.n)', jsonb_build_object('event', jsonb_build_object('data', jsonb_build_object('n', n))))) FROM generate_series(1, %d) n),
		'texts that differ' => q(SELECT count(inngest.cel_eval('event.data.n + ' || n % 5000, '{"event": {"data": {"n": 1}}}')) FROM generate_series(1, %d) n),
		'patterns that differ' => q(SELECT count(inngest.cel_eval('event.data.s.matches("^a{1,5}' || n || '$")', '{"event": {"data": {"s": "aaa7"}}}')) FROM generate_series(1, %d) n),
		'patterns of the data' => q(SELECT count(inngest.cel_eval('s.matches(s)', jsonb_build_object('s', 'a' || n))) FROM generate_series(1, %d) n),
		'conditions that fail' => q(SELECT count(inngest.cel_eval('int("x" + n) == 1 || 1 / 0 == 1', jsonb_build_object('n', n))) FROM generate_series(1, %d) n),
	);

	$session->query("SET inngest.expression_cache_size = '1MB'");
	$session->query('BEGIN');
	for my $what (sort keys %work)
	{
		$session->query(sprintf $work{$what}, 10000);    # caches fill
		my $before = resident($pid);
		is($session->query(sprintf $work{$what}, 100000), 100000, "$what: evaluated 100 000 times");
		my $grown = resident($pid) - $before;
	  SKIP: {
			skip 'memory checkers have needs of their own', 1 if $is_instrumented;
			cmp_ok($grown, '<', 1024, "$what: and memory grew by less than 1 MB") or diag("grown by $grown kB");
		}
	}
	cmp_ok($session->query("SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'inngest expression'"), '<=', 1024 * 1024, 'compiled expressions keep to their setting');
	cmp_ok($session->query("SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'inngest expression'"), '>', 10, 'and are kept at all');
	$session->query('COMMIT');
	$session->quit;
}

# A database in another encoding.
{
	$inn->sql("CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
	my $latin1 = sub {
		my ($expression, $variables) = @_;
		my ($out, $err) = ('', '');

		$inn->node->psql('latin1', 'SELECT inngest.cel_eval(' . InngestTest::quoted($expression) . ", '$variables')", stdout => \$out, stderr => \$err,
			extra_params => [ '-v', 'VERBOSITY=verbose' ], connstr => $inn->node->connstr('latin1') . q( client_encoding='UTF8'));
		return $err =~ /ERROR:\s+(.*)/ ? $1 : $out;
	};
	$inn->node->safe_psql('latin1', 'SET client_min_messages = error; CREATE EXTENSION inngest');

	is($latin1->('size(s) + size("é")', '{"s": "éa"}'), 3, 'LATIN1: characters are counted');
	is($latin1->('s == "é" && s.startsWith("é") && s.matches("^.$")', '{"s": "é"}'), 'true', 'LATIN1: compared and matched');
	is($latin1->('lowercase("ABC")', '{}'), '"abc"', 'LATIN1: letters of ASCII change case');
	like($latin1->('"\u20ac"', '{}'), qr/^42601: only a database in UTF-8 can hold this escape/, 'LATIN1: an escape that it cannot hold is refused');
}

done_testing();
