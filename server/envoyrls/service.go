package envoyrls

import (
	"context"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// few is how many descriptors, and entries of one, are looked at without allocating for it.
const few = 8

// What upstream answers requests that it cannot read, in its own words and with its own code, because callers may look
// for them.
var (
	errNoConfig      = status.Error(codes.Unknown, "no rate limit configuration loaded")
	errNoDomain      = status.Error(codes.Unknown, "rate limit domain must not be empty")
	errNoDescriptors = status.Error(codes.Unknown, "rate limit descriptor list must not be empty")
)

// question is one descriptor of a request, and what it is answered.
type question struct {
	rule      *rule // nil where there is none, or another replaces it
	unlimited bool
	replaced  bool
	key       string
	addend    uint64
	refund    bool      // the addend goes back, and nobody asks to be let through
	counters  *counters // nil where there is no rule
	answer    engine.Answer
}

// ShouldRateLimit answers one request.
func (d *Door) ShouldRateLimit(ctx context.Context, req *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	response, err := d.decide(ctx, req)
	if err != nil {
		d.metrics.errors.Add(1)
	}
	return response, err
}

func (d *Door) decide(ctx context.Context, req *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	s := d.state.Load()
	switch {
	case req.GetDomain() == "":
		return nil, errNoDomain
	case len(req.GetDescriptors()) == 0:
		return nil, errNoDescriptors
	case s == nil:
		return nil, errNoConfig
	}
	if err := sizeOf(req); err != nil {
		return nil, err
	}
	if !s.config.Knows(req.GetDomain()) {
		d.metrics.unknownDomain.Add(1)
	}
	var room [few]question
	questions := room[:0]
	for _, descriptor := range req.GetDescriptors() {
		q, err := d.read(s, req, descriptor)
		if err != nil {
			return nil, err
		}
		questions = append(questions, q)
	}
	replace(questions)
	d.ask(ctx, questions)
	return d.answer(s, req, questions), nil
}

// sizeOf says why a request is refused that has too much in it.
func sizeOf(req *pb.RateLimitRequest) error {
	entries := 0
	for _, descriptor := range req.GetDescriptors() {
		entries += len(descriptor.GetEntries())
	}
	return size(len(req.GetDescriptors()), entries)
}

// read finds the rule and the counter of a descriptor.
func (d *Door) read(s *state, req *pb.RateLimitRequest, from *common.RateLimitDescriptor) (question, error) {
	q := question{addend: max(1, uint64(req.GetHitsAddend()))}
	if own := from.GetHitsAddend(); own != nil {
		q.addend = own.GetValue() // 0 looks and takes nothing
	}
	if from.GetIsNegativeHits() && q.addend > 0 {
		q.refund, q.addend = true, min(q.addend, sluice.MaxCount) // more than that no limit holds
	}
	if !s.config.Knows(req.GetDomain()) {
		return q, nil
	}
	var room [few]config.Entry
	entries := room[:0]
	for _, e := range from.GetEntries() {
		entries = append(entries, config.Entry{Key: e.GetKey(), Value: e.GetValue()})
	}
	var match config.Match
	if limit := from.GetLimit(); limit != nil {
		rule, err := s.overrides.find(limit)
		if err != nil {
			return q, err
		}
		q.rule, q.counters = rule, rule.counters
	} else if match = s.config.Match(req.GetDomain(), entries); match.Rule != nil {
		q.rule = s.rules[match.Rule.ID]
		q.unlimited = q.rule.Unlimited
		q.counters = q.rule.counters
		if match.Rule.ByValue || match.Rule.DetailedMetric {
			q.counters = d.metrics.byValue(match.Rule, func() string { return s.config.Name(req.GetDomain(), entries) })
		}
	}
	if q.rule != nil && q.rule.limit != nil {
		var room [256]byte
		q.key = config.Key(match.AppendKey(room[:0], s.config, req.GetDomain(), entries))
	}
	return q, nil
}

// replace takes out the rules that others of the request replace. Those without a limit replace too, and cannot be
// replaced.
func replace(questions []question) {
	for i := range questions {
		if questions[i].rule == nil {
			continue
		}
		for _, name := range questions[i].rule.Replaces {
			for j := range questions {
				if r := questions[j].rule; r != nil && !questions[j].unlimited && r.Name == name {
					questions[j].replaced = true
				}
			}
		}
	}
	for i := range questions {
		if questions[i].replaced {
			questions[i].rule = nil
		}
	}
}

// ask puts all questions that need a counter to the engine, as one batch.
func (d *Door) ask(ctx context.Context, questions []question) {
	ctx, cancel := d.within(ctx)
	defer cancel()
	var room [few]engine.RuleQuery
	queries := room[:0]
	var last *question
	for i := range questions {
		if q := &questions[i]; q.counted() {
			queries = append(queries, q.query())
			last = q
		}
	}
	switch len(queries) {
	case 0:
		return
	case 1:
		last.take(d.engine.CheckRule(ctx, queries[0]))
	default:
		results := d.engine.CheckRules(ctx, queries)
		for i := range questions {
			if questions[i].counted() {
				questions[i].take(results[0].Answer, results[0].Err)
				results = results[1:]
			}
		}
	}
	d.takeRest(ctx, questions)
}

// counted reports whether there is a counter that can tell.
func (q *question) counted() bool {
	return q.rule != nil && q.rule.limit != nil && q.addend <= sluice.MaxCount
}

// query is what the engine is asked.
func (q *question) query() engine.RuleQuery {
	if q.refund {
		return engine.RuleQuery{Rule: q.rule.limit, Key: q.key, Refund: int64(q.addend)}
	}
	return engine.RuleQuery{Rule: q.rule.limit, Key: q.key, Cost: int64(q.addend)}
}

// take notes what the engine answers. All queries are legal, so that there is an error only where the store did not answer
// one to give something back: then nobody knows the numbers, and nobody is refused.
func (q *question) take(a engine.Answer, err error) {
	if err != nil {
		a.Decision = sluice.Decision{Allowed: true, Source: sluice.SourceErrorPolicy}
	}
	q.answer = a
}

// takeRest takes what is left of rules that charge for refused requests, for those that wanted more.
func (d *Door) takeRest(ctx context.Context, questions []question) {
	var queries []engine.RuleQuery
	for i := range questions {
		q := &questions[i]
		if q.counted() && q.rule.ChargeRefused && q.addend > 0 && !q.refund && (!q.answer.Allowed || q.answer.ShadowDenied) && q.answer.Remaining > 0 {
			queries = append(queries, engine.RuleQuery{Rule: q.rule.limit, Key: q.key, Cost: q.answer.Remaining})
		}
	}
	if queries != nil {
		d.engine.CheckRules(ctx, queries) // where others were faster there is less left, and that is as good
	}
}

const (
	// answerPart is the part of the time that a caller gives which is kept to answer in, at most answerTime.
	answerPart = 4
	answerTime = 50 * time.Millisecond
)

// within returns a context that ends early enough for the caller to get what on_error says, where the store may take
// longer than the caller waits. Envoy waits 20 ms unless told otherwise.
func (d *Door) within(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return ctx, func() {}
	}
	left := time.Until(deadline)
	kept := min(left/answerPart, answerTime)
	if d.timeout > 0 && left-kept > d.timeout {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-kept))
}
