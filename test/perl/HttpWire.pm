# A TCP connection on which a test says exactly what it wants, and reads replies one by one.
#
#	my $wire = HttpWire->new($inn->http_port);
#	$wire->write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
#	my $reply = $wire->reply;       # { status, headers (lower case names), content }; undef at the end
#	ok($wire->is_closed);           # the server hangs up
#
# Nothing waits longer than PATIENCE seconds: it dies then, which fails the test.
package HttpWire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

use constant PATIENCE => 30;

sub new
{
	my ($class, $port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => PATIENCE)
	  // die "could not connect to port $port: $!";

	$socket->autoflush(1);
	binmode($socket);
	return bless { socket => $socket, buffer => '', is_ended => 0 }, $class;
}

# Send bytes.  False if the server has hung up.
sub write
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $sent = 0;

	while ($sent < length $bytes)
	{
		my $n = syswrite($self->{socket}, $bytes, 65536, $sent) // return 0;
		$sent += $n;
	}
	return 1;
}

# A whole request; headers as "Name: value" strings.
sub request
{
	my ($self, $method, $path, $body, @headers) = @_;

	push @headers, 'Content-Length: ' . length $body if defined $body;
	return $self->write(join("\r\n", "$method $path HTTP/1.1", 'Host: localhost', @headers, '', $body // ''));
}

# The next reply, or undef when the connection has ended before it.  no_body => 1: to a HEAD request.
sub reply
{
	my ($self, %option) = @_;

	while ($self->{buffer} !~ /\r\n\r\n/)
	{
		$self->_more or return undef;
	}
	$self->{buffer} =~ s/^HTTP\/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n//s
	  or ($self->{buffer} =~ s/^HTTP\/1\.1 (\d{3})[^\r]*\r\n()\r\n//s)
	  or die "not an HTTP reply: $self->{buffer}";
	my $reply = { status => $1, headers => {} };
	for (split /\r\n/, $2)
	{
		my ($name, $value) = split /:\s*/, $_, 2;
		$reply->{headers}{ lc $name } = $value;
	}
	my $size = $option{no_body} ? 0 : $reply->{headers}{'content-length'} // 0;
	while (length $self->{buffer} < $size)
	{
		$self->_more or die 'the connection has ended in the middle of a reply';
	}
	$reply->{content} = substr($self->{buffer}, 0, $size, '');
	return $reply;
}

# Wait until the server ends the connection; what it still sends is dropped.
sub is_closed
{
	my ($self) = @_;

	while ($self->_more) { }
	return 1;
}

# Has anything arrived that was not read yet?
sub is_silent
{
	my ($self, $seconds) = @_;
	return $self->{buffer} eq '' && !IO::Select->new($self->{socket})->can_read($seconds // 0);
}

# Hang up; hard => 1 with a reset instead of an orderly end.
sub close
{
	my ($self, %option) = @_;

	setsockopt($self->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $option{hard};
	close($self->{socket});
	return;
}

# Read what there is.  False at the end of the connection.
sub _more
{
	my ($self) = @_;

	return 0 if $self->{is_ended};
	IO::Select->new($self->{socket})->can_read(PATIENCE) or die 'the server is silent';
	my $n = sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});
	$self->{is_ended} = !$n;
	return !$self->{is_ended};
}

1;
