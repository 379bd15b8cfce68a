package e2e

import (
	"strings"
	"testing"

	"github.com/sluice-project/sluice/internal/redistest"
)

// stores start what servers share: one redis-server, or a Cluster of three masters.
var stores = map[string]func(*testing.T) (url string, nodes []*redistest.Server){
	"single": func(t *testing.T) (string, []*redistest.Server) {
		s := redistest.Start(t, redistest.Options{})
		return s.URL(), []*redistest.Server{s}
	},
	"cluster": func(t *testing.T) (string, []*redistest.Server) {
		c := redistest.StartCluster(t)
		return c.URL(), c.Nodes
	},
}

// requireExpiry finds keys in Redis, and none that will not go away by itself. It returns how many there are.
func requireExpiry(t *testing.T, nodes []*redistest.Server) (keys int) {
	t.Helper()
	for _, node := range nodes {
		for _, key := range scan(t, node) {
			if strings.Contains(key, "{~fleet}") {
				continue // policies and schedules are meant to stay
			}
			keys++
			if node.Do(t, "PTTL", key) == int64(-1) {
				t.Errorf("the key %q lives for ever", key)
			}
		}
	}
	if keys == 0 {
		t.Error("there are no keys in Redis")
	}
	return keys
}

// scan returns every key of a node that begins as those of Sluice do.
func scan(t *testing.T, node *redistest.Server) (keys []string) {
	t.Helper()
	seen := map[string]bool{}
	for cursor := "0"; ; {
		reply := node.Do(t, "SCAN", cursor, "MATCH", "sluice:*", "COUNT", "1000").([]any)
		for _, key := range reply[1].([]any) {
			if name := key.(string); !seen[name] { // SCAN may name a key twice
				seen[name] = true
				keys = append(keys, name)
			}
		}
		if cursor = reply[0].(string); cursor == "0" {
			return keys
		}
	}
}
