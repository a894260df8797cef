package hckms

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/provider"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"
	kmsregion "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2/region"

	"github.com/gitseal/gitseal/keysources"
)

// noCredentials tells what to do.
const noCredentials = "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"

// account is the credentials for one region: the project id, which the SDK stores
// in them, differs from region to region. It signs requests one after the other,
// because the SDK renews temporary credentials without a lock.
type account struct {
	region string

	mu         sync.Mutex // guards what follows
	credential auth.ICredential
	endpoints  []string
	// none is set while it is remembered that there are no credentials.
	none time.Time
}

// failureTime is how long that is: finding it out takes seconds where there is no
// metadata server, and many callers may be waiting.
const failureTime = 5 * time.Second

var _ auth.ICredential = (*account)(nil)

// Format keeps fmt from printing keys.
func (a *account) Format(f fmt.State, _ rune) { fmt.Fprint(f, "credentials") }

// ready finds the region's addresses, the credentials and the project, unless that
// was done before, and returns the addresses.
func (a *account) ready(client *impl.DefaultHttpClient, transport *contextTransport) ([]string, *failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.credential != nil {
		return a.endpoints, nil
	}
	endpoints, f := endpointsOf(a.region)
	if f != nil {
		return nil, f
	}
	if time.Since(a.none) < failureTime {
		return nil, &failure{reason: keysources.Unauthenticated, detail: noCredentials}
	}
	credential, err := provider.BasicCredentialProviderChain().GetCredentials()
	if err != nil {
		a.none = time.Now()
		return nil, &failure{reason: keysources.Unauthenticated, detail: noCredentials}
	}
	if credential, err = credential.ProcessAuthParams(client, a.region); err != nil {
		return nil, noProject(err, transport)
	}
	a.credential, a.endpoints = credential, endpoints
	return endpoints, nil
}

// noProject says why the identity service did not name the project.
func noProject(err error, seen *contextTransport) *failure {
	f := failureOf(err, seen)
	if f.invalid || seen.err == nil && seen.status < http.StatusBadRequest {
		f = &failure{reason: keysources.Unauthenticated}
	}
	f.detail = joinDetail("looking for the project, which HUAWEICLOUD_SDK_PROJECT_ID can name", f.detail)
	return f
}

// endpointsOf returns the addresses of the service in a region. The SDK's own
// lookup in the environment writes to a map without a lock, so that is done here.
func endpointsOf(region string) ([]string, *failure) {
	name := "HUAWEICLOUD_SDK_REGION_KMS_" + strings.ToUpper(strings.ReplaceAll(region, "-", "_"))
	var list []string
	if v := os.Getenv(name); v != "" {
		list = strings.Split(v, ",")
	} else {
		r, err := kmsregion.SafeValueOf(region)
		if err != nil {
			return nil, &failure{reason: keysources.NotFound, detail: "the SDK knows no region " + region}
		}
		list = r.Endpoints
	}
	out := make([]string, len(list))
	for i, text := range list {
		address, err := checkEndpoint(text)
		if err != nil {
			return nil, &failure{reason: keysources.Malformed, detail: err.Error()}
		}
		out[i] = address
	}
	return out, nil
}

// checkEndpoint returns an address with its scheme. Requests hold the data key:
// they are not sent in clear beyond this machine.
func checkEndpoint(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("the region's address is not https://HOST[:PORT]")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", errors.New("the region's address has to be https")
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ProcessAuthParams implements the SDK's interface; ready has done it.
func (a *account) ProcessAuthParams(*impl.DefaultHttpClient, string) (auth.ICredential, error) {
	return a, nil
}

// ProcessAuthRequest signs a request.
func (a *account) ProcessAuthRequest(client *impl.DefaultHttpClient, req *request.DefaultHttpRequest) (*request.DefaultHttpRequest, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.credential.ProcessAuthRequest(client, req)
}
