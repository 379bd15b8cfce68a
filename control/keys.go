package control

import (
	"context"
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
	standing, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Bar: &b})
	if err != nil {
		return standing, err
	}
	return standing, c.note(ctx, Audit{Who: who, What: "block", Policy: policy, Key: shown(key), To: blockText(standing.Block)})
}

// Unblock ends a block, and forgets what counts towards the next penalty. The errors are those of [Control.Standing].
func (c *Control) Unblock(ctx context.Context, who, policy, key string) error {
	before, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key})
	if err == nil {
		_, err = c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Unbar: true})
	}
	if err != nil {
		return err
	}
	return c.note(ctx, Audit{Who: who, What: "unblock", Policy: policy, Key: shown(key), From: blockText(before.Block)})
}

// Override gives a key limits of its own, in the place of such that it has. The errors are those of [Control.Standing].
func (c *Control) Override(ctx context.Context, who, policy, key string, e sluice.Exception) (sluice.Standing, error) {
	if now, known := c.clock.time(); known && e.Until != 0 && e.Until <= now {
		return sluice.Standing{}, &sluice.InvalidError{Field: "until", Problem: "it has passed; give an instant that is yet to come"}
	}
	before, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key})
	if err != nil {
		return before, err
	}
	standing, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Except: &e})
	if err != nil {
		return standing, err
	}
	return standing, c.note(ctx, Audit{
		Who: who, What: "override", Policy: policy, Key: shown(key), From: overrideText(before.Override), To: overrideText(standing.Override),
	})
}

// RemoveOverride gives a key the limits of its policy again. The errors are those of [Control.Standing].
func (c *Control) RemoveOverride(ctx context.Context, who, policy, key string) error {
	before, err := c.amend(ctx, sluice.Amendment{Policy: policy, Key: key})
	if err == nil {
		_, err = c.amend(ctx, sluice.Amendment{Policy: policy, Key: key, Unexcept: true})
	}
	if err != nil {
		return err
	}
	return c.note(ctx, Audit{Who: who, What: "remove override", Policy: policy, Key: shown(key), From: overrideText(before.Override)})
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
	if err := c.keys.Reset(ctx, &p.Policy.Policy, key); err != nil {
		return err
	}
	return c.note(ctx, Audit{Who: who, What: "reset", Policy: policy, Key: shown(key)})
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

// note writes a line into the audit log for what was done to a key. What was done stays done where that fails.
func (c *Control) note(ctx context.Context, a Audit) error {
	if _, err := c.ledger.Commit(ctx, ledger.Change{Append: []ledger.Append{c.auditLine(a)}}); err != nil {
		return fmt.Errorf("it is done, but the audit log has no line of it: %w", err)
	}
	return nil
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
	text := "until " + instantText(b.Until)
	if b.Reason != "" {
		text += ", " + b.Reason
	}
	return text
}

func overrideText(o *sluice.Override) string {
	if o == nil {
		return ""
	}
	text := limitsText(o.Limits)
	if o.Until != 0 {
		text += ", until " + instantText(o.Until)
	}
	return text
}

func instantText(at sluice.Tick) string {
	return time.UnixMicro(int64(at)).UTC().Format(time.RFC3339Nano)
}
