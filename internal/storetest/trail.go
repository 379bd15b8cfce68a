package storetest

import (
	"fmt"
	"strings"

	"github.com/sluice-project/sluice"
)

// trail is what was asked and answered, for the message of a test that failed.
type trail []exchange

type exchange struct {
	req      sluice.Request
	decision sluice.Decision
}

func (t *trail) add(req sluice.Request, d sluice.Decision) { *t = append(*t, exchange{req, d}) }

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
		if e.req.Policy != policy {
			policy = e.req.Policy
			fmt.Fprintf(&b, "under %s:\n", describe(policy.Limits))
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
