package awskms

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

const (
	// attempts is how often a call is tried while the service throttles it, fails
	// or cannot be reached. AWS_MAX_ATTEMPTS and profiles may say otherwise.
	attempts = 6
	// attemptTime is how long one of them may take.
	attemptTime = 10 * time.Second
	// firstPause and lastPause bound the time between two attempts; in between, it
	// doubles. Each pause is a random part of it, so that callers spread out.
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	// connections is how many idle connections are kept for a host: as many calls
	// as may be under way at the same time.
	connections = 64
	// failureTime is how long a failure to get credentials stands: without it,
	// each of many files would look for an instance's metadata again.
	failureTime = 5 * time.Second
)

// client is a connection to the KMS of one region as one user.
type client struct {
	place
	metadataTimeout time.Duration

	mu          sync.Mutex // guards all below; kms and credentials never change again once set
	kms         *kms.Client
	credentials aws.CredentialsProvider
	sso         bool // the credentials come from an SSO session
	// failure is why there were no credentials at the time failed.
	failure error
	failed  time.Time
}

// connect makes the client usable and sees to it that its credentials are valid.
// They are fetched here and not inside a call to KMS, which would try again and
// again if there are none.
func (c *client) connect(ctx context.Context) error {
	provider, err := c.load(ctx)
	if err != nil {
		return err
	}
	got, err := provider.Retrieve(ctx)
	if err == nil && !got.HasKeys() {
		err = errNoKeys
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = &credentialsError{error: err, sso: c.sso}
	c.failure, c.failed = err, time.Now()
	return err
}

// load reads the configuration on first use. An error is not kept: somebody may
// just be writing the file.
func (c *client) load(ctx context.Context) (aws.CredentialsProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil && time.Since(c.failed) < failureTime {
		return nil, c.failure
	}
	c.failure = nil
	if c.kms != nil {
		return c.credentials, nil
	}
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, &configError{err}
	}
	if c.role != "" {
		cfg.Credentials = aws.NewCredentialsCache(assumedRole{
			base: cfg.Credentials,
			role: stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.role, func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = sessionName(os.Hostname)
			}),
		})
	}
	c.sso = usesSSO(cfg)
	c.credentials = cfg.Credentials
	c.kms = kms.NewFromConfig(cfg)
	return c.credentials, nil
}

func (c *client) config(ctx context.Context) (aws.Config, error) {
	metadata := &metadataClient{timeout: c.metadataTimeout}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.region),
		config.WithLogger(logging.Nop{}),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTime).WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = connections
		})),
		config.WithAPIOptions([]func(*middleware.Stack) error{checkComplete}),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = metadata }),
	}
	if c.profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, err
	}
	metadata.imds = imds.NewFromConfig(cfg)
	if cfg.RetryMode != aws.RetryModeAdaptive {
		cfg.Retryer = func() aws.Retryer { return newRetryer() }
	}
	return cfg, nil
}

// usesSSO reports whether the profile takes its credentials from an SSO session.
func usesSSO(cfg aws.Config) bool {
	for _, source := range cfg.ConfigSources {
		if profile, ok := source.(config.SharedConfig); ok {
			return profile.SSOSession != nil || profile.SSOStartURL != ""
		}
	}
	return false
}

// newRetryer returns the SDK's standard retryer, which knows what is worth another
// attempt, with pauses of our own. It has no quota of retries over all calls, as
// that would fail some of the many calls of one run while others still succeed;
// what bounds it is the number of attempts and the caller's deadline.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(pause)
	})
}

// pause returns the time to wait after an attempt, the first of which is 1.
func pause(attempt int, _ error) (time.Duration, error) {
	most := lastPause
	if shift := max(attempt, 1) - 1; shift < 5 {
		most = min(firstPause<<shift, lastPause)
	}
	return rand.N(most), nil
}

// assumedRole gives the credentials of a role. Those that it is assumed with are
// fetched first, for the reason given at connect.
type assumedRole struct {
	base aws.CredentialsProvider
	role *stscreds.AssumeRoleProvider
}

func (a assumedRole) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if _, err := a.base.Retrieve(ctx); err != nil {
		return aws.Credentials{}, err
	}
	return a.role.Retrieve(ctx)
}

// maxSessionName is the length of the longest session name that STS takes.
const maxSessionName = 64

// sessionName returns the name under which a role is assumed, as logs of AWS show
// it: sops@HOST, as sops does, since trust policies may ask for it.
func sessionName(hostname func() (string, error)) string {
	host, err := hostname()
	if err != nil {
		host = "unknown"
	}
	name := "sops@" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("=,.@-_", r):
			return r
		}
		return -1
	}, host)
	return name[:min(len(name), maxSessionName)]
}

// metadataClient asks the metadata service of an EC2 instance. That answers within
// milliseconds where there is one; where there is none, packets may vanish.
type metadataClient struct {
	imds    *imds.Client
	timeout time.Duration
}

func (m *metadataClient) GetMetadata(ctx context.Context, in *imds.GetMetadataInput, opts ...func(*imds.Options)) (*imds.GetMetadataOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	out, err := m.imds.GetMetadata(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	// The body is read under the same deadline.
	out.Content, err = readAll(out.Content)
	return out, err
}

// metadataTimeout is how long an answer of the metadata service may take: a second,
// or the number of seconds in AWS_METADATA_SERVICE_TIMEOUT, as for the AWS CLI.
func metadataTimeout(env func(string) string) time.Duration {
	seconds, err := strconv.ParseFloat(env("AWS_METADATA_SERVICE_TIMEOUT"), 64)
	if err != nil || !(seconds > 0 && seconds <= 60) {
		return time.Second
	}
	return time.Duration(seconds * float64(time.Second))
}

// maxMetadata is the size in bytes of the longest answer that is read of a
// metadata service.
const maxMetadata = 1 << 20

// readAll reads a body into memory and closes it.
func readAll(body io.ReadCloser) (io.ReadCloser, error) {
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxMetadata))
	return io.NopCloser(bytes.NewReader(data)), err
}
