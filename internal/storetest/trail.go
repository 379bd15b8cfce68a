package storetest

import (
	"fmt"
	"strings"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
)

// trail is what was asked and answered, for the message of a test that failed.
type trail []exchange

type exchange struct {
	req      sluice.Request
	decision sluice.Decision
	amended  string // in place of both, what else was done and what came of it
}

func (t *trail) add(req sluice.Request, d sluice.Decision) {
	*t = append(*t, exchange{req: req, decision: d})
}

func (t *trail) addAmendment(a sluice.Amendment, st sluice.Standing) {
	*t = append(*t, exchange{amended: fmt.Sprintf("at %d: %s: %s", a.At, change(a), describeStanding(st))})
}

func (t *trail) addLoan(a lease.Ask, is lease.Answer) {
	*t = append(*t, exchange{amended: fmt.Sprintf("at %d: lend: held %+v, spent %d, keep %t, want %d: %+v kept %t, stands %t, %+v",
		a.At, a.Held, a.Spent, a.Keep, a.Want, is.Loan, is.Kept, is.Stands, is.Limits)})
}

// String returns the last of it, a line for each exchange and for each change of limits.
func (t trail) String() string {
	const most = 60
	var b strings.Builder
	var policy *sluice.Policy
	if len(t) > most {
		fmt.Fprintf(&b, "(%d before)\n", len(t)-most)
		t = t[len(t)-most:]
	}
	for _, e := range t {
		if e.amended != "" {
			fmt.Fprintln(&b, e.amended)
			continue
		}
		if e.req.Policy != policy {
			policy = e.req.Policy
			fmt.Fprintf(&b, "under %s:\n", describe(policy.Limits))
			if p := policy.Penalty; p != nil {
				fmt.Fprintf(&b, "\tpenalty %+v\n", *p)
			}
		}
		fmt.Fprintf(&b, "at %d: %s: %s\n", e.req.At, question(e.req), e.decision)
	}
	return b.String()
}

// question returns a request as text.
func question(req sluice.Request) string {
	verb := "check"
	if req.Peek {
		verb = "peek"
	}
	if req.Uncounted {
		verb = "uncounted " + verb
	}
	if req.Refund > 0 {
		verb = fmt.Sprintf("refund of %d and", req.Refund)
	}
	if req.Refusals > 0 {
		verb = fmt.Sprintf("after %d refusals elsewhere, %s", req.Refusals, verb)
	}
	return fmt.Sprintf("%s %d for %.40q", verb, req.Cost, req.Key)
}

// describe returns limits as text.
func describe(limits []sluice.Limit) string {
	var all []string
	for _, l := range limits {
		all = append(all, l.Name()+": "+l.String())
	}
	return strings.Join(all, ", ")
}

// change returns an amendment as text.
func change(a sluice.Amendment) string {
	text := fmt.Sprintf("standing of %.40q", a.Key)
	if b := a.Bar; b != nil {
		text += fmt.Sprintf(", barred for %d ns or until %d (%.20s)", b.For, b.Until, b.Reason)
	}
	if a.Unbar {
		text += ", unbarred"
	}
	if e := a.Except; e != nil {
		text += fmt.Sprintf(", given %s for %d ns or until %d", describe(e.Limits), e.For, e.Until)
	}
	if a.Unexcept {
		text += ", limits taken back"
	}
	return text
}

// describeStanding returns a standing as text.
func describeStanding(s sluice.Standing) string {
	text := fmt.Sprintf("%d refusals, %d past blocks", s.Refusals, s.Blocks)
	if b := s.Block; b != nil {
		text += fmt.Sprintf(", barred until %d (%.20s, penalty %t)", b.Until, b.Reason, b.Penalty)
	}
	if o := s.Override; o != nil {
		text += fmt.Sprintf(", with %s until %d", describe(o.Limits), o.Until)
	}
	return text
}
