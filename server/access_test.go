package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/sluice-project/sluice/server"
	"github.com/sluice-project/sluice/server/access"
)

// statusOf asks a URL by a client, with a token where there is one, and returns the status.
func statusOf(t *testing.T, client *http.Client, method, url, token string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, err
}

// client returns one that trusts the authority, shows certificates, and makes a connection for each request.
func (a *authority) client(versions uint16, certificates ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{
			RootCAs: a.pool, ServerName: "sluice.example", Certificates: certificates, MinVersion: tls.VersionTLS12, MaxVersion: versions,
		},
	}}
}

// TestTLS speaks TLS 1.3 and nothing else, at the HTTP door and that of administration, where who has a certificate of the
// right authority is an administrator, at an address that other machines reach.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, strangers := newAuthority(t, dir), newAuthority(t, t.TempDir())
	ours.issue(t, "server", "sluice.example")
	admin, stranger := ours.issue(t, "admin", "admin.example"), strangers.issue(t, "admin", "admin.example")
	path := func(name string) string { return filepath.Join(dir, name) }
	r := run(t, "", map[string]string{
		"listen.http_tls.cert_file": path("server.pem"), "listen.http_tls.key_file": path("server.key"),
		"listen.admin": "0.0.0.0:0", "listen.admin_tls.cert_file": path("server.pem"), "listen.admin_tls.key_file": path("server.key"),
		"listen.admin_tls.client_ca_file": path("ca.pem"),
	})
	checks := "https://" + r.server.Addr("listen.http").String() + "/v1/authorize/login"
	_, port, _ := net.SplitHostPort(r.server.Addr("listen.admin").String())
	policies := "https://127.0.0.1:" + port + "/v1/policies/api/key?key=k"
	for _, test := range []struct {
		name   string
		client *http.Client
		url    string
		want   int // 0 where no answer comes
	}{
		{"a check", ours.client(tls.VersionTLS13), checks, 200},
		{"a check by TLS 1.2", ours.client(tls.VersionTLS12), checks, 0},
		{"an administrator", ours.client(tls.VersionTLS13, admin), policies, 204},
		{"one without a certificate", ours.client(tls.VersionTLS13), policies, 0},
		{"one with a stranger's", ours.client(tls.VersionTLS13, stranger), policies, 0},
	} {
		if got, err := statusOf(t, test.client, "DELETE", test.url, ""); got != test.want || (err == nil) != (test.want != 0) {
			t.Errorf("%s: %d, %v; want %d", test.name, got, err, test.want)
		}
	}
	if got, err := statusOf(t, http.DefaultClient, "GET", strings.Replace(checks, "https", "http", 1), ""); err == nil && got != 400 {
		t.Errorf("a check without TLS: %d", got)
	}
}

// TestCertificatesAreRenewed takes over new files, and keeps those before where the new ones do not fit each other.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	leaf := func(pair tls.Certificate) string { return string(pair.Certificate[0]) }
	first := a.issue(t, "server", "sluice.example")
	flags := map[string]string{"listen.resp": "127.0.0.1:0"}
	for _, door := range []string{"http", "resp"} {
		flags["listen."+door+"_tls.cert_file"], flags["listen."+door+"_tls.key_file"] = path("server.pem"), path("server.key")
	}
	r := run(t, "", flags)
	shown := func(door string) string {
		conn, err := tls.Dial("tcp", r.server.Addr("listen."+door).String(), &tls.Config{RootCAs: a.pool, ServerName: "sluice.example", MinVersion: tls.VersionTLS13})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	doors := []string{"http", "resp"}
	for _, door := range doors {
		if shown(door) != leaf(first) {
			t.Errorf("listen.%s shows another certificate than that of the file", door)
		}
	}
	writeFile(t, path("server.key"), "-----BEGIN PRIVATE KEY-----\nb3BlbiBzZXNhbWU=\n-----END PRIVATE KEY-----\n")
	for _, door := range doors {
		r.eventually("a key that does not fit is refused", func() bool {
			return strings.Contains(r.log.String(), "the certificates are refused, those before stay in force\" setting=listen."+door)
		})
		if shown(door) != leaf(first) {
			t.Errorf("listen.%s shows another certificate after one that was refused", door)
		}
	}
	second := a.issue(t, "server", "sluice.example")
	for _, door := range doors {
		r.eventually("the new certificate is shown", func() bool { return shown(door) == leaf(second) })
	}
	if strings.Contains(r.log.String(), "b3BlbiBzZXNhbWU") {
		t.Error("what is in a key file is in the log")
	}
}

// TestTokens shows that an address that others reach is open to who has a token, and that a token that is taken out of the
// file is refused without a restart, on every door.
func TestTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rateLimits(t, dir, "9")
	tokens := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, tokens, access.Line("ops", access.Admin, "first")+"\n"+access.Line("web", access.Check, "second")+"\n")
	r := run(t, "", map[string]string{
		"listen.http": "0.0.0.0:0", "listen.resp": "127.0.0.1:0", "listen.grpc": "127.0.0.1:0", "envoy.directory": dir,
		"admin.tokens_file": tokens, "admin.checks_require_token": "true",
	})
	_, port, _ := net.SplitHostPort(r.server.Addr("listen.http").String())
	base := "http://127.0.0.1:" + port
	ask := func(path, token string) int {
		t.Helper()
		status, err := statusOf(t, http.DefaultClient, "GET", base+path, token)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for _, test := range []struct {
		path, token string
		want        int
	}{
		{"/healthz", "", 200},
		{"/v1/policies", "", 401},
		{"/v1/policies", "second", 403},
		{"/v1/policies", "first", 200},
		{"/v1/authorize/login", "", 401},
		{"/v1/authorize/login", "second", 200},
	} {
		if got := ask(test.path, test.token); got != test.want {
			t.Errorf("GET %s with the token %q: %d, want %d", test.path, test.token, got, test.want)
		}
	}
	envoy := dial(t, r.server.Addr("listen.grpc").String(), insecure.NewCredentials())
	asEnvoy := func(token string) error {
		_, _, err := askEnvoy(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), envoy, "a")
		return err
	}
	if err := asEnvoy("third"); err == nil || !strings.Contains(err.Error(), "Unauthenticated") {
		t.Errorf("Envoy with a wrong token: %v", err)
	}
	if err := asEnvoy("second"); err != nil {
		t.Errorf("Envoy with a token: %v", err)
	}
	redis := respClient(t, r.server.Addr("listen.resp").String())
	for _, test := range []struct{ line, want string }{
		{"PING", "-NOAUTH"},
		{"AUTH third", "-WRONGPASS"},
		{"AUTH web second", "+OK"},
		{"SL.RESET api k", "-NOPERM"},
		{"CL.THROTTLE k 1 1 1", "*5"},
		{"AUTH first", "+OK"},
		{"SL.RESET api k", "+OK"},
	} {
		if got := redis(test.line); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s", test.line, got, test.want)
		}
	}

	writeFile(t, tokens, "ops admin nothing\n")
	r.eventually("a file with faults is refused", func() bool {
		return strings.Contains(r.log.String(), "the tokens are refused, those before stay in force")
	})
	if got := ask("/v1/policies", "first"); got != 200 {
		t.Errorf("a token is answered %d after a file that was refused", got)
	}
	writeFile(t, tokens, access.Line("new", access.Admin, "third")+"\n")
	r.eventually("the new token is known", func() bool { return ask("/v1/policies", "third") == 200 })
	if got := ask("/v1/policies", "first"); got != 401 {
		t.Errorf("a token that was taken out: %d, want 401", got)
	}
	if got := redis("SL.RESET api k"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("a connection whose token was taken out: %s, want NOAUTH", got)
	}
	if err := asEnvoy("second"); err == nil {
		t.Error("Envoy is let in by a token that was taken out")
	}
	if got := ask("/v1/policies", "first"); strings.Contains(r.log.String(), "third") || strings.Contains(r.log.String(), access.DigestOf("third").String()) {
		t.Errorf("%d, and the log tells a token: %s", got, r.log)
	}

	for flag, value := range map[string]string{"admin.tokens_file": filepath.Join(dir, "none"), "admin.checks_require_token": "true"} {
		_, err := server.New(server.Config{Flags: map[string]string{"listen.http": "127.0.0.1:0", flag: value}})
		if err == nil || !strings.Contains(err.Error(), "none") && !strings.Contains(err.Error(), flag) {
			t.Errorf("a server with %s: %s alone: %v", flag, value, err)
		}
	}
}

// TestTokensComeWithTheNextStart has a server that was started without tokens read that checks need one: until it has any
// nobody could show one, so that nobody needs to.
func TestTokensComeWithTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, tokens := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "tokens")
	const policies = "policies: {api: {limits: [5/h]}}\n"
	writeFile(t, file, policies)
	writeFile(t, tokens, access.Line("ops", access.Admin, "first")+"\n")
	r := run(t, file, map[string]string{})
	writeFile(t, file, policies+"admin: {tokens_file: "+tokens+", checks_require_token: true}\n")
	r.eventually("the log says what holds from the next start on", func() bool { return strings.Contains(r.log.String(), "admin.tokens_file") })
	check, err := http.NewRequestWithContext(t.Context(), "POST", r.base+"/v1/check", strings.NewReader(`{"policy":"api","key":"k"}`))
	if err != nil {
		t.Fatal(err)
	}
	check.Header.Set("Via", "1.1 proxy") // so that it is not from the operator, who may do everything without a token
	response, err := http.DefaultClient.Do(check)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("a check is answered %s", response.Status)
	}
}

// respClient returns what sends a line to the door for clients of Redis and returns the first line of the answer.
func respClient(t *testing.T, address string) func(line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	in := bufio.NewReader(conn)
	next := func() string {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	return func(line string) string {
		t.Helper()
		if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
			t.Fatal(err)
		}
		first := next()
		if n := 0; first[0] == '*' {
			_, _ = fmt.Sscan(first[1:], &n)
			for range n {
				next()
			}
		}
		return first
	}
}
