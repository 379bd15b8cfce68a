package envoyrls

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-project/sluice/server/envoyrls/config"
)

const (
	// maxNamed is how many names made of values that callers send are told apart, for rules that ask for that.
	maxNamed = 10_000
	// longestName is how many bytes of such a name are kept.
	longestName = 256
	// overrideName is what limits are called that requests bring along, and otherName what is beyond maxNamed. No rule is
	// called so: a rule's domain is not empty.
	overrideName, otherName = "~override", "~other"
)

// counters count the hits of one rule, as upstream does. A hit is a unit of an addend.
type counters struct {
	total, within, near, over, cached, shadow atomic.Uint64
}

// name is what a rule is called.
type name struct{ domain, rule string }

// metrics are all counters of a door. It is a [prometheus.Collector].
type metrics struct {
	errors, unknownDomain, shadowed, loaded, refused atomic.Uint64

	mu    sync.RWMutex // guards rules and made
	rules map[name]*counters
	made  map[name]*counters // of names that callers have a part in
}

func (m *metrics) init() {
	m.rules, m.made = map[name]*counters{}, map[name]*counters{}
}

// override returns the counters of all limits that requests bring along.
func (m *metrics) override() *counters { return m.other(overrideName) }

// other returns the counters of what is no single rule.
func (m *metrics) other(what string) *counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return find(m.made, name{"", what})
}

// renew returns the counters of the rules of a configuration. Those that were there before go on.
func (m *metrics) renew(c *config.Config) []*counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.rules
	m.rules = make(map[name]*counters, len(c.Rules))
	all := make([]*counters, len(c.Rules))
	for i, r := range c.Rules {
		named := name{r.Domain, r.Path}
		if there := before[named]; there != nil && m.rules[named] == nil {
			m.rules[named] = there
		}
		all[i] = find(m.rules, named)
	}
	return all
}

// byValue returns the counters of a rule whose name has values of the request in it. Beyond maxNamed names all share one.
func (m *metrics) byValue(r *config.Rule, path func() string) *counters {
	full := strings.ToValidUTF8(path(), "?")
	if len(full) > longestName {
		full = strings.ToValidUTF8(full[:longestName], "")
	}
	named := name{r.Domain, full}
	m.mu.RLock()
	c := m.made[named]
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.made) >= maxNamed && m.made[named] == nil {
		named = name{"", otherName}
	}
	return find(m.made, named)
}

func find(in map[name]*counters, named name) *counters {
	c := in[named]
	if c == nil {
		c = new(counters)
		in[named] = c
	}
	return c
}

func ruleMetric(metric, help string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_envoy_"+metric+"_total", help, []string{"domain", "rule"}, nil)
}

func doorMetric(metric, help string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_envoy_"+metric+"_total", help, nil, nil)
}

// ruleMetrics are what is counted of each rule.
var ruleMetrics = []struct {
	desc *prometheus.Desc
	of   func(*counters) uint64
}{
	{ruleMetric("hits", "Hits of a rule of Envoy's rate limit service. A hit is a unit of hits_addend."), func(c *counters) uint64 { return c.total.Load() }},
	{ruleMetric("within_limit", "Hits that had room."), func(c *counters) uint64 { return c.within.Load() }},
	{ruleMetric("near_limit", "Hits that had room beyond near_limit_ratio of the limit."), func(c *counters) uint64 { return c.near.Load() }},
	{ruleMetric("over_limit", "Hits that had no room."), func(c *counters) uint64 { return c.over.Load() }},
	{
		ruleMetric("over_limit_with_local_cache", "Hits that had no room, as this server remembered without asking the store."),
		func(c *counters) uint64 { return c.cached.Load() },
	},
	{ruleMetric("shadow_mode", "Hits that had no room and were let through, because of shadow_mode."), func(c *counters) uint64 { return c.shadow.Load() }},
}

var (
	errorsDesc  = doorMetric("errors", "Requests that could not be read and were answered an error.")
	domainsDesc = doorMetric("domain_not_found", "Requests for a domain that no file has.")
	shadowDesc  = doorMetric("global_shadow_mode", "Requests over a limit that were let through because envoy.shadow_mode is set.")
	loadsDesc   = prometheus.NewDesc("sluice_envoy_config_loads_total",
		"Times the rate limit files were read, by result: applied or refused.", []string{"result"}, nil)
)

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, r := range ruleMetrics {
		to <- r.desc
	}
	for _, d := range []*prometheus.Desc{errorsDesc, domainsDesc, shadowDesc, loadsDesc} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.RLock()
	all := maps.Clone(m.rules)
	for named, c := range m.made {
		if all[named] == nil { // a caller may send values that make the name of another rule
			all[named] = c
		}
	}
	m.mu.RUnlock()
	for named, c := range all {
		for _, r := range ruleMetrics {
			to <- prometheus.MustNewConstMetric(r.desc, prometheus.CounterValue, float64(r.of(c)), named.domain, named.rule)
		}
	}
	count := func(desc *prometheus.Desc, n *atomic.Uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.Load()), labels...)
	}
	count(errorsDesc, &m.errors)
	count(domainsDesc, &m.unknownDomain)
	count(shadowDesc, &m.shadowed)
	count(loadsDesc, &m.loaded, "applied")
	count(loadsDesc, &m.refused, "refused")
}

// Metrics returns all that the door counts.
func (d *Door) Metrics() prometheus.Collector { return &d.metrics }
