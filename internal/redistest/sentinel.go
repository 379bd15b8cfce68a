package redistest

import (
	"net/url"
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
	return StartSentinels(t, 1, name, master)[0]
}

// StartSentinels returns sentinels that know each other and watch a master under a name. More than half of them decide that
// it is gone after half a second without an answer. They end with the test.
func StartSentinels(t testing.TB, sentinels int, name string, master *Server) []*Server {
	t.Helper()
	var all []*Server
	for range sentinels {
		s := &Server{sentinel: true}
		s.start(t)
		s.Do(t, "SENTINEL", "MONITOR", name, "127.0.0.1", strconv.Itoa(master.port), strconv.Itoa(sentinels/2+1))
		if master.options.Password != "" {
			s.Do(t, "SENTINEL", "SET", name, "auth-pass", master.options.Password)
		}
		s.Do(t, "SENTINEL", "SET", name, "down-after-milliseconds", "500")
		s.Do(t, "SENTINEL", "SET", name, "failover-timeout", "2000")
		all = append(all, s)
	}
	if sentinels > 1 { // they tell each other by the master, every two seconds
		for _, s := range all {
			s.WaitForInfo(t, "sentinel", "sentinels="+strconv.Itoa(sentinels))
		}
	}
	return all
}

// SentinelURL returns the address of a master behind sentinels: redis://ADDR?addr=ADDR&master_set=NAME.
func SentinelURL(name string, sentinels []*Server) string {
	query := url.Values{"master_set": {name}}
	for _, s := range sentinels[1:] {
		query.Add("addr", s.Addr())
	}
	return (&url.URL{Scheme: "redis", Host: sentinels[0].Addr(), RawQuery: query.Encode()}).String()
}

// StartReplica returns a replica of a server, in step with it. It ends with the test.
func StartReplica(t testing.TB, master *Server) *Server {
	t.Helper()
	s := Start(t, Options{Args: []string{"--replicaof", "127.0.0.1", strconv.Itoa(master.port)}})
	s.WaitForInfo(t, "replication", "master_link_status:up")
	return s
}

func writeSentinelFile(dir string) error {
	return os.WriteFile(filepath.Join(dir, sentinelFile), nil, 0o600)
}
