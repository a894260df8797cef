package awskmstest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// principal is a user or a role session and its credentials.
type principal struct {
	accessKey, secret, token string
	arn                      string
	expires                  time.Time // zero: never
}

// newPrincipal makes credentials. Those that expire have a session token.
func newPrincipal(prefix, arn string, expires time.Time) principal {
	p := principal{accessKey: prefix + rand.Text()[:16], secret: rand.Text() + rand.Text(), arn: arn, expires: expires}
	if !expires.IsZero() {
		p.token = "session-" + rand.Text()
	}
	return p
}

func (p principal) env() []string {
	env := []string{"AWS_ACCESS_KEY_ID=" + p.accessKey, "AWS_SECRET_ACCESS_KEY=" + p.secret}
	if p.token != "" {
		env = append(env, "AWS_SESSION_TOKEN="+p.token)
	}
	return env
}

// newSession makes and remembers temporary credentials.
func (s *Server) newSession(arn string, life time.Duration) principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessionLife > 0 {
		life = s.sessionLife
	}
	p := newPrincipal("ASIA", arn, time.Now().Add(life))
	s.principals[p.accessKey] = p
	return p
}

// The errors of authentication as KMS names them; STS has other names.
var (
	errMissing   = fail("MissingAuthenticationTokenException", "Missing Authentication Token")
	errSignature = fail("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	errScope     = fail("InvalidSignatureException", "Credential should be scoped to a valid region and service.")
	errDate      = fail("InvalidSignatureException", "Signature expired or not yet current.")
	errClient    = fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	errExpired   = fail("ExpiredTokenException", "The security token included in the request is expired")
)

const (
	algorithm = "AWS4-HMAC-SHA256 "
	// maxSkew is how far the date of a request may be from ours.
	maxSkew = 5 * time.Minute
)

// authorization is a parsed Authorization header.
type authorization struct {
	accessKey, date, region, service string
	signed                           map[string]bool // canonical names of headers
}

func parseAuthorization(text string) (authorization, bool) {
	var a authorization
	rest, ok := strings.CutPrefix(text, algorithm)
	parts := strings.Split(rest, ", ")
	if !ok || len(parts) != 3 {
		return a, false
	}
	credential, ok1 := strings.CutPrefix(parts[0], "Credential=")
	headers, ok2 := strings.CutPrefix(parts[1], "SignedHeaders=")
	scope := strings.Split(credential, "/")
	if !ok1 || !ok2 || !strings.HasPrefix(parts[2], "Signature=") || len(scope) != 5 || scope[4] != "aws4_request" {
		return a, false
	}
	a = authorization{accessKey: scope[0], date: scope[1], region: scope[2], service: scope[3], signed: map[string]bool{}}
	for h := range strings.SplitSeq(headers, ";") {
		a.signed[http.CanonicalHeaderKey(h)] = true
	}
	return a, true
}

// authenticate checks the signature of a request to a service and notes who made
// it and for which region.
func (s *Server) authenticate(r *request, service string) *failure {
	header := r.Header.Get("Authorization")
	if header == "" {
		return errMissing
	}
	a, ok := parseAuthorization(header)
	if !ok || !a.signed["Host"] || !signsAmazonHeaders(a, r.Header) {
		return errSignature
	}
	if a.service != service || a.region == "" || !scopeFitsHost(a, r.Host) {
		return errScope
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > maxSkew || a.date != at.Format("20060102") {
		return errDate
	}
	s.mu.Lock()
	caller, known := s.principals[a.accessKey]
	s.mu.Unlock()
	if !known || r.Header.Get("X-Amz-Security-Token") != caller.token {
		return errClient
	}
	if !isSignedBy(r, a, caller, at) {
		return errSignature
	}
	if !caller.expires.IsZero() && time.Now().After(caller.expires) {
		return errExpired
	}
	r.caller, r.region = caller, a.region
	return nil
}

// signsAmazonHeaders reports whether all headers of AWS are signed, as it demands.
func signsAmazonHeaders(a authorization, h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-") && !a.signed[name] {
			return false
		}
	}
	return true
}

// scopeFitsHost compares the scope with the host, if that is one of AWS's.
func scopeFitsHost(a authorization, host string) bool {
	service, region, ok := serviceHost(host)
	return !ok || service == a.service && region == a.region
}

// serviceHost returns what a host name such as kms.us-east-1.amazonaws.com says.
func serviceHost(host string) (service, region string, ok bool) {
	host = strings.TrimSuffix(host, ":443")
	name, isAWS := strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	service, region, ok = strings.Cut(name, ".")
	return service, region, ok && isAWS
}

// isSignedBy signs the request again, with the secret that its caller must have,
// and compares.
func isSignedBy(r *request, a authorization, caller principal, at time.Time) bool {
	again := r.Clone(context.Background())
	again.URL.Scheme, again.URL.Host = "http", r.Host
	for name := range again.Header {
		if !a.signed[name] {
			again.Header.Del(name)
		}
	}
	// The signer adds the length unless it is unknown.
	again.ContentLength = -1
	if a.signed["Content-Length"] {
		again.ContentLength = int64(len(r.body))
	}
	sum := sha256.Sum256(r.body)
	err := v4.NewSigner().SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: caller.accessKey, SecretAccessKey: caller.secret, SessionToken: caller.token},
		again, hex.EncodeToString(sum[:]), a.service, a.region, at)
	return err == nil && again.Header.Get("Authorization") == r.Header.Get("Authorization")
}
