package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// endpoint is a server and what proves to it who asks. A token is never the value of a flag: others on the machine can see
// that.
type endpoint struct {
	url       string
	tokenFile string
	caCert    string
	cert, key string
}

// defaultServer is the URL of the server that is asked where none is said.
const defaultServer = "http://127.0.0.1:8080"

// serverFlags are the flags of an endpoint, which do not go with those of a store.
var serverFlags = []string{"server", "token-file", "cacert", "cert", "key"}

// add adds the flags. They beat the environment.
func (e *endpoint) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&e.url, "server", cmp.Or(os.Getenv("SLUICE_SERVER"), defaultServer), "URL of the server to ask; SLUICE_SERVER")
	f.Lookup("server").DefValue = defaultServer // the help shows no password
	f.StringVar(&e.tokenFile, "token-file", "", "file with the token to show the server; SLUICE_TOKEN_FILE, or SLUICE_TOKEN for the token itself")
	f.StringVar(&e.caCert, "cacert", "", "PEM file of the authorities that the server's certificate may be of (default: the system's)")
	f.StringVar(&e.cert, "cert", "", "PEM file of a certificate to show the server")
	f.StringVar(&e.key, "key", "", "PEM file of its key")
}

// token returns the token to show; "" for none. Its errors say nothing of what is in it.
func (e *endpoint) token() (string, error) {
	path := cmp.Or(e.tokenFile, os.Getenv("SLUICE_TOKEN_FILE"))
	text := os.Getenv("SLUICE_TOKEN")
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		text = string(data)
	}
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", errors.New("--token-file: there is more than one token in it; it must hold the token alone, as sluice token prints it, not the line of a tokens file")
	}
	if path != "" && text == "" {
		return "", fmt.Errorf("--token-file: %s is empty", path)
	}
	return text, nil
}

// secure returns the TLS of connections as the flags say.
func (e *endpoint) secure() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12} // a proxy may be in front of the server
	if path := e.caCert; path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("--cacert: %s holds no certificate in PEM form", path)
		}
	}
	switch {
	case (e.cert == "") != (e.key == ""):
		return nil, errors.New("--cert and --key go together: give both, or none")
	case e.cert != "":
		pair, err := tls.LoadX509KeyPair(e.cert, e.key)
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// open returns the server.
func (e *endpoint) open() (*remote, error) {
	r, err := newRemote(e.url)
	if err != nil {
		return nil, err
	}
	if r.token, err = e.token(); err != nil {
		return nil, err
	}
	if r.secure, err = e.secure(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = r.secure
	r.client.Transport = transport
	// No server redirects, and a token is not to go wherever something else that answers here may say.
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r, nil
}

// showToken adds a token to a request, where there is one.
func showToken(to *http.Request, token string) {
	if token != "" {
		to.Header.Set("Authorization", "Bearer "+token)
	}
}
