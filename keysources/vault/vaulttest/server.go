package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// startTime is how long a server may take until it answers; half a second is
// usual.
const startTime = 60 * time.Second

// Server is a Vault server in development mode: everything is in memory, and the
// transit engine is mounted at transit.
type Server struct {
	// Addr is its address, http://127.0.0.1:PORT.
	Addr string
	// Root is a token that may do everything.
	Root string
	// CACert is the file with the authority of its certificate, "" without TLS.
	CACert string

	admin *api.Client
	stop  func()
}

// Start starts a server that is stopped at the end of the test. See [Binary] for
// when the test is skipped.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, false)
}

// StartTLS starts a server that speaks TLS with a certificate of its own.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, true)
}

func start(tb testing.TB, tls bool) *Server {
	tb.Helper()
	bin := Binary(tb)
	// Between asking for a free port and using it somebody else may take it.
	const attempts = 3
	var err error
	for range attempts {
		var s *Server
		if s, err = run(bin, tb.TempDir(), tls); err == nil {
			tb.Cleanup(s.Stop)
			s.must(tb, s.admin.Sys().Mount("transit", &api.MountInput{Type: "transit"}))
			return s
		}
	}
	tb.Fatalf("starting Vault: %v", err)
	return nil
}

// run starts the program in a folder and waits until it answers.
func run(bin, dir string, tls bool) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: "http://" + address, Root: "root-of-the-tests"}
	args := []string{"server", "-dev", "-dev-listen-address=" + address, "-dev-root-token-id=" + s.Root, "-dev-no-store-token"}
	if tls {
		s.Addr, s.CACert = "https://"+address, filepath.Join(dir, "vault-ca.pem")
		args = append(args, "-dev-tls", "-dev-tls-cert-dir="+dir)
	}
	log, err := os.Create(filepath.Join(dir, "vault.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "VAULT_DISABLE_MLOCK=true"}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed at the end
	}()
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	if err := s.wait(ended); err != nil {
		s.Stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w: %s", err, lastLines(string(text), 5))
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// wait waits until the server answers, and makes the client that sets it up.
func (s *Server) wait(ended <-chan struct{}) error {
	deadline := time.Now().Add(startTime)
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			return errors.New("it ended at once")
		case <-time.After(50 * time.Millisecond):
		}
		if s.CACert != "" && !isFile(s.CACert) {
			continue
		}
		c, err := s.client()
		if err != nil {
			return err
		}
		// Before it is ready, Vault answers, but knows no token.
		if _, err := c.Auth().Token().LookupSelf(); err == nil {
			s.admin = c
			return nil
		}
	}
	return errors.New("it does not answer")
}

func (s *Server) client() (*api.Client, error) {
	config := api.DefaultConfig()
	config.Address, config.AgentAddress, config.MaxRetries = s.Addr, "", 0
	if s.CACert != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CACert}); err != nil {
			return nil, err
		}
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	c.SetToken(s.Root)
	c.ClearNamespace()
	return c, nil
}

// Stop stops the server before the test ends. It may be called again.
func (s *Server) Stop() { s.stop() }

// Seal seals the server: it answers everything with status 503 from then on.
func (s *Server) Seal(tb testing.TB) {
	tb.Helper()
	s.must(tb, s.admin.Sys().Seal())
}

// Write writes to a path as root, for everything that has no method here.
func (s *Server) Write(tb testing.TB, path string, data map[string]any) *api.Secret {
	tb.Helper()
	secret, err := s.admin.Logical().Write(path, data)
	s.must(tb, err)
	return secret
}

// Mount mounts another engine of a type at a path.
func (s *Server) Mount(tb testing.TB, path, engine string) {
	tb.Helper()
	s.must(tb, s.admin.Sys().Mount(path, &api.MountInput{Type: engine}))
}

// CreateKey makes a key of Vault's default type, AES-256-GCM, in the engine at
// transit, and returns its URI.
func (s *Server) CreateKey(tb testing.TB, name string) string {
	tb.Helper()
	s.Write(tb, "transit/keys/"+name, nil)
	return s.URI(name)
}

// URI returns ADDRESS/v1/transit/keys/NAME.
func (s *Server) URI(name string) string { return s.Addr + "/v1/transit/keys/" + name }

// Rotate gives a key a new version.
func (s *Server) Rotate(tb testing.TB, name string) {
	tb.Helper()
	s.Write(tb, "transit/keys/"+name+"/rotate", nil)
}

// Configure changes a key's settings, such as min_decryption_version.
func (s *Server) Configure(tb testing.TB, name string, settings map[string]any) {
	tb.Helper()
	s.Write(tb, "transit/keys/"+name+"/config", settings)
}

// DeleteKey deletes a key for good.
func (s *Server) DeleteKey(tb testing.TB, name string) {
	tb.Helper()
	s.Configure(tb, name, map[string]any{"deletion_allowed": true})
	_, err := s.admin.Logical().Delete("transit/keys/" + name)
	s.must(tb, err)
}

// Token makes a token that lives for ttl and may do to paths what the capabilities
// say: Token(tb, time.Hour, "transit/decrypt/k=update").
func (s *Server) Token(tb testing.TB, ttl time.Duration, capabilities ...string) string {
	tb.Helper()
	var rules strings.Builder
	for _, c := range capabilities {
		path, what, ok := strings.Cut(c, "=")
		if !ok {
			tb.Fatalf("%q is not of the form PATH=CAPABILITY", c)
		}
		fmt.Fprintf(&rules, "path %q { capabilities = [%q] }\n", path, what)
	}
	policy := fmt.Sprintf("test-%x", time.Now().UnixNano())
	s.must(tb, s.admin.Sys().PutPolicy(policy, rules.String()))
	secret, err := s.admin.Auth().Token().Create(&api.TokenCreateRequest{
		Policies: []string{policy}, NoDefaultPolicy: true, TTL: ttl.String(), NoParent: true,
	})
	s.must(tb, err)
	return secret.Auth.ClientToken
}

// Revoke revokes a token.
func (s *Server) Revoke(tb testing.TB, token string) {
	tb.Helper()
	s.must(tb, s.admin.Auth().Token().RevokeOrphan(token))
}

// Env returns an environment in which a token for this server stands, and nothing
// else.
func (s *Server) Env(token string) func(string) string {
	vars := map[string]string{"VAULT_ADDR": s.Addr, "VAULT_TOKEN": token, "VAULT_CACERT": s.CACert}
	return func(name string) string { return vars[name] }
}

func (s *Server) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("setting Vault up: %v", err)
	}
}

// Alive reports whether the server answers within the context.
func (s *Server) Alive(ctx context.Context) bool {
	_, err := s.admin.Auth().Token().LookupSelfWithContext(ctx)
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
