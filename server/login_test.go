package server_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestPasswordChanges changes the password in Redis and then in the file, and what the server says afterwards is decided by
// Redis again, without a restart.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	const before, after = "open-sesame", "close-sesame"
	login := func(address, password, client string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("default", password)
		query := u.Query()
		query.Set("client_name", client)
		u.RawQuery = query.Encode()
		return u.String()
	}
	for name, start := range map[string]func(t *testing.T) (nodes, sentinels []*redistest.Server, address string){
		"a single server": func(t *testing.T) (nodes, sentinels []*redistest.Server, address string) {
			s := redistest.Start(t, redistest.Options{Password: before})
			return []*redistest.Server{s}, nil, s.URL()
		},
		"a Cluster": func(t *testing.T) (nodes, sentinels []*redistest.Server, address string) {
			c := redistest.StartClusterOf(t, redistest.ClusterOptions{Options: redistest.Options{Password: before}})
			return c.Nodes, nil, c.URL()
		},
		"behind Sentinel, which has a password of its own": func(t *testing.T) (nodes, sentinels []*redistest.Server, address string) {
			master := redistest.Start(t, redistest.Options{Password: before})
			sentinels = redistest.StartSentinels(t, 1, "main", master)
			sentinels[0].Do(t, "ACL", "SETUSER", "default", "resetpass", ">watchword")
			return []*redistest.Server{master}, sentinels, redistest.SentinelURL("main", sentinels) + "&sentinel_password=watchword"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes, sentinels, address := start(t)
			file := filepath.Join(t.TempDir(), "sluice.yaml")
			write := func(store string) {
				t.Helper()
				text := fmt.Sprintf("store: %q\nstore_timeout: 1s\npolicies: {api: {limits: [1000/h]}}\n", store)
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(login(address, before, "sluice"))
			r := run(t, file, map[string]string{})
			// Keys of all nodes of a Cluster.
			check := func(source string) func() bool {
				return func() bool {
					for i := range 8 {
						if !r.answers("POST", "/v1/check", fmt.Sprintf(`{"policy":"api","key":"k%d"}`, i), fmt.Sprintf(`"source":%q`, source))() {
							return false
						}
					}
					return true
				}
			}
			r.eventually("Redis decides", check("store"))

			for _, s := range sentinels { // else Redis is gone to it, too
				c := s.Connect(t)
				mustDo(t, c, "AUTH", "watchword")
				mustDo(t, c, "SENTINEL", "SET", "main", "auth-pass", after)
			}
			change := func(from, to string) {
				t.Helper()
				for _, s := range nodes {
					c := s.Connect(t)
					mustDo(t, c, "AUTH", from)
					mustDo(t, c, "CONFIG", "SET", "requirepass", to)
					mustDo(t, c, "CLIENT", "KILL", "TYPE", "normal")
					mustDo(t, c, "CLIENT", "KILL", "TYPE", "pubsub")
				}
			}
			change(before, after)
			r.eventually("the old password is refused", check("error-policy"))

			write(login(address, after, "sluice"))
			r.reload <- struct{}{}
			r.eventually("Redis decides again by the new password", check("store"))
			if text := r.log.String(); strings.Contains(text, "settings=[") || strings.Contains(text, "sesame") || strings.Contains(text, "watchword") {
				t.Errorf("the log names settings that need a restart, or a password:\n%s", text)
			}

			for _, s := range sentinels {
				c := s.Connect(t)
				mustDo(t, c, "AUTH", "watchword")
				listening := func() bool {
					list, err := c.Do("CLIENT", "LIST", "TYPE", "pubsub")
					if err != nil {
						t.Fatal(err)
					}
					return strings.Count(fmt.Sprint(list), "id=") > 0
				}
				if !listening() {
					t.Fatal("nobody listens to the Sentinel")
				}
				mustDo(t, c, "CLIENT", "KILL", "TYPE", "pubsub")
				r.eventually("the Sentinel, and the master that it knows, are found by the new password", listening)
			}

			write(login(address, "third-sesame", "another"))
			r.reload <- struct{}{}
			r.eventually("any other change of the URL needs a restart", func() bool {
				return strings.Contains(r.log.String(), "settings=[store]")
			})
			change(after, after)
			r.eventually("the password of a URL that needs a restart is not taken", check("store"))
		})
	}
}

func mustDo(t *testing.T, c *redistest.Conn, args ...string) {
	t.Helper()
	if _, err := c.Do(args...); err != nil {
		t.Fatalf("redis %s: %v", args[0], err)
	}
}
