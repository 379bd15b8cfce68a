package redistest

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// masters is how many nodes a Cluster has.
const masters = 3

// slots is how many hash slots every Cluster has; its masters share them.
const slots = 16384

// Cluster is a Redis Cluster of three masters, each with a third of the slots and without replicas.
type Cluster struct {
	// Nodes are its masters in the order of their slots.
	Nodes []*Server
}

// StartCluster returns a Cluster in which all nodes serve and know each other. It ends with the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	for i := range masters {
		s := &Server{cluster: true}
		s.start(t)
		s.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		s.Do(t, append([]string{"CLUSTER", "ADDSLOTS"}, share(i)...)...)
		c.Nodes = append(c.Nodes, s)
	}
	for _, s := range c.Nodes[1:] {
		meet(t, c.Nodes[0], s)
		meet(t, s, c.Nodes[0]) // so that each learns from the other under which address it is known
	}
	c.waitUntilUp(t)
	return c
}

// Addrs returns the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, s := range c.Nodes {
		all = append(all, s.Addr())
	}
	return all
}

// URL returns the address of the Cluster: redis://ADDR?addr=ADDR&addr=ADDR.
func (c *Cluster) URL() string {
	u := url.URL{Scheme: "redis", Host: c.Nodes[0].Addr()}
	u.RawQuery = url.Values{"addr": c.Addrs()[1:]}.Encode()
	return u.String()
}

// share returns the slots of node i: ADDSLOTSRANGE would be shorter, but Redis 6.2 has none.
func share(i int) []string {
	var all []string
	for slot := i * slots / masters; slot < (i+1)*slots/masters; slot++ {
		all = append(all, strconv.Itoa(slot))
	}
	return all
}

func meet(t testing.TB, s, other *Server) {
	t.Helper()
	host, port, err := net.SplitHostPort(other.Addr())
	if err != nil {
		t.Fatalf("cluster node: %v", err)
	}
	s.Do(t, "CLUSTER", "MEET", host, port)
}

// waitUntilUp waits until every node says that the Cluster is up and can name the address of every slot's node.
func (c *Cluster) waitUntilUp(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for _, s := range c.Nodes {
		for {
			info := fmt.Sprint(s.Do(t, "CLUSTER", "INFO"))
			if strings.Contains(info, "cluster_state:ok") && namesAll(s.Do(t, "CLUSTER", "SLOTS")) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("cluster node %s is not up after %s: %s", s.Addr(), patience, info)
			}
			time.Sleep(20 * time.Millisecond) // the node gossips in its own time
		}
	}
}

// namesAll reports whether an answer to CLUSTER SLOTS has a range for each node with an address that others can use:
// each range is [first slot, last slot, [address, port, ...], ...].
func namesAll(reply any) bool {
	ranges, ok := reply.([]any)
	if !ok || len(ranges) != masters {
		return false
	}
	for _, r := range ranges {
		parts, ok := r.([]any)
		if !ok || len(parts) < 3 {
			return false
		}
		node, ok := parts[2].([]any)
		if !ok || len(node) < 2 || node[0] != "127.0.0.1" {
			return false
		}
	}
	return true
}
