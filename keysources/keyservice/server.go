package keyservice

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gitseal/gitseal/keysources"
)

// The server's limits.
const (
	// DefaultTimeout is how long a request may take.
	DefaultTimeout = 30 * time.Second
	// DefaultConcurrent is how many requests are worked on at the same time; more
	// wait.
	DefaultConcurrent = 64
	// maxConnections is how many clients may be connected at the same time; more
	// wait to be accepted.
	maxConnections = 128
	maxHeaders     = 16 << 10 // bytes
	handshakeTime  = 10 * time.Second
	idleTime       = 10 * time.Minute
	// maxDataKey is the size of the largest data key or share, in bytes.
	maxDataKey = 1 << 10
	// shutdownTime is how long requests may take to end when the server stops.
	shutdownTime = 2 * time.Second
)

// ServerOptions are what a [Server] may be told; the zero value is useful.
type ServerOptions struct {
	// Timeout is how long a request may take, 0 for DefaultTimeout.
	Timeout time.Duration
	// Concurrent is how many requests are worked on at the same time, 0 for
	// DefaultConcurrent.
	Concurrent int
	// Ask, if not nil, is asked before each request is acted on, for one request
	// at a time. The time it takes counts as the request's.
	Ask func(context.Context, Event) bool
	// Log, if not nil, is told of each request when it is answered, and of each
	// connection that is refused. It may be called from several goroutines.
	Log func(Event)
}

// Event is a request, or a connection that was refused. It holds no secret.
type Event struct {
	// Peer is who asks: "uid 1000", or the common name of a certificate.
	Peer string
	// Method is Encrypt, Decrypt, or Connect.
	Method string
	// Type and Reader name the key that is asked for; the client chose them.
	Type, Reader string
	// Err is why it was refused or failed, nil if it was done.
	Err error
	// Time is how long it took.
	Time time.Duration
}

// Server offers key sources to clients of sops's protocol.
type Server struct {
	sources map[string]keysources.Source
	opts    ServerOptions
	slots   chan struct{}
	asking  chan struct{}
}

// NewServer returns a server that offers sources, by the type of their stanzas.
// Of what a request names it uses only what the policy allows.
func NewServer(sources map[string]keysources.Source, policy keysources.Policy, o ServerOptions) *Server {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Concurrent == 0 {
		o.Concurrent = DefaultConcurrent
	}
	guarded := map[string]keysources.Source{}
	for typ, s := range sources {
		guarded[typ] = policy.Guard(s)
	}
	return &Server{sources: guarded, opts: o, slots: make(chan struct{}, o.Concurrent), asking: make(chan struct{}, 1)}
}

// Serve answers the clients of a listener until the context ends; then it returns
// nil, having closed the listener.
func (s *Server) Serve(ctx context.Context, l *Listener) error {
	g := grpc.NewServer(
		grpc.Creds(refusals{TransportCredentials: l.creds, log: s.log}),
		grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(uint32(s.opts.Concurrent)),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTime}),
	)
	g.RegisterService(s.description(), nil)
	served := make(chan error, 1)
	go func() { served <- g.Serve(newLimited(l, maxConnections)) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Nobody knows how long a key source takes.
	timer := time.AfterFunc(shutdownTime, g.Stop)
	defer timer.Stop()
	g.GracefulStop()
	<-served
	return nil
}

// description is what generated code would say of the service.
func (s *Server) description() *grpc.ServiceDesc {
	method := func(name string, act func(context.Context, keysources.Source, *request) ([]byte, error)) grpc.MethodDesc {
		return grpc.MethodDesc{
			MethodName: name,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var req request
				if err := decode(&req); err != nil {
					return nil, status.Error(codes.InvalidArgument, errMessage.Error())
				}
				return s.handle(ctx, name, &req, act)
			},
		}
	}
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		Methods:     []grpc.MethodDesc{method(methodEncrypt, wrap), method(methodDecrypt, unwrap)},
		Streams:     []grpc.StreamDesc{},
	}
}

// handle does one request, and tells the log.
func (s *Server) handle(ctx context.Context, method string, req *request, act func(context.Context, keysources.Source, *request) ([]byte, error)) (*response, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	e := Event{Peer: peerName(ctx), Method: method, Type: req.key.Type, Reader: req.key.Reader()}
	result, err := s.do(ctx, e, req, act)
	clear(req.payload)
	e.Err, e.Time = err, time.Since(start)
	s.log(e)
	if err != nil {
		st, trailer := toStatus(e.Reader, err)
		if trailer != nil {
			_ = grpc.SetTrailer(ctx, trailer) // the code alone will do, too
		}
		return nil, st.Err()
	}
	return &response{result: result}, nil
}

func (s *Server) do(ctx context.Context, e Event, req *request, act func(context.Context, keysources.Source, *request) ([]byte, error)) (result []byte, err error) {
	// One bad request must not end the service for all others.
	defer func() {
		if recover() != nil {
			result, err = nil, &keysources.Error{Reader: e.Reader, Reason: keysources.Malformed, Detail: "the key source panicked; please report this"}
		}
	}()
	if e.Type == "" || e.Reader == "" {
		return nil, &keysources.Error{Reader: "request", Reason: keysources.Malformed, Detail: "it names no key of a known type"}
	}
	src, ok := s.sources[e.Type]
	if !ok {
		return nil, &keysources.Error{Reader: e.Reader, Reason: keysources.Unavailable, Detail: "this key service does not offer " + e.Type}
	}
	if err := s.askFirst(ctx, e); err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, &keysources.Error{Reader: e.Reader, Reason: keysources.Throttled}
	}
	return act(ctx, src, req)
}

// askFirst asks a person, if the server was told to.
func (s *Server) askFirst(ctx context.Context, e Event) error {
	if s.opts.Ask == nil {
		return nil
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !s.opts.Ask(ctx, e) {
		return &keysources.Error{Reader: e.Reader, Reason: keysources.Denied, Detail: "the person who was asked refused"}
	}
	return ctx.Err()
}

func (s *Server) log(e Event) {
	if s.opts.Log != nil {
		s.opts.Log(e)
	}
}

// unwrap is Decrypt.
func unwrap(ctx context.Context, src keysources.Source, req *request) ([]byte, error) {
	st := req.key
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: string(req.payload)})
	return src.Unwrap(ctx, st)
}

// wrap is Encrypt.
func wrap(ctx context.Context, src keysources.Source, req *request) ([]byte, error) {
	if n := len(req.payload); n == 0 || n > maxDataKey {
		return nil, &keysources.Error{Reader: req.key.Reader(), Reason: keysources.Malformed, Detail: "what is to be wrapped is no data key"}
	}
	r, err := src.Recipient(req.key)
	if err != nil {
		return nil, err
	}
	st, err := r.Wrap(ctx, req.payload)
	if err != nil {
		return nil, err
	}
	// The client writes the key that it asked for into its file.
	if st.Reader() != req.key.Reader() {
		return nil, &keysources.Error{Reader: req.key.Reader(), Reason: keysources.Malformed, Detail: "name the version of the key, or the key itself: " + st.Reader() + " was meant"}
	}
	return []byte(st.Get("enc")), nil
}

// peerName says who is connected.
func peerName(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "unknown"
	}
	switch info := p.AuthInfo.(type) {
	case uidInfo:
		return info.String()
	case credentials.TLSInfo:
		if certs := info.State.PeerCertificates; len(certs) > 0 {
			return certs[0].Subject.CommonName
		}
	}
	return "unknown"
}

// refusals are credentials that tell the log of whom they refuse.
type refusals struct {
	credentials.TransportCredentials
	log func(Event)
}

// ServerHandshake is that of the credentials.
func (r refusals) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	start := time.Now()
	conn, info, err := r.TransportCredentials.ServerHandshake(c)
	if err != nil {
		var refused *uidError
		name := c.RemoteAddr().String()
		if errors.As(err, &refused) {
			name = refused.info.String()
		}
		r.log(Event{Peer: name, Method: "Connect", Err: err, Time: time.Since(start)})
	}
	return conn, info, err
}

// Clone returns a copy.
func (r refusals) Clone() credentials.TransportCredentials {
	return refusals{TransportCredentials: r.TransportCredentials.Clone(), log: r.log}
}

// limited is a listener that lets only so many connections be open.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimited(l net.Listener, n int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for a slot, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close closes the listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn frees its slot when it is closed.
type limitedConn struct {
	net.Conn
	free func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
