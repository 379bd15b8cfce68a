package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHTTP2 is spoken at no HTTP door: by TLS with clients that would like to, and without TLS with those that just begin it.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir)
	a.issue(t, "server", "sluice.example")
	certificate, key := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	r := run(t, "", map[string]string{
		"listen.http_tls.cert_file": certificate, "listen.http_tls.key_file": key,
		"listen.admin": "127.0.0.1:0", "listen.admin_tls.cert_file": certificate, "listen.admin_tls.key_file": key,
	})
	for _, door := range []string{"listen.http", "listen.admin"} {
		address := r.server.Addr(door).String()
		ask := func(http1 bool) (*http.Response, error) {
			var protocols http.Protocols
			protocols.SetHTTP1(http1)
			protocols.SetHTTP2(true)
			client := &http.Client{Timeout: patience, Transport: &http.Transport{
				Protocols: &protocols, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: "sluice.example"},
			}}
			response, err := client.Get("https://" + address + "/healthz")
			if err == nil {
				_ = response.Body.Close()
			}
			return response, err
		}
		if response, err := ask(true); err != nil || response.Proto != "HTTP/1.1" || response.StatusCode != 200 {
			t.Errorf("%s: a client that likes HTTP/2 best is answered %v, %v", door, response, err)
		}
		if response, err := ask(false); err == nil && response.ProtoMajor > 1 {
			t.Errorf("%s: a client that is told to speak HTTP/2 only is answered %v", door, response)
		}
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "sluice.example", NextProtos: []string{"h2"}})
		if err != nil {
			continue // as good
		}
		defer conn.Close()
		if answer := afterPreface(t, conn); answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 ") {
			t.Errorf("%s: the beginning of HTTP/2 is answered %q", door, answer)
		}
	}
	plain, err := net.Dial("tcp", run(t, "", map[string]string{}).server.Addr("listen.http").String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if answer := afterPreface(t, plain); answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 ") {
		t.Errorf("without TLS, the beginning of HTTP/2 is answered %q", answer)
	}
}

// afterPreface returns what the beginning of HTTP/2 is answered.
func afterPreface(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 16)) // an error is that the connection has ended
	return string(answer)
}
