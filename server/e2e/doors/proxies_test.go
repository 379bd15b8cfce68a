//go:build e2e

package doors

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
