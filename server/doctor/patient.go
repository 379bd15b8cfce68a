package doctor

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/store/redisstore"
)

// patient is what is looked at.
type patient struct {
	config Config
	option rueidis.ClientOption
	client rueidis.Client
	// masters are the servers that keys are on: one, or all masters of a Cluster.
	masters []*node
	ranges  []slotRange // of a Cluster
	silent  []string    // masters of a Cluster that do not answer
	survey  func() survey

	unranged error // why nobody tells the slots of a Cluster
	unseen   bool  // the server is of a Cluster, and the client takes it for a single one
}

// node is one server.
type node struct {
	name   string // its address
	client rueidis.Client
	hello  map[string]string // what HELLO says, for which no permission is needed; nil where the server has none
	info   map[string]string // what INFO says; nil where it does not
	untold error             // why not
	tag    string            // begins the keys that may be written to see whether they can be
}

func newPatient(ctx context.Context, c Config, option rueidis.ClientOption, client rueidis.Client) *patient {
	p := &patient{config: c, option: option, client: client}
	p.survey = sync.OnceValue(func() survey { return p.look(ctx) })
	if p.onCluster() {
		var all []*node
		for name, one := range client.Nodes() {
			n := &node{name: name, client: one}
			n.ask(ctx)
			all = append(all, n)
			// Of a node that answers: the client would ask any, and where that one is gone, nobody.
			if len(p.ranges) == 0 && n.answers() {
				p.ranges, p.unranged = n.slotRanges(ctx, option.TLSConfig != nil)
			}
		}
		for _, n := range all {
			switch {
			case !n.answers() && p.owns(n, -1):
				p.silent = append(p.silent, n.name)
			case n.info["role"] == "master", n.answers() && n.info["role"] == "" && p.owns(n, -1):
				p.masters = append(p.masters, n)
			}
		}
		for _, r := range p.ranges { // the client leaves out those that have failed, where Redis says so (from version 8 on)
			known := slices.ContainsFunc(all, func(n *node) bool { return n.name == r.master })
			if !known && !slices.Contains(p.silent, r.master) {
				p.silent = append(p.silent, r.master)
			}
		}
		slices.Sort(p.silent)
		slices.SortFunc(p.masters, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	}
	if len(p.masters) == 0 {
		n := &node{name: option.InitAddress[0], client: client}
		if p.behindSentinel() { // the addresses of the URL are those of Sentinels
			for name := range client.Nodes() {
				n.name = name
			}
		}
		n.ask(ctx)
		p.masters = []*node{n}
		p.unseen = !p.onCluster() && n.ofCluster()
	}
	for _, n := range p.masters {
		n.tag = redisstore.ScratchTag(c.Prefix, func(slot int) bool { return !p.owns(n, -1) || p.owns(n, slot) })
	}
	return p
}

func (p *patient) onCluster() bool { return p.client.Mode() == rueidis.ClientModeCluster }

func (p *patient) behindSentinel() bool { return p.client.Mode() == rueidis.ClientModeSentinel }

// owns reports whether a node has a slot, or any for -1.
func (p *patient) owns(n *node, slot int) bool {
	return slices.ContainsFunc(p.ranges, func(r slotRange) bool {
		return r.master == n.name && (slot == -1 || r.first <= slot && slot <= r.last)
	})
}

// do asks one command.
func do(ctx context.Context, client rueidis.Client, command ...string) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return client.Do(ctx, client.B().Arbitrary(command...).Build())
}

func (n *node) do(ctx context.Context, command ...string) rueidis.RedisResult {
	return do(ctx, n.client, command...)
}

// ask takes in what HELLO and INFO say.
func (n *node) ask(ctx context.Context) {
	hello, err := n.do(ctx, "HELLO").AsMap()
	switch _, refused := rueidis.IsRedisErr(err); {
	case err == nil:
		n.hello = map[string]string{}
		for name, value := range hello {
			n.hello[name], _ = value.ToString() // of a number or a list, "", which nobody asks for
		}
	case !refused && !answered(err): // so that a silent server is waited for once
		n.untold = err
		return
	}
	text, err := n.do(ctx, "INFO").ToString()
	if err != nil {
		n.untold = err
		return
	}
	n.info = parseInfo(text)
}

// answers reports whether the node has answered, if with a refusal.
func (n *node) answers() bool {
	_, refused := rueidis.IsRedisErr(n.untold)
	return n.untold == nil || refused
}

// ofCluster reports whether the server says of itself that it is one of a Cluster.
func (n *node) ofCluster() bool {
	return n.hello["mode"] == "cluster" || n.info["redis_mode"] == "cluster"
}

// parseInfo reads lines NAME:VALUE.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(name, "#") {
			info[name] = value
		}
	}
	return info
}

// number returns a number that INFO says, and whether it does.
func (n *node) number(name string) (int64, bool) {
	v, err := strconv.ParseInt(n.info[name], 10, 64)
	return v, err == nil
}

// setting returns the value of a setting by the first of its names that the server knows. The error says why it does not
// tell. No more is asked than what is looked at: a configuration holds passwords.
func (n *node) setting(ctx context.Context, names ...string) (string, error) {
	for _, name := range names {
		found, err := n.do(ctx, "CONFIG", "GET", name).AsStrMap()
		if err != nil {
			return "", err
		}
		if value, ok := found[name]; ok {
			return value, nil
		}
	}
	return "", unsaid("it has no setting " + names[0])
}
