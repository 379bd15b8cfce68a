package envoyrls

import (
	"math"
	"strconv"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-project/sluice"
)

// answer makes one answer of what all descriptors of a request are answered.
func (d *Door) answer(s *state, req *pb.RateLimitRequest, questions []question) *pb.RateLimitResponse {
	statuses := make([]pb.RateLimitResponse_DescriptorStatus, len(questions))
	resets := make([]durationpb.Duration, len(questions))
	response := &pb.RateLimitResponse{Statuses: make([]*pb.RateLimitResponse_DescriptorStatus, len(questions))}
	var (
		closest                 *pb.RateLimitResponse_DescriptorStatus // the limit of which the headers tell
		least                   uint32                                 = math.MaxUint32
		refused                 bool
		quotas, quotasExhausted int
	)
	for i := range questions {
		q, status := &questions[i], &statuses[i]
		response.Statuses[i] = status
		d.tell(s, q, status, &resets[i])
		if status.CurrentLimit != nil && status.LimitRemaining < least {
			closest, least = status, status.LimitRemaining
		}
		if q.unlimited || q.refund {
			continue
		}
		quota := s.options.Quota || q.rule != nil && q.rule.Quota
		if quota {
			quotas++
		}
		if status.Code == pb.RateLimitResponse_OVER_LIMIT {
			if quota {
				quotasExhausted++
				continue
			}
			refused = true
			closest, least = status, 0
		}
	}
	response.OverallCode = pb.RateLimitResponse_OK
	if refused || quotas > 0 && quotas == quotasExhausted {
		response.OverallCode = pb.RateLimitResponse_OVER_LIMIT
	}
	if closest != nil && s.options.Headers != (Headers{}) {
		response.ResponseHeadersToAdd = s.options.Headers.of(closest)
	}
	if response.OverallCode == pb.RateLimitResponse_OVER_LIMIT && s.options.Shadow {
		response.OverallCode = pb.RateLimitResponse_OK
		d.metrics.shadowed.Add(1)
	}
	if s.options.DynamicMetadata {
		response.DynamicMetadata = dynamicMetadata(req, questions, statuses)
	}
	return response
}

// tell writes the status of one descriptor, and counts it.
func (d *Door) tell(s *state, q *question, status *pb.RateLimitResponse_DescriptorStatus, reset *durationpb.Duration) {
	status.Code = pb.RateLimitResponse_OK
	if q.rule != nil && !q.unlimited && !q.refund {
		q.counters.total.Add(q.addend)
	}
	switch {
	case q.unlimited:
		status.LimitRemaining = math.MaxUint32
		return
	case q.rule == nil:
		return
	case q.counted() && q.answer.Source == sluice.SourceErrorPolicy: // the numbers mean nothing
		if !q.answer.Allowed {
			status.Code = pb.RateLimitResponse_OVER_LIMIT
			q.counters.over.Add(q.addend)
		}
		return
	}
	remaining, over, cached := q.outcome()
	status.CurrentLimit = q.rule.current
	d.setReset(q, reset)
	status.DurationUntilReset = reset
	if !over {
		status.LimitRemaining = uint32(min(remaining, math.MaxUint32))
		if q.refund {
			return // these are no hits
		}
		q.counters.within.Add(q.addend)
		q.counters.near.Add(nearHits(q.rule.Requests-remaining, int64(q.addend), q.rule.near))
		return
	}
	q.counters.over.Add(q.addend)
	if cached {
		q.counters.cached.Add(q.addend)
	}
	if q.rule.Shadow {
		q.counters.shadow.Add(q.addend)
		return
	}
	status.Code = pb.RateLimitResponse_OVER_LIMIT
}

// outcome says what is left, whether the descriptor is over its limit, and whether that is known from memory. One that
// looks without taking is over where nothing is left.
func (q *question) outcome() (remaining int64, over, cached bool) {
	switch {
	case q.rule.limit == nil: // the limit is 0
		return 0, q.addend > 0 && !q.refund, false
	case !q.counted():
		return 0, true, false
	case q.addend == 0:
		return q.answer.Remaining, q.answer.Remaining == 0, q.answer.Source == sluice.SourceDenyCache
	}
	return q.answer.Remaining, !q.refund && (!q.answer.Allowed || q.answer.ShadowDenied), q.answer.Source == sluice.SourceDenyCache
}

// nearHits returns how many of the hits that made a counter what it is are beyond the number where it is near its limit.
func nearHits(used, hits, near int64) uint64 {
	return uint64(min(hits, max(0, used-near)))
}

// setReset writes when the limit is whole again, in whole seconds, rounded up: for windows that start at whole periods
// when the next one does, for others when a refused request would be let through, or when nothing is used any more.
func (d *Door) setReset(q *question, reset *durationpb.Duration) {
	after := time.Duration(0)
	if q.counted() {
		after = q.answer.ResetAfter
		if !q.rule.aligned && !q.answer.Allowed && q.answer.RetryAfter != sluice.Never {
			after = q.answer.RetryAfter
		}
	}
	if after == 0 && q.rule.aligned {
		// Of a window that nobody has used the store says nothing.
		period := int64(q.rule.period / time.Second)
		reset.Seconds = period - d.now().Unix()%period
		return
	}
	reset.Seconds = int64((after + time.Second - 1) / time.Second)
}

// of returns the fields that tell of a limit.
func (h Headers) of(status *pb.RateLimitResponse_DescriptorStatus) []*core.HeaderValue {
	all := make([]*core.HeaderValue, 0, 3)
	add := func(name string, value uint64) {
		if name != "" {
			all = append(all, &core.HeaderValue{Key: name, Value: strconv.FormatUint(value, 10)})
		}
	}
	if status.CurrentLimit == nil { // nobody knows, because the store does not answer
		return nil
	}
	add(h.Limit, uint64(status.CurrentLimit.RequestsPerUnit))
	add(h.Remaining, uint64(status.LimitRemaining))
	add(h.Reset, uint64(status.DurationUntilReset.GetSeconds()))
	return all
}
