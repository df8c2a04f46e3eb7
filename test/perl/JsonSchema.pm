# A JSON Schema checker, as much of it as docs/openapi.json uses.  A keyword that it does not know is an
# error, so that nothing is taken for checked that is not.
#
#	my $schemas = JsonSchema->new($document);       # decoded by JSON::PP; the root of "#/..." references
#	my @faults = $schemas->check($schema, $value);  # sentences; none: it fits
package JsonSchema;

use strict;
use warnings;

use B ();
use JSON::PP ();

my %ANNOTATION = map { ($_ => 1) } qw(description format default examples title);

my %TYPE = (
	object => sub { ref $_[0] eq 'HASH' },
	array => sub { ref $_[0] eq 'ARRAY' },
	null => sub { !defined $_[0] },
	boolean => sub { JSON::PP::is_bool($_[0]) },
	string => sub { defined $_[0] && !ref $_[0] && !is_number($_[0]) },
	number => sub { is_number($_[0]) },
	integer => sub { is_number($_[0]) && $_[0] =~ /^-?\d+$/ },
);

my %CHECK = (
	'$ref' => sub { my ($self, $want, $value, $path) = @_; $self->check($self->resolve($want), $value, $path) },
	type => sub {
		my ($self, $want, $value, $path) = @_;
		my @types = ref $want ? @$want : ($want);

		return grep({ ($TYPE{$_} // die "unknown type $_")->($value) } @types) ? () : "$path is not of type @types";
	},
	enum => sub {
		my ($self, $want, $value, $path) = @_;
		return grep({ same($_, $value) } @$want) ? () : "$path is none of the values it may be: " . ($value // 'null');
	},
	const => sub { my ($self, $want, $value, $path) = @_; same($want, $value) ? () : "$path is not $want" },
	required => sub {
		my ($self, $want, $value, $path) = @_;
		return map { exists $value->{$_} ? () : "$path.$_ is missing" } ref $value eq 'HASH' ? @$want : ();
	},
	properties => sub {
		my ($self, $want, $value, $path) = @_;
		return map { exists $value->{$_} ? $self->check($want->{$_}, $value->{$_}, "$path.$_") : () }
		  ref $value eq 'HASH' ? sort keys %$want : ();
	},
	additionalProperties => sub {
		my ($self, $want, $value, $path, $schema) = @_;
		my @more = ref $value eq 'HASH' ? grep { !exists $schema->{properties}{$_} } sort keys %$value : ();

		return map { $self->check($want, $value->{$_}, "$path.$_") } @more if ref $want eq 'HASH';
		return $want ? () : map { "$path.$_ is not described" } @more;
	},
	items => sub {
		my ($self, $want, $value, $path) = @_;
		return map { $self->check($want, $value->[$_], $path . "[$_]") } ref $value eq 'ARRAY' ? 0 .. $#$value : ();
	},
	anyOf => sub {
		my ($self, $want, $value, $path) = @_;
		return grep({ !$self->check($_, $value, $path) } @$want) ? () : "$path fits none of the forms it may have";
	},
	oneOf => sub {
		my ($self, $want, $value, $path) = @_;
		my $fitting = grep { !$self->check($_, $value, $path) } @$want;
		return $fitting == 1 ? () : "$path fits $fitting of the forms of which it must have one";
	},
	pattern => sub {
		my ($self, $want, $value, $path) = @_;
		return !$TYPE{string}->($value) || $value =~ /$want/ ? () : "$path does not look like $want: $value";
	},
	minimum => sub { within($_[2], $_[2], $_[1], 'inf', $_[3]) },
	maximum => sub { within($_[2], $_[2], '-inf', $_[1], $_[3]) },
	minLength => sub { $TYPE{string}->($_[2]) ? within($_[2], length $_[2], $_[1], 'inf', $_[3]) : () },
	maxLength => sub { $TYPE{string}->($_[2]) ? within($_[2], length $_[2], '-inf', $_[1], $_[3]) : () },
	minItems => sub { ref $_[2] eq 'ARRAY' ? within($_[2], scalar @{ $_[2] }, $_[1], 'inf', $_[3]) : () },
	maxItems => sub { ref $_[2] eq 'ARRAY' ? within($_[2], scalar @{ $_[2] }, '-inf', $_[1], $_[3]) : () },
	maxProperties => sub { ref $_[2] eq 'HASH' ? within($_[2], scalar keys %{ $_[2] }, '-inf', $_[1], $_[3]) : () },
);

sub new
{
	my ($class, $document) = @_;
	return bless { document => $document }, $class;
}

sub check
{
	my ($self, $schema, $value, $path) = @_;
	my @faults;

	$path //= '$';
	for my $keyword (sort keys %$schema)
	{
		next if $ANNOTATION{$keyword};
		my $check = $CHECK{$keyword} // die "unknown keyword $keyword\n";
		push @faults, $check->($self, $schema->{$keyword}, $value, $path, $schema);
	}
	return @faults;
}

# What "#/a/b" stands for.
sub resolve
{
	my ($self, $reference) = @_;
	my $place = $self->{document};
	my ($empty, @keys) = split /\//, $reference;

	for my $key (@keys)
	{
		$place = $place->{$key} // die "$reference leads nowhere\n";
	}
	return $place;
}

# Numbers and texts are told apart by how JSON::PP has made them.
sub is_number
{
	my ($value) = @_;

	return 0 if !defined $value || ref $value;
	my $flags = B::svref_2object(\$value)->FLAGS;
	return $flags & (B::SVp_IOK | B::SVp_NOK) && !($flags & B::SVp_POK);
}

sub same
{
	my ($a, $b) = @_;

	return !defined $a && !defined $b if !defined $a || !defined $b;
	return is_number($a) == is_number($b) && $a eq $b;
}

sub within
{
	my ($value, $size, $least, $greatest, $path) = @_;

	return () if !defined $size || (!ref $value && !is_number($size));
	return $size >= $least && $size <= $greatest ? () : "$path is too small or too large: $size";
}

1;
