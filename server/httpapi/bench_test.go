package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// reused is a response whose header and body have room already, as that of a connection has.
type reused struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *reused) Header() http.Header         { return w.header }
func (w *reused) WriteHeader(status int)      { w.status = status }
func (w *reused) Write(p []byte) (int, error) { return w.body.Write(p) }

// call is a request that can be sent to a handler again and again.
type call struct {
	handler http.Handler
	request *http.Request
	body    *bytes.Reader
	content []byte
	w       reused
}

func newCall(handler http.Handler, target, content string) *call {
	c := &call{handler: handler, body: bytes.NewReader(nil), content: []byte(content), w: reused{header: http.Header{}}}
	c.request = httptest.NewRequest("POST", target, strings.NewReader(content))
	c.request.Header.Set("Content-Type", "application/json")
	c.request.Body = io.NopCloser(c.body)
	return c
}

func (c *call) send() *reused {
	clear(c.w.header)
	c.w.body.Reset()
	c.body.Reset(c.content)
	c.handler.ServeHTTP(&c.w, c.request)
	return &c.w
}

// checksBody is a body of so many checks, each of another key.
func checksBody(policy string, n int) string {
	checks := make([]string, n)
	for i := range checks {
		checks[i] = fmt.Sprintf(`{"policy":%q,"key":"user:%d"}`, policy, i)
	}
	return `{"checks":[` + strings.Join(checks, ",") + `]}`
}

// wideConfig is policies that a benchmark does not use up.
const wideConfig = `
policies:
  wide: {limits: {second: 1000000/s burst 2000000, day: 4000000000/day}}
  once: {limits: [1/366d]}
  ip: {key: ip, limits: [4000000000/s]}
`

// BenchmarkHandler is what a call costs between net/http and the store, and in the embedded store.
func BenchmarkHandler(b *testing.B) {
	for _, bench := range []struct{ name, target, body string }{
		{"check", "/v1/check", `{"policy":"wide","key":"alice"}`},
		{"check, refused", "/v1/check", `{"policy":"once","key":"alice"}`},
		{"checks, 1", "/v1/checks", checksBody("wide", 1)},
		{"checks, 100", "/v1/checks", checksBody("wide", 100)},
		{"checks, 1000", "/v1/checks", checksBody("wide", 1000)},
		{"authorize", "/v1/authorize/ip", ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := newCall(open(b, wideConfig).handler, bench.target, bench.body)
			b.ReportAllocs()
			for b.Loop() {
				if w := c.send(); w.status >= 500 {
					b.Fatalf("answer %d %s", w.status, w.body.Bytes())
				}
			}
		})
	}
}

// BenchmarkConnection is what a check costs over a connection of its own, the client included, which is a loop that
// writes the same bytes and reads as many as came the first time.
func BenchmarkConnection(b *testing.B) {
	server := httptest.NewServer(open(b, wideConfig).handler)
	defer server.Close()
	const body = `{"policy":"wide","key":"alice"}`
	request := fmt.Appendf(nil, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		server.Listener.Addr(), len(body), body)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if rest, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
				for _, c := range bytes.TrimSpace(rest) {
					length = length*10 + int(c-'0')
				}
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := in.Discard(length); err != nil || length == 0 {
			b.Fatalf("a body of %d bytes: %v", length, err)
		}
	}
}
