package gcpkms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/gitseal/gitseal/keysources"
)

// scope is what a token is for: Cloud KMS only.
const scope = "https://www.googleapis.com/auth/cloudkms"

// defaultUniverse is the domain of Google's own cloud.
const defaultUniverse = "googleapis.com"

// tokenTime is how long getting a token may take in the background, after the
// call that wanted it has given up.
const tokenTime = 30 * time.Second

// noCredentials tells what to do.
const noCredentials = "set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_OAUTH_ACCESS_TOKEN, or run gcloud auth application-default login"

// credentials are found once, when the first token is needed, and keep the token
// until it expires.
type credentials struct {
	env func(string) string

	mu           sync.Mutex // guards what follows
	source       oauth2.TokenSource
	quotaProject string
}

// Format keeps fmt from printing keys and tokens.
func (c *credentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, "credentials") }

// accessToken is a token and the project that its calls are counted for.
type accessToken struct{ access, quotaProject string }

// token returns a valid token. Google's library gives no way to end its requests
// by a context, so they run on when ctx ends, and their result is for the next call.
func (c *credentials) token(ctx context.Context) (accessToken, *failure) {
	type result struct {
		token accessToken
		fail  *failure
	}
	done := make(chan result, 1)
	go func() {
		t, f := c.get()
		done <- result{t, f}
	}()
	select {
	case r := <-done:
		return r.token, r.fail
	case <-ctx.Done():
		return accessToken{}, &failure{reason: keysources.Timeout}
	}
}

func (c *credentials) get() (accessToken, *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source == nil {
		if fail := c.find(); fail != nil {
			return accessToken{}, fail
		}
	}
	t, err := c.source.Token()
	if err != nil {
		return accessToken{}, tokenFailure(err)
	}
	if t.AccessToken == "" || strings.ContainsAny(t.AccessToken, "\r\n\x00") {
		return accessToken{}, &failure{reason: keysources.Unauthenticated, detail: "the access token is not well-formed"}
	}
	return accessToken{access: t.AccessToken, quotaProject: c.quotaProject}, nil
}

// find looks for credentials in sops's order. The caller holds c.mu.
func (c *credentials) find() *failure {
	// The context stays in the token source, for as long as that lives.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: tokenTime})
	var found *google.Credentials
	var fail *failure
	switch {
	case c.env("GOOGLE_CREDENTIALS") != "":
		found, fail = fromJSONOrFile(ctx, c.env("GOOGLE_CREDENTIALS"))
	case c.env("GOOGLE_OAUTH_ACCESS_TOKEN") != "":
		token := &oauth2.Token{AccessToken: c.env("GOOGLE_OAUTH_ACCESS_TOKEN")}
		found = &google.Credentials{TokenSource: oauth2.StaticTokenSource(token)}
	default:
		found, fail = applicationDefault(ctx)
	}
	if fail != nil {
		return fail
	}
	if c.env("GOOGLE_CREDENTIALS") != "" || c.env("GOOGLE_OAUTH_ACCESS_TOKEN") == "" {
		if fail := checkUniverse(found, universe(c.env)); fail != nil {
			return fail
		}
	}
	c.quotaProject = quotaProject(c.env, found.JSON)
	c.source = oauth2.ReuseTokenSource(nil, found.TokenSource)
	return nil
}

// fromJSONOrFile takes what GOOGLE_CREDENTIALS holds. It may be a private key: no
// part of it is ever shown.
func fromJSONOrFile(ctx context.Context, text string) (*google.Credentials, *failure) {
	data := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if data, err = os.ReadFile(text); err != nil {
			return nil, &failure{reason: keysources.Unauthenticated, detail: "GOOGLE_CREDENTIALS is neither JSON nor a file that can be read"}
		}
	}
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	known := []google.CredentialsType{google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount,
		google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount}
	if json.Unmarshal(data, &head) != nil || !slices.Contains(known, head.Type) {
		return nil, &failure{reason: keysources.Unauthenticated, detail: "GOOGLE_CREDENTIALS holds no credentials of a known type"}
	}
	found, err := google.CredentialsFromJSONWithType(ctx, data, head.Type, scope)
	if err != nil {
		return nil, &failure{reason: keysources.Unauthenticated, detail: "GOOGLE_CREDENTIALS is not well-formed"}
	}
	return found, nil
}

func applicationDefault(ctx context.Context) (*google.Credentials, *failure) {
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err == nil {
		return found, nil
	}
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
		return nil, &failure{reason: keysources.Unauthenticated, detail: "the file that GOOGLE_APPLICATION_CREDENTIALS names holds no credentials that can be read"}
	}
	return nil, &failure{reason: keysources.Unauthenticated, detail: noCredentials}
}

// universe returns the domain of the cloud that the user chose.
func universe(env func(string) string) string {
	for _, name := range []string{"SOPS_GCP_KMS_UNIVERSE_DOMAIN", "GOOGLE_CLOUD_UNIVERSE_DOMAIN"} {
		if v := strings.TrimSpace(env(name)); v != "" {
			return v
		}
	}
	return defaultUniverse
}

// checkUniverse keeps the token of one cloud from being sent to another.
func checkUniverse(found *google.Credentials, want string) *failure {
	got, err := found.GetUniverseDomain()
	if err != nil {
		return &failure{reason: keysources.Unreachable, detail: "the metadata server does not say which cloud this is", again: true}
	}
	if got != want {
		return &failure{reason: keysources.Unauthenticated, detail: "the credentials are for another universe domain than " + want}
	}
	return nil
}

// quotaProject returns the project that the calls of a user are counted for: user
// credentials belong to none, and Cloud KMS wants one.
func quotaProject(env func(string) string, data []byte) string {
	if v := env("GOOGLE_CLOUD_QUOTA_PROJECT"); v != "" {
		return v
	}
	var file struct {
		QuotaProject string `json:"quota_project_id"`
	}
	if json.Unmarshal(data, &file) != nil {
		return ""
	}
	return file.QuotaProject
}
