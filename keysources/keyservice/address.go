package keyservice

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
)

// The networks of an address.
const (
	networkUnix = "unix"
	networkTCP  = "tcp"
)

// address is where a key service listens.
type address struct {
	network string
	// path is the socket's, for unix.
	path string
	// host and port are for tcp.
	host, port string
}

// errAddress means that an address has none of the two forms.
var errAddress = errors.New("an address is unix:///PATH or tcp://HOST:PORT")

func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return address{}, errAddress
	}
	switch u.Scheme {
	case networkUnix:
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return address{}, fmt.Errorf("%w; the path of a socket is absolute", errAddress)
		}
		return address{network: networkUnix, path: filepath.Clean(u.Path)}, nil
	case networkTCP:
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || u.Path != "" {
			return address{}, errAddress
		}
		return address{network: networkTCP, host: u.Hostname(), port: strconv.FormatUint(port, 10)}, nil
	}
	return address{}, errAddress
}

// dial returns what package net takes.
func (a address) dial() string {
	if a.network == networkUnix {
		return a.path
	}
	return net.JoinHostPort(a.host, a.port)
}

// String returns the address as it is written.
func (a address) String() string {
	if a.network == networkUnix {
		return "unix://" + a.path
	}
	return "tcp://" + a.dial()
}

// isLoopback reports whether the host is this machine by its number: a name could
// be looked up elsewhere.
func (a address) isLoopback() bool {
	ip := net.ParseIP(a.host)
	return ip != nil && ip.IsLoopback()
}
