// Package config is the rate limit configuration of Envoy's rate limit service as envoyproxy/ratelimit has it: it reads the
// files, strictly and all or nothing, and says which rule a descriptor means and which counter it has.
//
// It is pure but for [Load] and [Watch], which read files. It knows no protocol, asks no store and decides nothing: a rule
// says which limit it has. It imports the core package, package policy for suggestions, package filesource for what a
// fault is, and a YAML parser.
package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// Config is what a set of files says. It is never changed, and safe for concurrent use.
type Config struct {
	// Rules are all rules, each at the place that its ID says.
	Rules []*Rule

	domains map[string]*node
}

// Domains returns how many domains there are.
func (c *Config) Domains() int { return len(c.domains) }

// Rule is one descriptor that has a rate_limit.
type Rule struct {
	// ID is the place in [Config].Rules.
	ID int
	// File and Line are where it stands.
	File string
	Line int
	// Domain is the name of its domain.
	Domain string
	// Path is the keys, with the values where the file gives them, from the outermost descriptor inwards, as upstream
	// calls the rule in its statistics: "key_value.subkey".
	Path string
	// Parts are the same, one by one.
	Parts []Part
	// Unlimited lets everybody through; then there are no numbers.
	Unlimited bool
	// Requests is how many there may be, 0 to [sluice.MaxCount], in each Every of Unit.
	Requests int64
	Every    int64
	Unit     Unit
	// Limit is the same as a limit; the zero Limit where it is Unlimited or where Requests is 0, which bars everybody.
	Limit sluice.Limit
	// Name is by what other rules may replace it, and Replaces are those that this one replaces.
	Name     string
	Replaces []string
	// Shadow counts and refuses nobody. Quota refuses only where all quotas of a request are used up.
	Shadow, Quota bool
	// ChargeRefused takes what is left when a request is refused that wanted more.
	ChargeRefused bool
	// DetailedMetric makes the values of a request part of what the rule is called in metrics, and so does ByValue,
	// for some values of which value_to_metric is set.
	DetailedMetric, ByValue bool
	// Metadata is what is told of the rule when it lets a request through: what JSON can say. It is nil where there is
	// none, and must not be changed.
	Metadata map[string]any
}

// Part is a descriptor on the way to a rule.
type Part struct {
	// Key and Value are those of the file; an empty Value is any.
	Key, Value string
	// Shared says that all values that the Value, which has a '*', matches have one counter.
	Shared bool
}

// Entry is a key and a value of a request's descriptor.
type Entry struct{ Key, Value string }

// Unit is the unit of time of a rule. The zero Unit is none.
type Unit uint8

// The units, numbered as the protocol numbers them.
const (
	Second Unit = iota + 1
	Minute
	Hour
	Day
	Month
	Year
	Week
)

const day = 24 * time.Hour

// units are all units: a month is 30 days and a year 365, as upstream has them.
var units = [...]struct {
	name   string
	period time.Duration
}{
	Second: {"second", time.Second},
	Minute: {"minute", time.Minute},
	Hour:   {"hour", time.Hour},
	Day:    {"day", day},
	Month:  {"month", 30 * day},
	Year:   {"year", 365 * day},
	Week:   {"week", 7 * day},
}

// Known reports whether it is a unit.
func (u Unit) Known() bool { return u >= Second && int(u) < len(units) }

// String returns the name in lower case, such as "minute".
func (u Unit) String() string {
	if !u.Known() {
		return fmt.Sprintf("Unit(%d)", uint8(u))
	}
	return units[u].name
}

// Period returns how long the unit is; 0 of what is none.
func (u Unit) Period() time.Duration {
	if !u.Known() {
		return 0
	}
	return units[u].period
}

// unitOf returns the unit of a name, in whatever case.
func unitOf(name string) (Unit, bool) {
	for u := Second; u.Known(); u++ {
		if strings.EqualFold(name, units[u].name) {
			return u, true
		}
	}
	return 0, false
}

// LimitOf returns the limit of so many requests, 1 to [sluice.MaxCount], in each window of a unit. Its name is the
// unit's: a rule that changes its number keeps what its keys have used, and one that changes its unit begins anew.
func LimitOf(requests int64, u Unit) sluice.Limit {
	return sluice.Per(requests, u.Period()).WithAligned().WithName(u.String())
}
