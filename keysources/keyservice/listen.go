package keyservice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/credentials"
)

// ListenOptions say who may connect.
type ListenOptions struct {
	// TLS are the files for mutual TLS, which TCP needs.
	TLS TLSFiles
	// AllowUIDs are the users who may connect to a unix socket besides the one
	// who listens.
	AllowUIDs []uint32
}

// Listener is where a [Server] takes connections. It refuses those it must not
// take before it reads a byte of a request.
type Listener struct {
	net.Listener
	creds   credentials.TransportCredentials
	address address
	// socket is the file of a unix socket as it was made, nil for TCP.
	socket fs.FileInfo
	once   sync.Once
}

// ErrPlainTCP means that a key service was to listen on TCP without mutual TLS:
// anybody who reaches the port could have data keys unwrapped.
var ErrPlainTCP = errors.New("a key service listens on TCP only with mutual TLS")

// ErrInUse means that another key service answers at the address.
var ErrInUse = errors.New("another key service listens there")

// DefaultAddress returns the address of a user's own key service:
// unix://$XDG_RUNTIME_DIR/gitseal/keyservice.sock. It is an error if the variable
// is not set.
func DefaultAddress(env func(string) string) (string, error) {
	dir := env("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		return "", errors.New("XDG_RUNTIME_DIR is not set: name an address")
	}
	return "unix://" + filepath.Join(dir, "gitseal", "keyservice.sock"), nil
}

// Listen listens at unix:///PATH or tcp://HOST:PORT (port 0 for any).
//
// A unix socket is readable and writable by its owner only (0600), in a folder
// that is made if there is none (0700). A socket that nobody listens on any more
// is replaced. The system says who connects, and others than the own user and
// AllowUIDs are refused; those must also be let into the folder and at the socket,
// which then is 0666.
//
// On TCP, clients must have a certificate that the authority signed.
func Listen(ctx context.Context, where string, o ListenOptions) (*Listener, error) {
	a, err := parseAddress(where)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", where, err)
	}
	mutual, err := o.TLS.complete()
	if err != nil {
		return nil, err
	}
	if a.network == networkUnix {
		if mutual {
			return nil, errors.New("TLS is for TCP: at a unix socket, the system says who connects")
		}
		return listenUnix(ctx, a, o.AllowUIDs)
	}
	if !mutual {
		return nil, ErrPlainTCP
	}
	if len(o.AllowUIDs) > 0 {
		return nil, errors.New("users are known at a unix socket only: TCP goes by certificates")
	}
	config, err := o.TLS.server()
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, networkTCP, a.dial())
	if err != nil {
		return nil, err
	}
	if a.host, a.port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		return nil, err
	}
	return &Listener{Listener: l, creds: credentials.NewTLS(config), address: a}, nil
}

// Address returns where it listens, as a client takes it.
func (l *Listener) Address() string { return l.address.String() }

// Close stops listening and removes the socket, if it is still its own.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() {
		if now, statErr := os.Lstat(l.address.path); l.socket != nil && statErr == nil && os.SameFile(now, l.socket) {
			_ = os.Remove(l.address.path)
		}
	})
	return err
}

// maxSocketPath is the longest path of a socket that all systems take, in bytes.
const maxSocketPath = 103

func listenUnix(ctx context.Context, a address, allowed []uint32) (*Listener, error) {
	if !knowsPeers {
		return nil, errors.New("this system does not say who connects to a unix socket: listen on TCP with mutual TLS")
	}
	dir := filepath.Dir(a.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the socket's folder: %w", err)
	}
	if err := removeStale(ctx, a.path); err != nil {
		return nil, err
	}
	// The socket gets its permissions where nobody else can reach it yet.
	private, err := os.MkdirTemp(dir, ".ks")
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	defer os.RemoveAll(private)
	first := filepath.Join(private, "s")
	if len(first) > maxSocketPath {
		return nil, fmt.Errorf("making the socket: its folder's path is too long for sockets (%d bytes)", len(dir))
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, networkUnix, first)
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", withoutPath(err))
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	mode := fs.FileMode(0o600)
	if len(allowed) > 0 {
		mode = 0o666 // who may connect is decided when they do
	}
	info, err := place(first, a.path, mode)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	users := append([]uint32{uint32(os.Geteuid())}, allowed...)
	return &Listener{Listener: l, creds: peerCredentials{users: users}, address: a, socket: info}, nil
}

// place gives a socket its mode and its name.
func place(from, to string, mode fs.FileMode) (fs.FileInfo, error) {
	if err := os.Chmod(from, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(from, to)
}

// withoutPath drops the name of a temporary folder from an error.
func withoutPath(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// probeTime is how long a socket's owner may take to accept.
const probeTime = 2 * time.Second

// removeStale removes a socket that nobody listens on. Anything else in its place
// is an error.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket", path)
	}
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, networkUnix, path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s may be in use: %w", path, err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, info) {
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	return os.Remove(path)
}
