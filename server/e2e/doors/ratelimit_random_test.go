//go:build e2e

package doors

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The words that configurations and requests are made of. None has an underscore, which envoyproxy/ratelimit takes for
// the end of a key or a value, and no value asked for is a pattern itself; see TestWhereUpstreamIsWrong.
var (
	randomKeys     = []string{"user", "path", "ip"}
	randomValues   = []string{"", "", "a", "ab", "c:1", "10.0.0.1"}
	randomPatterns = []string{"a*", "ab*", "*", "c:*"}
	randomAsked    = []string{"", "a", "ab", "abc", "c:1", "c:2", "10.0.0.1", "ü", "other"}
)

// step is one level of a rule: a key and what its value must be.
type step struct {
	key, value string
	share      bool // the pattern counts in place of the value
}

// rule is a random one, by whose name an answer says which it was.
type rule struct {
	domain    string
	path      []step
	requests  uint32
	unit      string
	unlimited bool
	shadow    bool
}

// world is a random configuration.
type world struct {
	random  *rand.Rand
	units   []string // in whose windows the test ends
	domains []string
	rules   map[string]*rule
	names   []string
	files   map[string]string
}

// periods are those of the units.
var periods = map[string]time.Duration{
	"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour, "year": 365 * 24 * time.Hour,
}

// distantUnits are the units whose windows last for longer than a test does.
func distantUnits(now time.Time) []string {
	var units []string
	for name, period := range periods {
		const test = 5 * time.Minute
		if into := time.Duration(now.Unix()) * time.Second % period; into+test < period {
			units = append(units, name)
		}
	}
	slices.Sort(units)
	return units
}

func newWorld(seed uint64, domains int) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 0)), units: distantUnits(time.Now()), rules: map[string]*rule{}, files: map[string]string{},
	}
	for i := range domains {
		domain := fmt.Sprintf("domain %d", i)
		w.domains = append(w.domains, domain)
		var b strings.Builder
		fmt.Fprintf(&b, "domain: %q\ndescriptors:\n", domain)
		w.descriptors(&b, domain, nil, "  ")
		w.files[fmt.Sprintf("%02d.yaml", i)] = b.String()
	}
	return w
}

func (w *world) one(of []string) string { return of[w.random.IntN(len(of))] }

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

// descriptors writes one level of a domain, and those below it.
func (w *world) descriptors(b *strings.Builder, domain string, above []step, indent string) {
	seen := map[string]bool{}
	for range 2 + w.random.IntN(4) {
		s := step{key: w.one(randomKeys), value: w.one(randomValues)}
		if w.chance(35) {
			s.value = w.one(randomPatterns)
			s.share = w.chance(50)
		}
		if seen[s.key+"="+s.value] {
			continue // it would be a fault
		}
		seen[s.key+"="+s.value] = true
		path := append(slices.Clone(above), s)
		fmt.Fprintf(b, "%s- key: %q\n", indent, s.key)
		if s.value != "" {
			fmt.Fprintf(b, "%s  value: %q\n", indent, s.value)
		}
		if s.share {
			fmt.Fprintf(b, "%s  share_threshold: true\n", indent)
		}
		for _, option := range []string{"detailed_metric", "value_to_metric"} {
			if w.chance(15) {
				fmt.Fprintf(b, "%s  %s: true\n", indent, option)
			}
		}
		if w.chance(75) {
			w.rule(b, &rule{domain: domain, path: path}, indent+"  ")
		}
		if len(path) < 3 && w.chance(40) {
			fmt.Fprintf(b, "%s  descriptors:\n", indent)
			w.descriptors(b, domain, path, indent+"    ")
		}
	}
}

// rule writes a rate_limit.
func (w *world) rule(b *strings.Builder, r *rule, indent string) {
	name := fmt.Sprintf("rule %d", len(w.names))
	r.unlimited, r.shadow = w.chance(8), w.chance(15)
	if r.shadow {
		fmt.Fprintf(b, "%sshadow_mode: true\n", indent)
	}
	fmt.Fprintf(b, "%srate_limit:\n%s  name: %q\n", indent, indent, name)
	if r.unlimited {
		fmt.Fprintf(b, "%s  unlimited: true\n", indent)
	} else {
		r.unit, r.requests = w.one(w.units), uint32(w.random.IntN(12))
		if w.chance(5) {
			r.requests = 4_000_000_000
		}
		unit := r.unit
		if w.chance(20) {
			unit = strings.ToUpper(unit)
		}
		fmt.Fprintf(b, "%s  unit: %s\n%s  requests_per_unit: %d\n", indent, unit, indent, r.requests)
	}
	if len(w.names) > 0 && w.chance(15) {
		fmt.Fprintf(b, "%s  replaces:\n%s    - name: %q\n", indent, indent, w.one(w.names))
	}
	w.rules[name] = r
	w.names = append(w.names, name)
}

// request returns a random one, most of whose descriptors a rule matches.
func (w *world) request() *rls.RateLimitRequest {
	req := &rls.RateLimitRequest{Domain: w.one(w.domains)}
	if w.chance(30) {
		req.HitsAddend = uint32(w.random.IntN(4))
	}
	for range 1 + w.random.IntN(3) {
		req.Descriptors = append(req.Descriptors, w.descriptor(req.Domain))
	}
	if w.chance(10) { // the same once more
		req.Descriptors = append(req.Descriptors, req.Descriptors[0])
	}
	if w.chance(2) {
		req.Domain = "nobody's"
	}
	return req
}

func (w *world) descriptor(domain string) *common.RateLimitDescriptor {
	d := &common.RateLimitDescriptor{}
	add := func(key, value string) {
		d.Entries = append(d.Entries, &common.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	r := w.rules[w.one(w.names)]
	for range 100 {
		if r.domain == domain {
			break
		}
		r = w.rules[w.one(w.names)]
	}
	for _, s := range r.path {
		switch pattern, isPattern := strings.CutSuffix(s.value, "*"); {
		case isPattern:
			add(s.key, pattern+w.one([]string{"", "b", "bc", "1"}))
		case s.value == "" || w.chance(5):
			add(s.key, w.one(randomAsked))
		default:
			add(s.key, s.value)
		}
	}
	switch {
	case w.chance(5):
		add(w.one(randomKeys), w.one(randomAsked))
	case w.chance(5):
		d.Entries = d.Entries[:len(d.Entries)-1]
	}
	if w.chance(25) {
		d.HitsAddend = wrapperspb.UInt64([]uint64{0, 0, 1, 2, 3, 7, 100, 1 << 32, 1 << 40}[w.random.IntN(9)])
	}
	if w.chance(7) {
		unit := rls.RateLimitResponse_RateLimit_Unit_value[strings.ToUpper(w.one(w.units))] // the numbers are the same
		d.Limit = &common.RateLimitDescriptor_RateLimitOverride{
			RequestsPerUnit: uint32(w.random.IntN(8)), Unit: typev3.RateLimitUnit(unit),
		}
	}
	return d
}
