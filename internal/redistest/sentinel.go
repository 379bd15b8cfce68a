package redistest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// sentinelFile is where a sentinel keeps what it knows; it does not start without one.
const sentinelFile = "sentinel.conf"

// StartSentinel returns a sentinel that watches a master under a name, and alone decides that it is gone after half a
// second without an answer. It ends with the test.
func StartSentinel(t testing.TB, name string, master *Server) *Server {
	t.Helper()
	s := &Server{sentinel: true}
	s.start(t)
	s.Do(t, "SENTINEL", "MONITOR", name, "127.0.0.1", strconv.Itoa(master.port), "1")
	s.Do(t, "SENTINEL", "SET", name, "down-after-milliseconds", "500")
	s.Do(t, "SENTINEL", "SET", name, "failover-timeout", "2000")
	return s
}

// StartReplica returns a replica of a server, in step with it. It ends with the test.
func StartReplica(t testing.TB, master *Server) *Server {
	t.Helper()
	s := Start(t, Options{Args: []string{"--replicaof", "127.0.0.1", strconv.Itoa(master.port), "--repl-diskless-sync-delay", "0"}})
	s.WaitForInfo(t, "replication", "master_link_status:up")
	return s
}

func writeSentinelFile(dir string) error {
	return os.WriteFile(filepath.Join(dir, sentinelFile), nil, 0o600)
}
