package doctor

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/redisstore"
)

// commitOne puts an entry and a line of a log into a ledger.
func commitOne(t *testing.T, l *redisstore.Ledger) {
	t.Helper()
	_, err := l.Commit(t.Context(), ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: "api", Value: []byte("{}")}},
		Append: []ledger.Append{{Log: "audit", Keep: 10, Value: []byte("{}")}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	config := Config{URL: c.URL()}
	var r Report
	for _, endpoint := range []string{"unknown-endpoint", "ip"} { // as where clients know the host, and nodes do not
		for _, n := range c.Nodes {
			n.Do(t, "CONFIG", "SET", "cluster-preferred-endpoint-type", endpoint)
		}
		r = examine(t, config)
		r.want(t, "reach", OK, "a Cluster with 3 masters", "")
		r.want(t, "slots", OK, "16384 of 16384", "")
	}
	r.want(t, "nodes", Warning, "without a replica that is up: 127.0.0.1:", "replica")
	for _, name := range []string{"version", "writes", "scripts", "rights", "latency", "clock", "expiry", "prefix"} {
		r.want(t, name, OK, "", "")
	}

	// A look tells of the master that is worst off.
	c.Nodes[1].Do(t, "CONFIG", "SET", "maxmemory", "500mb")
	c.Nodes[1].Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	c.Nodes[2].Do(t, "ACL", "SETUSER", "default", "-zadd")
	config.ahead = map[string]time.Duration{c.Nodes[0].Addr(): 600 * time.Millisecond}
	r = examine(t, config)
	r.want(t, "eviction", Failure, c.Nodes[1].Addr()+": maxmemory-policy is allkeys-lru", "noeviction")
	r.want(t, "rights", Warning, "without +zadd", "+zadd")
	r.want(t, "clock", Warning, "the masters are 6", "masters")

	// Keys of all masters are looked at.
	client := connectTo(t, config.URL)
	defer client.Close()
	for i := range 300 {
		key := "sluice:{api|" + strconv.Itoa(i) + "}"
		if err := client.Do(t.Context(), client.B().Set().Key(key).Value("1").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	examine(t, config).want(t, "expiry", Warning, "300 keys have no time to live", "heals")

	// A node is lost, and with it its slots. That another server has its port by then, which takes connections, does not
	// bring it back, neither while the others miss it nor when they have agreed that it failed.
	c.Nodes[2].Kill()
	other, err := net.Listen("tcp", c.Nodes[2].Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for conn, err := other.Accept(); err == nil; conn, err = other.Accept() {
			conn.Close()
		}
	}()
	for _, mark := range []string{"disconnected", "master,fail "} {
		for begun := time.Now(); !strings.Contains(c.Nodes[0].Do(t, "CLUSTER", "NODES").(string), mark); time.Sleep(10 * time.Millisecond) {
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("the Cluster does not mark a node that is gone as %s", mark)
			}
		}
		r = examine(t, Config{URL: "redis://" + c.Nodes[0].Addr() + "?addr=" + c.Nodes[1].Addr()})
		r.want(t, "reach", Failure, "2 masters that answer, without TLS; no answer from "+c.Nodes[2].Addr(), "bring these back")
		r.want(t, "nodes", Failure, "failing or not linked: "+c.Nodes[2].Addr(), "bring them back")
	}
}

// TestClusterServesOn loses nodes of a Cluster that no slot is lost with.
func TestClusterServesOn(t *testing.T) {
	t.Parallel()
	c := redistest.StartClusterOf(t, redistest.ClusterOptions{Replicas: true, NodeTimeout: 2 * time.Second})
	config := Config{URL: c.URL()}
	seen := func(of *redistest.Server, line string, by ...*redistest.Server) {
		t.Helper()
		like := regexp.MustCompile(`(?m)^\S+ ` + regexp.QuoteMeta(of.Addr()) + `@.*` + line)
		for _, s := range by {
			for begun := time.Now(); !like.MatchString(s.Do(t, "CLUSTER", "NODES").(string)); time.Sleep(10 * time.Millisecond) {
				if time.Since(begun) > 20*time.Second {
					t.Fatalf("%s does not tell of %s as %s:\n%s", s.Addr(), of.Addr(), line, s.Do(t, "CLUSTER", "NODES"))
				}
			}
		}
	}
	for i, s := range c.Replicas {
		seen(s, "slave "+c.Nodes[i].Do(t, "CLUSTER", "MYID").(string)+".* connected", c.Nodes...)
	}
	dead := c.Replicas[0]
	dead.Kill()
	for _, line := range []string{"disconnected", "slave,fail .*disconnected"} {
		seen(dead, line, c.Nodes...)
		r := examine(t, config)
		r.want(t, "nodes", Warning, "without slots, failing or not linked: "+dead.Addr(), "CLUSTER FORGET")
		r.want(t, "slots", OK, "16384 of 16384", "")
	}

	// A replica takes over, and the master that was stays known, with no slot.
	dead = c.Nodes[2]
	dead.Kill()
	seen(dead, "master,fail .*disconnected$", c.Nodes[0], c.Nodes[1], c.Replicas[2])
	r := examine(t, Config{URL: "redis://" + c.Nodes[0].Addr() + "?addr=" + c.Nodes[1].Addr()})
	r.want(t, "reach", OK, "3 masters that answer", "")
	r.want(t, "nodes", Warning, dead.Addr(), "CLUSTER FORGET")
	r.want(t, "writes", OK, "", "")
}

// TestNodesMissed has a node see others in ways that pass.
func TestNodesMissed(t *testing.T) {
	t.Parallel()
	const most = `1 h:1@11 myself,master - 0 0 1 connected 0-5460
2 h:2@12 master - 0 0 2 connected 5461-10922
4 h:4@14 slave 1 0 0 1 connected
5 h:5@15 slave 2 0 0 2 connected
6 h:6@16 slave 3 0 0 3 connected
`
	for _, test := range []struct {
		name, line    string
		silent        []string
		want          Result
		found, remedy string
	}{
		{"all well", "3 h:3@13 master - 0 0 3 connected 10923-16383", nil, OK, "6 nodes", ""},
		{"one node alone misses it", "3 h:3@13 master,fail? - 0 0 3 connected 10923-16383", nil, Warning, "missed by h:1, though every master answers: h:3", "network"},
		{"it is not linked to one node", "3 h:3@13 master - 0 0 3 disconnected 10923-16383", nil, Warning, "missed by h:1, though every master answers: h:3", "network"},
		{"it does not answer, either", "3 h:3@13 master,fail? - 0 0 3 connected 10923-16383", []string{"h:3"}, Failure, "; failing or not linked: h:3", "FORGET"},
		{"all agree that it has failed", "3 h:3@13 master,fail - 0 0 3 connected 10923-16383", nil, Failure, "; failing or not linked: h:3", "FORGET"},
		{"an address of it is not known any more", "3 h:3@13 master - 0 0 3 connected 10923-16383\n7 :0@0 master,noaddr - 0 0 0 disconnected", nil, Warning, "without slots, failing or not linked: :0", "FORGET"},
		{"two at once", "3 h:3@13 master,fail - 0 0 3 connected 10923-16383\n7 h:7@17 slave,fail 3 0 0 3 disconnected", nil, Failure, "; failing or not linked: h:3; without slots, failing or not linked: h:7", "FORGET"},
	} {
		p := &patient{masters: []*node{{name: "h:1"}}, silent: test.silent}
		f := p.judgeNodes(parseNodes(most+test.line), false)
		if f.Result != test.want || !strings.Contains(f.Found, test.found) || !strings.Contains(f.Remedy, test.remedy) {
			t.Errorf("%s: nodes is a %s: %q, remedy %q; want a %s with %q, remedy with %q", test.name, f.Result, f.Found, f.Remedy, test.want, test.found, test.remedy)
		}
	}
}

// TestUncoveredSlots takes slots from a Cluster.
func TestUncoveredSlots(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	for _, n := range c.Nodes {
		n.Do(t, "CLUSTER", "DELSLOTS", "100", "101")
	}
	examine(t, Config{URL: c.URL()}).want(t, "slots", Failure, "16382 of 16384", "--cluster fix")
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Options{})
	replica := redistest.StartReplica(t, master)
	watcher := redistest.StartSentinel(t, "main", master)
	watcher.WaitForInfo(t, "sentinel", "slaves=1")
	config := Config{URL: "redis://" + watcher.Addr() + "?master_set=main"}
	r := examine(t, config)
	r.want(t, "reach", OK, `the master "main" behind Sentinel`, "")
	r.want(t, "sentinel", Warning, "1 Sentinels, of which 1 must agree; replicas: 1", "three Sentinels")
	r.want(t, "replicas", OK, "replicas: 1", "")
	r.want(t, "min-replicas", Note, "which the failover forgets", "min-replicas-to-write 1")
	r.want(t, "rights", OK, "", "")

	examine(t, Config{URL: config.URL + "&addr=127.0.0.1:1"}).want(t, "sentinel", Warning, "no answer from 127.0.0.1:1", "")
	examine(t, Config{URL: "redis://" + watcher.Addr() + "?master_set=other"}).want(t, "reach", Failure, `no master named "other"`, "SENTINEL MASTERS")
	watcher.Do(t, "SENTINEL", "SET", "main", "quorum", "2")
	examine(t, config).want(t, "sentinel", Failure, "could not fail over", "quorum")

	// A replica that is asked itself takes no writes.
	r = examine(t, Config{URL: replica.URL()})
	r.want(t, "role", Failure, "a replica of 127.0.0.1:", strings.TrimPrefix(master.Addr(), "127.0.0.1:"))
	r.want(t, "writes", Failure, "READONLY", "the master")
	r.want(t, "replicas", OK, "up", "")
	master.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1")
	examine(t, Config{URL: master.URL()}).want(t, "min-replicas", OK, "1 replicas are in step", "")
	replica.Kill()
	master.WaitForInfo(t, "replication", "connected_slaves:0")
	r = examine(t, Config{URL: master.URL()})
	r.want(t, "min-replicas", Failure, "every charge is refused", "")
}

// TestSentinelsDiffer has Sentinels of one URL watch different masters by the same name.
func TestSentinelsDiffer(t *testing.T) {
	t.Parallel()
	one, other := redistest.Start(t, redistest.Options{}), redistest.Start(t, redistest.Options{})
	first, second := redistest.StartSentinel(t, "main", one), redistest.StartSentinel(t, "main", other)
	config := Config{URL: redistest.SentinelURL("main", []*redistest.Server{first, second})}
	r := examine(t, config)
	r.want(t, "sentinel", Warning, first.Addr()+" says "+one.Addr()+", "+second.Addr()+" says "+other.Addr(), "SENTINEL REMOVE")

	second.Do(t, "SENTINEL", "REMOVE", "main")
	r = examine(t, config)
	r.want(t, "sentinel", Warning, first.Addr()+" says "+one.Addr()+", "+second.Addr()+" says it knows none", "SENTINEL MONITOR")

	host, port, _ := net.SplitHostPort(one.Addr())
	second.Do(t, "SENTINEL", "MONITOR", "main", host, port, "1")
	for _, f := range examine(t, config).Checks {
		if f.Name == "sentinel" && strings.Contains(f.Found, " says ") {
			t.Errorf("of Sentinels that watch the same master, it is said that %s", f.Found)
		}
	}
}

func TestReplicaBehind(t *testing.T) {
	t.Parallel()
	online := map[string]string{"role": "master", "connected_slaves": "1", "master_repl_offset": "5000000"}
	for _, test := range []struct {
		replica string
		want    Result
		found   string
	}{
		{"ip=10.0.0.2,port=6379,state=online,offset=5000000,lag=0", OK, "the farthest 0.0 KiB and 0 s behind"},
		{"ip=10.0.0.2,port=6379,state=online,offset=3000000,lag=0", Warning, "1.9 MiB"},
		{"ip=10.0.0.2,port=6379,state=online,offset=5000000,lag=9", Warning, "9 s behind"},
		{"ip=10.0.0.2,port=6379,state=send_bulk,offset=0,lag=0", Warning, "10.0.0.2:6379 is not online: send_bulk"},
	} {
		online["slave0"] = test.replica
		f := replicas(t.Context(), nil, &node{info: online})
		if f.Result != test.want || !strings.Contains(f.Found, test.found) {
			t.Errorf("replicas of %s is a %s: %q, want a %s: %q", test.replica, f.Result, f.Found, test.want, test.found)
		}
	}
}
