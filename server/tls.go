package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sluice-project/sluice/internal/watch"
	"github.com/sluice-project/sluice/policy/filesource"
)

// maxPEM is the longest file of certificates or of a key, in bytes.
const maxPEM = 1 << 20

// certificates are those of one door, as they are in their files now.
type certificates struct {
	setting  string // where they stand in the configuration
	files    filesource.TLS
	oldest   uint16   // the oldest version of TLS that is spoken
	protocol []string // what is spoken within, for clients that ask
	current  atomic.Pointer[tls.Config]
}

// readCertificates returns those of a door; nil where it has no TLS.
func readCertificates(setting string, files filesource.TLS, protocols ...string) (*certificates, error) {
	switch {
	case files == (filesource.TLS{}):
		return nil, nil
	case files.CertFile == "" || files.KeyFile == "":
		return nil, fmt.Errorf("%s: it must have both cert_file and key_file, which the rest goes with", setting)
	case files.ClientName != "" && files.ClientCAFile == "":
		return nil, fmt.Errorf("%s.client_name: it goes with client_ca_file, which says whose certificates are believed", setting)
	}
	c := &certificates{setting: setting, files: files, oldest: tls.VersionTLS13, protocol: protocols}
	read, err := c.read()
	if err != nil {
		return nil, err
	}
	return c, c.take(read)
}

// overGRPC is what is spoken within TLS at the door for Envoy, for clients that ask. At the others they ask in vain, and speak what
// there is, which at those of HTTP is HTTP/1.1.
var overGRPC = []string{"h2"}

// validateCertificates reports what is wrong with those of the doors.
func validateCertificates(listen filesource.Listen) error {
	for setting, files := range map[string]filesource.TLS{
		"listen.http_tls": listen.HTTPTLS, "listen.admin_tls": listen.AdminTLS, "listen.grpc_tls": listen.GRPCTLS, "listen.resp_tls": listen.RESPTLS,
	} {
		if _, err := readCertificates(setting, files); err != nil {
			return err
		}
	}
	return nil
}

// config returns the TLS of the door. What renewed files say holds for connections that are made from then on.
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: c.oldest, NextProtos: c.protocol,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// allow has the door speak an older version of TLS, too. It is called before the first connection.
func (c *certificates) allow(version uint16) {
	c.oldest = version
	config := c.current.Load().Clone()
	config.MinVersion = version
	c.current.Store(config)
}

// read returns the files: the certificates, the key, and whose certificates are believed.
func (c *certificates) read() (files []watch.File, err error) {
	for _, f := range []struct{ name, path string }{
		{"cert_file", c.files.CertFile}, {"key_file", c.files.KeyFile}, {"client_ca_file", c.files.ClientCAFile},
	} {
		var data []byte
		if f.path != "" {
			if data, err = watch.Read(f.path, maxPEM); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", c.setting, f.name, err)
			}
		}
		files = append(files, watch.File{Name: f.path, Data: data})
	}
	return files, nil
}

// take has new connections go by what the files say.
func (c *certificates) take(files []watch.File) error {
	pair, err := tls.X509KeyPair(files[0].Data, files[1].Data)
	if err != nil {
		return fmt.Errorf("%s: %s and %s: %w", c.setting, c.files.CertFile, c.files.KeyFile, err) // it says nothing of what is in the key
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: c.oldest, NextProtos: c.protocol}
	if c.files.ClientCAFile != "" {
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(files[2].Data) {
			return fmt.Errorf("%s.client_ca_file: %s holds no certificate in PEM form", c.setting, c.files.ClientCAFile)
		}
	}
	if name := c.files.ClientName; name != "" {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the client has no certificate")
			}
			return state.PeerCertificates[0].VerifyHostname(name)
		}
	}
	c.current.Store(config)
	return nil
}

// watchCertificates takes over renewed ones, until ctx ends. Those that cannot be used change nothing.
func (s *Server) watchCertificates(ctx context.Context, c *certificates) {
	refuse := func(err error) {
		s.logger.Error("the certificates are refused, those before stay in force", "setting", c.setting, "error", err)
	}
	first := true
	_ = watch.Watch(ctx, nil, watch.Files{ // it ends with ctx
		Read: c.read,
		Take: func(files []watch.File) {
			if err := c.take(files); err != nil {
				refuse(err)
				return
			}
			if !first { // else they are those of the start
				s.logger.Info("certificates loaded", "setting", c.setting)
			}
			first = false
		},
		Fail: refuse,
	})
}
