package keyservice_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make("ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// make writes NAME.crt and NAME.key, signed by the authority or, for its own, by
// itself.
func (a *authority) make(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// leaf makes a certificate that is good for an hour from the given time.
func (a *authority) leaf(name string, from time.Time, usage x509.ExtKeyUsage) keyservice.TLSFiles {
	a.t.Helper()
	a.make(name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: from.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	return keyservice.TLSFiles{Cert: a.file(name + ".crt"), Key: a.file(name + ".key"), CA: a.file("ca.crt")}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func clientEnvOf(f keyservice.TLSFiles) func(string) string {
	return env(keyservice.CertEnv, f.Cert, keyservice.KeyEnv, f.Key, keyservice.CAEnv, f.CA)
}

func TestTCPNeedsMutualTLS(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	now := time.Now().Add(-time.Minute)
	server := ours.leaf("server", now, x509.ExtKeyUsageServerAuth)
	good := ours.leaf("client", now, x509.ExtKeyUsageClientAuth)
	src := newSource(t, keysources.TypeAge)
	var asked atomic.Int32
	src.Before = func(context.Context, string) error { asked.Add(1); return nil }
	events := &log{}
	l, err := keyservice.Listen(t.Context(), "tcp://127.0.0.1:0", keyservice.ListenOptions{TLS: server})
	if err != nil {
		t.Fatal(err)
	}
	start(t, l, keyservice.NewServer(map[string]keysources.Source{"age": src}, keysources.Policy{}, keyservice.ServerOptions{Log: events.add}))

	wrongCA := others.leaf("client", now, x509.ExtKeyUsageClientAuth)
	wrongCA.CA = good.CA // it trusts the server, which does not trust it
	suspicious := good
	suspicious.CA = others.file("ca.crt")
	for _, tt := range []struct {
		name string
		env  func(string) string
	}{
		{"no TLS", noEnv},
		{"a certificate of another authority", clientEnvOf(wrongCA)},
		{"an expired certificate", clientEnvOf(ours.leaf("expired", now.Add(-3*time.Hour), x509.ExtKeyUsageClientAuth))},
		{"a certificate of the future", clientEnvOf(ours.leaf("future", now.Add(3*time.Hour), x509.ExtKeyUsageClientAuth))},
		{"a server's certificate", clientEnvOf(server)},
		{"a server that the client does not trust", clientEnvOf(suspicious)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := dial(t, tt.env, l.Address()).Unwrap(ctx, stanzaFor(keysources.TypeAge, "age1x"))
			if keysources.ReasonOf(err) != keysources.Unreachable || asked.Load() != 0 {
				t.Errorf("got %v, the source was asked %d times", err, asked.Load())
			}
		})
	}
	_, err = dial(t, clientEnvOf(good), l.Address()).Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "age1x"))
	if keysources.ReasonOf(err) != keysources.Damaged || asked.Load() != 1 {
		t.Errorf("a good client: got %v, the source was asked %d times", err, asked.Load())
	}
	all := events.all()
	if last := all[len(all)-1]; last.Peer != "client" || last.Method != "Decrypt" {
		t.Errorf("the log has %+v", last)
	}
	if len(all) < 6 {
		t.Errorf("the log has %d entries, refusals are missing", len(all))
	}
	t.Run("handshakes", func(t *testing.T) { refusedHandshakes(t, l, good) })
	if asked.Load() != 1 {
		t.Errorf("the source was asked %d times", asked.Load())
	}
}

// refusedHandshakes tries what our own client would not do.
func refusedHandshakes(t *testing.T, l *keyservice.Listener, good keyservice.TLSFiles) {
	cert, err := tls.LoadX509KeyPair(good.Cert, good.Key)
	if err != nil {
		t.Fatal(err)
	}
	certs := []tls.Certificate{cert}
	for _, tt := range []struct {
		name   string
		config *tls.Config
		ok     bool
	}{
		{"the control", &tls.Config{Certificates: certs, NextProtos: []string{"h2"}}, true},
		{"no certificate", &tls.Config{NextProtos: []string{"h2"}}, false},
		{"TLS 1.2", &tls.Config{Certificates: certs, NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12}, false},
		{"another protocol", &tls.Config{Certificates: certs, NextProtos: []string{"http/1.1"}}, false},
		{"no protocol", &tls.Config{Certificates: certs}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.InsecureSkipVerify = true // the server is to refuse, not we
			conn, err := tls.Dial("tcp", strings.TrimPrefix(l.Address(), "tcp://"), tt.config)
			if err == nil {
				// With TLS 1.3, a client only learns by reading that it was refused. A
				// server that takes it sends its settings at once.
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = conn.Read(make([]byte, 1))
			}
			if (err == nil) != tt.ok {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestListenRefusesWhatIsNotSafe(t *testing.T) {
	a := newAuthority(t)
	files := a.leaf("server", time.Now().Add(-time.Minute), x509.ExtKeyUsageServerAuth)
	noKey, noCA, badCA := files, files, files
	noKey.Key, noCA.CA, badCA.CA = "", "", files.Key
	for _, tt := range []struct {
		name, address string
		o             keyservice.ListenOptions
		want          string
	}{
		{"plain TCP", "tcp://127.0.0.1:0", keyservice.ListenOptions{}, keyservice.ErrPlainTCP.Error()},
		{"TLS without key", "tcp://127.0.0.1:0", keyservice.ListenOptions{TLS: noKey}, "needs a certificate"},
		{"TLS that takes any client", "tcp://127.0.0.1:0", keyservice.ListenOptions{TLS: noCA}, "needs a certificate"},
		{"an authority without certificate", "tcp://127.0.0.1:0", keyservice.ListenOptions{TLS: badCA}, "holds no certificate"},
		{"users over TCP", "tcp://127.0.0.1:0", keyservice.ListenOptions{TLS: files, AllowUIDs: []uint32{1}}, "unix socket only"},
		{"TLS over a socket", "unix:///tmp/x", keyservice.ListenOptions{TLS: files}, "for TCP"},
		{"a relative path", "unix://x/y", keyservice.ListenOptions{}, "unix:///PATH"},
		{"another network", "udp://127.0.0.1:1", keyservice.ListenOptions{}, "unix:///PATH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := keyservice.Listen(t.Context(), tt.address, tt.o)
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := keyservice.Listen(t.Context(), "tcp://127.0.0.1:0", keyservice.ListenOptions{}); !errors.Is(err, keyservice.ErrPlainTCP) {
		t.Errorf("got %v", err)
	}
}
