package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// Standing says what is known of a key besides its counters. The errors are [*UnknownError], [*sluice.InvalidError] and
// those of the store.
func (c *Control) Standing(ctx context.Context, policy, key string) (sluice.Standing, error) {
	return c.amend(ctx, sluice.Amendment{Policy: policy, Key: key})
}

// Block bars a key, in the place of a block that there is. The errors are those of [Control.Standing].
func (c *Control) Block(ctx context.Context, who, policy, key string, b sluice.Bar) (sluice.Standing, error) {
	now, known := c.clock.time()
	switch {
	case b.For != 0 || !known:
	case b.Until <= now:
		return sluice.Standing{}, &sluice.InvalidError{Field: "until", Problem: "it has passed; give an instant that is yet to come"}
	case b.Until-now > sluice.Tick(sluice.MaxPeriod.Microseconds()):
		return sluice.Standing{}, &sluice.InvalidError{Field: "until", Problem: "it is more than 366 days ahead; give an earlier instant, and block the key again before it has passed"}
	}
	var standing sluice.Standing
	line := Audit{Who: who, What: "block", Policy: policy, Key: shown(key), To: barText(b)}
	err := c.audited(ctx, &line, func(ctx context.Context) (err error) {
		if standing, err = c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Bar: &b}); err == nil {
			line.To = blockText(standing.Block)
		}
		return err
	})
	return standing, err
}

// Unblock ends a block, and forgets what counts towards the next penalty. The errors are those of [Control.Standing].
func (c *Control) Unblock(ctx context.Context, who, policy, key string) error {
	before, err := c.Standing(ctx, policy, key)
	if err != nil {
		return err
	}
	line := Audit{Who: who, What: "unblock", Policy: policy, Key: shown(key), From: blockText(before.Block)}
	return c.audited(ctx, &line, func(ctx context.Context) error {
		_, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Unbar: true})
		return err
	})
}

// Override gives a key limits of its own, in the place of such that it has. The errors are those of [Control.Standing].
func (c *Control) Override(ctx context.Context, who, policy, key string, e sluice.Exception) (sluice.Standing, error) {
	if now, known := c.clock.time(); known && e.Until != 0 && e.Until <= now {
		return sluice.Standing{}, &sluice.InvalidError{Field: "until", Problem: "it has passed; give an instant that is yet to come"}
	}
	standing, err := c.Standing(ctx, policy, key)
	if err != nil {
		return standing, err
	}
	line := Audit{
		Who: who, What: "override", Policy: policy, Key: shown(key), From: overrideText(standing.Override), To: exceptionText(e),
	}
	err = c.audited(ctx, &line, func(ctx context.Context) (err error) {
		if standing, err = c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Except: &e}); err == nil {
			line.To = overrideText(standing.Override)
		}
		return err
	})
	return standing, err
}

// RemoveOverride gives a key the limits of its policy again. The errors are those of [Control.Standing].
func (c *Control) RemoveOverride(ctx context.Context, who, policy, key string) error {
	before, err := c.Standing(ctx, policy, key)
	if err != nil {
		return err
	}
	line := Audit{Who: who, What: "remove override", Policy: policy, Key: shown(key), From: overrideText(before.Override)}
	return c.audited(ctx, &line, func(ctx context.Context) error {
		_, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Unexcept: true})
		return err
	})
}

// ResetKey forgets what a key has used of all limits of a policy. The errors are those of [Control.Standing].
func (c *Control) ResetKey(ctx context.Context, who, policy, key string) error {
	p, err := c.Policy(policy)
	if err != nil {
		return err
	}
	if err := sluice.ValidateKey(key); err != nil {
		return err
	}
	return c.audited(ctx, &Audit{Who: who, What: "reset", Policy: policy, Key: shown(key)}, func(ctx context.Context) error {
		return c.keys.Reset(ctx, &p.Policy.Policy, key)
	})
}

// List returns a page of the keys of a policy that have a block or an override of their own. The errors are those of
// [Control.Standing].
func (c *Control) List(ctx context.Context, l sluice.List) (sluice.Page, error) {
	if _, err := c.Policy(l.Policy); err != nil {
		return sluice.Page{}, err
	}
	return c.keys.List(ctx, l)
}

func (c *Control) amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if _, err := c.Policy(a.Policy); err != nil {
		return sluice.Standing{}, err
	}
	if err := a.Validate(); err != nil {
		return sluice.Standing{}, err
	}
	return c.keys.Amend(ctx, a)
}

// audited does something to a key and writes the line into the audit log, also where the store does not say whether it was
// done. Neither ends with the context: who changes a key must not get around the line by going away meanwhile. What was done
// stays done where the line cannot be written; then the server's own log has it, which does not depend on him either.
func (c *Control) audited(ctx context.Context, line *Audit, do func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	doing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := do(doing)
	if line.Uncertain = errors.Is(done, sluice.ErrUncertain); done != nil && !line.Uncertain {
		return done
	}
	writing, cancel := context.WithTimeout(ctx, patience) // what is left of the other may be nothing
	defer cancel()
	_, err := c.ledger.Commit(writing, ledger.Change{Append: []ledger.Append{c.auditLine(*line)}})
	if err == nil {
		return done
	}
	c.config.Logger.Error("a key was changed, and the audit log has no line of it",
		"who", line.Who, "what", line.What, "policy", line.Policy, "uncertain", line.Uncertain, "error", err)
	if done != nil {
		return fmt.Errorf("%w; and the audit log has no line of it: %w", done, err)
	}
	return fmt.Errorf("it is done, but the audit log has no line of it: %w", err)
}

// shown is a key as the audit log spells it.
func shown(key string) string {
	if utf8.ValidString(key) {
		return key
	}
	return strconv.Quote(key)
}

func blockText(b *sluice.Block) string {
	if b == nil {
		return ""
	}
	return barText(sluice.Bar{Until: b.Until, Reason: b.Reason})
}

// barText is a block that is meant, where it is not known when it began.
func barText(b sluice.Bar) string {
	text := "until " + instantText(b.Until)
	if b.For != 0 {
		text = "for " + sluice.DurationText(b.For)
	}
	if b.Reason != "" {
		text += ", " + b.Reason
	}
	return text
}

func overrideText(o *sluice.Override) string {
	if o == nil {
		return ""
	}
	return exceptionText(sluice.Exception{Limits: o.Limits, Until: o.Until})
}

// exceptionText is an override that is meant, where it is not known when it began.
func exceptionText(e sluice.Exception) string {
	text := limitsText(e.Limits)
	switch {
	case e.For != 0:
		text += ", for " + sluice.DurationText(e.For)
	case e.Until != 0:
		text += ", until " + instantText(e.Until)
	}
	return text
}

func instantText(at sluice.Tick) string {
	return time.UnixMicro(int64(at)).UTC().Format(time.RFC3339Nano)
}
