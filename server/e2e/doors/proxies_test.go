//go:build e2e

package doors

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/processtest"
)

// proxy is one of examples/, which asks Sluice by authorize.
type proxy struct {
	folder string
	// spell says how the configuration writes an address: HOST:PORT unless said.
	spell func(port string) string
	// command returns what starts it in the folder of its configuration.
	command func(t *testing.T, dir string) *exec.Cmd
	// spare says that it has a third address, at which it asks itself.
	spare bool
	// ownWords says that a refusal has the proxy's own body, because the proxy cannot deliver that of Sluice.
	ownWords bool
	// quietPass says that a client is told what it has left only when it is refused; the backend is told each time.
	quietPass bool
	// open is the text of the configuration by which every request passes with Sluice gone, as it is shipped, and closed
	// what takes its place where none is to.
	open, closed string
	// patience is how long it waits for an answer before Sluice counts as gone.
	patience time.Duration
	// goneStatus is what a client is answered with Sluice gone, where it is closed.
	goneStatus []int
}

// The addresses in the configurations of examples/, and where the tests put them.
const (
	shippedProxy   = "127.0.0.1:8000"
	shippedSluice  = "127.0.0.1:8080"
	shippedBackend = "127.0.0.1:9000"
	shippedSpare   = "127.0.0.1:8001" // where a proxy asks itself, if it does
)

var proxies = []proxy{
	{
		folder: "nginx", command: nginx, ownWords: true, patience: time.Second, goneStatus: []int{http.StatusServiceUnavailable},
		open: "503 504 = @sluice_gone_open;", closed: "503 504 = @sluice_gone_closed;",
	},
	{
		folder: "nginx-accel", command: nginx, patience: time.Second, goneStatus: []int{http.StatusServiceUnavailable},
		open: "503 504 = @backend;", closed: "503 504 = @sluice_gone_closed;",
	},
	{
		folder: "traefik", command: traefik, quietPass: true, spare: true, patience: time.Second,
		goneStatus: []int{http.StatusBadGateway, http.StatusGatewayTimeout}, open: "      middlewares: [sluice-gone-open]\n",
	},
	{
		folder: "caddy", command: caddy, patience: time.Second, goneStatus: []int{http.StatusBadGateway, http.StatusGatewayTimeout},
		open:  "\t\t\tto 127.0.0.1:8001\n\t\t\tlb_policy first\n\t\t\tlb_try_duration 2s\n\t\t\tfail_duration 1s\n",
		spare: true, spell: func(port string) string { return ":" + port },
	},
	{
		folder: "envoy-ext-authz", command: envoy, spell: func(port string) string { return "port_value: " + port }, patience: time.Second, goneStatus: []int{http.StatusServiceUnavailable},
		open: "failure_mode_allow: true", closed: "failure_mode_allow: false",
	},
	{
		folder: "haproxy", command: haproxy, spare: true, patience: time.Second, goneStatus: []int{http.StatusServiceUnavailable},
		open: "/v1/authorize/api open", closed: "/v1/authorize/api closed",
	},
}

// nginx includes the example as Debian's nginx.conf includes what is in conf.d.
func nginx(t *testing.T, dir string) *exec.Cmd {
	main := fmt.Sprintf("pid nginx.pid;\nevents {}\nhttp {\n\taccess_log off;\n\tinclude %s/sluice.conf;\n", dir)
	for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += fmt.Sprintf("\t%s_temp_path %s;\n", temporary, temporary)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(main+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return program(t, "nginx", "-p", dir, "-c", file, "-e", "stderr", "-g", "daemon off; master_process off; error_log stderr;")
}

func traefik(t *testing.T, _ string) *exec.Cmd {
	return program(t, "traefik", "--configFile=traefik.yaml")
}

func caddy(t *testing.T, dir string) *exec.Cmd {
	cmd := program(t, "caddy", "run", "--config", "Caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return cmd
}

func envoy(t *testing.T, _ string) *exec.Cmd {
	return program(t, "envoy", "--config-path", "envoy.yaml", "--use-dynamic-base-id", "--log-level", "warning", "--concurrency", "2")
}

func haproxy(t *testing.T, _ string) *exec.Cmd {
	return program(t, "haproxy", "-f", "haproxy.cfg")
}

// scene is a proxy between callers and a backend, with Sluice beside it.
type scene struct {
	proxy
	url     string // of the proxy, without a path
	config  string // of Sluice
	sluice  *server
	backend *backend
}

// stage starts all of them, the proxy and Sluice by their shipped configurations. The change is a text of either that is
// replaced, beside the addresses; none where it is empty.
func (p proxy) stage(t *testing.T, change [2]string) *scene {
	t.Helper()
	s := &scene{proxy: p, backend: newBackend(t)}
	listen, ask := processtest.FreeAddr(t), processtest.FreeAddr(t)
	shipped, err := os.ReadFile(filepath.Join(examples, "sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.config = strings.NewReplacer(shippedSluice, ask, change[0], change[1]).Replace(string(shipped))
	s.sluice = serve(t, s.config)

	swaps := map[string]string{}
	for from, to := range map[string]string{shippedProxy: listen, shippedSluice: ask, shippedBackend: s.backend.addr} {
		swaps[p.spelled(from)] = p.spelled(to)
	}
	if p.spare {
		swaps[p.spelled(shippedSpare)] = p.spelled(processtest.FreeAddr(t))
	}
	if change[0] != "" && !strings.Contains(string(shipped), change[0]) {
		swaps[change[0]] = change[1]
	}
	dir := example(t, p.folder, swaps)
	cmd := p.command(t, dir)
	cmd.Dir = dir
	processtest.Start(t, cmd).WaitListening(t, listen)
	s.url = "http://" + listen
	s.waitAsking(t)
	return s
}

// waitAsking waits until the proxy passes on what Sluice lets pass: one that listens may not know yet for whom, and one
// that has found Sluice gone may not look again at once.
func (s *scene) waitAsking(t *testing.T) {
	t.Helper()
	c := from("127.0.0.9")
	for late := time.Now().Add(processtest.Patience); ; time.Sleep(10 * time.Millisecond) { // it does not say when it does
		got := c.ask(t, http.MethodGet, s.url+"/", "")
		seen := s.backend.take()
		if len(seen) == 1 && (strings.HasPrefix(got.header.Get("RateLimit"), `"`) || s.quietPass) {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%s does not ask Sluice after %s: it answers %d %q", s.folder, processtest.Patience, got.status, got.body)
		}
	}
}

// spelled returns an address as the configuration writes it.
func (p proxy) spelled(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || p.spell == nil {
		return addr
	}
	return p.spell(port)
}

// each runs a test for every proxy, side by side.
func each(t *testing.T, proxies []proxy, test func(*testing.T, proxy)) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.folder, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// The limit of the shipped configuration.
const limit = 10

// TestProxiesLimit sends 100 requests where 10 a minute may pass.
func TestProxiesLimit(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		s := p.stage(t, [2]string{})
		c := from("127.0.0.2")
		body := strings.Repeat("0123456789abcdef", 1<<12) // 64 KiB, more than a proxy holds in its first buffer
		for i := range 100 {
			method, sent := http.MethodGet, ""
			if i%2 == 1 {
				method, sent = http.MethodPost, body
			}
			if i >= limit { // a long body that is refused breaks the connection at some
				sent = sent[:len(sent)/8]
			}
			got := c.ask(t, method, s.url+fmt.Sprintf("/things/%d?n=%d", i, i), sent)
			if i < limit {
				s.requirePass(t, i, got)
			} else {
				s.requireRefusal(t, i, got)
			}
		}
		seen := s.backend.take()
		if len(seen) != limit {
			t.Fatalf("%d of 100 requests have reached the backend, want %d", len(seen), limit)
		}
		for i, r := range seen {
			method, sent := http.MethodGet, ""
			if i%2 == 1 {
				method, sent = http.MethodPost, body
			}
			if want := fmt.Sprintf("/things/%d?n=%d", i, i); r.method != method || r.uri != want || r.body != sent {
				t.Errorf("request %d reached the backend as %s %s with a body of %d bytes, want %s %s with %d", i, r.method, r.uri, len(r.body), method, want, len(sent))
			}
			if want := fmt.Sprintf(`"minute";r=%d;`, limit-1-i); p.quietPass && !strings.HasPrefix(r.header.Get("RateLimit"), want) {
				t.Errorf("request %d reached the backend with RateLimit %q, want %s...", i, r.header.Get("RateLimit"), want)
			}
		}
		// Somebody else is not limited by what this one has used.
		s.requirePass(t, 0, from("127.0.0.3").ask(t, http.MethodGet, s.url+"/", ""))
	})
}

// requirePass looks at the answer to the request that so many have passed before.
func (s *scene) requirePass(t *testing.T, before int, got reply) {
	t.Helper()
	if got.status != http.StatusOK || got.body != greeting || got.header.Get("Backend") != "yes" {
		t.Errorf("request %d is answered %d %q, want what the backend says", before, got.status, got.body)
	}
	policy, state := `"minute";q=10;w=60`, fmt.Sprintf(`"minute";r=%d;t=`, limit-1-before)
	if s.quietPass {
		policy, state = "", ""
	}
	if got.header.Get("RateLimit-Policy") != policy || !strings.HasPrefix(got.header.Get("RateLimit"), state) || s.quietPass && got.header.Get("RateLimit") != "" {
		t.Errorf("request %d has RateLimit-Policy %q and RateLimit %q, want %q and %q...", before, got.header.Get("RateLimit-Policy"),
			got.header.Get("RateLimit"), policy, state)
	}
	s.requireOnce(t, got)
}

// requireRefusal looks at the answer to a request that must not pass.
func (s *scene) requireRefusal(t *testing.T, i int, got reply) {
	t.Helper()
	if got.status != http.StatusTooManyRequests || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("request %d is answered %d with %q, want 429 with a problem", i, got.status, got.header.Get("Content-Type"))
	}
	retry := got.header.Get("Retry-After")
	if n, err := strconv.Atoi(retry); err != nil || n < 1 || n > 60 {
		t.Errorf("request %d is refused with Retry-After %q, want 1 to 60", i, retry)
	}
	if policy, state := got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"); policy != `"minute";q=10;w=60` || state != `"minute";r=0;t=`+retry {
		t.Errorf("request %d is refused with RateLimit-Policy %q and RateLimit %q, want nothing left for %s s", i, policy, state, retry)
	}
	var problem struct {
		Type, Title, Detail string
		Status              int
		Violated            []string `json:"violated-policies"`
	}
	if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
		t.Fatalf("request %d is refused with the body %q: %v", i, got.body, err)
	}
	want := "no room for a cost of 1 under minute: try again in " + retry + " s"
	if s.ownWords {
		want = "try again in " + retry + " s"
	}
	if problem.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || problem.Status != http.StatusTooManyRequests ||
		problem.Title == "" || problem.Detail != want || s.ownWords != (problem.Violated == nil) {
		t.Errorf("request %d is refused with the body %q, want quota-exceeded and %q", i, got.body, want)
	}
	s.requireOnce(t, got)
}

// requireOnce finds no field of Sluice twice, and none that is meant for the proxy.
func (s *scene) requireOnce(t *testing.T, got reply) {
	t.Helper()
	for name, values := range got.header {
		if len(values) > 1 {
			t.Errorf("an answer has the header %s %d times: %q", name, len(values), values)
		}
		if name == "X-Rl-Status" || strings.HasPrefix(name, "X-Accel-") {
			t.Errorf("an answer has the header %s, which is between Sluice and the proxy", name)
		}
	}
}

// forgeries are what a client might send to be counted as somebody else, to be refused by another status or to be let
// where it has no business.
var forgeries = []string{
	"X-Forwarded-For: 192.0.2.%d", "X-Real-IP: 192.0.2.%d", "Forwarded: for=192.0.2.%d;host=h%[1]d.example", "X-Client-IP: 192.0.2.%d",
	"X-Forwarded-Host: h%d.example", "X-Original-Host: h%d.example", "X-Forwarded-Method: M%d", "X-Original-Method: M%d",
	"X-Forwarded-Uri: /forged/%d", "X-Original-URI: /forged/%d", "X-Original-URL: http://h%d.example/forged", "X-Forwarded-Path: /forged/%d",
	"X-Envoy-Original-Path: /forged/%d", "X-Envoy-External-Address: 192.0.2.%d", "X-HTTP-Method-Override: M%d", "X-RL-Status: 20%d",
	"X-Accel-Redirect: @backend%d", "RateLimit: \"minute\";r=%d;t=1", "RateLimit-Policy: \"forged\";q=%d",
}

// TestProxiesTellTheTruth limits by all that a request is, and by none of what its client says that it is.
func TestProxiesTellTheTruth(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		s := p.stage(t, [2]string{"key: ip", "key: [ip, method, path, header:Host]"})
		c := from("127.0.0.2")
		ask := func(i int) reply {
			forged := []string{"Host: api.example"}
			for _, f := range forgeries {
				if i%2 == 1 || i%len(forgeries) == len(forged)-1 { // all at once, or one alone
					forged = append(forged, fmt.Sprintf(f, i))
				}
			}
			query := fmt.Sprintf("?accel=@secret%d&deny_status=4%02d", i, i)
			return c.ask(t, http.MethodPut, s.url+"/things/a%20b"+query, "", forged...)
		}
		for i := range limit {
			s.requirePass(t, i, ask(i))
		}
		for i := range 2 * len(forgeries) {
			s.requireRefusal(t, i, ask(i))
		}
		// By this one a client might have the proxy take its own word back. It may refuse that altogether.
		hopByHop := c.ask(t, http.MethodPut, s.url+"/things/a%20b", "", "Host: api.example", "Connection: X-Forwarded-For, X-Forwarded-Uri, "+
			"X-Forwarded-Method, X-Forwarded-Host, X-Original-URI, X-Original-Method")
		if hopByHop.status != http.StatusBadRequest {
			s.requireRefusal(t, 0, hopByHop)
		}
		if seen := s.backend.take(); len(seen) != limit {
			t.Errorf("%d requests have reached the backend, want %d: what a client forges changes who is limited", len(seen), limit)
		}
		// Each of these differs in one thing from those that are refused.
		for name, other := range map[string]struct{ method, path, host string }{
			"method": {http.MethodDelete, "/things/a%20b", "api.example"},
			"path":   {http.MethodPut, "/things/a%20c", "api.example"},
			"host":   {http.MethodPut, "/things/a%20b", "b.api.example"},
		} {
			if got := c.ask(t, other.method, s.url+other.path, "", "Host: "+other.host); got.status != http.StatusOK {
				t.Errorf("another %s is answered %d %q, want that it has a limit of its own", name, got.status, got.body)
			}
		}
		s.requirePass(t, 0, from("127.0.0.3").ask(t, http.MethodPut, s.url+"/things/a%20b", "", "Host: api.example"))
	})
}

// TestProxiesWithSluiceGone ends Sluice, and starts it again.
func TestProxiesWithSluiceGone(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		for _, closed := range []bool{false, true} {
			var change [2]string
			if closed {
				change = [2]string{p.open, p.closed}
			}
			t.Run(map[bool]string{false: "open", true: "closed"}[closed], func(t *testing.T) {
				t.Parallel()
				s := p.stage(t, change)
				c := from("127.0.0.2")
				s.requirePass(t, 0, c.ask(t, http.MethodGet, s.url+"/", ""))
				s.backend.take()
				s.sluice.Freeze(t)
				begun := time.Now()
				s.requireAlone(t, c, closed)
				if took := time.Since(begun); took > 5*p.patience { // far from for ever, on a busy machine
					t.Errorf("a request is answered %s after Sluice was frozen, want about %s", took, p.patience)
				}
				s.sluice.Kill()
				for range 2 * limit {
					s.requireAlone(t, c, closed)
				}
				s.sluice = serve(t, s.config)
				s.waitAsking(t)
				for i := range 2 * limit {
					if got := c.ask(t, http.MethodGet, s.url+"/", ""); i < limit {
						s.requirePass(t, i, got)
					} else {
						s.requireRefusal(t, i, got)
					}
				}
			})
		}
	})
}

// requireAlone asks while nobody answers the proxy.
func (s *scene) requireAlone(t *testing.T, c caller, closed bool) {
	t.Helper()
	got := c.ask(t, http.MethodPost, s.url+"/alone", "a body")
	seen := s.backend.take()
	if closed {
		if !slices.Contains(s.goneStatus, got.status) || len(seen) != 0 {
			t.Errorf("with Sluice gone, a request is answered %d, and %d have reached the backend; want one of %d and none", got.status, len(seen), s.goneStatus)
		}
		return
	}
	if got.status != http.StatusOK || got.body != greeting || len(seen) != 1 || seen[0].body != "a body" {
		t.Errorf("with Sluice gone, a request is answered %d %q, and %d have reached the backend; want that it passes whole", got.status, got.body, len(seen))
		return
	}
	for _, header := range []http.Header{got.header, seen[0].header} {
		if header["Ratelimit"] != nil || header["Ratelimit-Policy"] != nil {
			t.Errorf("with Sluice gone, there is RateLimit %q, want none", header["Ratelimit"])
		}
	}
}
