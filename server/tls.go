package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/sluice-project/sluice/policy/filesource"
)

// grpcCredentials returns the TLS of the gRPC door; nil where it has none.
func grpcCredentials(settings filesource.TLS) (credentials.TransportCredentials, error) {
	config, err := doorTLS("listen.grpc_tls", settings)
	if config == nil {
		return nil, err
	}
	return credentials.NewTLS(config), nil
}

// doorTLS returns the TLS of a door, whose setting is where it stands in the file; nil where it has none.
func doorTLS(setting string, settings filesource.TLS) (*tls.Config, error) {
	if settings == (filesource.TLS{}) {
		return nil, nil
	}
	if settings.CertFile == "" || settings.KeyFile == "" {
		return nil, fmt.Errorf("%s: it must have both cert_file and key_file, which the rest goes with", setting)
	}
	pair := &keyPair{cert: settings.CertFile, key: settings.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	config := &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}
	if settings.ClientCAFile != "" {
		pem, err := os.ReadFile(settings.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("%s.client_ca_file: %w", setting, err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.client_ca_file: %s holds no certificate in PEM form", setting, settings.ClientCAFile)
		}
	}
	if name := settings.ClientName; name != "" {
		if settings.ClientCAFile == "" {
			return nil, fmt.Errorf("%s.client_name: it goes with client_ca_file, which says whose certificates are believed", setting)
		}
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the client has no certificate")
			}
			return state.PeerCertificates[0].VerifyHostname(name)
		}
	}
	return config, nil
}

// keyPair is a certificate and its key in files that may be renewed.
type keyPair struct {
	cert, key string

	mu     sync.Mutex // guards what is below
	loaded *tls.Certificate
	looked time.Time
}

// keyPairAge is how long a certificate is used without a look at the files.
const keyPairAge = 10 * time.Second

// get returns the certificate that is in the files. One that cannot be read any more goes on being used.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil && time.Since(p.looked) < keyPairAge {
		return p.loaded, nil
	}
	p.looked = time.Now()
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err == nil {
		p.loaded = &pair
	}
	if p.loaded == nil {
		return nil, err
	}
	return p.loaded, nil
}
