package awskms_test

import (
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// TestAnswersWithNothingInThem must neither panic nor take nothing for a key.
func TestAnswersWithNothingInThem(t *testing.T) {
	s := start(t)
	st := wrap(t, awskms.New(os.Getenv), key(awskmstest.DefaultKey))
	s.SetHollow(true)
	t.Run("KMS", func(t *testing.T) {
		fails(t, awskms.New(os.Getenv), st, keysources.Unreachable, "incomplete")
		fails(t, awskms.New(os.Getenv), key(awskmstest.DefaultKey), keysources.Unreachable, "incomplete")
	})
	t.Run("role", func(t *testing.T) {
		fails(t, awskms.New(os.Getenv), key(roleKey, "role", sealerRole), keysources.Unreachable, "incomplete")
	})
	t.Run("role of a profile", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, filepath.Join(dir, "credentials"), profileOf("static", s.Credentials())))
		t.Setenv("AWS_CONFIG_FILE", write(t, filepath.Join(dir, "config"), "[profile roled]\nsource_profile = static\nrole_arn = "+sealerRole+"\n"))
		fails(t, awskms.New(os.Getenv), key(roleKey, "aws_profile", "roled"), keysources.Unreachable, "incomplete")
	})
	use(t, s.Endpoints()...)
	t.Setenv("HOME", t.TempDir())
	t.Run("web identity", func(t *testing.T) {
		t.Setenv("AWS_ROLE_ARN", sealerRole)
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, filepath.Join(t.TempDir(), "token"), s.WebIdentityToken()))
		fails(t, awskms.New(os.Getenv), key(roleKey), keysources.Unreachable, "incomplete")
	})
	t.Run("SSO", func(t *testing.T) {
		sum := sha1.Sum([]byte("https://corp.example/start")) // the name of the file, given by the AWS CLI
		write(t, filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json"),
			`{"accessToken": "x", "expiresAt": "`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
		t.Setenv("AWS_ENDPOINT_URL_SSO", s.URL())
		t.Setenv("AWS_CONFIG_FILE", write(t, filepath.Join(t.TempDir(), "config"),
			"[profile sso]\nsso_region = eu-west-1\nsso_start_url = https://corp.example/start\nsso_account_id = 1\nsso_role_name = x\n"))
		fails(t, awskms.New(os.Getenv), key(hostKey, "aws_profile", "sso"), keysources.Unreachable, "incomplete")
	})
	t.Run("container", func(t *testing.T) {
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.ContainerURL())
		fails(t, awskms.New(os.Getenv), key(hostKey), keysources.Unauthenticated)
	})
	t.Run("instance", func(t *testing.T) {
		os.Unsetenv("AWS_EC2_METADATA_DISABLED")
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL())
		fails(t, awskms.New(os.Getenv), key(hostKey), keysources.Unauthenticated)
	})
}
