package respapi

import (
	"errors"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
)

// readCheck reads the arguments of SL.CHECK or SL.PEEK; fault says what is wrong with them, "" where nothing is. The key is
// left to whoever decides the query.
func readCheck(args [][]byte, peek bool) (q engine.Query, fault string) {
	q = engine.Query{Policy: string(args[1]), Cost: 1, Peek: peek}
	if len(args) > 3 {
		n, ok := wholeNumber(args[3])
		if !ok {
			return q, "ERR cost: it is " + quoted(args[3]) + "; it must be a whole number, in digits"
		}
		q.Cost = n
	}
	return q, ""
}

// answerCheck appends what a policy says of a key, by the names and in the units of the HTTP door. A look tells of each
// limit, too.
func (r *reply) answerCheck(result *engine.Result, peek bool) {
	if result.Err != nil {
		r.fail(errorText(result.Err))
		return
	}
	a := &result.Answer
	pairs := 6
	block, barred := a.Blocked()
	if barred {
		pairs += 2
	}
	if a.ShadowDenied {
		pairs++
	}
	if peek {
		pairs++
	}
	r.mapping(pairs)
	r.text("allowed")
	r.boolean(a.Allowed)
	r.text("remaining")
	r.integer(a.Remaining)
	r.text("retry_after_ms")
	if a.RetryAfter == sluice.Never {
		r.null()
	} else {
		r.integer(milliseconds(a.RetryAfter))
	}
	r.text("reset_after_ms")
	r.integer(milliseconds(a.ResetAfter))
	r.text("denied_by")
	denied := a.DeniedBy()
	r.array(len(denied))
	for _, name := range denied {
		r.text(name)
	}
	r.text("source")
	r.text(a.Source.String())
	if barred {
		r.text("blocked_until")
		r.text(time.UnixMicro(int64(block.Until)).UTC().Format(time.RFC3339Nano))
		r.text("blocked_reason")
		r.text(block.Reason)
	}
	if a.ShadowDenied {
		r.text("shadow_denied")
		r.boolean(true)
	}
	if peek {
		r.text("limits")
		r.limits(a)
	}
}

func (r *reply) limits(a *engine.Answer) {
	limits := a.Limits()
	r.array(len(limits))
	for _, l := range limits {
		r.mapping(4)
		r.text("name")
		r.text(l.Limit.Name())
		r.text("limit")
		r.text(l.Limit.String())
		r.text("remaining")
		r.integer(l.Remaining)
		r.text("reset_after_ms")
		r.integer(milliseconds(l.ResetAfter))
	}
}

// milliseconds returns a time in whole milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// errorText is an error as this door sends it.
func errorText(err error) string {
	var (
		unnamed *engine.UnknownPolicyError
		unknown *control.UnknownError
		invalid *sluice.InvalidError
	)
	if errors.As(err, &unnamed) || errors.As(err, &unknown) || errors.As(err, &invalid) {
		return "ERR " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return "ERR store: " + storeText(err)
}

// storeText says of an error of the store whether something may have been done.
func storeText(err error) string {
	if errors.Is(err, sluice.ErrUncertain) {
		return err.Error() + "; it may be done all the same"
	}
	return err.Error() + "; ask again later"
}
