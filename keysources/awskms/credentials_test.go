package awskms_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// profileOf writes credentials as a profile of a credentials file.
func profileOf(name string, env []string) string {
	text := "[" + name + "]\n"
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		text += strings.ToLower(k) + " = " + v + "\n"
	}
	return text
}

// withoutCredentials starts a server and makes the environment name it, but no
// credentials.
func withoutCredentials(t *testing.T) *awskmstest.Server {
	t.Helper()
	s := awskmstest.New(t, options())
	use(t, s.Endpoints()...)
	t.Setenv("HOME", t.TempDir())
	return s
}

func TestNoCredentials(t *testing.T) {
	withoutCredentials(t)
	fails(t, awskms.New(os.Getenv), key(awskmstest.DefaultKey), keysources.Unauthenticated, "no AWS credentials")
}

func TestWrongAndExpiredCredentials(t *testing.T) {
	s := awskmstest.New(t, options())
	good := s.Credentials()
	old := s.Session(awskmstest.UserARN, -time.Minute)
	session := s.Session(awskmstest.UserARN, time.Hour)
	for _, tt := range []struct {
		name string
		env  []string
		says string
	}{
		{"wrong secret", []string{good[0], "AWS_SECRET_ACCESS_KEY=hunter2hunter2"}, "InvalidSignatureException"},
		{"unknown user", []string{"AWS_ACCESS_KEY_ID=AKIAUNKNOWN", good[1]}, "UnrecognizedClientException"},
		{"expired", old, "ExpiredTokenException"},
		{"session without its token", session[:2], "UnrecognizedClientException"},
		{"session with another token", append(session[:2:2], old[2]), "UnrecognizedClientException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			use(t, append(s.Endpoints(), tt.env...)...)
			source := awskms.New(os.Getenv)
			fails(t, source, key(awskmstest.DefaultKey), keysources.Unauthenticated, tt.says)
			fails(t, source, key(roleKey, "role", sealerRole), keysources.Unauthenticated, "STS AssumeRole")
		})
	}
	use(t, append(s.Endpoints(), session...)...)
	roundTrip(t, key(awskmstest.DefaultKey))
}

func TestRoles(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	unwrap(t, source, wrap(t, source, key(roleKey, "role", sealerRole)))
	if n := s.Calls("AssumeRole"); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
	for _, name := range s.SessionNames() {
		if !strings.HasPrefix(name, "sops@") || len(name) > 64 {
			t.Errorf("session name %q, want sops@HOST", name)
		}
	}
	fails(t, source, key(chainKey, "role", secretsRole), keysources.Denied, "AccessDenied STS AssumeRole")
	fails(t, source, key(chainKey, "role", sealerRole), keysources.Denied, "AccessDeniedException")
}

func TestRoleCredentialsAreRenewed(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until credentials expire")
	}
	o := options()
	o.SessionLife = 1500 * time.Millisecond
	s := awskmstest.New(t, o)
	use(t, s.Env()...)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(roleKey, "role", sealerRole))
	time.Sleep(o.SessionLife + 200*time.Millisecond)
	unwrap(t, source, st)
	if n := s.Calls("AssumeRole"); n != 2 {
		t.Errorf("the role was assumed %d times, want twice", n)
	}
}

func TestProfiles(t *testing.T) {
	s := awskmstest.New(t, options())
	dir := t.TempDir()
	use(t, append(s.Endpoints(),
		"AWS_SHARED_CREDENTIALS_FILE="+write(t, filepath.Join(dir, "credentials"),
			profileOf("static", s.Credentials())+profileOf("wrong", []string{"AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=x"})),
		"AWS_CONFIG_FILE="+write(t, filepath.Join(dir, "config"), `
[profile roled]
role_arn = `+sealerRole+`
source_profile = static
[profile chained]
role_arn = `+secretsRole+`
source_profile = roled
[profile mfa]
role_arn = `+sealerRole+`
source_profile = static
mfa_serial = arn:aws:iam::111122223333:mfa/x
[profile loop]
role_arn = `+sealerRole+`
source_profile = nowhere
`))...)
	t.Run("keys", func(t *testing.T) { roundTrip(t, key(awskmstest.DefaultKey, "aws_profile", "static")) })
	t.Run("role of the profile", func(t *testing.T) { roundTrip(t, key(roleKey, "aws_profile", "roled")) })
	t.Run("chain of the profile", func(t *testing.T) { roundTrip(t, key(chainKey, "aws_profile", "chained")) })
	t.Run("profile and role", func(t *testing.T) { roundTrip(t, key(chainKey, "aws_profile", "roled", "role", secretsRole)) })
	t.Run("of the environment", func(t *testing.T) {
		t.Setenv("AWS_PROFILE", "static")
		roundTrip(t, key(awskmstest.DefaultKey))
	})
	for _, tt := range []struct{ profile, says string }{
		{"absent", "no such profile"},
		{"wrong", "UnrecognizedClientException"},
		{"mfa", "MFA"},
		{"loop", "configuration"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			fails(t, awskms.New(os.Getenv), key(roleKey, "aws_profile", tt.profile), keysources.Unauthenticated, tt.says)
		})
	}
	t.Run("stanza's profile before the environment's keys", func(t *testing.T) {
		for _, kv := range s.Credentials() {
			name, value, _ := strings.Cut(kv, "=")
			t.Setenv(name, value)
		}
		fails(t, awskms.New(os.Getenv), key(awskmstest.DefaultKey, "aws_profile", "wrong"), keysources.Unauthenticated)
	})
}

func TestEndpointOfAProfile(t *testing.T) {
	s := awskmstest.New(t, options())
	use(t, append(s.Credentials(), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+write(t, filepath.Join(t.TempDir(), "config"), `
[default]
services = local
[services local]
kms =
  endpoint_url = `+s.URL()+`
`))...)
	roundTrip(t, key(awskmstest.DefaultKey))
	use(t, append(s.Env(), "AWS_ENDPOINT_URL_KMS=", "AWS_ENDPOINT_URL="+s.URL())...)
	roundTrip(t, key(awskmstest.DefaultKey))
}

func TestConfigurationThatCannotBeRead(t *testing.T) {
	s := start(t)
	t.Setenv("AWS_CONFIG_FILE", write(t, filepath.Join(t.TempDir(), "config"), "[default\nhunter2 = hunter2\n"))
	t.Setenv("AWS_PROFILE", "hunter3")
	source := awskms.New(os.Getenv)
	fails(t, source, key(awskmstest.DefaultKey), keysources.Unauthenticated, "configuration")
	// Once it is repaired, the same source goes on.
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_PROFILE", "")
	os.Unsetenv("AWS_PROFILE")
	unwrap(t, source, wrap(t, source, key(awskmstest.DefaultKey)))
	if s.Calls("Encrypt") != 1 {
		t.Error("KMS was asked more than once")
	}
}

func TestWebIdentity(t *testing.T) {
	s := withoutCredentials(t)
	t.Setenv("AWS_ROLE_ARN", sealerRole)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, filepath.Join(t.TempDir(), "token"), s.WebIdentityToken()))
	roundTrip(t, key(roleKey))
	roundTrip(t, key(chainKey, "role", secretsRole))
	if s.Calls("AssumeRoleWithWebIdentity") == 0 {
		t.Error("the token was not used")
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, filepath.Join(t.TempDir(), "token"), "hunter2"))
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the SDK takes this error for one that may pass
	fails(t, awskms.New(os.Getenv), key(roleKey), keysources.Unauthenticated, "InvalidIdentityToken STS AssumeRoleWithWebIdentity")
	t.Setenv("AWS_ROLE_ARN", secretsRole)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, filepath.Join(t.TempDir(), "token"), s.WebIdentityToken()))
	fails(t, awskms.New(os.Getenv), key(chainKey), keysources.Denied, "AccessDenied")
}

func TestInstanceMetadata(t *testing.T) {
	s := withoutCredentials(t)
	os.Unsetenv("AWS_EC2_METADATA_DISABLED")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL())
	roundTrip(t, key(hostKey))
	if s.Calls("metadata credentials") != 2 || s.Calls("metadata token") == 0 {
		t.Errorf("%d tokens and %d credentials, want one for each source", s.Calls("metadata token"), s.Calls("metadata credentials"))
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	before := s.Calls("metadata token")
	fails(t, awskms.New(os.Getenv), key(hostKey), keysources.Unauthenticated, "no AWS credentials")
	if s.Calls("metadata token") != before {
		t.Error("the metadata service was asked although it is disabled")
	}
}

// TestNoMetadataService has a service that takes requests and says nothing, as
// packets to it vanish where there is none.
func TestNoMetadataService(t *testing.T) {
	s := withoutCredentials(t)
	s.SetSilent(true)
	os.Unsetenv("AWS_EC2_METADATA_DISABLED")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL())
	for _, tt := range []struct {
		seconds string
		most    time.Duration
	}{{"", 1500 * time.Millisecond}, {"0.2", 500 * time.Millisecond}} {
		t.Setenv("AWS_METADATA_SERVICE_TIMEOUT", tt.seconds)
		source := awskms.New(os.Getenv)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { fails(t, source, key(awskmstest.DefaultKey), keysources.Unauthenticated, "no AWS credentials") })
		}
		wg.Wait()
		// The next ones, of other files, do not wait again.
		fails(t, source, key(awskmstest.DefaultKey), keysources.Unauthenticated, "no AWS credentials")
		if took := time.Since(begin); took > tt.most {
			t.Errorf("with a timeout of %q seconds it took %v", tt.seconds, took)
		}
	}
}

func TestContainerCredentials(t *testing.T) {
	s := withoutCredentials(t)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.ContainerURL())
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", s.ContainerToken())
	roundTrip(t, key(hostKey))
	if s.Calls("container credentials") != 2 {
		t.Errorf("%d calls, want one for each source", s.Calls("container credentials"))
	}
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2")
	fails(t, awskms.New(os.Getenv), key(hostKey), keysources.Unauthenticated)
}

func TestCredentialProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a Unix shell")
	}
	s := withoutCredentials(t)
	env := map[string]string{}
	for _, kv := range s.Session(awskmstest.UserARN, time.Hour) {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	out, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": env["AWS_ACCESS_KEY_ID"], "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"],
		"SessionToken": env["AWS_SESSION_TOKEN"], "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	answer := write(t, filepath.Join(dir, "answer"), string(out))
	t.Setenv("AWS_CONFIG_FILE", write(t, filepath.Join(dir, "config"),
		"[profile good]\ncredential_process = cat "+answer+"\n[profile bad]\ncredential_process = echo hunter2\n"))
	roundTrip(t, key(awskmstest.DefaultKey, "aws_profile", "good"))
	source := awskms.New(os.Getenv)
	_, err = tryWrap(t.Context(), source, key(awskmstest.DefaultKey, "aws_profile", "bad"))
	checkError(t, err, key(awskmstest.DefaultKey), keysources.Unauthenticated)
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%q repeats what the process said", err)
	}
}

// TestSSO has a session that the AWS CLI has logged in.
func TestSSO(t *testing.T) {
	s := withoutCredentials(t)
	t.Setenv("AWS_ENDPOINT_URL_SSO", s.URL())
	const account = "sso_account_id = " + awskmstest.Account + "\nsso_role_name = host\n"
	t.Setenv("AWS_CONFIG_FILE", write(t, filepath.Join(t.TempDir(), "config"), `
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.example/start
[profile session]
sso_session = corp
`+account+`
[profile legacy]
sso_region = eu-west-1
sso_start_url = https://corp.example/start
`+account+`
[profile stranger]
sso_session = corp
sso_account_id = `+awskmstest.Account+`
sso_role_name = admin
`))
	login := func(token string, expires time.Time) {
		for _, name := range []string{"corp", "https://corp.example/start"} {
			sum := sha1.Sum([]byte(name)) // the name of the file, given by the AWS CLI
			write(t, filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json"),
				fmt.Sprintf(`{"accessToken": %q, "expiresAt": %q}`, token, expires.UTC().Format(time.RFC3339)))
		}
	}
	const again = "log in again"
	fails(t, awskms.New(os.Getenv), key(hostKey, "aws_profile", "legacy"), keysources.Unauthenticated, again)
	login(s.SSOToken(), time.Now().Add(time.Hour))
	roundTrip(t, key(hostKey, "aws_profile", "session"))
	roundTrip(t, key(hostKey, "aws_profile", "legacy"))
	fails(t, awskms.New(os.Getenv), key(hostKey, "aws_profile", "stranger"), keysources.Denied, "SSO GetRoleCredentials")
	login("hunter2", time.Now().Add(time.Hour))
	fails(t, awskms.New(os.Getenv), key(hostKey, "aws_profile", "session"), keysources.Unauthenticated, again)
	login(s.SSOToken(), time.Now().Add(-time.Hour))
	for _, profile := range []string{"session", "legacy"} {
		fails(t, awskms.New(os.Getenv), key(hostKey, "aws_profile", profile), keysources.Unauthenticated, again)
	}
}
