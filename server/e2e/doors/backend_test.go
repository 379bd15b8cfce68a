//go:build e2e

package doors

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-project/sluice/internal/processtest"
)

// backend is what the proxies stand in front of: it answers every request with 200 and its name, and remembers it.
type backend struct {
	addr string

	mu   sync.Mutex
	seen []request
}

// request is one that has reached the backend.
type request struct {
	method string
	uri    string // path and query, as they came
	host   string
	header http.Header
	body   string
}

// greeting is the body of the backend's answers.
const greeting = "this is the backend\n"

// newBackend starts a backend that ends with the test.
func newBackend(t testing.TB) *backend {
	t.Helper()
	b := &backend{}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.addr = s.Listener.Addr().String()
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.seen = append(b.seen, request{r.Method, r.RequestURI, r.Host, r.Header.Clone(), string(body)})
	b.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Backend", "yes")
	_, _ = io.WriteString(w, greeting) // whoever has gone needs no answer
}

// take returns what has reached the backend since the last time.
func (b *backend) take() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// reply is what a client is answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// caller asks from one address, follows no redirection and keeps its connections.
type caller struct{ client *http.Client }

// from returns a caller whose connections come from an address of this machine: from 127.0.0.1, as those of the proxies,
// or from another in 127.0.0.0/8, so that it can be told from them.
func from(address string) caller {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return caller{&http.Client{
		Timeout:       processtest.Patience,
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends a request and returns the whole answer. Headers are "Name: value"; "Host" is that of the request.
func (c caller) ask(t testing.TB, method, url, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	res, err := c.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}
