package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// allSlots is how many slots a Cluster has.
const allSlots = 1 << 14

func slots(ctx context.Context, p *patient) Finding {
	if p.unranged != nil {
		return notTold(p.unranged, "CLUSTER SLOTS")
	}
	owned := 0
	for _, r := range p.ranges {
		owned += r.last - r.first + 1
	}
	state := ""
	if text, err := p.masters[0].do(ctx, "CLUSTER", "INFO").ToString(); err == nil {
		info := parseInfo(text)
		state = info["cluster_state"]
	}
	f := well("%d of %d slots have a master", owned, allSlots)
	switch {
	case owned < allSlots:
		f.Found += ": checks of keys in the others fail, or all do (cluster-require-full-coverage)"
		return f.as(Failure, "redis-cli --cluster check HOST:PORT, and --cluster fix; or bring the lost master back")
	case state == "fail":
		f.Found += ", but the Cluster says that it is down"
		return f.as(Failure, "see CLUSTER NODES for masters that are marked fail")
	}
	return f
}

// clusterNode is a line of CLUSTER NODES: ID ADDRESS FLAGS MASTER PING PONG EPOCH LINK SLOT...
type clusterNode struct {
	id, address, master string
	flags               []string
	linked, moving      bool
	slots               bool
}

func parseNodes(text string) (all []clusterNode) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		address, _, _ := strings.Cut(words[1], "@")
		n := clusterNode{id: words[0], address: address, master: words[3], flags: strings.Split(words[2], ","), linked: words[7] == "connected"}
		for _, slot := range words[8:] {
			if strings.HasPrefix(slot, "[") {
				n.moving = true
			} else {
				n.slots = true
			}
		}
		all = append(all, n)
	}
	return all
}

func (n clusterNode) is(flag string) bool {
	for _, f := range n.flags {
		if f == flag {
			return true
		}
	}
	return false
}

// moving reports whether slots are on the move, which each node says of its own alone.
func (p *patient) moving(ctx context.Context) bool {
	return slices.ContainsFunc(p.masters, func(n *node) bool {
		text, err := n.do(ctx, "CLUSTER", "NODES").ToString()
		return err == nil && slices.ContainsFunc(parseNodes(text), func(n clusterNode) bool { return n.moving })
	})
}

func nodes(ctx context.Context, p *patient) Finding {
	text, err := p.masters[0].do(ctx, "CLUSTER", "NODES").ToString()
	if err != nil {
		return notTold(err, "CLUSTER NODES")
	}
	return p.judgeNodes(parseNodes(text), p.moving(ctx))
}

// judgeNodes says how the nodes are, as the first of the masters sees them. What it alone misses may well serve: the slots do
// as long as nobody of their masters is silent to the doctor, and the nodes have not agreed that one has failed.
func (p *patient) judgeNodes(all []clusterNode, moving bool) Finding {
	var failing, missed, slotless, alone []string
	followed := map[string]bool{}
	for _, n := range all {
		switch lost := n.is("fail"); {
		case lost, n.is("fail?"), !n.linked && !n.is("myself"):
			switch {
			case !n.slots:
				slotless = append(slotless, n.address)
			case lost || len(p.silent) > 0:
				failing = append(failing, n.address)
			default:
				missed = append(missed, n.address)
			}
		case n.master != "-":
			followed[n.master] = true
		}
	}
	masters := 0
	for _, n := range all {
		if n.is("master") && n.slots {
			if masters++; !followed[n.id] {
				alone = append(alone, n.address)
			}
		}
	}
	f := well("%d nodes, %d of them masters with slots", len(all), masters)
	if moving {
		f.Found += "; slots are on the move"
	}
	const remedy = "bring them back, or take them out: CLUSTER FORGET"
	if len(failing) > 0 {
		f.Found += fmt.Sprintf("; failing or not linked: %s", strings.Join(failing, ", "))
	}
	if len(missed) > 0 {
		f.Found += fmt.Sprintf("; missed by %s, though every master answers: %s", p.masters[0].name, strings.Join(missed, ", "))
	}
	if len(slotless) > 0 {
		f.Found += fmt.Sprintf("; without slots, failing or not linked: %s", strings.Join(slotless, ", "))
	}
	switch {
	case len(failing) > 0:
		return f.as(Failure, remedy)
	case len(missed) > 0:
		return f.as(Warning, "see the network between the nodes (their bus is at the port 10000 above) and their load; those that are gone, "+remedy)
	case len(slotless) > 0:
		return f.as(Warning, remedy)
	case masters < 3:
		f.Found += ": too few to agree on a failover"
		return f.as(Warning, "have three masters at least")
	case len(alone) > 0:
		f.Found += fmt.Sprintf("; without a replica that is up: %s", strings.Join(alone, ", "))
		return f.as(Warning, "give each master a replica: when one without fails, on_error decides checks of its keys until it is back")
	}
	return f
}
