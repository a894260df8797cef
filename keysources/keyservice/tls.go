package keyservice

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// The environment variables by which a client proves who it is, and knows whom to
// trust: names of PEM files.
const (
	CertEnv = "GITSEAL_KEYSERVICE_TLS_CERT"
	KeyEnv  = "GITSEAL_KEYSERVICE_TLS_KEY"
	CAEnv   = "GITSEAL_KEYSERVICE_TLS_CA"
)

// TLSFiles names the PEM files for mutual TLS.
type TLSFiles struct {
	// Cert and Key are the own certificate, with those that lead from it to the
	// authority, and its private key.
	Cert, Key string
	// CA are the authorities that sign the other side's certificates.
	CA string
}

// complete returns whether there are any files, and an error if some are missing.
func (f TLSFiles) complete() (bool, error) {
	if f == (TLSFiles{}) {
		return false, nil
	}
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return false, errors.New("mutual TLS needs a certificate, its key, and the certificates of the other side's authority")
	}
	return true, nil
}

// load reads the files. Both sides take TLS 1.3 only.
func (f TLSFiles) load() (*tls.Config, *x509.CertPool, error) {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate %s and its key: %w", f.Cert, err)
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("%s holds no certificate", f.CA)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}, pool, nil
}

func (f TLSFiles) server() (*tls.Config, error) {
	c, pool, err := f.load()
	if err != nil {
		return nil, err
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
	// Every connection is verified anew: a certificate may have expired since.
	c.SessionTicketsDisabled = true
	return c, nil
}

// client returns what a client needs; whom it talks to is gRPC's business.
func (f TLSFiles) client() (*tls.Config, error) {
	c, pool, err := f.load()
	if err != nil {
		return nil, err
	}
	c.RootCAs = pool
	return c, nil
}
