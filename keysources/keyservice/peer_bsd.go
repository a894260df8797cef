//go:build darwin || freebsd

package keyservice

import "golang.org/x/sys/unix"

// knowsPeers says whether the system tells who connects to a unix socket.
const knowsPeers = true

// solLocal is SOL_LOCAL, the level of options of unix sockets.
const solLocal = 0

func peerUID(fd uintptr) (uint32, error) {
	c, err := unix.GetsockoptXucred(int(fd), solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return c.Uid, nil
}
