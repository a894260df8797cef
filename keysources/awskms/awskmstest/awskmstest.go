// Package awskmstest is a stand-in for the parts of AWS that awskms talks to: KMS
// and STS, the SSO portal, and the metadata services of instances and containers.
// It is for tests and benchmarks only.
//
// It refuses what AWS refuses: requests whose signature, date, credential scope or
// session token is wrong, keys of another region, ciphertexts of another key or
// encryption context, principals that may not use a key or assume a role. Keys and
// credentials are made at random and live as long as the server.
package awskmstest

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// What a server has unless its options say otherwise.
const (
	Region     = "us-east-1"
	DefaultKey = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001"
	// UserARN is who the credentials of [Server.Credentials] belong to.
	UserARN = "arn:aws:iam::111122223333:user/tester"
	// HostRole is the role whose credentials the metadata services and the SSO
	// portal give.
	HostRole = "arn:aws:iam::111122223333:role/host"
	// Account is the account of all these.
	Account = "111122223333"
)

// Options are what a server has. The zero value has one key, DefaultKey.
type Options struct {
	Keys  []Key
	Roles []Role
	// Latency is how long each answer of KMS takes.
	Latency time.Duration
	// SessionLife, if not zero, is how long temporary credentials are valid,
	// whatever was asked for.
	SessionLife time.Duration
}

// Key is a symmetric key. Keys whose ids begin with mrk- and are the same are one
// multi-Region key.
type Key struct {
	ARN string
	// Aliases are ARNs of aliases in the key's region.
	Aliases []string
	// Users are the ARNs of those who may use it, nil: everybody.
	Users []string
}

// Role is a role that can be assumed.
type Role struct {
	ARN string
	// TrustedBy are the ARNs of the users and roles that may assume it.
	TrustedBy []string
	// WebIdentity: it may be assumed with [Server.WebIdentityToken].
	WebIdentity bool
}

// State is the state of a key.
type State string

// The states of keys.
const (
	Enabled         State = "Enabled"
	Disabled        State = "Disabled"
	PendingDeletion State = "PendingDeletion"
)

// Fault is an answer that KMS gives instead of the right one. Without a code, it
// is a page such as a proxy sends.
type Fault struct {
	Status int
	Code   string
}

// Server is a running server. Its methods may be used from several goroutines.
type Server struct {
	url    string
	http   *http.Server
	closed chan struct{}
	once   sync.Once
	proxy  *proxy
	tokens tokens
	user   principal // who has UserARN

	mu          sync.Mutex // guards all below
	latency     time.Duration
	sessionLife time.Duration
	mood        mood
	faults      []Fault
	keys        map[string]*keyState // :: ARN →
	aliases     map[string]string    // :: ARN of alias → ARN of key
	roles       map[string]Role
	principals  map[string]principal // :: access key id →
	calls       map[string]int
	sessions    []string
	current     int
	most        int
	connections int
}

// tokens are what the services that give credentials ask for.
type tokens struct{ web, sso, container, metadata string }

// Start starts a server on a free port of the loopback interface.
func Start(o Options) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a stand-in for AWS: %w", err)
	}
	s := &Server{
		url:    "http://" + l.Addr().String(),
		closed: make(chan struct{}),
		tokens: tokens{web: "web-" + rand.Text(), sso: "sso-" + rand.Text(), container: "container-" + rand.Text(), metadata: "metadata-" + rand.Text()},

		latency: o.Latency, sessionLife: o.SessionLife,
		keys: map[string]*keyState{}, aliases: map[string]string{}, roles: map[string]Role{},
		principals: map[string]principal{}, calls: map[string]int{},
	}
	if o.Keys == nil {
		o.Keys = []Key{{ARN: DefaultKey}}
	}
	for _, k := range o.Keys {
		s.addKey(k)
	}
	for _, r := range o.Roles {
		s.roles[r.ARN] = r
	}
	s.user = newPrincipal("AKIA", UserARN, time.Time{})
	s.principals[s.user.accessKey] = s.user
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, ConnState: s.countConnection}
	go s.http.Serve(l) // ends with Close
	return s, nil
}

// New starts a server that ends with the test.
func New(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := Start(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Close ends the server and all that is under way.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.http.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.proxy != nil {
			s.proxy.close()
		}
	})
}

// URL is where the server listens; it serves all that it stands for there.
func (s *Server) URL() string { return s.url }

// Env returns the variables, NAME=value, with which a program uses the server as
// KMS and STS and nothing of whoever runs the test.
func (s *Server) Env() []string {
	return append(s.Endpoints(), s.Credentials()...)
}

// Endpoints returns the part of [Server.Env] that gives no credentials.
func (s *Server) Endpoints() []string {
	return []string{
		"AWS_ENDPOINT_URL_KMS=" + s.url,
		"AWS_ENDPOINT_URL_STS=" + s.url,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Credentials returns the variables that hold the credentials of UserARN.
func (s *Server) Credentials() []string { return s.user.env() }

// Session returns the variables that hold temporary credentials of a principal,
// which end after life, or have ended if it is negative.
func (s *Server) Session(arn string, life time.Duration) []string {
	return s.newSession(arn, life).env()
}

// WebIdentityToken is the token with which roles can be assumed.
func (s *Server) WebIdentityToken() string { return s.tokens.web }

// SSOToken is the token that the SSO portal takes; its address is [Server.URL].
func (s *Server) SSOToken() string { return s.tokens.sso }

// ContainerToken is the token that [Server.ContainerURL] takes.
func (s *Server) ContainerToken() string { return s.tokens.container }

// ContainerURL is the address of the credentials of a container.
func (s *Server) ContainerURL() string { return s.url + containerPath }

// SetLatency sets how long each answer of KMS takes.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// mood is how the server answers all requests.
type mood int

const (
	normal mood = iota
	silent      // not at all
	hollow      // with success, but without what was asked for
)

// SetSilent makes the server take requests and not answer, or answer again.
func (s *Server) SetSilent(on bool) { s.setMood(on, silent) }

// SetHollow makes the server answer all requests with success and nothing in it, as
// a broken service might, or well again.
func (s *Server) SetHollow(on bool) { s.setMood(on, hollow) }

func (s *Server) setMood(on bool, m mood) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = normal
	if on {
		s.mood = m
	}
}

// FailNext makes the next n calls of KMS fail.
func (s *Server) FailNext(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	for range n {
		s.faults = append(s.faults, f)
	}
}

// SetState sets the state of a key.
func (s *Server) SetState(arn string, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[arn]; k != nil {
		k.state = state
	}
}

// PointAlias makes an alias stand for another key.
func (s *Server) PointAlias(alias, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases[alias] = arn
}

// Calls returns how often an operation was asked for, by its name in AWS's API.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// SessionNames returns the names under which roles were assumed.
func (s *Server) SessionNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.sessions...)
}

// MostAtOnce returns how many calls of KMS were under way at the same time at most.
func (s *Server) MostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Connections returns how many connections were made to [Server.URL].
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

func (s *Server) countConnection(_ net.Conn, state http.ConnState) {
	if state != http.StateNew {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
}
