package server_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server"
)

// says sends a line to the door for clients of Redis and returns the first line of the answer.
func (r *running) says(line string) string {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.server.Addr("listen.resp").String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", line)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, r.log)
	}
	return strings.TrimSpace(answer)
}

// TestRESP serves clients of Redis by the policies of the file, counts it, and takes over a setting that changes.
func TestRESP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	write := func(inline bool) {
		t.Helper()
		text := fmt.Sprintf("allow_inline_limits: %t\npolicies: {one: {limits: [1/h]}}\n", inline)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(false)
	r := run(t, file, map[string]string{"listen.resp": "0.0.0.0:0"})
	r.eventually("the policy is there", func() bool { return r.says("SL.CHECK one k") == "*12" })
	for line, want := range map[string]string{
		"PING":                   "+PONG",
		"SL.RESET one k":         "-NOPERM SL.RESET",
		"CL.THROTTLE k 15 30 60": "-NOPERM CL.THROTTLE",
	} {
		if got := r.says(line); !strings.HasPrefix(got, want) {
			t.Errorf("%s is answered %q, want %s", line, got, want)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "listen.resp can be reached from other machines") {
		t.Errorf("nothing warns that everybody can ask:\n%s", log)
	}
	write(true)
	r.reload <- struct{}{}
	r.eventually("limits can be brought along", func() bool { return r.says("CL.THROTTLE k 15 30 60") == "*5" })
	for _, want := range []string{"sluice_resp_connections_total", `sluice_resp_connections_ended_total{cause="max_clients"} 0`, "sluice_resp_failed_logins_total 0"} {
		if _, metrics := r.ask("GET", "/metrics", ""); !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	r.stop()
	<-r.done
}

// TestRESPWhere opens the door where it is told to, and by itself only beside the HTTP door at its default.
func TestRESPWhere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		http, resp string
		open       bool
		err        string
	}{
		{"127.0.0.1:0", "", false, ""},
		{"127.0.0.1:0", "off", false, ""},
		{"127.0.0.1:0", "127.0.0.1:0", true, ""},
		{"127.0.0.1:0", "192.0.2.1:0", false, "listen.resp: "},
	} {
		flags := map[string]string{"listen.http": test.http}
		if test.resp != "" {
			flags["listen.resp"] = test.resp
		}
		s, err := server.New(server.Config{Flags: flags})
		if test.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), test.err) || !strings.Contains(err.Error(), "or off for none") {
				t.Errorf("%+v: error %v", test, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if open := s.Addr("listen.resp") != nil; open != test.open {
			t.Errorf("%+v: the door is open: %t", test, open)
		}
	}
	for _, flags := range []map[string]string{
		{"listen.resp_tls.cert_file": "nothing.pem"},
		{"listen.resp_tls.cert_file": "nothing.pem", "listen.resp_tls.key_file": "nothing.key"},
	} {
		flags["listen.http"], flags["listen.resp"] = "127.0.0.1:0", "127.0.0.1:0"
		if _, err := server.New(server.Config{Flags: flags}); err == nil || !strings.HasPrefix(err.Error(), "listen.resp_tls") {
			t.Errorf("%v: error %v", flags, err)
		}
	}
}
