package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/server/access"
)

// output collects what came out, by where.
type output struct {
	mu   sync.Mutex
	text map[string]*bytes.Buffer
}

// of returns what collects what comes out somewhere.
func (o *output) of(where string) io.Writer { return outputOf{o, where} }

type outputOf struct {
	*output
	where string
}

func (o outputOf) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text[o.where] == nil {
		o.text[o.where] = new(bytes.Buffer)
	}
	return o.text[o.where].Write(p)
}

// String returns what came out somewhere.
func (o outputOf) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text[o.where] == nil {
		return ""
	}
	return o.text[o.where].String()
}

// TestNoSecretComesOut plants every kind of secret, runs every command, asks every door, breaks what can be broken, and looks
// for the secrets in all that came out. Keys of callers are looked for in logs and metrics.
func TestNoSecretComesOut(t *testing.T) {
	t.Parallel()
	const (
		storePassword, respPassword = "planted-store-password", "planted-resp-password"
		adminToken, readToken       = "sluice_planted-admin-token", "sluice_planted-read-token"
		wrongToken, wrongPassword   = "sluice_planted-wrong-token", "planted-wrong-password"
		callersKey                  = "planted-key-of-a-caller"
	)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	privateKey := writeCertificate(t, path("cert.pem"), path("key.pem"))
	redis := redistest.Start(t, redistest.Options{Password: storePassword})
	tokens := access.Line("ops", access.Admin, adminToken) + "\n" + access.Line("eye", access.Read, readToken) + "\n"
	write("tokens", tokens)
	write("token", adminToken)
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	http1, admin, resp := free(), free(), free()
	config := fmt.Sprintf(`listen: {http: %q, admin: %q, resp: %q, resp_password: %s, admin_tls: {cert_file: cert.pem, key_file: key.pem}}
store: %s
admin: {tokens_file: tokens}
policies: {api: {key: ip, limits: [100/s]}}
schedules: {often: {cron: "@every 1s", adjust: {policy: api, limit: second, by: +1, max: 200}}}
`, http1, admin, resp, respPassword, redis.URL())
	write("sluice.yaml", config)

	all := &output{text: map[string]*bytes.Buffer{}}
	log := all.of("the log").(outputOf)
	server := exec.Command("sluice", "serve", "--config", path("sluice.yaml"))
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	stopped := false
	stop := func() {
		if !stopped {
			_ = server.Process.Signal(syscall.SIGTERM)
			if err := <-ended; err != nil {
				t.Errorf("the server ends with %v", err)
			}
			stopped = true
		}
	}
	defer stop()
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain until %s; the log is\n%s", what, log)
			}
		}
	}
	until("it answers", func() bool { _, err := get("http://" + http1 + "/readyz"); return err == nil })

	sluice := func(env []string, args ...string) {
		t.Helper()
		out := all.of("sluice " + args[0])
		c := exec.Command("sluice", args...)
		c.Env, c.Dir = append(os.Environ(), env...), dir
		c.Stdout, c.Stderr = out, out
		_ = c.Run() // most are meant to fail, and all are to say nothing
	}
	secure := []string{"SLUICE_SERVER=https://" + admin, "SLUICE_TOKEN=" + adminToken}
	wrong := []string{"SLUICE_SERVER=https://" + admin, "SLUICE_TOKEN=" + wrongToken}
	commands := [][]string{
		{"peek", "api", callersKey},
		{"block", "api", callersKey, "--for", "1h"},
		{"blocks", "api"},
		{"unblock", "api", callersKey},
		{"reset", "api", callersKey},
		{"override", "api", callersKey, "5/h"},
		{"overrides", "api"},
		{"policies", "list"},
		{"policies", "get", "api"},
		{"policies", "set", "api", "limits.second=50/s"},
		{"policies", "diff", path("sluice.yaml")},
		{"policies", "apply", path("sluice.yaml")},
		{"policies", "reset", "api"},
		{"schedules", "list"},
		{"schedules", "history", "often"},
		{"audit"},
	}
	for _, args := range commands {
		for _, more := range [][]string{{}, {"--json"}} {
			sluice(secure, append(append(args[:len(args):len(args)], more...), "--cacert", path("cert.pem"))...)
		}
		sluice(wrong, append(args[:len(args):len(args)], "--cacert", path("cert.pem"))...)
		sluice(secure, append(args[:len(args):len(args)], "--cert", path("key.pem"), "--key", path("key.pem"))...)
		sluice(nil, append(args[:len(args):len(args)], "--server", "http://u:"+wrongPassword+"@"+http1)...)
		sluice(nil, append(args[:len(args):len(args)], "--server", "http://u:"+wrongPassword+"@127.0.0.1:1")...)
		sluice([]string{"SLUICE_TOKEN=" + wrongToken + " " + wrongToken}, args...)
	}
	if audit := all.of("sluice audit").(outputOf).String(); !strings.Contains(audit, callersKey) || !strings.Contains(audit, "ops") {
		t.Fatalf("the commands did nothing: %s", audit)
	}
	for _, store := range []string{
		redis.URL(), "redis://u:" + wrongPassword + "@" + redis.Addr(), "redis://u:" + wrongPassword + "@127.0.0.1:1", "redis://u:" + wrongPassword + "@[",
		"http://u:" + wrongPassword + "@h", "redis://u:" + wrongPassword + "@h:6379/x?nope=1",
	} {
		sluice(nil, "check", "--store", store, "--limit", "1/h", callersKey)
		sluice(nil, "bench", "--store", store, "--limit", "1/h", "--duration", "10ms", "--concurrency", "1")
		sluice([]string{"SLUICE_STORE=" + store, "SLUICE_LISTEN_HTTP=nowhere"}, "serve")
		write("other.yaml", "store: \""+store+"\"\nlisten: {resp_password: {"+wrongPassword+": x}, http: 1}\n")
		sluice(nil, "validate", path("other.yaml"))
		sluice(nil, "check", "--config", path("other.yaml"), "api", callersKey)
	}
	sluice([]string{"SLUICE_LISTEN_RESP_PASSWORD=" + strings.Repeat(wrongPassword, 50)}, "serve")
	sluice(nil, "version")

	ask := func(method, url, body string, headers ...string) {
		t.Helper()
		client := &http.Client{Transport: trusting(t, path("cert.pem")), Timeout: 10 * time.Second}
		defer client.CloseIdleConnections()
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		out := all.of(method + " " + url)
		_ = response.Header.Write(out)
		_, _ = io.Copy(out, response.Body)
	}
	read := func() {
		for _, call := range []string{
			"/v1/policies", "/v1/policies/api", "/v1/policies/api/key?key=x", "/v1/blocks?policy=api", "/v1/overrides?policy=api", "/v1/schedules",
			"/v1/schedules/often", "/v1/schedules/often/history", "/v1/audit", "/metrics", "/healthz", "/readyz", "/nowhere",
		} {
			for _, token := range []string{adminToken, readToken, wrongToken} {
				ask("GET", "https://"+admin+call, "", "Authorization: Bearer "+token)
			}
		}
		ask("POST", "http://"+http1+"/v1/check", `{"policy":"api","key":"`+callersKey+`"}`, "Authorization: Bearer "+wrongToken)
		ask("POST", "http://"+http1+"/v1/check", `{"limits":["1/h"],"key":"`+callersKey+`"}`, "Authorization: Bearer "+wrongToken)
		ask("DELETE", "https://"+admin+"/v1/policies/api/key?key="+callersKey, "", "Authorization: Bearer "+readToken)
	}
	read()
	conn, err := net.Dial("tcp", resp)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"AUTH " + wrongPassword, "AUTH ops " + wrongToken, "HELLO 3 AUTH default " + wrongPassword, "AUTH " + respPassword, "AUTH ops " + adminToken, "INFO", "CLIENT INFO",
		"COMMAND DOCS", "SL.CHECK api " + callersKey, "SL.RESET nope " + callersKey, "QUIT",
	} {
		_, _ = io.WriteString(conn, line+"\r\n")
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(all.of("the door for clients of Redis"), conn)
	_ = conn.Close()

	// What is rotated badly is refused, and not told.
	write("tokens", "ops admin "+adminToken+"\n")
	write("key.pem", "-----BEGIN PRIVATE KEY-----\n"+base64.StdEncoding.EncodeToString([]byte(wrongPassword))+"\n"+wrongPassword+"\n-----END PRIVATE KEY-----\n")
	write("sluice.yaml", strings.Replace(config, redis.URL(), "redis://u:"+wrongPassword+"@[", 1))
	until("all of it is refused", func() bool {
		text := log.String()
		return strings.Contains(text, "the tokens are refused") && strings.Contains(text, "the certificates are refused") && strings.Contains(text, "the configuration is refused")
	})
	write("sluice.yaml", strings.Replace(config, storePassword, wrongPassword, 1))
	until("another password is taken", func() bool { return strings.Contains(log.String(), "the password of the store has changed") })
	write("sluice.yaml", strings.Replace(config, redis.URL(), "redis://u:"+wrongPassword+"@127.0.0.1:1", 1))
	until("another store is for the next start", func() bool { return strings.Contains(log.String(), "that hold from the next start on") })

	redis.Kill()
	until("the store fails", func() bool {
		read()
		return strings.Contains(log.String(), "the store fails")
	})
	stop()

	for where, text := range all.text {
		for _, secret := range []string{storePassword, respPassword, adminToken, readToken, wrongToken, wrongPassword, privateKey, base64.StdEncoding.EncodeToString([]byte(wrongPassword))} {
			if at := bytes.Index(text.Bytes(), []byte(secret)); at >= 0 {
				t.Errorf("%s has a secret: %s", where, text.Bytes()[max(0, at-200):min(text.Len(), at+100)])
			}
		}
		if (where == "the log" || strings.HasSuffix(where, "/metrics")) && strings.Contains(text.String(), callersKey) {
			t.Errorf("%s has the key of a caller: %s", where, text)
		}
	}
	if len(all.text) < 30 {
		t.Errorf("only %d places were looked at", len(all.text))
	}
}

// writeCertificate writes a certificate for 127.0.0.1 that is its own authority, and its key; it returns a part of the key as
// it stands in the file.
func writeCertificate(t *testing.T, cert, key string) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return base64.StdEncoding.EncodeToString(keyDER)[64:96]
}
