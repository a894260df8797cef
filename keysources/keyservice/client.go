package keyservice

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sort"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/gitseal/gitseal/keysources"
)

const (
	// maxMessage is the size of the largest message either side takes, in bytes.
	maxMessage = 256 << 10
	// maxWrapped is the size of the largest wrapped key, in bytes.
	maxWrapped = 128 << 10
	// callTime is how long a call may take if its context has no deadline. A key
	// service may ask a person.
	callTime = 2 * time.Minute
	// maxTries, and the time before the second, for servers that ask for patience.
	maxTries  = 5
	firstWait = 100 * time.Millisecond
)

// Source is a key service, asked for stanzas of every type. It may be used from
// several goroutines.
type Source struct {
	address address
	conn    *grpc.ClientConn
	now     func() time.Time
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
)

// Dial returns the key service at an address, unix:///PATH or tcp://HOST:PORT.
// It connects when it is first asked.
//
// Over TCP it speaks mutual TLS, with the files that [CertEnv], [KeyEnv] and
// [CAEnv] name. Without them, data keys would cross the network in clear: then it
// takes addresses of this machine only, by number (tcp://127.0.0.1:5000).
func Dial(env func(string) string, url string) (*Source, error) {
	a, err := parseAddress(url)
	if err != nil {
		return nil, badAddress(url, err.Error())
	}
	creds, err := clientCredentials(env, a)
	if err != nil {
		return nil, badAddress(url, err.Error())
	}
	conn, err := grpc.NewClient("passthrough:///"+a.dial(),
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, a.network, a.dial())
		}),
		grpc.WithAuthority(authority(a)),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	)
	if err != nil {
		return nil, badAddress(url, err.Error())
	}
	return &Source{address: a, conn: conn, now: time.Now}, nil
}

func badAddress(url, detail string) error {
	return &keysources.Error{Reader: "key service " + url, Reason: keysources.Malformed, Detail: detail}
}

func authority(a address) string {
	if a.network == networkUnix {
		return "localhost"
	}
	return a.dial()
}

func clientCredentials(env func(string) string, a address) (credentials.TransportCredentials, error) {
	if a.network == networkUnix {
		return insecure.NewCredentials(), nil
	}
	files := TLSFiles{Cert: env(CertEnv), Key: env(KeyEnv), CA: env(CAEnv)}
	mutual, err := files.complete()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: set %s, %s and %s", err, CertEnv, KeyEnv, CAEnv)
	case mutual:
		config, err := files.client()
		if err != nil {
			return nil, err
		}
		return credentials.NewTLS(config), nil
	case !a.isLoopback():
		return nil, fmt.Errorf("data keys would cross the network in clear: set %s, %s and %s, or forward a local port or socket to it", CertEnv, KeyEnv, CAEnv)
	}
	return insecure.NewCredentials(), nil
}

// Close ends the connection.
func (s *Source) Close() error { return s.conn.Close() }

// Remote returns true.
func (s *Source) Remote() bool { return true }

// String returns "key service" and the address.
func (s *Source) String() string { return "key service " + s.address.String() }

// GoString returns the same.
func (s *Source) GoString() string { return s.String() }

// Unwrap asks the key service. Without a reader's private key, sops's server
// answers as for any other error: it is Denied then, not ErrNotForMe.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if err := check(st); err != nil {
		return nil, err
	}
	answer, err := s.call(ctx, methodDecrypt, &request{key: st, payload: secret(st.Get("enc"))})
	return answer.result, err
}

// check refuses stanzas that the protocol cannot carry.
func check(st keysources.Stanza) error {
	if _, ok := keyTypeOf(st.Type); !ok {
		return fmt.Errorf("%q: %w", st.Type, keysources.ErrNotForMe)
	}
	if st.Reader() == "" {
		return &keysources.Error{Reader: st.Type, Reason: keysources.Malformed, Detail: "it names no key"}
	}
	if len(st.Get("enc")) > maxWrapped {
		return &keysources.Error{Reader: st.Reader(), Reason: keysources.Malformed, Detail: "the wrapped key is too large"}
	}
	return nil
}

// Recipient returns the recipient for a key of any type. A key vault's key must
// have its version: the protocol has no way to say which one was used.
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if _, ok := keyTypeOf(key.Type); !ok || key.Reader() == "" {
		return nil, &keysources.Error{Reader: key.Type, Reason: keysources.Malformed, Detail: "it names no key"}
	}
	if key.Type == keysources.TypeAzure && key.Get("version") == "" {
		return nil, &keysources.Error{Reader: key.Reader(), Reason: keysources.Malformed, Detail: "through a key service, name the key's version"}
	}
	return recipient{source: s, key: key.Key()}, nil
}

// recipient wraps through a key service.
type recipient struct {
	source *Source
	key    keysources.Stanza
}

// String returns the reader's name.
func (r recipient) String() string { return r.key.Reader() }

// GoString returns the reader's name.
func (r recipient) GoString() string { return "keyservice.recipient(" + r.key.Reader() + ")" }

// Wrap asks the key service.
func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	answer, err := r.source.call(ctx, methodEncrypt, &request{key: r.key, payload: dataKey})
	if err != nil {
		return keysources.Stanza{}, err
	}
	st := keysources.Stanza{Type: r.key.Type, Context: r.key.Context}
	st.Fields = append(st.Fields, r.key.Fields...)
	if st.Type != keysources.TypeAge {
		st.Fields = append(st.Fields, keysources.Field{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)})
	}
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: string(answer.result)})
	sort.Slice(st.Fields, func(i, j int) bool { return st.Fields[i].Name < st.Fields[j].Name })
	return st, nil
}

// call asks the server, again if it asks for patience.
func (s *Source) call(ctx context.Context, method string, req *request) (response, error) {
	reader := req.key.Reader()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTime)
		defer cancel()
	}
	wait := firstWait
	for try := 1; ; try++ {
		var answer response
		var trailer metadata.MD
		err := s.conn.Invoke(ctx, "/"+serviceName+"/"+method, req, &answer, grpc.Trailer(&trailer))
		if err == nil && len(answer.result) == 0 {
			return response{}, &keysources.Error{Reader: reader, Reason: keysources.Unreachable, Detail: s.String() + " sent an empty answer"}
		}
		if err == nil {
			return answer, nil
		}
		err = s.fromStatus(ctx, reader, err, trailer)
		if keysources.ReasonOf(err) != keysources.Throttled || try == maxTries {
			return response{}, err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
			wait *= 2
		case <-ctx.Done():
			return response{}, err
		}
	}
}
