package scan

import (
	"net/netip"
	"strings"
)

// urlPassword is SCHEME://USER:PASSWORD@HOST.
func urlPassword(src []byte, at int) (span, bool) {
	scheme := backTo(src, at, func(c byte) bool { return isAlnum(c) || c == '+' || c == '.' }, 24)
	if scheme == at {
		return span{}, false
	}
	const most = 512
	rest := string(authority(src[at+3 : min(len(src), at+3+most)]))
	n := strings.LastIndexByte(rest, '@')
	if n < 0 {
		return span{}, false
	}
	user, password, found := strings.Cut(rest[:n], ":")
	host := rest[n+1:]
	if !found || len(password) < 6 || host == "" || !isUser(user) || !isHost(host) || IsPlaceholder(password) || isPlainName(user, password) || strings.EqualFold(user, password) {
		return span{}, false
	}
	begin := at + 3 + len(user) + 1
	return span{start: begin, end: begin + len(password), weak: !isStrong(password) || isHere(host)}, true
}

// authority returns what stands before a path, a query, or what ends an address.
func authority(rest []byte) []byte {
	for i, c := range rest {
		if c <= ' ' || strings.IndexByte("\"'`<>|\\,;/?#", c) >= 0 {
			return rest[:i]
		}
	}
	return rest
}

// isPlainName reports whether a password is a word that manuals give to a user of a name.
func isPlainName(user, password string) bool {
	p, u := strings.ToLower(password), strings.ToLower(user)
	return len(u) >= 4 && (strings.Contains(p, u) || strings.Contains(u, p)) && !isStrong(password)
}

func isUser(user string) bool {
	return !strings.ContainsFunc(user, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune("${}()[]*%!&=:", r)
	})
}

func isHost(host string) bool {
	return isAlnum(host[0]) && !strings.ContainsAny(host, "${}()[]*%!&=")
}

// isHere reports whether a host is on the same machine or network, or nowhere.
func isHere(host string) bool {
	name := strings.ToLower(host)
	if n := strings.LastIndexByte(name, ':'); n >= 0 {
		name = name[:n]
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	for _, end := range []string{"localhost", ".local", ".internal", ".test", ".invalid", "example.com", "example.org", "example.net"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return !strings.Contains(name, ".")
}
