package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/processtest"
)

// fleet is several servers that share a store and a configuration.
type fleet []*server

// server is one sluice process that serves.
type server struct {
	*processtest.Process
	addr string // host and port
	file string // its configuration
}

// startFleet returns servers that are ready. The configuration is all but where they listen.
func startFleet(t *testing.T, servers int, config string) fleet {
	t.Helper()
	file := writeConfig(t, config)
	var f fleet
	for range servers {
		f = append(f, startServer(t, file))
	}
	for _, s := range f {
		s.waitReady(t)
	}
	return f
}

// writeConfig returns the path of a new configuration file, which is all but where a server listens.
func writeConfig(t *testing.T, config string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("listen: {http: 127.0.0.1:0}\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startServer starts a server that is not ready yet.
func startServer(t *testing.T, file string) *server {
	t.Helper()
	serve := exec.Command(program(t), "serve", "--config", file)
	serve.Env = []string{} // which would beat the file
	return &server{Process: processtest.Start(t, serve), file: file}
}

func (s *server) waitReady(t *testing.T) {
	t.Helper()
	rest := s.WaitLog(t, "setting=listen.http address=")
	s.addr, _, _ = strings.Cut(rest, " ")
	c := newClient()
	defer c.close()
	status, body, err := c.send(http.MethodGet, s.addr, "/readyz", "")
	if want := `{"status":"ok"}`; err != nil || status != http.StatusOK || strings.TrimSpace(string(body)) != want {
		t.Fatalf("GET /readyz of a server that has just started: %d %s %v, want 200 %s", status, body, err, want)
	}
}

// config returns a configuration with policies in a Redis. The timeout is how long that may take to answer a check.
func config(storeURL string, timeout time.Duration, policies ...sluice.Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "store: %q\nstore_timeout: %s\npolicies:\n", storeURL, timeout)
	for _, p := range policies {
		fmt.Fprintf(&b, "  %s:\n    limits:\n", p.Name)
		for _, l := range p.Limits {
			fmt.Fprintf(&b, "      %s: %s\n", l.Name(), l)
		}
	}
	return b.String()
}
