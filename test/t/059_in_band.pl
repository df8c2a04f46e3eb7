# In cloud mode an app may answer our PUT with its functions: they are registered if the answer is signed with our key.
# How: the stub app as each SDK does it; the one for Go ends what it has signed with a line feed.
use strict;
use warnings;

use InngestTest;
use StubApp;
use Test::More;

my $inn = InngestTest->new('main', conf => "inngest.mode = 'cloud'\n");
my $key = $inn->sql('SELECT inngest.create_signing_key()');
my $other = 'signkey-test-' . '0f' x 32;

# Ask an app, and wait for what comes of it: status and code of its error.
sub synced
{
	my ($app) = @_;
	my $sync = $inn->sql("SELECT inngest.sync_app('" . $app->url . "')");

	return wait_for(sub { $inn->sql("SELECT concat_ws(' ', status, error_code) FROM inngest.syncs WHERE id = '$sync' AND status <> 'pending'") },
		'the app has been asked');
}

for my $sdk ('js:v4.24.0', 'py:v0.5.19', 'go:v0.16.0')
{
	my ($language) = split /:/, $sdk;
	my $app = StubApp->new(inn => $inn, id => "app-$language", sdk => $sdk, signing_key => $key, in_band => 1);
	my $slug = $app->function('f', events => ["$language/f"]);

	is(synced($app), 'ok', "$sdk registers in band");
	is($inn->sql("SELECT count(*) FROM inngest.functions WHERE slug = '$slug'"), 1, 'its function is there');
	is(($app->requests)[0]{signature}, 'good', 'it was asked with a signature');

	my $stranger = StubApp->new(inn => $inn, id => "stranger-$language", sdk => $sdk, signing_key => $other, in_band => 1);
	$stranger->on($stranger->{path}, sub { return with(done({ app_id => 'stranger', functions => [], sdk_language => $language, sdk_version => 'v1', url => 'http://localhost' }),
		headers => { 'x-inngest-sync-kind' => 'in_band', 'x-inngest-signature' => 't=' . time . '&s=' . '0' x 64 }) });
	is(synced($stranger), 'failed invalid_signature', 'another key does not');
}
is($inn->sql("SELECT count(*) FROM inngest.apps WHERE name LIKE 'stranger%'"), 0, 'strangers are not registered');

done_testing();
