package awskmstest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// call is a request of KMS or STS and how it is signed.
type call struct {
	target, contentType, body string
	service, region           string
	at                        time.Time
	creds                     aws.Credentials
	// after changes the request after it was signed.
	after func(*http.Request)
}

func good(s *awskmstest.Server) call {
	return call{
		target: "TrentService.Encrypt", contentType: "application/x-amz-json-1.1",
		body:    `{"KeyId": "` + awskmstest.DefaultKey + `", "Plaintext": "AAAA", "EncryptionContext": {"a": "b"}}`,
		service: "kms", region: awskmstest.Region, at: time.Now(), creds: credentials(s.Credentials()),
	}
}

func credentials(env []string) aws.Credentials {
	var c aws.Credentials
	for _, kv := range env {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "AWS_ACCESS_KEY_ID":
			c.AccessKeyID = value
		case "AWS_SECRET_ACCESS_KEY":
			c.SecretAccessKey = value
		case "AWS_SESSION_TOKEN":
			c.SessionToken = value
		}
	}
	return c
}

// send returns the status and the body of the answer.
func send(t *testing.T, s *awskmstest.Server, c call) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", c.contentType)
	if c.target != "" {
		r.Header.Set("X-Amz-Target", c.target)
	}
	sum := sha256.Sum256([]byte(c.body))
	if err := v4.NewSigner().SignHTTP(context.Background(), c.creds, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at); err != nil {
		t.Fatal(err)
	}
	if c.after != nil {
		c.after(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// refusal is a change to a good request and the error that it must give.
type refusal struct {
	name   string
	change func(*call)
	want   string
}

func refused(s *awskmstest.Server) []refusal {
	old := credentials(s.Session(awskmstest.UserARN, -time.Second))
	session := credentials(s.Session(awskmstest.UserARN, time.Hour))
	return []refusal{
		{"other secret", func(c *call) { c.creds.SecretAccessKey += "x" }, "InvalidSignatureException"},
		{"other user", func(c *call) { c.creds.AccessKeyID = "AKIAX" }, "UnrecognizedClientException"},
		{"token too much", func(c *call) { c.creds.SessionToken = "x" }, "UnrecognizedClientException"},
		{"other token", func(c *call) { c.creds = session; c.creds.SessionToken += "x" }, "UnrecognizedClientException"},
		{"no token", func(c *call) { c.creds = session; c.creds.SessionToken = "" }, "UnrecognizedClientException"},
		{"expired", func(c *call) { c.creds = old }, "ExpiredTokenException"},
		{"other service", func(c *call) { c.service = "sts" }, "InvalidSignatureException"},
		{"no region", func(c *call) { c.region = "" }, "InvalidSignatureException"},
		{"other region", func(c *call) { c.region = "eu-west-1" }, "NotFoundException"},
		{"too old", func(c *call) { c.at = c.at.Add(-6 * time.Minute) }, "InvalidSignatureException"},
		{"too early", func(c *call) { c.at = c.at.Add(6 * time.Minute) }, "InvalidSignatureException"},
		{"other body", func(c *call) {
			c.after = func(r *http.Request) {
				body := strings.Replace(c.body, "AAAA", "AAAB", 1)
				r.Body = io.NopCloser(strings.NewReader(body))
			}
		}, "InvalidSignatureException"},
		{"other operation", func(c *call) {
			c.after = func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.Decrypt") }
		}, "InvalidSignatureException"},
		{"unsigned header", func(c *call) {
			c.after = func(r *http.Request) { r.Header.Set("X-Amz-Extra", "x") }
		}, "InvalidSignatureException"},
		{"other host", func(c *call) {
			c.after = func(r *http.Request) { r.Host = "kms.eu-west-1.amazonaws.com" }
		}, "InvalidSignatureException"},
		{"not signed", func(c *call) {
			c.after = func(r *http.Request) { r.Header.Del("Authorization") }
		}, "MissingAuthenticationTokenException"},
		{"noise for a signature", func(c *call) {
			c.after = func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 a, b, c") }
		}, "InvalidSignatureException"},
		{"unknown operation", func(c *call) { c.target = "TrentService.Sign" }, "UnknownOperationException"},
		{"not JSON", func(c *call) { c.body = "{" }, "SerializationException"},
	}
}

func TestSignaturesAreVerified(t *testing.T) {
	s := awskmstest.New(t, awskmstest.Options{})
	if status, body := send(t, s, good(s)); status != http.StatusOK || !strings.Contains(body, "CiphertextBlob") {
		t.Fatalf("a good request: status %d, %s", status, body)
	}
	for _, tt := range refused(s) {
		t.Run(tt.name, func(t *testing.T) {
			c := good(s)
			tt.change(&c)
			if status, body := send(t, s, c); status != http.StatusBadRequest || !strings.Contains(body, `"`+tt.want+`"`) {
				t.Errorf("got status %d, %s, want %s", status, body, tt.want)
			}
		})
	}
}

func TestSTSRefusesAsItDoes(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/x"
	s := awskmstest.New(t, awskmstest.Options{Roles: []awskmstest.Role{
		{ARN: role, TrustedBy: []string{awskmstest.UserARN}}, {ARN: role + "y"},
	}})
	const form = "Version=2011-06-15&Action="
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"fine", "AssumeRole&RoleSessionName=me&RoleArn=" + role, 200, "<SessionToken>"},
		{"who am I", "GetCallerIdentity", 200, "<Arn>" + awskmstest.UserARN},
		{"role that trusts nobody", "AssumeRole&RoleSessionName=me&RoleArn=" + role + "y", 403, "<Code>AccessDenied<"},
		{"no such role", "AssumeRole&RoleSessionName=me&RoleArn=" + role + "z", 403, "<Code>AccessDenied<"},
		{"bad session name", "AssumeRole&RoleSessionName=a%20b&RoleArn=" + role, 400, "<Code>ValidationError<"},
		{"bad duration", "AssumeRole&DurationSeconds=60&RoleSessionName=me&RoleArn=" + role, 400, "<Code>ValidationError<"},
		{"web identity that is none", "AssumeRoleWithWebIdentity&WebIdentityToken=x&RoleSessionName=me&RoleArn=" + role, 400, "<Code>InvalidIdentityToken<"},
		{"web identity not trusted", "AssumeRoleWithWebIdentity&WebIdentityToken=" + s.WebIdentityToken() + "&RoleSessionName=me&RoleArn=" + role, 403, "<Code>AccessDenied<"},
		{"unknown action", "GetFederationToken", 400, "<Code>InvalidAction<"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good(s)
			c.target, c.service, c.contentType, c.body = "", "sts", "application/x-www-form-urlencoded", form+tt.body
			if status, body := send(t, s, c); status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got status %d, %s, want %d and %s", status, body, tt.status, tt.want)
			}
		})
	}
	c := good(s)
	c.target, c.contentType, c.body = "", "application/x-www-form-urlencoded", form+"GetCallerIdentity"
	if status, body := send(t, s, c); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("signed for another service: got status %d, %s", status, body)
	}
}

// ask sends an operation of KMS, properly signed, and returns the answer.
func ask(t *testing.T, s *awskmstest.Server, operation string, in map[string]any) map[string]any {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	c := good(s)
	c.target, c.body = "TrentService."+operation, string(body)
	_, answer := send(t, s, c)
	var out map[string]any
	if err := json.NewDecoder(bytes.NewReader([]byte(answer))).Decode(&out); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	return out
}

func TestKeysAreFoundByAllTheirNames(t *testing.T) {
	const alias = "arn:aws:kms:us-east-1:111122223333:alias/app"
	s := awskmstest.New(t, awskmstest.Options{Keys: []awskmstest.Key{{ARN: awskmstest.DefaultKey, Aliases: []string{alias}}}})
	for _, name := range []string{awskmstest.DefaultKey, alias, "alias/app", "00000000-0000-4000-8000-000000000001"} {
		out := ask(t, s, "DescribeKey", map[string]any{"KeyId": name})
		if m, _ := out["KeyMetadata"].(map[string]any); m["Arn"] != awskmstest.DefaultKey || m["KeyState"] != "Enabled" {
			t.Errorf("%s: got %v", name, out)
		}
		made := ask(t, s, "GenerateDataKey", map[string]any{"KeyId": name, "KeySpec": "AES_256"})
		opened := ask(t, s, "Decrypt", map[string]any{"CiphertextBlob": made["CiphertextBlob"]})
		if made["Plaintext"] == nil || opened["Plaintext"] != made["Plaintext"] || opened["KeyId"] != awskmstest.DefaultKey {
			t.Errorf("%s: a data key that cannot be opened: %v", name, opened)
		}
	}
	for in, want := range map[string]string{"": "ValidationException", "alias/x": "NotFoundException", "1": "NotFoundException", "arn:aws:s3:::x": "ValidationException"} {
		if out := ask(t, s, "DescribeKey", map[string]any{"KeyId": in}); out["__type"] != want {
			t.Errorf("%q: got %v, want %s", in, out, want)
		}
	}
}

func TestProxyKnowsNothingElse(t *testing.T) {
	s := awskmstest.New(t, awskmstest.Options{})
	env, err := s.ProxyEnv(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var proxy string
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "HTTPS_PROXY=http://"); ok {
			proxy = v
		}
	}
	for host, want := range map[string]int{
		"kms.us-east-1.amazonaws.com:443": 200, "sts.cn-north-1.amazonaws.com.cn:443": 200,
		"kms.us-east-1.amazonaws.com:80": 502, "s3.us-east-1.amazonaws.com:443": 502, "example.com:443": 502, "kms.us-east-1.example.com:443": 502,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodConnect, "http://"+proxy, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got status %d, want %d", host, resp.StatusCode, want)
		}
	}
}
