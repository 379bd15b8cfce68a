package redistest

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// masters is how many nodes a Cluster has.
const masters = 3

// slots is how many hash slots every Cluster has; its masters share them.
const slots = 16384

// Cluster is a Redis Cluster of three masters, each with a third of the slots.
type Cluster struct {
	// Nodes are its masters in the order of their slots.
	Nodes []*Server
	// Replicas are their replicas, one of each in the same order, in a Cluster that has any.
	Replicas []*Server
}

// ClusterOptions say how a Cluster differs from a plain one.
type ClusterOptions struct {
	// Replicas gives each master a replica; not by default.
	Replicas bool
	// NodeTimeout is how long a node may be silent before the others take it to be gone; 15 s by default, which is Redis's
	// own.
	NodeTimeout time.Duration
	// Options are those of each node, without Unix and TLS.
	Options
}

// StartCluster returns a Cluster without replicas in which all nodes serve and know each other. It ends with the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	return StartClusterOf(t, ClusterOptions{})
}

// StartClusterOf is [StartCluster] for one that is not plain.
func StartClusterOf(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	if o.NodeTimeout > 0 {
		o.Args = append(slices.Clip(o.Args), "--cluster-node-timeout", strconv.FormatInt(o.NodeTimeout.Milliseconds(), 10))
	}
	c := &Cluster{}
	for i := range masters {
		s := &Server{options: o.Options, cluster: true}
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
	if o.Replicas {
		c.addReplicas(t, o.Options)
	}
	return c
}

// addReplicas gives each master a replica, and waits until all nodes know them and they are in step.
func (c *Cluster) addReplicas(t testing.TB, o Options) {
	t.Helper()
	for range c.Nodes {
		s := &Server{options: o, cluster: true}
		s.start(t)
		meet(t, c.Nodes[0], s)
		c.Replicas = append(c.Replicas, s)
	}
	for i, s := range c.Replicas {
		master := fmt.Sprint(c.Nodes[i].Do(t, "CLUSTER", "MYID"))
		for late := time.Now().Add(patience); ; {
			_, err := s.Try("CLUSTER", "REPLICATE", master) // which it does before it knows that one
			if err == nil {
				break
			}
			if time.Now().After(late) {
				t.Fatalf("cluster node %s does not become a replica within %s: %v", s.Addr(), patience, err)
			}
			time.Sleep(20 * time.Millisecond) // the node gossips in its own time
		}
	}
	for _, s := range c.Replicas {
		s.WaitForInfo(t, "replication", "master_link_status:up")
	}
	for _, s := range slices.Concat(c.Nodes, c.Replicas) {
		s.waitForNodes(t, 2*masters, masters)
	}
}

// waitForNodes waits until a node knows so many nodes, so many of them as replicas, and none by a handshake.
func (s *Server) waitForNodes(t testing.TB, nodes, replicas int) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // it gossips in its own time
		known := fmt.Sprint(s.Do(t, "CLUSTER", "NODES"))
		if strings.Count(known, "\n") == nodes && strings.Count(known, "slave") == replicas && !strings.Contains(known, "handshake") {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("cluster node %s does not know all %d nodes within %s:\n%s", s.Addr(), nodes, patience, known)
		}
	}
}

// Owner returns the master that has a slot, as they were when the Cluster was started.
func (c *Cluster) Owner(slot int) *Server {
	for i, s := range c.Nodes {
		if slot < (i+1)*slots/masters {
			return s
		}
	}
	return nil
}

// BeginMove has a slot be on its way from one master to another: MIGRATING there and IMPORTING here.
func (c *Cluster) BeginMove(t testing.TB, slot int, from, to *Server) {
	t.Helper()
	n := strconv.Itoa(slot)
	to.Do(t, "CLUSTER", "SETSLOT", n, "IMPORTING", fmt.Sprint(from.Do(t, "CLUSTER", "MYID")))
	from.Do(t, "CLUSTER", "SETSLOT", n, "MIGRATING", fmt.Sprint(to.Do(t, "CLUSTER", "MYID")))
}

// MoveKeys moves keys of a slot that is on its way.
func (c *Cluster) MoveKeys(t testing.TB, from, to *Server, keys ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(to.Addr())
	if err != nil {
		t.Fatalf("cluster node: %v", err)
	}
	from.Do(t, append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
}

// EndMove moves what keys a slot still has, and tells all masters that it has moved.
func (c *Cluster) EndMove(t testing.TB, slot int, from, to *Server) {
	t.Helper()
	n := strconv.Itoa(slot)
	var keys []string
	for _, key := range from.Do(t, "CLUSTER", "GETKEYSINSLOT", n, "1000").([]any) {
		keys = append(keys, key.(string))
	}
	if len(keys) > 0 {
		c.MoveKeys(t, from, to, keys...)
	}
	id := fmt.Sprint(to.Do(t, "CLUSTER", "MYID"))
	for _, s := range append([]*Server{to, from}, c.Nodes...) { // some of them twice: the new owner must know first
		s.Do(t, "CLUSTER", "SETSLOT", n, "NODE", id)
	}
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
	u, err := url.Parse(c.Nodes[0].URL())
	if err != nil {
		panic(err) // it is one that this package has made
	}
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
