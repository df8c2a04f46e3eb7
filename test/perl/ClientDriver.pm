# The HTTP client of the executor without a server around it (test/client/driver.c), and the server that it talks
# to (test/client/server.py).
#
#	my $peer = ClientDriver::Peer->new;
#	my $client = ClientDriver->new(calls => 100);
#	my $reply = $client->call(url => $peer->url('/echo'), header => [ 'X-A: b' ]);   # waits for the reply
#	my $id = $client->start(url => $peer->url('/hang'));                             # does not
#	$reply = $client->reply($id);
#	my $stats = $client->ask('stats');
#
# What a command answers is JSON, decoded here.  Nothing waits longer than PATIENCE seconds: it dies then.
package ClientDriver;

use strict;
use warnings;

use IO::Select;
use IPC::Open2 qw(open2);
use JSON::PP ();
use Time::HiRes qw(time);

use constant PATIENCE => 120;

my $json = JSON::PP->new->latin1;
my $program;

# Compile it, once; returns the path.
sub program
{
	return $program if defined $program;
	my $tree = $ENV{INN_TREE} // '.';
	my @directories = map { chomp(my $path = `@{[ $ENV{INN_PG_CONFIG} // 'pg_config' ]} --$_`); $path }
	  qw(includedir-server includedir pkglibdir libdir);
	my @sources = map { "$tree/$_.c" } qw(test/client/driver src/execute/client src/execute/transfer src/execute/verdict src/execute/incoming
	  src/execute/outgoing src/execute/lookups src/execute/address src/base/descriptors);

	# Not the sanitizer that the tests may have been started under.
	local %ENV = %ENV;
	delete $ENV{LD_PRELOAD};
	$program = ($ENV{TESTDIR} // '/tmp') . '/client_driver';
	my $command = join ' ', $ENV{CC} // 'cc', '-std=gnu11 -g -O1 -D_GNU_SOURCE -DUSE_ASSERT_CHECKING', $ENV{COPT} // '', "-I$tree/src",
	  (map { "-I$_" } @directories[ 0, 1 ]), @sources, '-o', $program, '-lcurl', (map { "-L$_" } @directories[ 2, 3 ]),
	  '-lpgport -lpthread -ldl';
	system($command) == 0 or die "could not compile the driver: $command";
	return $program;
}

sub new
{
	my ($class, %option) = @_;
	my $pid = open2(my $out, my $in, split(' ', $ENV{INN_TEST_WRAPPER} // ''), program(), $option{calls} // 1000);

	$in->autoflush(1);
	return bless { pid => $pid, in => $in, out => $out, buffer => '', replies => {}, answers => [], next_id => 1 }, $class;
}

# Start a call: its id.
sub start
{
	my ($self, %field) = @_;
	my $id = $self->{next_id}++;

	$self->command('call', id => $id, %field);
	return $id;
}

# Start a call and wait for its reply.
sub call
{
	my ($self, %field) = @_;
	my $reply = $self->reply($self->start(%field));

	$reply->{json} = eval { $json->decode($reply->{body}) };
	return $reply;
}

sub reply
{
	my ($self, $id) = @_;

	$self->_read until exists $self->{replies}{$id};
	return delete $self->{replies}{$id};
}

# Is the reply there?  What has arrived is looked at, nothing is waited for.
sub has_reply
{
	my ($self, $id) = @_;

	$self->_read while IO::Select->new($self->{out})->can_read(0);
	return exists $self->{replies}{$id};
}

# A command that answers.
sub ask
{
	my ($self, $word, %field) = @_;

	$self->command($word, %field);
	$self->_read until @{ $self->{answers} };
	return shift @{ $self->{answers} };
}

# A command that does not.
sub command
{
	my ($self, $word, %field) = @_;

	print { $self->{in} } join("\t", $word, map {
			my $name = $_;
			map { "$name=$_" } ref $field{$name} ? @{ $field{$name} } : ($field{$name})
		} sort keys %field), "\n";
	return;
}

# End the program; its exit status.
sub finish
{
	my ($self) = @_;

	close($self->{in});
	waitpid($self->{pid}, 0);
	return $?;
}

sub _read
{
	my ($self) = @_;

	IO::Select->new($self->{out})->can_read(PATIENCE) or die 'the driver is silent';
	sysread($self->{out}, $self->{buffer}, 65536, length $self->{buffer}) or die 'the driver has ended';
	while ($self->{buffer} =~ s/^(.*)\n//)
	{
		my $answer = $json->decode($1);

		if (exists $answer->{id})
		{
			$self->{replies}{ $answer->{id} } = $answer;
		}
		else
		{
			push @{ $self->{answers} }, $answer;
		}
	}
	return;
}

package ClientDriver::Peer;

use IPC::Open2 qw(open2);

sub new
{
	my ($class) = @_;
	my $pid = open2(my $out, my $in, 'python3', ($ENV{INN_TREE} // '.') . '/test/client/server.py');
	my $port = <$out>;

	die 'the server does not start' unless defined $port;
	chomp $port;
	return bless { pid => $pid, in => $in, port => $port }, $class;
}

sub port { return $_[0]{port} }

sub url
{
	my ($self, $path, $host) = @_;
	return 'http://' . ($host // '127.0.0.1') . ":$self->{port}$path";
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);

	close($self->{in});
	waitpid($self->{pid}, 0);
	return;
}

1;
