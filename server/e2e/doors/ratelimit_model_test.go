//go:build e2e

package doors

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/proto"
)

// model says how the answers of Sluice must differ from those of envoyproxy/ratelimit, which is where that counts what it
// refuses: "a refused addend takes nothing". It keeps what each has counted, by the same counters.
type model struct {
	world         *world
	theirs, ours  map[string]uint64
	statuses      int // that had a limit
	over          int // of them
	differ        int // of them, because one has counted what it refused
	headersOrCode int // answers of which the headers or the overall code differ for that
}

func newModel(w *world) *model {
	return &model{world: w, theirs: map[string]uint64{}, ours: map[string]uint64{}}
}

// counters returns what a descriptor that has a limit is counted by: its entries, with a pattern in place of a value where
// the rule says that all values share, and the window. envoyproxy/ratelimit tells windows apart by their start alone, so
// that in the first hour of a day, by UTC, one counter is both the hour's and the day's; in Sluice the unit counts too.
func (m *model) counters(domain string, d *common.RateLimitDescriptor, s *rls.RateLimitResponse_DescriptorStatus, now time.Time) (theirs, ours string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", domain)
	r := m.world.rules[s.CurrentLimit.GetName()]
	for i, e := range d.GetEntries() {
		value := e.GetValue()
		if r != nil && r.path[i].share {
			value = r.path[i].value
		}
		fmt.Fprintf(&b, " %q=%q", e.GetKey(), value)
	}
	unit := s.CurrentLimit.Unit.String()
	period := periods[strings.ToLower(unit)]
	end := time.Duration(now.Unix())*time.Second + s.DurationUntilReset.AsDuration()
	start := (end - period).Round(period) // exact: the two clocks are less than half a period apart
	fmt.Fprintf(&b, " from %d", start/time.Second)
	return b.String(), b.String() + " by " + unit
}

// expect returns what Sluice must answer where envoyproxy/ratelimit answers so, at about now. The error is that this one
// is not understood: then nothing can be said of ours.
func (m *model) expect(req *rls.RateLimitRequest, theirs *rls.RateLimitResponse, now time.Time) (*rls.RateLimitResponse, error) {
	want := proto.CloneOf(theirs)
	for i, s := range want.GetStatuses() {
		if s.GetCurrentLimit() == nil {
			continue
		}
		m.statuses++
		d, limit := req.Descriptors[i], uint64(s.CurrentLimit.RequestsPerUnit)
		addend := max(1, uint64(req.HitsAddend))
		if d.HitsAddend != nil {
			addend = d.HitsAddend.Value
		}
		key, own := m.counters(req.Domain, d, s, now)
		r := m.world.rules[s.CurrentLimit.Name]
		shadow := r != nil && r.shadow

		m.theirs[key] += addend
		code, remaining := answered(m.theirs[key] > limit, shadow, limit, m.theirs[key])
		if s.Code != code || s.LimitRemaining != remaining {
			return nil, fmt.Errorf("status %d is %s with %d remaining, but %d of %d are counted by %s", i, s.Code, s.LimitRemaining, m.theirs[key], limit, key)
		}
		if s.Code == rls.RateLimitResponse_OVER_LIMIT {
			m.over++
		}

		over := m.ours[own]+addend > limit
		if addend == 0 { // one that looks is over where nothing is left, for there is never less
			over = limit > 0 && m.ours[own] >= limit
		}
		if !over {
			m.ours[own] += addend
		}
		s.Code, s.LimitRemaining = answered(over, shadow, limit, m.ours[own])
		if s.Code != code || s.LimitRemaining != remaining {
			m.differ++
		}
	}
	conclude(want, theirs)
	if want.OverallCode != theirs.OverallCode || fmt.Sprint(want.ResponseHeadersToAdd) != fmt.Sprint(theirs.ResponseHeadersToAdd) {
		m.headersOrCode++
	}
	return want, nil
}

func answered(over, shadow bool, limit, counted uint64) (rls.RateLimitResponse_Code, uint32) {
	switch {
	case over && shadow:
		return rls.RateLimitResponse_OK, 0
	case over:
		return rls.RateLimitResponse_OVER_LIMIT, 0
	}
	return rls.RateLimitResponse_OK, uint32(max(limit, counted) - counted) // by another limit there may be more than this one allows
}

// conclude makes the overall code and the header fields of an answer those of its statuses: the fields tell of the last that
// is over its limit, else of the first that has least left.
func conclude(r, like *rls.RateLimitResponse) {
	r.OverallCode = rls.RateLimitResponse_OK
	var closest *rls.RateLimitResponse_DescriptorStatus
	for _, s := range r.Statuses {
		switch {
		case s.CurrentLimit == nil:
		case s.Code == rls.RateLimitResponse_OVER_LIMIT:
			r.OverallCode, closest = s.Code, s
		case r.OverallCode == rls.RateLimitResponse_OK && (closest == nil || s.LimitRemaining < closest.LimitRemaining):
			closest = s
		}
	}
	if len(like.ResponseHeadersToAdd) == 0 || closest == nil {
		return
	}
	for i, value := range []uint64{
		uint64(closest.CurrentLimit.RequestsPerUnit), uint64(closest.LimitRemaining), uint64(closest.DurationUntilReset.Seconds),
	} {
		r.ResponseHeadersToAdd[i].Value = strconv.FormatUint(value, 10)
	}
}
