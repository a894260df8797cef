package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gitseal/gitseal/keysources"
)

// The defaults of a client's behaviour.
const (
	callTimeout  = 60 * time.Second
	maxRetries   = 3
	minRetryWait = 200 * time.Millisecond
	maxRetryWait = 2 * time.Second
	// maxRetryAfter is the longest wait that a server may ask for.
	maxRetryAfter = 10 * time.Second
	// maxConns is the number of calls to a server at a time; more wait.
	maxConns = 64
	// maxAnswer is how much of an answer is read. Answers have about 500 bytes.
	maxAnswer = 1 << 20
)

// errRedirect means that the server sent us to another one. The token must not go
// there.
var errRedirect = errors.New("redirected to another server")

// client is a connection to one server.
type client struct {
	api *api.Client
	// anonymous is set if there is no token.
	anonymous bool
}

// settings are what the environment says about a server.
type settings struct {
	env     func(string) string
	address string
}

// get returns a variable under its names VAULT_… and BAO_…; see [New].
func (s settings) get(name string) string {
	first, second := "BAO_", "VAULT_"
	if s.names("VAULT_ADDR") && !s.names("BAO_ADDR") {
		first, second = second, first
	}
	if v := s.env(first + name); v != "" {
		return v
	}
	return s.env(second + name)
}

func (s settings) names(variable string) bool {
	return strings.TrimRight(s.env(variable), "/") == strings.TrimRight(s.address, "/")
}

// newClient makes the client for a server. It sets everything that the library
// would otherwise take from the process's environment.
func newClient(s settings, t target) (*client, error) {
	config, err := s.config()
	if err != nil {
		return nil, t.fail(keysources.Malformed, err.Error())
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, t.fail(keysources.Malformed, "one of the VAULT_ variables")
	}
	token, err := s.token()
	if err != nil {
		return nil, t.fail(keysources.Unauthenticated, "the token file cannot be read")
	}
	if !isToken(token) {
		return nil, t.fail(keysources.Unauthenticated, "the token holds characters that no token has")
	}
	c.SetToken(token)
	c.SetNamespace(s.get("NAMESPACE"))
	// Not earlier: the library wants to see its own kind of transport.
	config.HttpClient.Transport = careful{config.HttpClient.Transport.(*http.Transport)}
	return &client{api: c, anonymous: token == ""}, nil
}

// config returns the library's settings. The error is a variableError.
func (s settings) config() (*api.Config, error) {
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	config := &api.Config{
		Address:      s.address,
		AgentAddress: s.get("AGENT_ADDR"),
		HttpClient:   &http.Client{Transport: transport, CheckRedirect: keepRedirect},
		Timeout:      callTimeout,
		MaxRetries:   maxRetries,
		MinRetryWait: minRetryWait,
		MaxRetryWait: maxRetryWait,
		Backoff:      backoff,
		CheckRetry:   shouldRetry,
	}
	if v := s.get("CLIENT_TIMEOUT"); v != "" {
		if config.Timeout, err = parseSeconds(v); err != nil {
			return nil, variableError("VAULT_CLIENT_TIMEOUT")
		}
	}
	if v := s.get("MAX_RETRIES"); v != "" {
		if config.MaxRetries, err = strconv.Atoi(v); err != nil || config.MaxRetries < 0 {
			return nil, variableError("VAULT_MAX_RETRIES")
		}
	}
	certificates, err := s.certificates()
	if err != nil {
		return nil, err
	}
	// The library's messages name files and repeat their content.
	if err := config.ConfigureTLS(certificates); err != nil {
		return nil, variableError("VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT or VAULT_CLIENT_KEY")
	}
	return config, nil
}

// variableError is the name of a variable that is not well-formed.
type variableError string

func (e variableError) Error() string { return "the variable " + string(e) }

func (s settings) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxConns, maxConns
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	proxy := s.get("PROXY_ADDR")
	if proxy == "" {
		proxy = s.get("HTTP_PROXY")
	}
	if proxy == "" {
		return t, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil, variableError("VAULT_PROXY_ADDR")
	}
	t.Proxy = http.ProxyURL(u)
	return t, nil
}

func (s settings) certificates() (*api.TLSConfig, error) {
	c := &api.TLSConfig{
		CACert:        s.get("CACERT"),
		CACertBytes:   []byte(s.get("CACERT_BYTES")),
		CAPath:        s.get("CAPATH"),
		ClientCert:    s.get("CLIENT_CERT"),
		ClientKey:     s.get("CLIENT_KEY"),
		TLSServerName: s.get("TLS_SERVER_NAME"),
	}
	if v := s.get("SKIP_VERIFY"); v != "" {
		skip, err := strconv.ParseBool(v)
		if err != nil {
			return nil, variableError("VAULT_SKIP_VERIFY")
		}
		c.Insecure = skip
	}
	return c, nil
}

// token returns the token, "" if there is none: an agent may have its own.
func (s settings) token() (string, error) {
	if token := s.get("TOKEN"); token != "" {
		return token, nil
	}
	home := s.env("HOME")
	if home == "" {
		home = s.env("USERPROFILE")
	}
	if home == "" {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// isToken reports whether a token can stand in a header. The library's own check
// repeats the token in its message.
func isToken(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// parseSeconds parses a number of seconds or a duration.
func parseSeconds(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

// keepRedirect makes net/http return redirects instead of following them. The
// library follows one, if careful lets it.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// careful refuses redirects to other servers, and reads no endless answers.
type careful struct{ next *http.Transport }

func (c careful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 3 {
		to, err := resp.Location()
		if err != nil || to.Scheme != r.URL.Scheme || to.Host != r.URL.Host {
			resp.Body.Close()
			return nil, errRedirect
		}
	}
	resp.Body = limited{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// CloseIdleConnections lets a client free its connections.
func (c careful) CloseIdleConnections() { c.next.CloseIdleConnections() }

type limited struct {
	io.Reader
	io.Closer
}

// shouldRetry adds to the library's rules (lost connections, 412, 429, most of
// 5xx) that nothing that was refused for good is tried again.
func shouldRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if errors.Is(err, errRedirect) {
		return false, err
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}

// backoff doubles from least, up to most, with a random part; a server that is too
// busy may ask for more.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
			return min(time.Duration(s)*time.Second, maxRetryAfter) + rand.N(least)
		}
	}
	wait := min(least<<min(attempt, 10), most)
	return wait/2 + rand.N(wait/2)
}
