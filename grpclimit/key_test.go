package grpclimit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
)

func from(addr net.Addr, pairs ...string) context.Context {
	ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: addr})
	return metadata.NewIncomingContext(ctx, metadata.Pairs(pairs...))
}

func tcp(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }

func TestKeys(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}
	called := grpclimit.Call{Method: "/shop.Orders/Put"}
	calling := grpclimit.Call{Method: "/shop.Orders/Put", Target: "dns:///orders:443"}
	outgoing := metadata.AppendToOutgoingContext(from(tcp("192.0.2.1:1"), "tenant", "theirs"), "tenant", "ours")
	tests := []struct {
		name string
		key  grpclimit.KeyFunc
		ctx  context.Context
		call grpclimit.Call
		want string // or what is missing, after "no "
	}{
		{"address", grpclimit.ByIP(), from(tcp("192.0.2.1:4711"), "x-forwarded-for", "203.0.113.9"), called, "192.0.2.1"},
		{"IPv6 address", grpclimit.ByIP(), from(tcp("[2001:db8::1:2:3:4]:4711")), called, "2001:db8::/64"},
		{"IPv6 address, 128 bits", grpclimit.ByIPv6Prefix(128), from(tcp("[2001:db8::1]:4711")), called, "2001:db8::1/128"},
		{"behind a proxy", grpclimit.ByIP(proxies...), from(tcp("10.1.2.3:4711"), "x-forwarded-for", "203.0.113.9, 198.51.100.1"), called, "198.51.100.1"},
		{"behind proxies, a line each", grpclimit.ByIP(proxies...), from(tcp("10.1.2.3:4711"), "x-forwarded-for", "198.51.100.1", "x-forwarded-for", "10.4.5.6"), called, "198.51.100.1"},
		{"behind a proxy that says nothing", grpclimit.ByIP(proxies...), from(tcp("10.1.2.3:4711")), called, "10.1.2.3"},
		{"forged", grpclimit.ByIP(proxies...), from(tcp("192.0.2.1:4711"), "x-forwarded-for", "198.51.100.1"), called, "192.0.2.1"},
		{"zone", grpclimit.ByIP(proxies...), from(tcp("[fe80::1%eth0]:4711"), "x-forwarded-for", "198.51.100.1"), called, "198.51.100.1"},
		{"Unix socket", grpclimit.ByIP(proxies...), from(&net.UnixAddr{Net: "unix", Name: "@"}, "x-forwarded-for", "198.51.100.1"), called, "no client address"},
		{"no peer", grpclimit.ByIP(), context.Background(), called, "no client address"},
		{"peer without an address", grpclimit.ByIP(), from(nil), called, "no client address"},
		{"address in a client, of whoever asked it", grpclimit.ByIP(), from(tcp("192.0.2.1:4711")), calling, "no client address"},

		{"certificate without TLS", grpclimit.ByCertificate(), from(tcp("192.0.2.1:4711")), called, "no client certificate"},
		{"certificate without a peer", grpclimit.ByCertificate(), context.Background(), called, "no client certificate"},

		{"metadata", grpclimit.ByMetadata("Tenant"), from(nil, "tenant", "t1", "tenant", "t2"), called, "t1"},
		{"empty metadata", grpclimit.ByMetadata("tenant"), from(nil, "tenant", "", "tenant", "t2"), called, "no metadata tenant"},
		{"no metadata", grpclimit.ByMetadata("tenant"), context.Background(), called, "no metadata tenant"},
		{"metadata on a server that is a client too", grpclimit.ByMetadata("tenant"), outgoing, called, "theirs"},
		{"metadata in a client that is a server too", grpclimit.ByMetadata("tenant"), outgoing, calling, "ours"},
		{"no metadata in a client", grpclimit.ByMetadata("tenant"), from(nil, "tenant", "theirs"), calling, "no metadata tenant"},

		{"method", grpclimit.ByMethod(), context.Background(), called, "/shop.Orders/Put"},
		{"target", grpclimit.ByTarget(), context.Background(), calling, "dns:///orders:443"},
		{"target on a server", grpclimit.ByTarget(), context.Background(), called, "no target"},

		{"joined", grpclimit.Join(grpclimit.ByMetadata("tenant"), grpclimit.ByMethod()), from(nil, "tenant", "a|b"), called, `a\|b|/shop.Orders/Put`},
		{"joined, one missing", grpclimit.Join(grpclimit.ByMethod(), grpclimit.ByMetadata("tenant")), from(nil), called, "no metadata tenant"},
		{"joined of nothing", grpclimit.Join(), from(nil), called, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.key(test.ctx, test.call)
			var missing *grpclimit.MissingError
			if errors.As(err, &missing) {
				got = "no " + missing.What
			} else if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("key %q, want %q", got, test.want)
			}
		})
	}
}

// authority is a certificate with its key, by which others are signed.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign returns a certificate that the authority has signed; one that is nil signs itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) (tls.Certificate, *authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := &authority{template, key}
	if a != nil {
		signer = a
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, &authority{cert, key}
}

func TestByCertificate(t *testing.T) {
	t.Parallel()
	_, root := (*authority)(nil).sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	_, stranger := (*authority)(nil).sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	server, _ := root.sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	spiffe, err := url.Parse("spiffe://example.org/billing")
	if err != nil {
		t.Fatal(err)
	}
	named := pkix.Name{CommonName: "billing", Organization: []string{"Example"}}
	client := func(a *authority, template *x509.Certificate) []tls.Certificate {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		cert, _ := a.sign(t, template)
		return []tls.Certificate{cert}
	}
	tests := []struct {
		name  string
		certs []tls.Certificate
		auth  tls.ClientAuthType
		want  string // or what is missing, after "no "
	}{
		{"subject", client(root, &x509.Certificate{Subject: named}), tls.VerifyClientCertIfGiven, "CN=billing,O=Example"},
		{"SPIFFE ID", client(root, &x509.Certificate{Subject: named, URIs: []*url.URL{spiffe}}), tls.VerifyClientCertIfGiven, "spiffe://example.org/billing"},
		{"no subject", client(root, &x509.Certificate{}), tls.VerifyClientCertIfGiven, "no subject in its client certificate"},
		{"none shown", nil, tls.VerifyClientCertIfGiven, "no client certificate"},
		{"not verified", client(stranger, &x509.Certificate{Subject: named}), tls.RequireAnyClientCert, "no client certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := ""
			limiter := limiterFunc(func(_ context.Context, key string, _ int64) (sluice.Decision, error) {
				found = key
				return sluice.Decision{Allowed: true}, nil
			})
			config := grpclimit.Config{AllowMissing: true, Key: func(ctx context.Context, c grpclimit.Call) (string, error) {
				key, err := grpclimit.ByCertificate()(ctx, c)
				var missing *grpclimit.MissingError
				if errors.As(err, &missing) {
					found = "no " + missing.What
				}
				return key, err
			}}
			secured := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: roots, ClientAuth: test.auth})
			c := serve(t, &service{}, append(limited(limiter, config), grpc.Creds(secured)),
				grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: test.certs})))
			if err := unary(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if found != test.want {
				t.Errorf("key %q, want %q", found, test.want)
			}
		})
	}
}
