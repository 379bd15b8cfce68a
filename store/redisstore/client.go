package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// ClientOption returns the options of a rueidis client for a URL, with the settings that a [Store] needs: no call is
// repeated by the client, no cache is kept on its side, connecting and writing take a second at most, and a connection
// that takes longer than the call that wanted it is there for the next one. Who sets DialCtxFn gives that up.
//
//	redis://user:password@host:6379/0                      a single server, or a Cluster by one of its nodes
//	redis://host:6379?addr=host2:6379&addr=host3:6379      a Cluster by several
//	redis://sentinel:26379?master_set=main&addr=...        a master behind Sentinel
//	rediss://host:6379                                     the same by TLS
//	unix:///run/redis.sock?db=1                            a Unix socket
//
// valkey:// and valkeys:// mean redis:// and rediss://. Further parameters are client_name, dial_timeout and
// write_timeout (such as 500ms), protocol=2 for RESP2, skip_verify=true to trust any certificate, skip_hostname=true to trust
// one for another host if its authority is trusted, ca_file, cert_file and key_file for PEM files of a private authority
// and a client certificate, and sentinel_username and sentinel_password where Sentinel wants others than Redis. An error
// never shows the URL, which may hold a password.
func ClientOption(rawURL string) (rueidis.ClientOption, error) {
	none := rueidis.ClientOption{}
	u, err := url.Parse(rawURL)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return none, fmt.Errorf("the store's URL is malformed: %w; write it like redis://host:6379/0", withoutSecret(err))
	}
	if !slices.Contains([]string{"redis", "rediss", "valkey", "valkeys", "unix"}, u.Scheme) {
		return none, fmt.Errorf("the store's URL begins with %q; it must be redis://, rediss:// or unix://", u.Scheme+"://")
	}
	if strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@") { // the rest of a password, most likely
		return none, errors.New("the store's URL has an @ behind its host; write the characters / ? # and @ of a password as %2F %3F %23 and %40")
	}
	query := u.Query()
	for name := range query {
		if !slices.Contains(parameters, name) {
			return none, fmt.Errorf("the store's URL has an unknown parameter %q; it may have %s", name, strings.Join(parameters, ", "))
		}
	}
	option, err := rueidis.ParseURL(rawURL)
	if err != nil {
		return none, fmt.Errorf("the store's URL: %s", strings.TrimPrefix(err.Error(), "redis: "))
	}
	if err := addCertificates(&option, query); err != nil {
		return none, err
	}
	if err := skipHostname(&option, query.Get("skip_hostname")); err != nil {
		return none, err
	}
	option.DisableRetry = true
	option.PipelineMultiplex = -1 // one connection: calls share it, and a second would be made only when it is needed
	option.DisableCache = true
	if option.Dialer.Timeout == 0 {
		option.Dialer.Timeout = time.Second
	}
	if option.ConnWriteTimeout == 0 {
		option.ConnWriteTimeout = time.Second
	}
	if option.DialCtxFn == nil { // it has one for a Unix socket
		option.DialCtxFn = connect
	}
	option.DialCtxFn = outliving(option.DialCtxFn)
	if option.Sentinel.MasterSet != "" {
		// One that says nothing any more is left for another one.
		option.Sentinel.Dialer = net.Dialer{Timeout: option.Dialer.Timeout, KeepAlive: time.Second, Resolver: sentinelMark}
		option.Sentinel.TLSConfig = option.TLSConfig
		option.Sentinel.Username, option.Sentinel.Password = query.Get("sentinel_username"), query.Get("sentinel_password")
		option.DialCtxFn = knowing(option)
	}
	return option, nil
}

// parameters are those that a URL may have.
var parameters = []string{
	"addr", "master_set", "sentinel_username", "sentinel_password", "db", "client_name", "dial_timeout", "write_timeout",
	"protocol", "skip_verify", "skip_hostname", "ca_file", "cert_file", "key_file",
}

func addCertificates(option *rueidis.ClientOption, query url.Values) error {
	ca, cert, key := query.Get("ca_file"), query.Get("cert_file"), query.Get("key_file")
	if ca+cert+key == "" {
		return nil
	}
	if option.TLSConfig == nil {
		return errors.New("the store's URL names certificate files, which are for rediss:// only")
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("the store's ca_file: %w", err)
		}
		option.TLSConfig.RootCAs = x509.NewCertPool()
		if !option.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("the store's ca_file %s holds no certificate in PEM form", ca)
		}
	}
	if cert+key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("the store's cert_file and key_file: %w", err)
		}
		option.TLSConfig.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// skipHostname has certificates be verified but for the name of the host, where that is asked for.
func skipHostname(option *rueidis.ClientOption, text string) error {
	if text == "" || text == "false" {
		return nil
	}
	if text != "true" {
		return fmt.Errorf("the store's URL says skip_hostname=%.20q; it must be true or false", text)
	}
	if option.TLSConfig == nil {
		return errors.New("the store's URL says skip_hostname, which is for rediss:// only")
	}
	if option.TLSConfig.InsecureSkipVerify { // by skip_verify, which asks for more
		return nil
	}
	roots := option.TLSConfig.RootCAs
	option.TLSConfig.InsecureSkipVerify = true // what follows is all that it would verify but the name
	option.TLSConfig.VerifyConnection = func(state tls.ConnectionState) error {
		intermediates := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
		return err
	}
	return nil
}

// withoutSecret drops what follows the first quote of an error of the url package: with a malformed host it is the password.
func withoutSecret(err error) error {
	text, _, quoted := strings.Cut(err.Error(), `"`)
	if !quoted {
		return err
	}
	return errors.New(strings.TrimSpace(text))
}
