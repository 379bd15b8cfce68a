//go:build unix

package world

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// Secrets are what one server proves itself by, and its callers themselves: a certificate of an authority that is made for
// the run, and tokens. They are safe for concurrent use.
type Secrets struct {
	server    int
	dir       string
	authority *x509.Certificate
	key       *ecdsa.PrivateKey // of the authority
	roots     *x509.CertPool
	observer  string // the token of who looks, which stays

	mu     sync.Mutex
	tokens []string // of callers, by number
	used   int      // the number of the one that callers use
	all    []record.Secret
	shown  []record.Shown
}

// newSecrets makes an authority, a certificate and a token, and writes what the server reads of it below a directory.
func newSecrets(server int, dir string) (*Secrets, error) {
	s := &Secrets{server: server, dir: dir, roots: x509.NewCertPool(), observer: rand.Text()}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	root := template(big.NewInt(0), "chaos authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, &s.key.PublicKey, s.key)
	if err != nil {
		return nil, err
	}
	if s.authority, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	s.roots.AddCert(s.authority)
	if _, err := s.NewCertificate(); err != nil {
		return nil, err
	}
	if _, err := s.NewToken(); err != nil {
		return nil, err
	}
	for i := range s.all {
		s.all[i].From = 0 // the server begins with them
	}
	return s, nil
}

// template is a certificate for an hour before now and a day after: a clock that is an hour wrong must not matter.
func template(serial *big.Int, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

// configuration is what the file of the server has of them: what belongs to listen, and what stands besides.
func (s *Secrets) configuration() (listen, more string) {
	for _, door := range []string{"http", "grpc", "resp"} {
		listen += fmt.Sprintf(", %s_tls: {cert_file: %q, key_file: %q}", door, s.path("cert.pem"), s.path("key.pem"))
	}
	return listen, fmt.Sprintf("admin: {tokens_file: %q, checks_require_token: true}\n", s.path("tokens"))
}

func (s *Secrets) path(name string) string { return filepath.Join(s.dir, name) }

// NewCertificate puts a new key and a certificate for it in the place of those before, and returns its number.
func (s *Secrets) NewCertificate() (number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number = s.next(record.Certificate)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	leaf := template(serialOf(number), "chaos server")
	leaf.IPAddresses, leaf.KeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, leaf, s.authority, &key.PublicKey, s.key)
	if err != nil {
		return 0, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return 0, err
	}
	for name, block := range map[string]*pem.Block{"key.pem": {Type: "PRIVATE KEY", Bytes: private}, "cert.pem": {Type: "CERTIFICATE", Bytes: der}} {
		if err := s.write(name, pem.EncodeToMemory(block)); err != nil {
			return 0, err
		}
	}
	s.replaced(record.Certificate, number-1)
	s.all = append(s.all, record.Secret{Server: s.server, Kind: record.Certificate, Number: number, From: time.Now().UnixNano()})
	return number, nil
}

// serialOf is the serial number of a certificate; the authority has 0.
func serialOf(number int) *big.Int { return big.NewInt(int64(number) + 1) }

// NewToken lets a further token in, and returns its number. Callers use those that they have until [Secrets.Use].
func (s *Secrets) NewToken() (number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, rand.Text())
	number = len(s.tokens) - 1
	if err := s.writeTokens(s.used, number); err != nil {
		return 0, err
	}
	s.all = append(s.all, record.Secret{Server: s.server, Kind: record.Token, Number: number, From: time.Now().UnixNano()})
	return number, nil
}

// Use has callers use a token from now on.
func (s *Secrets) Use(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = number
}

// Used returns the number of the token that callers use.
func (s *Secrets) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// DropOthers takes out the tokens that callers do not use.
func (s *Secrets) DropOthers() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writeTokens(s.used); err != nil {
		return err
	}
	for number := range s.tokens {
		if number != s.used {
			s.replaced(record.Token, number)
		}
	}
	return nil
}

// writeTokens writes the file of tokens, with that of who looks and some of callers. It is called with mu held.
func (s *Secrets) writeTokens(numbers ...int) error {
	var file strings.Builder
	line := func(name, role, token string) {
		digest := sha256.Sum256([]byte(token))
		fmt.Fprintf(&file, "%s %s %s\n", name, role, hex.EncodeToString(digest[:]))
	}
	line("observer", "read", s.observer)
	for i, number := range numbers {
		if i == 0 || number != numbers[0] {
			line(fmt.Sprintf("callers%d", number), "check", s.tokens[number])
		}
	}
	return s.write("tokens", []byte(file.String()))
}

// write puts a file in the place of another at once, as tools that renew certificates do.
func (s *Secrets) write(name string, data []byte) error {
	if err := os.WriteFile(s.path(name+".new"), data, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path(name+".new"), s.path(name))
}

// next returns the number of the next secret of a kind. It is called with mu held.
func (s *Secrets) next(kind string) (n int) {
	for _, one := range s.all {
		if one.Kind == kind {
			n++
		}
	}
	return n
}

// replaced notes that a secret has been taken out, if that is not known. It is called with mu held.
func (s *Secrets) replaced(kind string, number int) {
	for i := range s.all {
		if one := &s.all[i]; one.Kind == kind && one.Number == number && one.To == 0 {
			one.To = time.Now().UnixNano()
		}
	}
}

// Seen returns all secrets that there were, and what was seen of them.
func (s *Secrets) Seen() ([]record.Secret, []record.Shown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.shown
}

func (s *Secrets) token(number int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[number]
}

// Secrets returns those of the server, nil where it has none: it has no TLS then, and wants no token.
func (s *Server) Secrets() *Secrets { return s.secrets }

// Secured returns the server that has secrets.
func (w *World) Secured() *Server { return w.Servers[secured] }

// TLS returns what a client connects by; nil where the server has no TLS.
func (s *Server) TLS() *tls.Config {
	if s.secrets == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.secrets.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
}

// Token returns what a caller shows now; "" where the server wants nothing.
func (s *Server) Token() string {
	if s.secrets == nil {
		return ""
	}
	return s.secrets.token(s.secrets.Used())
}

// URL returns where a path of the server is.
func (s *Server) URL(path string) string {
	if s.secrets == nil {
		return "http://" + s.HTTP + path
	}
	return "https://" + s.HTTP + path
}
