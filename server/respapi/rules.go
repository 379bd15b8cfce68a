package respapi

import (
	"sync"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// Namespace is where the counters of CL.THROTTLE are: those of every key under one name, whatever numbers it comes with.
const Namespace = "cl.throttle"

// limitName is the name of the one limit that each rule has. It is always the same, so that a key keeps what it has used
// where its numbers change.
const limitName = "throttle"

// rate is the numbers that a client brings along with a check: so many units at once, and count of them a period.
type rate struct{ burst, count, seconds int64 }

// rules remembers the rules of rates, because checks of one key by one rule are decided together, and to make a rule costs
// more than to decide by it. It holds at most two generations of generationSize: where the newer is full, the older is
// forgotten, and what is asked for again moves into the newer. To forget one costs nothing but making it anew: it is known
// by its namespace and its limit's name.
type rules struct {
	mu    sync.RWMutex
	newer map[rate]*engine.Rule
	older map[rate]*engine.Rule
}

const generationSize = 4096

// of returns the rule of a rate, which must be a legal limit.
func (r *rules) of(wanted rate) (*engine.Rule, error) {
	r.mu.RLock()
	rule := r.newer[wanted]
	r.mu.RUnlock()
	if rule != nil {
		return rule, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rule = r.newer[wanted]; rule != nil {
		return rule, nil
	}
	if rule = r.older[wanted]; rule == nil {
		limit := sluice.Per(wanted.count, time.Duration(wanted.seconds)*time.Second).WithBurst(wanted.burst).WithName(limitName)
		var err error
		if rule, err = engine.NewRule(Namespace, []sluice.Limit{limit}, engine.RuleConfig{StoreErrors: true}); err != nil {
			return nil, err
		}
	}
	if r.newer == nil || len(r.newer) == generationSize {
		r.newer, r.older = make(map[rate]*engine.Rule), r.newer
	}
	r.newer[wanted] = rule
	return rule, nil
}

// recent is the rules that one client has asked by of late: most clients have few, and find them here without a lock.
type recent [8]struct {
	rate rate
	rule *engine.Rule
}

// of returns what [rules.of] does.
func (r *recent) of(wanted rate, all *rules) (*engine.Rule, error) {
	place := &r[uint64(wanted.burst*31+wanted.count*17+wanted.seconds)%uint64(len(r))]
	if place.rule != nil && place.rate == wanted {
		return place.rule, nil
	}
	rule, err := all.of(wanted)
	if err == nil {
		place.rate, place.rule = wanted, rule
	}
	return rule, err
}
