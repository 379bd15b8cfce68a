package envoyrls

import (
	"sync"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// maxOverrides is how many different limits that requests bring along are kept made.
const maxOverrides = 1024

// overrides are the rules of limits that requests bring along. Callers choose them, so there is a bound.
type overrides struct {
	options  Options
	counters *counters

	mu    sync.RWMutex // guards rules
	rules map[override]*rule
}

// override is a limit as a request brings it.
type override struct {
	requests uint32
	unit     config.Unit
}

func (o *overrides) init(options Options, c *counters) {
	o.options, o.counters, o.rules = options, c, map[override]*rule{}
}

// find returns the rule of a limit. Its unit must be one.
func (o *overrides) find(limit *common.RateLimitDescriptor_RateLimitOverride) (*rule, error) {
	key := override{limit.GetRequestsPerUnit(), config.Unit(limit.GetUnit())}
	if int32(key.unit) != int32(limit.GetUnit()) || !key.unit.Known() {
		return nil, status.Errorf(codes.InvalidArgument, "the limit that the descriptor brings along has the unit %d; "+
			"it must be SECOND, MINUTE, HOUR, DAY, WEEK, MONTH or YEAR", limit.GetUnit())
	}
	o.mu.RLock()
	r := o.rules[key]
	o.mu.RUnlock()
	if r != nil {
		return r, nil
	}
	from := &config.Rule{Requests: int64(key.requests), Every: 1, Unit: key.unit}
	if key.requests > 0 {
		from.Limit = config.LimitOf(from.Requests, key.unit)
	}
	r, err := newRule(from, o.options, o.counters)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if there := o.rules[key]; there != nil {
		return there, nil
	}
	if len(o.rules) >= maxOverrides {
		clear(o.rules) // they are quickly made again
	}
	o.rules[key] = r
	return r, nil
}
