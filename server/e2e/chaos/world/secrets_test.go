//go:build unix

package world

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// TestSecrets rotates a certificate and a token, and looks at the files that a server would read, and at what is noted.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s, err := newSecrets(1, filepath.Join(t.TempDir(), "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{secrets: s}
	certificate := func(number int) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(s.path("cert.pem"), s.path("key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		config := server.TLS()
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: config.RootCAs, DNSName: config.ServerName}); err != nil {
			t.Error(err)
		}
		if pair.Leaf.SerialNumber.Cmp(serialOf(number)) != 0 {
			t.Errorf("the certificate has the serial number %d, want that of %d", pair.Leaf.SerialNumber, number)
		}
	}
	tokens := func(numbers ...int) {
		t.Helper()
		text, err := os.ReadFile(s.path("tokens"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), " check "); n != len(numbers) {
			t.Errorf("%d tokens let somebody check, want %d", n, len(numbers))
		}
		for _, number := range numbers {
			digest := sha256.Sum256([]byte(s.token(number)))
			if !strings.Contains(string(text), " check "+hex.EncodeToString(digest[:])+"\n") {
				t.Errorf("token %d is not in the file", number)
			}
		}
	}
	certificate(0)
	tokens(0)
	if number, err := s.NewCertificate(); err != nil || number != 1 {
		t.Fatalf("NewCertificate = %d, %v, want 1", number, err)
	}
	certificate(1)

	old := server.Token()
	if number, err := s.NewToken(); err != nil || number != 1 {
		t.Fatalf("NewToken = %d, %v, want 1", number, err)
	}
	tokens(0, 1)
	if server.Token() != old {
		t.Error("callers use the new token before they are told to")
	}
	s.Use(1)
	if server.Token() == old {
		t.Error("callers do not use the new token")
	}
	if err := s.DropOthers(); err != nil {
		t.Fatal(err)
	}
	tokens(1)

	all, _ := s.Seen()
	for _, one := range all {
		if begins, ends := one.From == 0, one.To != 0; one.Server != 1 || begins != (one.Number == 0) || ends != (one.Number == 0) {
			t.Errorf("what is noted is %+v: the first ones were there at the beginning and have ended, the second ones are in force", one)
		}
	}
	if len(all) != 4 || all[2].Kind != record.Certificate || all[3].Kind != record.Token {
		t.Errorf("%d secrets are noted, want two certificates and two tokens: %+v", len(all), all)
	}
}
