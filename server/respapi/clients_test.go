package respapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice/server/respapi"
)

// certificate returns a certificate for localhost, and the pool of who has signed it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// ways are how a client can be let in.
var ways = []struct {
	name, password string
	tls            bool
}{
	{"plain", "", false},
	{"with a password", "open sesame", false},
	{"by TLS and with a password", "open sesame", true},
}

// openWay opens a door that clients enter in one of the ways.
func openWay(t *testing.T, password string, byTLS bool) (door, *tls.Config) {
	t.Helper()
	config := respapi.Config{Password: password}
	if !byTLS {
		return open(t, config, true), nil
	}
	server, roots := certificate(t)
	config.TLS = &tls.Config{Certificates: []tls.Certificate{server}}
	return open(t, config, true), &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// TestGoRedis has go-redis connect as it does to Redis, by both protocols.
func TestGoRedis(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, protocol := range []int{2, 3} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				d, secure := openWay(t, way.password, way.tls)
				client := redis.NewClient(&redis.Options{
					Addr: d.addr, Password: way.password, TLSConfig: secure, Protocol: protocol, ClientName: "tester",
				})
				defer client.Close()
				ctx := t.Context()
				if err := client.Ping(ctx).Err(); err != nil {
					t.Fatal(err)
				}
				if name, err := client.ClientGetName(ctx).Result(); name != "tester" || err != nil {
					t.Errorf("the name is %q, %v", name, err)
				}
				cmds, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
					for range 100 {
						p.Do(ctx, "CL.THROTTLE", "user:42", 49, 1, 3600)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for i, cmd := range cmds {
					got, err := cmd.(*redis.Cmd).Int64Slice()
					want := []int64{0, 50, int64(49 - i), -1, int64(i+1) * 3600}
					if i >= 50 {
						want = []int64{1, 50, 0, 3600, 50 * 3600}
					}
					if diff := cmp.Diff(want, got); err != nil || diff != "" {
						t.Fatalf("answer %d: %v (-want +got):\n%s", i, err, diff)
					}
				}
				got, err := client.Do(ctx, "SL.CHECK", "api", "alice", 5).Result()
				if err != nil {
					t.Fatal(err)
				}
				if protocol == 3 {
					if m := got.(map[any]any); m["allowed"] != true || m["remaining"] != int64(15) || m["retry_after_ms"] != int64(0) {
						t.Errorf("SL.CHECK is answered %v", got)
					}
				} else if l := got.([]any); l[0] != "allowed" || l[1] != int64(1) || l[3] != int64(15) {
					t.Errorf("SL.CHECK is answered %v", got)
				}
				if err := client.Do(ctx, "SL.BLOCK", "api", "alice", 60_000, "abuse of the search").Err(); err != nil {
					t.Error(err)
				}
				if err := client.Do(ctx, "CL.THROTTLE", "k", "x", 1, 1).Err(); err == nil || err.Error() != "Cell error: Store error: Couldn't parse as integer: x" {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

// TestRueidis has rueidis connect as it does to Redis: by RESP3 and with tracking.
func TestRueidis(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			d, secure := openWay(t, way.password, way.tls)
			client, err := rueidis.NewClient(rueidis.ClientOption{
				InitAddress: []string{d.addr}, Password: way.password, TLSConfig: secure, ClientName: "tester",
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx := t.Context()
			got, err := client.Do(ctx, client.B().Arbitrary("CL.THROTTLE").Keys("user:42").Args("15", "30", "60").Build()).AsIntSlice()
			if diff := cmp.Diff([]int64{0, 16, 15, -1, 2}, got); err != nil || diff != "" {
				t.Errorf("CL.THROTTLE: %v (-want +got):\n%s", err, diff)
			}
			m, err := client.Do(ctx, client.B().Arbitrary("SL.PEEK", "api", "alice").Build()).AsMap()
			if err != nil {
				t.Fatal(err)
			}
			allowed := m["allowed"]
			if is, err := allowed.AsBool(); !is || err != nil {
				t.Errorf("SL.PEEK is answered %v, %v", m, err)
			}
			commands := make(rueidis.Commands, 64)
			for i := range commands {
				commands[i] = client.B().Arbitrary("CL.THROTTLE").Keys("pipelined").Args("63", "1", "3600").Build()
			}
			for i, r := range client.DoMulti(ctx, commands...) {
				if got, err := r.AsIntSlice(); err != nil || got[2] != int64(63-i) {
					t.Fatalf("answer %d of a pipeline is %v, %v", i, got, err)
				}
			}
		})
	}
}
