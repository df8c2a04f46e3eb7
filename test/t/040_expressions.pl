# What expressions mean: thousands of them with their results, and the examples of docs/expressions.md.
# How: test/cel/*.jsonl, a line per case, evaluated by cel_eval in one session per file.
#	{"section": ..., "name": ..., "expr": ..., "bindings": {...}, "expected": {"value": ...} or {"error": "part of it"}}
# A line with nothing but bindings is for those lines after it that have none of their own.
use strict;
use warnings;

use FindBin;
use InngestTest;
use JSON::PP ();
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $inn = InngestTest->new('main');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# Each case in a subtransaction of its own.  jsonb compares numbers by value.
my $evaluate = <<'END';
CREATE FUNCTION pg_temp.evaluate(cases jsonb, dialect text) RETURNS TABLE (is_right boolean, got text) LANGUAGE plpgsql AS $$
DECLARE
	c jsonb;
	shared jsonb := '{}';
	value jsonb;
BEGIN
	FOR c IN SELECT e FROM jsonb_array_elements(cases) WITH ORDINALITY a (e, n) ORDER BY n LOOP
		IF NOT c ? 'expr' THEN
			shared := c->'bindings';
			CONTINUE;
		END IF;
		BEGIN
			value := inngest.cel_eval(c->>'expr', coalesce(c->'bindings', shared), dialect);
			is_right := coalesce(value = c->'expected'->'value', false);
			got := value::text;
		EXCEPTION WHEN OTHERS THEN
			is_right := coalesce(strpos(SQLERRM, c->'expected'->>'error') > 0, false);
			got := SQLSTATE || ': ' || SQLERRM;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
END

sub evaluate
{
	my ($columns, $dialect, @lines) = @_;
	my $document = join(",\n", @lines);

	return split /\n/, $inn->sql("$evaluate\nSELECT $columns FROM pg_temp.evaluate(\$cases\$[$document]\$cases\$::jsonb, '$dialect');");
}

# Lines go to the server as they are: Perl does not know all numbers.
sub check
{
	my ($file, $dialect) = @_;
	my @lines = split /\n/, slurp_file("$FindBin::Bin/../cel/$file");
	my @rows = evaluate('is_right, to_json(got)', $dialect, @lines);
	my @cases = grep { exists $_->{expr} } map { $json->decode($_) } @lines;

	is(@rows, @cases, "$file: all were evaluated");
	for my $case (@cases)
	{
		my ($is_right, $got) = split /\|/, shift @rows, 2;
		my $name = "$dialect, $case->{section}: $case->{expr}";

		$name = substr($name =~ s/\s+/ /gr, 0, 120);
		utf8::encode($name);
		ok($is_right eq 't', $name)
		  or diag('expected ' . $json->encode($case->{expected}) . ", got $got");
	}
	return;
}

check('dialect.jsonl', 'inngest');
check('inngest.jsonl', 'inngest');
check('strict.jsonl', 'strict');

# In the strict dialect && and || do not care about the order of their operands, whatever these are.
{
	my @operands = (qw(true false 1 null nope x.y), q('a'), '1/0 > 0', '[]', 'has(x.y)', '[1,0].all(i, 1/i > 0)');
	my @pairs = map { my $left = $_; map { [ $left, $_ ] } @operands } @operands;
	my @cases;

	for my $operator ('&&', '||')
	{
		push @cases, map { "($_->[0]) $operator ($_->[1])" } @pairs;
		push @cases, map { "($_->[1]) $operator ($_->[0])" } @pairs;
	}
	my @got = evaluate("CASE WHEN got IN ('true', 'false') THEN got ELSE 'error' END", 'strict',
		map { $json->encode({ expr => $_, bindings => { x => {} } }) } @cases);

	for my $operator ('&&', '||')
	{
		my @one = splice @got, 0, scalar @pairs;
		my @other = splice @got, 0, scalar @pairs;

		ok((grep { $_ eq 'true' } @one) && (grep { $_ eq 'error' } @one), "$operator has all kinds of results");
		is_deeply(\@one, \@other, "$operator of " . @pairs . ' pairs is the same both ways');
	}
}

# <!-- example: what psql -At prints, with " | " between columns -->
{
	my $text = slurp_file("$FindBin::Bin/../../docs/expressions.md");
	my $count = 0;

	while ($text =~ /<!-- example: (.*?) -->\n```sql\n(.*?)```/gs)
	{
		my ($expected, $statement) = ($1, $2);

		$count++;
		is(join(' | ', split /\|/, $inn->sql($statement)), $expected, "example $count of docs/expressions.md");
	}
	my $fenced = () = $text =~ /^```sql$/mg;
	is($count, $fenced - 1, 'every example but the first, which registers a function, says its result');
	my ($register) = $text =~ /^```sql\n(.*?)```/ms;
	like($inn->sql($register), qr/welcome-pro/, 'and that one registers it');
}

done_testing();
