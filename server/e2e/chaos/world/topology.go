//go:build unix

package world

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Topology is how Redis is set up.
type Topology string

// The topologies.
const (
	Single   Topology = "single"
	Sentinel Topology = "sentinel"
	Cluster  Topology = "cluster"
)

// Topologies are all of them.
var Topologies = []Topology{Single, Sentinel, Cluster}

// masterSet is how the Sentinels call the master.
const masterSet = "main"

// clusterMasters is how many shards the Cluster has; each has a replica.
const clusterMasters = 3

// askAgain is after how long a failover is asked for again: they give it up after four or five seconds.
const askAgain = 7 * time.Second

// startNodes starts the redis-servers.
func (w *World) startNodes() error {
	switch w.Topology {
	case Single:
		return w.add(asRedis, "redis", "maxmemory-policy noeviction")
	case Sentinel:
		return w.startSentinel()
	default:
		return w.startCluster()
	}
}

func (w *World) add(kind, name string, settings ...string) error {
	port, err := w.ports.free()
	if err != nil {
		return err
	}
	n, err := newNode(kind, name, w.Dir, port, w.log(name), settings...)
	if n != nil && n.process != nil {
		if kind == asSentinel {
			w.sentinels = append(w.sentinels, n)
		} else {
			w.Nodes = append(w.Nodes, n)
		}
	}
	return err
}

// startSentinel starts a master, two replicas, and three Sentinels of which two must agree.
func (w *World) startSentinel() error {
	if err := w.add(asRedis, "redis0"); err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		if err := w.add(asRedis, fmt.Sprintf("redis%d", i), fmt.Sprintf("replicaof 127.0.0.1 %d", w.Nodes[0].port)); err != nil {
			return err
		}
	}
	for i := range 3 {
		if err := w.add(asSentinel, fmt.Sprintf("sentinel%d", i)); err != nil {
			return err
		}
		s := w.sentinels[i]
		for _, command := range [][]any{
			{"SENTINEL", "MONITOR", masterSet, "127.0.0.1", w.Nodes[0].port, 2},
			{"SENTINEL", "SET", masterSet, "down-after-milliseconds", 1000},
			{"SENTINEL", "SET", masterSet, "failover-timeout", 4000},
		} {
			if _, err := s.Do(command...); err != nil {
				return fmt.Errorf("%s: %v: %w", s.Name, command, err)
			}
		}
	}
	return wait("the Sentinels know each other", func() bool {
		for _, s := range w.sentinels {
			if !strings.Contains(s.text("INFO", "sentinel"), "status=ok,address=127.0.0.1:"+strconv.Itoa(w.Nodes[0].port)+",slaves=2,sentinels=3") {
				return false
			}
		}
		return true
	})
}

// startCluster starts three masters with a third of the slots each, and a replica for each.
func (w *World) startCluster() error {
	for i := range 2 * clusterMasters {
		if err := w.add(asRedis, fmt.Sprintf("redis%d", i), "cluster-enabled yes", "cluster-config-file nodes.conf",
			"cluster-node-timeout 1500", "cluster-replica-validity-factor 0"); err != nil {
			return err
		}
		n := w.Nodes[i]
		if _, err := n.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		if i < clusterMasters {
			command := []any{"CLUSTER", "ADDSLOTS"}
			for slot := i * 16384 / clusterMasters; slot < (i+1)*16384/clusterMasters; slot++ {
				command = append(command, slot)
			}
			if _, err := n.Do(command...); err != nil {
				return err
			}
		}
	}
	for _, n := range w.Nodes[1:] {
		for _, pair := range [][2]*Node{{w.Nodes[0], n}, {n, w.Nodes[0]}} { // so that each learns its own address
			if _, err := pair[0].Do("CLUSTER", "MEET", "127.0.0.1", pair[1].port); err != nil {
				return err
			}
		}
	}
	for i, n := range w.Nodes[clusterMasters:] {
		id := w.Nodes[i].text("CLUSTER", "MYID")
		if err := wait(n.Name+" can be made a replica", func() bool {
			_, err := n.Do("CLUSTER", "REPLICATE", id)
			return err == nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Shards is how many parts the keys are in.
func (w *World) Shards() int {
	if w.Topology == Cluster {
		return clusterMasters
	}
	return 1
}

// Masters returns the master of each shard, as the nodes themselves see it; nil where there is none.
func (w *World) Masters() []*Node {
	masters := make([]*Node, w.Shards())
	switch w.Topology {
	case Single:
		masters[0] = w.Nodes[0]
	case Sentinel:
		for _, s := range w.sentinels {
			answer, err := s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterSet)
			if err != nil {
				continue
			}
			if i := slices.IndexFunc(w.Nodes, func(n *Node) bool {
				return fmt.Sprint(answer) == fmt.Sprintf("[127.0.0.1 %d]", n.port)
			}); i >= 0 {
				masters[0] = w.Nodes[i]
				break
			}
		}
	case Cluster:
		for _, n := range w.Nodes {
			for _, line := range strings.Split(n.text("CLUSTER", "NODES"), "\n") {
				fields := strings.Fields(line)
				if len(fields) < 9 || !strings.Contains(fields[2], "myself") || !strings.Contains(fields[2], "master") {
					continue
				}
				if first, err := strconv.Atoi(strings.Split(fields[8], "-")[0]); err == nil {
					masters[(first*clusterMasters+clusterMasters)/16384%clusterMasters] = n
				}
			}
		}
	}
	return masters
}

// Lineage returns of each shard whose data its master goes on with. It is another as soon as another node has become the
// master, also where that one is followed by the first one again, or the master has begun anew.
func (w *World) Lineage() (ids []string) {
	for _, m := range w.Masters() {
		id := ""
		if m != nil {
			_, after, _ := strings.Cut(m.text("INFO", "replication"), "master_replid:")
			id, _, _ = strings.Cut(after, "\r\n")
		}
		ids = append(ids, id)
	}
	return ids
}

// Replica returns a node that follows a master, or nil.
func (w *World) Replica(of *Node) *Node {
	for _, n := range w.Nodes {
		info := n.text("INFO", "replication")
		if strings.Contains(info, "role:slave") && strings.Contains(info, fmt.Sprintf("master_port:%d\r\n", of.port)) &&
			strings.Contains(info, "master_link_status:up") {
			return n
		}
	}
	return nil
}

// WaitHealthy waits until every node has its part, all replicas are in step, and all agree on who is who.
func (w *World) WaitHealthy() error {
	return wait("all nodes of the "+string(w.Topology)+" are well", w.healthy)
}

func (w *World) healthy() bool {
	roles := map[bool]int{}
	for _, n := range w.Nodes {
		info := n.text("INFO", "replication")
		switch {
		case strings.Contains(info, "role:master"):
			roles[true]++
		case strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up"):
			roles[false]++
		default:
			return false
		}
	}
	switch w.Topology {
	case Single:
		return roles[true] == 1
	case Sentinel:
		if roles[true] != 1 || roles[false] != 2 {
			return false
		}
		addresses := map[string]bool{}
		for _, s := range w.sentinels {
			info := s.text("INFO", "sentinel")
			if !strings.Contains(info, "status=ok") {
				return false
			}
			addresses[s.text("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterSet)] = true
		}
		master := w.Masters()[0]
		return len(addresses) == 1 && master != nil && strings.Contains(master.text("INFO", "replication"), "role:master")
	}
	if roles[true] != clusterMasters || roles[false] != clusterMasters || slices.Contains(w.Masters(), nil) {
		return false
	}
	for _, n := range w.Nodes {
		nodes := n.text("CLUSTER", "NODES")
		if !strings.Contains(n.text("CLUSTER", "INFO"), "cluster_state:ok") || strings.Contains(nodes, "fail") ||
			strings.Contains(nodes, "handshake") || strings.Contains(nodes, "noaddr") || strings.Contains(nodes, "disconnected") {
			return false
		}
	}
	return true
}

// Failover has another node become the master of a shard, in good order as far as the topology knows such a thing.
func (w *World) Failover(shard int) error {
	master := w.Masters()[shard]
	if master == nil {
		return fmt.Errorf("shard %d has no master", shard)
	}
	ask := func() error {
		if w.Topology == Sentinel {
			_, err := w.sentinels[0].Do("SENTINEL", "FAILOVER", masterSet)
			return err
		}
		replica := w.Replica(master)
		if replica == nil {
			return fmt.Errorf("%s has no replica", master.Name)
		}
		_, err := replica.Do("CLUSTER", "FAILOVER")
		return err
	}
	// A Sentinel may be at it of its own accord: it has missed the master for a moment.
	if err := ask(); err != nil && !strings.HasPrefix(err.Error(), "INPROG") {
		return err
	}
	// Both give up where a replica does not answer in time.
	again := time.Now().Add(askAgain)
	return wait(master.Name+" has handed over", func() bool {
		if m := w.Masters()[shard]; m != nil && m != master {
			return true
		}
		if time.Now().After(again) {
			_ = ask() // it may still be at it
			again = time.Now().Add(askAgain)
		}
		return false
	})
}

// url is where a server finds Redis, by its own proxies.
func (w *World) url(s *Server) string {
	nodes := w.Nodes
	if w.Topology == Sentinel {
		nodes = w.sentinels
	}
	u := url.URL{Scheme: "redis"}
	query := url.Values{}
	for i, n := range nodes {
		if addr := address(s.ways[n.port]); i == 0 {
			u.Host = addr
		} else {
			query.Add("addr", addr)
		}
	}
	if w.Topology == Sentinel {
		query.Set("master_set", masterSet)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
