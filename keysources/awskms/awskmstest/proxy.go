package awskmstest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// proxy is an HTTPS proxy that takes connections to AWS's own hosts to the server.
type proxy struct {
	http  *http.Server // what it listens with
	inner *http.Server // what serves the connections that it takes over
	conns *listener
	url   string
	ca    []byte // PEM
}

// ProxyEnv is [Server.Env] for programs whose SDK cannot be told another endpoint,
// or that shall use AWS's own: HTTPS to kms.REGION.amazonaws.com and
// sts.REGION.amazonaws.com ends at the server, and all other hosts are refused. The
// certificate that makes it possible is written to the folder dir.
func (s *Server) ProxyEnv(dir string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proxy == nil {
		p, err := startProxy(http.HandlerFunc(s.serve))
		if err != nil {
			return nil, fmt.Errorf("starting a proxy: %w", err)
		}
		s.proxy = p
	}
	file := filepath.Join(dir, "awskmstest-ca.pem")
	if err := os.WriteFile(file, s.proxy.ca, 0o600); err != nil {
		return nil, err
	}
	return append(s.user.env(),
		"HTTPS_PROXY="+s.proxy.url,
		"AWS_CA_BUNDLE="+file,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull), nil
}

func startProxy(handler http.Handler) (*proxy, error) {
	issuer, err := newIssuer()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{
		inner: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second},
		conns: &listener{conns: make(chan net.Conn), closed: make(chan struct{}), addr: l.Addr()},
		url:   "http://" + l.Addr().String(),
		ca:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.cert.Raw}),
	}
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return issuer.issue(hello.ServerName)
	}}
	p.http = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, _, ok := serviceHost(r.Host)
		if r.Method != http.MethodConnect || !ok || !strings.HasSuffix(r.Host, ":443") || service != "kms" && service != "sts" {
			http.Error(w, "this proxy knows KMS and STS only", http.StatusBadGateway)
			return
		}
		if conn, err := takeOver(w); err == nil {
			p.conns.offer(tls.Server(conn, config))
		}
	})}
	// Both end with close.
	go p.http.Serve(l)
	go p.inner.Serve(p.conns)
	return p, nil
}

// takeOver accepts a CONNECT request and returns the connection.
func takeOver(w http.ResponseWriter) (net.Conn, error) {
	var conn net.Conn
	var buffered *bufio.ReadWriter
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil || buffered.Reader.Buffered() > 0 {
		conn.Close()
		return nil, fmt.Errorf("a client that does not wait for the answer: %w", err)
	}
	return conn, nil
}

func (p *proxy) close() {
	p.http.Close()
	p.inner.Close()
}

// listener hands connections to a server that were made elsewhere.
type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
	addr   net.Addr
}

func (l *listener) offer(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		c.Close()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// issuer is a certificate authority for one server.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("awskmstest")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &issuer{cert: cert, key: key}, err
}

func (i *issuer) issue(host string) (*tls.Certificate, error) {
	template := certificate(host)
	template.DNSNames = []string{host}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, &i.key.PublicKey, i.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key}, nil
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
}
