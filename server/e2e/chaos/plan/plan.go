// Package plan is what the servers of a run are configured with and what they are asked about: policies of every
// algorithm, with few keys that are asked for more than there is, and one with many keys.
package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	// StoreTimeout is how long the store has for a check, in milliseconds.
	StoreTimeout = 100
	// ColdKeys is how many keys the policy with many has.
	ColdKeys = 10_000
	// Throttle is the policy that stands for CL.THROTTLE, whose clients bring the limit along: max_burst, count, period.
	Throttle = "cl.throttle"
	// EnvoyDomain is the domain of the rate limit file; its descriptors are keys with the names of policies.
	EnvoyDomain = "chaos"
)

// ThrottleArgs are what CL.THROTTLE is asked with: max_burst, count and period in seconds.
var ThrottleArgs = [3]int{19, 10, 1}

// Schedules are the schedules of the configuration: they tick every second, and make up for what was missed.
var Schedules = []string{"up", "wipe", "except"}

// Raised is the policy whose limit the schedule up raises by one with each tick.
const Raised = "raised"

// line is a policy of the plan.
type line struct {
	name   string
	keys   int
	fields string // of the configuration, besides the key
	policy record.Policy
}

func per(seconds int64, count int64, a record.Algorithm) record.Limit {
	return record.Limit{Algorithm: a, Count: count, Period: seconds * 1e9}
}

func bucket(count, burst int64) record.Limit {
	return record.Limit{Algorithm: record.TokenBucket, Count: count, Period: 1e9, Burst: burst}
}

func limits(all ...record.Limit) record.Policy { return record.Policy{Limits: all} }

func deny(p record.Policy) record.Policy {
	p.Deny = true
	return p
}

func local(p record.Policy) record.Policy {
	p.Local = true
	return p
}

func lent(p record.Policy) record.Policy {
	p.Lent = true
	return p
}

func cached(p record.Policy) record.Policy {
	p.Cached = true
	return p
}

var lines = []line{
	{"bucket", 8, "limits: {a: 10/s burst 20}", limits(bucket(10, 20))},
	{"window", 6, "limits: {a: 30/2s}", limits(per(2, 30, record.SlidingWindow))},
	{"coarse", 4, "limits: {a: 150/5s}", limits(per(5, 150, record.SlidingWindow))},
	{"fixed", 6, "limits: {a: 40/4s fixed-window}", limits(per(4, 40, record.FixedWindow))},
	{"aligned", 6, "limits: {a: 40/4s fixed-window aligned}", limits(per(4, 40, record.AlignedWindow))},
	{"counter", 6, "limits: {a: 40/4s sliding-counter}", limits(per(4, 40, record.SlidingCounter))},
	{
		"both", 6, "limits: {a: 10/s burst 15, b: 60/10s}, on_error: deny",
		deny(limits(bucket(10, 15), per(10, 60, record.SlidingWindow))),
	},
	{"lent", 4, "limits: {a: 100/s burst 200}, lease: {share: 10%, ttl: 1s}", lent(limits(bucket(100, 200)))},
	// Of lent there is more than is asked for, of scarce less.
	{"scarce", 4, "limits: {a: 30/s burst 60}, lease: {share: 20%, ttl: 1s}", lent(limits(bucket(30, 60)))},
	{"cached", 6, "limits: {a: 10/s burst 10}, deny_cache: true, on_error: deny", cached(deny(limits(bucket(10, 10))))},
	// Their limits can be parted among three servers so that none has more than another.
	{"shared", 6, "limits: {a: 30/2s}, on_error: local", local(limits(per(2, 30, record.SlidingWindow)))},
	{"parted", 6, "limits: {a: 12/s burst 24}, on_error: local", local(limits(bucket(12, 24)))},
	{"cold", ColdKeys, "limits: {a: 20/s burst 20}", limits(bucket(20, 20))},
}

// foreign are the policies that the doors for others bring along.
var foreign = []line{
	{"envoy.window", 6, "unit: second, requests_per_unit: 20", limits(per(1, 20, record.AlignedWindow))},
	{"envoy.bucket", 6, "unit: second, requests_per_unit: 10, algorithm: token-bucket, burst: 30", limits(bucket(10, 30))},
	{Throttle, 8, "", limits(bucket(10, 20))},
}

// Plan is what there is to ask about.
type Plan struct {
	Policies []record.Policy
	Subjects []record.Subject
	First    map[string]int // the first subject of a policy, by name
	Count    map[string]int
}

// New returns the plan. It is the same every time.
func New() *Plan {
	p := &Plan{First: map[string]int{}, Count: map[string]int{}}
	for i, l := range append(append([]line{}, lines...), foreign...) {
		policy := l.policy
		policy.Name, policy.Foreign = l.name, i >= len(lines)
		p.First[l.name], p.Count[l.name] = len(p.Subjects), l.keys
		for k := range l.keys {
			s := record.Subject{Policy: len(p.Policies), Key: fmt.Sprintf("k%d", k)}
			switch {
			case !policy.Foreign:
				s.Tag = l.name + "|" + s.Key
			case l.name == Throttle:
				s.Tag = "~" + l.name + "|" + s.Key
			}
			p.Subjects = append(p.Subjects, s)
		}
		p.Policies = append(p.Policies, policy)
	}
	return p
}

// Configuration returns the configuration of the servers, but for where they listen and where Redis is. It writes the rate
// limit file below a directory.
func Configuration(dir string) (string, error) {
	rules := filepath.Join(dir, "ratelimit")
	if err := os.Mkdir(rules, 0o700); err != nil {
		return "", err
	}
	var file strings.Builder
	fmt.Fprintf(&file, "domain: %s\ndescriptors:\n", EnvoyDomain)
	for _, l := range foreign {
		if l.fields != "" {
			fmt.Fprintf(&file, "  - key: %s\n    rate_limit: {%s}\n", l.name, l.fields)
		}
	}
	if err := os.WriteFile(filepath.Join(rules, "chaos.yaml"), []byte(file.String()), 0o600); err != nil {
		return "", err
	}

	var b strings.Builder
	fmt.Fprintf(&b, "store_timeout: %dms\nenvoy: {directory: %q}\npolicies:\n", StoreTimeout, rules)
	for _, l := range lines {
		fmt.Fprintf(&b, "  %s: {key: \"header:X-API-Key\", %s}\n", l.name, l.fields)
	}
	b.WriteString(`  raised: {limits: {a: 1000/hour}}
  wiped: {limits: {a: 1000000/hour}}
schedules:
  up: {cron: "@every 1s", missed: all, adjust: {policy: raised, limit: a, by: +1}}
  wipe: {cron: "@every 1s", missed: all, reset: {policy: wiped}}
  except: {cron: "@every 1s", missed: all, override: {policy: wiped, key: somebody, limits: {a: 10/hour}, for: 60s}}
`)
	return b.String(), nil
}
