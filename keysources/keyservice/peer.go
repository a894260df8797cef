package keyservice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"google.golang.org/grpc/credentials"
)

// peerCredentials let only some users connect to a unix socket. Nothing that a
// stranger sends is read.
type peerCredentials struct{ users []uint32 }

// uidInfo is who is connected.
type uidInfo struct {
	credentials.CommonAuthInfo
	uid uint32
}

// AuthType returns "uid".
func (uidInfo) AuthType() string { return "uid" }

// String returns "uid" and the number.
func (i uidInfo) String() string { return fmt.Sprintf("uid %d", i.uid) }

// uidError is a user who may not connect.
type uidError struct{ info uidInfo }

func (e *uidError) Error() string { return e.info.String() + " may not use this key service" }

// ServerHandshake asks the system who connects.
func (p peerCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	raw, err := rawConn(c)
	if err != nil {
		return nil, nil, err
	}
	var uid uint32
	var peerErr error
	if err := raw.Control(func(fd uintptr) { uid, peerErr = peerUID(fd) }); err != nil {
		return nil, nil, err
	}
	if peerErr != nil {
		return nil, nil, fmt.Errorf("asking the system who connects: %w", peerErr)
	}
	info := uidInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, uid: uid}
	if !slices.Contains(p.users, uid) {
		return nil, nil, &uidError{info: info}
	}
	return c, info, nil
}

func rawConn(c net.Conn) (syscall.RawConn, error) {
	if l, ok := c.(*limitedConn); ok {
		c = l.Conn
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a unix socket")
	}
	return u.SyscallConn()
}

// ClientHandshake is not for servers.
func (peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("a server's credentials")
}

// Info returns the name of the kind of credentials.
func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "uid"}
}

// Clone returns a copy.
func (p peerCredentials) Clone() credentials.TransportCredentials { return p }

// OverrideServerName does nothing: sockets have no server name.
func (peerCredentials) OverrideServerName(string) error { return nil }
