package doctor

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestInfoLacks has servers whose INFO leaves out what a look is for, as that of a managed offer may.
func TestInfoLacks(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	p := &patient{client: connected{}}
	for _, test := range []struct {
		name string
		info map[string]string
		look func(*node) Finding
	}{
		{"version", none, func(n *node) Finding { return version(t.Context(), p, n) }},
		{"role", none, func(n *node) Finding { return role(t.Context(), p, n) }},
		{"eviction", none, func(n *node) Finding { return eviction(t.Context(), p, n) }},
		{"memory", none, func(n *node) Finding { return memory(t.Context(), p, n) }},
		{"persistence", none, func(n *node) Finding { return persistence(t.Context(), p, n) }},
		{"pauses", none, func(n *node) Finding { return pauses(t.Context(), p, n) }},
		{"connections", none, func(n *node) Finding { return connections(t.Context(), p, n) }},
		{"replicas", none, func(n *node) Finding { return replicas(t.Context(), p, n) }},
		{"replicas of a master", map[string]string{"role": "master"}, func(n *node) Finding { return replicas(t.Context(), p, n) }},
		{"the link of a replica", map[string]string{"role": "slave"}, func(n *node) Finding { return replicas(t.Context(), p, n) }},
	} {
		f := test.look(&node{name: "h:1", info: test.info})
		if f.Result != Note || !strings.HasPrefix(f.Found, "not told: ") || strings.Contains(f.Found, "nil") || strings.Contains(f.Remedy, "give the user") {
			t.Errorf("where INFO lacks it, %s is a %s: %q, remedy %q, want a note that it is not told", test.name, f.Result, f.Found, f.Remedy)
		}
	}
}

// TestNoSuchSetting has a server that answers CONFIG GET, and knows no such setting.
func TestNoSuchSetting(t *testing.T) {
	t.Parallel()
	client := connectTo(t, redistest.Start(t, redistest.Options{}).URL())
	defer client.Close()
	_, err := (&node{client: client}).setting(t.Context(), "no-such-setting")
	if err == nil {
		t.Fatal("a setting that there is not has a value")
	}
	if f := notTold(err, "CONFIG GET"); f.Result != Note || !strings.Contains(f.Found, "no setting no-such-setting") || f.Remedy == "" {
		t.Errorf("a setting that the server does not know is a %s: %q, remedy %q, want a note", f.Result, f.Found, f.Remedy)
	}
}

// given are the permissions in a remedy.
var given = regexp.MustCompile(`\+[^\s,;]+`)

// follow gives a user on servers all permissions that the remedies of a report say, which each of them must know.
func follow(t *testing.T, r Report, user string, servers ...*redistest.Server) {
	t.Helper()
	rules := 0
	for _, f := range r.Checks {
		for _, rule := range given.FindAllString(f.Remedy, -1) {
			rules++
			for _, s := range servers {
				if _, err := s.Try("ACL", "SETUSER", user, rule); err != nil {
					t.Errorf("the remedy of %s says %q, and Redis says: %v", f.Name, rule, err)
				}
			}
		}
	}
	if rules == 0 {
		t.Errorf("no remedy gives a permission: %+v", r.Checks)
	}
}

// TestRemediesTell has a user who may do what the documentation says and no more, gives him what the remedies say, and
// looks again: then all is told.
func TestRemediesTell(t *testing.T) {
	t.Parallel()
	checks, ledger := permissions(t)
	user := slices.Concat([]string{"ACL", "SETUSER", "sluice"}, checks, ledger)
	for name, servers := range map[string][]*redistest.Server{
		"server":  {redistest.Start(t, redistest.Options{})},
		"Cluster": redistest.StartCluster(t).Nodes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range servers {
				s.Do(t, user...)
			}
			config := Config{URL: "redis://sluice:open-sesame@" + servers[0].Addr()}
			r := examine(t, config)
			for _, name := range []string{"expiry", "prefix"} {
				r.want(t, name, Note, "not told", "give the user +scan +pttl +type for")
			}
			for range 2 { // one permission may hide behind another
				follow(t, r, "sluice", servers...)
				r = examine(t, config)
				if r.Result < Failure && !slices.ContainsFunc(r.Checks, func(f Finding) bool { return given.MatchString(f.Remedy) }) {
					break
				}
			}
			for _, f := range r.Checks {
				if strings.Contains(f.Found, "not told") || given.MatchString(f.Remedy) {
					t.Errorf("after all permissions that the remedies give, %s says %q, remedy %q", f.Name, f.Found, f.Remedy)
				}
			}
		})
	}
}

// TestSentinelRemediesTell is the same for a user of a Sentinel.
func TestSentinelRemediesTell(t *testing.T) {
	t.Parallel()
	watcher := redistest.StartSentinel(t, "main", redistest.Start(t, redistest.Options{}))
	watcher.Do(t, "ACL", "SETUSER", "watcher", "on", ">open-sesame", "&*", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "+subscribe", "+unsubscribe", "+ping")
	config := Config{URL: "redis://" + watcher.Addr() + "?master_set=main&sentinel_username=watcher&sentinel_password=open-sesame"}
	r := examine(t, config)
	r.want(t, "sentinel", Note, "not told: it refuses SENTINEL MASTER", "give the user +sentinel|master for")
	for _, f := range r.Checks {
		if f.Name == "sentinel" {
			follow(t, Report{Checks: []Finding{f}}, "watcher", watcher)
		}
	}
	examine(t, config).want(t, "sentinel", Warning, "1 Sentinels", "three Sentinels")
}

// TestSlotsOnTheMove looks while a slot is on its way, where a node refuses keys that the user may well use.
func TestSlotsOnTheMove(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	byName := slices.Clone(c.Nodes)
	slices.SortFunc(byName, func(a, b *redistest.Server) int { return strings.Compare(a.Addr(), b.Addr()) })
	from, to := byName[1], byName[2] // the first to be asked knows nothing of it
	owns := func(slot int) bool { return c.Owner(slot) == from }
	tag := redisstore.ScratchTag("sluice:", owns)
	slot := int(from.Do(t, "CLUSTER", "KEYSLOT", tag).(int64))
	for _, key := range []string{"a", "b"} {
		from.Do(t, "SET", tag+key, "1", "PX", "60000")
	}
	c.BeginMove(t, slot, from, to)
	c.MoveKeys(t, from, to, tag+"a")
	r := examine(t, Config{URL: c.URL()})
	r.want(t, "nodes", Warning, "slots are on the move", "")
	for _, name := range []string{"writes", "scripts"} {
		r.want(t, name, Note, "not told: slots are on the move (ASK ", "look again")
	}
	r.want(t, "rights", OK, "may do all", "")
	r.want(t, "expiry", OK, "there may be more", "") // the node to which it moves shows the key, and does not tell
	r.want(t, "prefix", OK, "there may be more", "")
}

// TestKeysDenied has a user who may use the commands, on keys of another prefix.
func TestKeysDenied(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	s.Do(t, "SET", "sluice:{api|alice}", "1", "PX", "60000")
	s.Do(t, "ACL", "SETUSER", "sluice", "on", ">open-sesame", "~other:*", "&*", "+@all")
	r := examine(t, Config{URL: "redis://sluice:open-sesame@" + s.Addr()})
	r.want(t, "rights", Failure, "without ~sluice:*, checks fail", "ACL SETUSER ... ~sluice:*")
	for _, name := range []string{"expiry", "prefix"} {
		r.want(t, name, Note, "not told", "the keys of the prefix")
	}
}
