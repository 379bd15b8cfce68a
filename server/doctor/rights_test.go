package doctor

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestClusterUnseen has a user of a Cluster that may not ask which node has which slots: with one address, the client takes
// it for a single server without a word.
func TestClusterUnseen(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	checks, ledger := permissions(t)
	all := slices.Concat(checks, ledger)
	user := func(url string, rules ...string) Report {
		t.Helper()
		for _, n := range c.Nodes {
			n.Do(t, append([]string{"ACL", "SETUSER", "sluice"}, rules...)...)
		}
		return examine(t, Config{URL: url})
	}
	less := slices.DeleteFunc(slices.Clone(all), func(rule string) bool { return strings.HasPrefix(rule, "+cluster|") })
	if len(less) != len(all)-2 {
		t.Fatalf("docs/redis-keys.md has %d permissions that begin with +cluster|, want 2", len(all)-len(less))
	}
	refused := false
	for _, n := range c.Nodes { // the scratch key is on one of them
		r := user("redis://sluice:open-sesame@"+n.Addr(), append([]string{"reset"}, less...)...)
		r.want(t, "reach", Failure, "a node of a Cluster that is taken for a single server", "+cluster|slots +cluster|shards")
		r.want(t, "rights", Failure, "without +cluster|slots, the Cluster is taken for a single server", "ACL SETUSER ... +cluster|slots +asking +cluster|shards")
		r.want(t, "protection", Note, "other nodes", "rights")
		for _, name := range []string{"writes", "scripts"} {
			for _, f := range r.Checks {
				if f.Name == name && f.Result != OK {
					refused = true
					r.want(t, name, Failure, "MOVED", "+cluster|slots +cluster|shards")
				}
			}
		}
	}
	if !refused {
		t.Error("no key was refused with MOVED by a node that has not its slot")
	}
	many := "redis://sluice:open-sesame@" + c.Nodes[0].Addr() + "?addr=" + c.Nodes[1].Addr()
	user(many).want(t, "reach", Failure, "the user may not ask which node has which slots", "+cluster|slots +cluster|shards")

	r := user(many, append([]string{"reset"}, all...)...)
	r.want(t, "reach", OK, "a Cluster with 3 masters", "")
	r.want(t, "slots", OK, "16384 of 16384", "")
	r.want(t, "rights", Warning, "without +asking, checks of keys in slots that are being moved", "+asking")
	r = user(many, "+asking")
	r.want(t, "rights", OK, "may do all", "")
	r = user(many, "-cluster|shards")
	r.want(t, "rights", Note, "without +cluster|shards", "+cluster|shards")
	r.want(t, "slots", OK, "16384 of 16384", "")
}

// TestSlotRanges reads the slots by both commands that tell them, of which a user may have one.
func TestSlotRanges(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	client := connectTo(t, c.Nodes[0].URL())
	defer client.Close()
	n := &node{name: c.Nodes[0].Addr(), client: client.Nodes()[c.Nodes[0].Addr()]}
	want, err := n.slotRanges(t.Context(), false)
	if err != nil || len(want) != 3 {
		t.Fatalf("CLUSTER SLOTS tells %v, %v, want three ranges", want, err)
	}
	c.Nodes[0].Do(t, "ACL", "SETUSER", "default", "-cluster|slots")
	got, err := n.slotRanges(t.Context(), false)
	byFirst := func(a, b slotRange) int { return a.first - b.first }
	slices.SortFunc(want, byFirst)
	slices.SortFunc(got, byFirst)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("CLUSTER SHARDS tells %v, %v, want what CLUSTER SLOTS told: %v", got, err, want)
	}
	c.Nodes[0].Do(t, "ACL", "SETUSER", "default", "-cluster|shards")
	got, err = n.slotRanges(t.Context(), false)
	if err == nil {
		t.Errorf("the slots are %v without an error, where neither command may be used", got)
	}
	p := &patient{client: ofCluster{}, unranged: err, masters: []*node{n}}
	if f := slots(t.Context(), p); f.Result != Note || !strings.Contains(f.Found, "not told") {
		t.Errorf("slots that are not told are a %s: %q, want a note", f.Result, f.Found)
	}
}

// ofCluster is a client that is asked how it is connected and nothing else.
type ofCluster struct{ rueidis.Client }

func (ofCluster) Mode() rueidis.ClientMode { return rueidis.ClientModeCluster }

// TestWhichSlotsCommand says by which command the client asks, and that the other is no failure.
func TestWhichSlotsCommand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version string
		resp2   bool
		want    string
	}{
		{"6.2.0", false, "+cluster|slots"},
		{"7.4.1", false, "+cluster|slots"},
		{"8.0.0", false, "+cluster|shards"},
		{"10.1", false, "+cluster|shards"},
		{"8.0.0", true, "+cluster|slots"},
		{"", false, "+cluster|slots"},
	} {
		p := &patient{masters: []*node{{hello: map[string]string{"version": test.version}}}}
		p.option.AlwaysRESP2 = test.resp2
		var failing []string
		for _, g := range p.clusterGroups() {
			for _, a := range g.attempts {
				if g.result == Failure {
					failing = append(failing, a.may)
				}
			}
		}
		if !slices.Equal(failing, []string{test.want}) {
			t.Errorf("on version %q, RESP2 alone %t, checks fail without %q, want %q", test.version, test.resp2, failing, test.want)
		}
	}
}

// TestRightsLeaveNothing has a user that can neither remove a key nor give it a time to live afterwards.
func TestRightsLeaveNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	checks, ledger := permissions(t)
	s.Do(t, slices.Concat([]string{"ACL", "SETUSER", "sluice"}, checks, ledger, []string{"-del", "-pexpire", "-pexpireat"})...)
	r := examine(t, Config{URL: "redis://sluice:open-sesame@" + s.Addr()})
	r.want(t, "rights", Failure, "without +pexpire +pexpireat +del", "+del")
	for _, key := range s.Do(t, "KEYS", "*").([]any) {
		if left := s.Do(t, "PTTL", key.(string)).(int64); left < 0 || left > 10_000 {
			t.Errorf("%s is left behind for %d ms, want 10 s at most", key, left)
		}
	}
}

// TestTrialsWriteNothing tries each permission, and looks for a key behind it: a server may fail, and doctor be ended, between
// any two.
func TestTrialsWriteNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	tried := 0
	for _, g := range groups {
		for _, a := range g.attempts {
			tried++
			_, _ = s.Try(a.command(func(kind string) string { return "sluice:{~doctor}:" + kind })...) // that it is an error may be meant
			if keys := s.Do(t, "KEYS", "*").([]any); len(keys) != 0 {
				t.Errorf("to try %s has left %q", a.may, keys)
				s.Do(t, "FLUSHALL")
			}
		}
	}
	if tried < 25 {
		t.Errorf("%d permissions are tried, want 25 at least", tried)
	}
}
