package redisstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// must sends a command by a connection that stays, which Redis must not refuse.
func must(t *testing.T, conn *redistest.Conn, command ...string) any {
	t.Helper()
	reply, err := conn.Do(command...)
	if err != nil {
		t.Fatalf("redis %q: %v", command, err)
	}
	return reply
}

// TestRefusals has Redis refuse calls for each of the reasons that it has. The caller is told the reason, and that nothing
// was charged, and when the reason has gone the store works again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text     string // of the error
		password string
		args     []string
		begin    func(t *testing.T, admin *redistest.Conn)
		end      func(t *testing.T, admin *redistest.Conn)
		others   charged // whether the others may leave it open; not, unless said
		renewed  bool    // the connection has ended before: the first check may find that out
	}{
		"OOM": {
			text:  "OOM",
			begin: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "CONFIG", "SET", "maxmemory", "1") },
			end:   func(t *testing.T, admin *redistest.Conn) { must(t, admin, "CONFIG", "SET", "maxmemory", "0") },
		},
		"MISCONF": {
			text: "MISCONF",
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CONFIG", "SET", "save", "3600 1000000")
				if err := os.Mkdir(dump(t, admin), 0o700); err != nil { // where the file should be
					t.Fatal(err)
				}
				save(t, admin, "err")
			},
			end: func(t *testing.T, admin *redistest.Conn) {
				if err := os.Remove(dump(t, admin)); err != nil {
					t.Fatal(err)
				}
				save(t, admin, "ok")
			},
		},
		"NOREPLICAS": {
			text: "NOREPLICAS",
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CONFIG", "SET", "min-replicas-to-write", "1")
			},
			end: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CONFIG", "SET", "min-replicas-to-write", "0")
			},
		},
		"READONLY": {
			text:  "READONLY",
			begin: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "REPLICAOF", "127.0.0.1", "1") },
			end:   func(t *testing.T, admin *redistest.Conn) { must(t, admin, "REPLICAOF", "NO", "ONE") },
		},
		"NOPERM for the command": {
			text: "NOPERM",
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "ACL", "SETUSER", "default", "-evalsha", "-eval")
			},
			end: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "ACL", "SETUSER", "default", "+evalsha", "+eval")
			},
		},
		"NOPERM for the key": {
			text: "NOPERM",
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "ACL", "SETUSER", "default", "resetkeys", "~else:*")
			},
			end: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "ACL", "SETUSER", "default", "allkeys") },
		},
		"NOPERM for what the script does": {
			text: "can't run", others: maybe, // they do not catch it
			begin: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "ACL", "SETUSER", "default", "-set") },
			end:   func(t *testing.T, admin *redistest.Conn) { must(t, admin, "ACL", "SETUSER", "default", "+set") },
		},
		"BUSY": {
			text: "BUSY",
			args: []string{"--lua-time-limit", "50"},
			begin: func(t *testing.T, admin *redistest.Conn) {
				if err := admin.Send("EVAL", "while true do end", "0"); err != nil { // the script of somebody else
					t.Fatal(err)
				}
			},

			end: func(*testing.T, *redistest.Conn) {}, // see below
		},
		"WRONGPASS": {
			text: "WRONGPASS", password: "before", renewed: true,
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CONFIG", "SET", "requirepass", "after")
				must(t, admin, "CLIENT", "KILL", "TYPE", "normal") // those that have given it stay
			},
			end: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "CONFIG", "SET", "requirepass", "before") },
		},
		"NOAUTH": {
			text: "NOAUTH", renewed: true,
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CONFIG", "SET", "requirepass", "after")
				must(t, admin, "CLIENT", "KILL", "TYPE", "normal")
			},
			end: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "CONFIG", "SET", "requirepass", "") },
		},
		"no room for connections": {
			text: "max number of clients", renewed: true,
			begin: func(t *testing.T, admin *redistest.Conn) {
				must(t, admin, "CLIENT", "KILL", "TYPE", "normal")
				must(t, admin, "CONFIG", "SET", "maxclients", "1")
			},
			end: func(t *testing.T, admin *redistest.Conn) { must(t, admin, "CONFIG", "SET", "maxclients", "100") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{Password: test.password, Args: test.args})
			const count = 100_000
			a := &tally{Limiter: newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerHour(count))}
			expect(t, a.Limiter, "k", 1, count-1)
			a.allowed++
			admin := server.Connect(t)
			if test.password != "" {
				must(t, admin, "AUTH", test.password)
			}
			test.begin(t, admin)
			for name == "BUSY" { // which Redis says when the script has run for a while
				if _, err := server.Try("PING"); err != nil && strings.HasPrefix(err.Error(), "BUSY") {
					break
				}
			}
			for err := error(nil); test.renewed && (err == nil || chargedBy(err) == maybe); {
				err = a.check(t, "k", patient)
			}
			for range 5 {
				a.expectError(t, "k", patient, no, test.text)
			}
			a.others(t, patient, test.others)
			if name == "BUSY" { // the script of somebody else was left alone
				if reply, err := server.Try("SCRIPT", "KILL"); err != nil {
					t.Errorf("SCRIPT KILL: %v %v, want that the script of somebody else still ran", reply, err)
				}
			}
			test.end(t, admin)
			a.heal(t, "k", count, patient)
		})
	}
}

// dump is the path of the file that Redis saves to.
func dump(t *testing.T, admin *redistest.Conn) string {
	t.Helper()
	dir := must(t, admin, "CONFIG", "GET", "dir").([]any)
	return filepath.Join(dir[1].(string), "dump.rdb")
}

// save has Redis save what it has, and waits until it says what became of that.
func save(t *testing.T, admin *redistest.Conn, status string) {
	t.Helper()
	must(t, admin, "BGSAVE")
	for late := time.Now().Add(patient); ; time.Sleep(5 * time.Millisecond) {
		info := fmt.Sprint(must(t, admin, "INFO", "persistence"))
		if strings.Contains(info, "rdb_bgsave_in_progress:0") && strings.Contains(info, "rdb_last_bgsave_status:"+status) {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("INFO persistence says %s, want a last status of %s", info, status)
		}
	}
}

// TestLoading asks a server that reads its file after a restart, which takes it a second here.
func TestLoading(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Args: []string{"--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"}})
	const count = 100_000
	a := &tally{Limiter: newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerHour(count))}
	for i := range 100 {
		server.Do(t, "SET", fmt.Sprint("filler-", i), strings.Repeat("x", 2048))
	}
	for range 10 {
		if err := a.check(t, "k", patient); err != nil {
			t.Fatal(err)
		}
	}
	server.Do(t, "SAVE")
	server.Restart(t)
	err := a.check(t, "k", patient)
	for range 2 { // checks have two connections: each has ended, and the first check on it finds that out
		if err != nil && chargedBy(err) == maybe {
			err = a.check(t, "k", patient)
		}
	}
	switch {
	case err == nil:
		t.Fatal("it was decided before the server had read its file, or after: the test shows nothing")
	case chargedBy(err) != no || !strings.Contains(err.Error(), "LOADING"):
		t.Errorf("the check: %v, want it to be LOADING, and not charged", err)
	}
	a.others(t, patient, maybe) // the first on each other connection finds that it has ended
	a.heal(t, "k", count, 2*patient)
}
