package doctor

import "context"

// check is one look.
type check struct {
	name string
	look func(context.Context, *patient) Finding
	// of says whether there is anything to look at; nil where there always is.
	of func(*patient) bool
}

// checks are all looks, in the order in which they are told: first what keeps Sluice from working, last what may hurt on
// some day.
var checks = []check{
	{name: "reach", look: reached},
	{name: "version", look: each(version)},
	{name: "role", look: each(role)},
	{name: "writes", look: each(writes)},
	{name: "scripts", look: each(scripts)},
	{name: "rights", look: rights},
	{name: "latency", look: each(latency)},
	{name: "clock", look: clock},
	{name: "eviction", look: each(eviction)},
	{name: "memory", look: each(memory)},
	{name: "persistence", look: each(persistence)},
	{name: "pauses", look: each(pauses)},
	{name: "slow-log", look: each(slowLog)},
	{name: "script-limit", look: each(scriptLimit)},
	{name: "connections", look: each(connections)},
	{name: "idle-timeout", look: each(idleTimeout)},
	{name: "protection", look: protection},
	{name: "replicas", look: each(replicas)},
	{name: "min-replicas", look: each(minReplicas)},
	{name: "sentinel", look: sentinel, of: (*patient).behindSentinel},
	{name: "slots", look: slots, of: (*patient).onCluster},
	{name: "nodes", look: nodes, of: (*patient).onCluster},
	{name: "expiry", look: expiry},
	{name: "prefix", look: prefix},
}

// each makes a look of one that is at a single server. Of a Cluster it looks at every master, and tells of the one that is
// worst off.
func each(look func(context.Context, *patient, *node) Finding) func(context.Context, *patient) Finding {
	return func(ctx context.Context, p *patient) Finding {
		all := make([]Finding, len(p.masters))
		for i, n := range p.masters {
			all[i] = look(ctx, p, n)
			if len(p.masters) > 1 {
				all[i].Found = n.name + ": " + all[i].Found
			}
		}
		return worst(all)
	}
}
