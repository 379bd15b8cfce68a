package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
)

// outboxValue is what a tick does to a key: how the key shall be from then on, so that doing it twice does no harm.
type outboxValue struct {
	Policy string        `json:"policy"`
	Key    []byte        `json:"key"`
	Limits []outboxLimit `json:"limits,omitzero"` // of an override; none of a block
	Until  sluice.Tick   `json:"until,omitzero"`
	Reason string        `json:"reason,omitzero"`
}

type outboxLimit struct {
	Name  string       `json:"name"`
	Limit sluice.Limit `json:"limit"`
}

// outboxEntry is what a tick at an instant leaves to be done to a key, the same in words, and when it ends; 0 where it
// is for good. Where the same of the key still waits to be done, it stands in the place of that: the entry is named by
// what is done to which key, which no log shows in clear.
func outboxEntry(s schedule.Schedule, at sluice.Tick) (entry ledger.Entry, text string, ends sluice.Tick) {
	var value outboxValue
	until := func(d time.Duration) sluice.Tick {
		if d == 0 {
			return 0
		}
		return at + sluice.Tick(d.Microseconds())
	}
	if b := s.Job.Block; b != nil {
		value = outboxValue{Policy: b.Policy, Key: []byte(b.Key), Until: until(b.For), Reason: b.Reason}
		text = blockText(&sluice.Block{Until: value.Until, Reason: b.Reason})
	} else {
		o := s.Job.Override
		value = outboxValue{Policy: o.Policy, Key: []byte(o.Key), Until: until(o.For)}
		for _, l := range o.Limits {
			value.Limits = append(value.Limits, outboxLimit{l.Name(), l})
		}
		text = overrideText(&sluice.Override{Limits: o.Limits, Until: value.Until})
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // of limits that were validated
	}
	sum := sha256.Sum256(value.Key)
	name := fmt.Sprintf("%s/%s/%x", s.Job.Kind(), value.Policy, sum[:16])
	return ledger.Entry{Kind: outboxKind, Name: name, Value: encoded}, text, value.Until
}

// empty does what waits in the outbox. Several servers may do the same at once: it says how a key shall be.
func (c *Control) empty(ctx context.Context) error {
	var errs []error
	for _, e := range c.view.Load().outbox {
		if err := c.send(ctx, e); err != nil {
			errs = append(errs, fmt.Errorf("outbox %s: %w", e.Name, err))
		}
	}
	return errors.Join(errs...)
}

// send does what one entry of the outbox says, and takes the entry away.
func (c *Control) send(ctx context.Context, e ledger.Entry) error {
	var value outboxValue
	if err := json.Unmarshal(e.Value, &value); err != nil {
		return err
	}
	a := sluice.Amendment{Policy: value.Policy, Key: string(value.Key)}
	if value.Limits == nil {
		a.Bar = &sluice.Bar{Until: value.Until, Reason: value.Reason}
	} else {
		a.Except = &sluice.Exception{Until: value.Until}
		for _, l := range value.Limits {
			a.Except.Limits = append(a.Except.Limits, l.Limit.WithName(l.Name))
		}
	}
	if now, _ := c.clock.time(); value.Until == 0 || value.Until > now { // what has ended must not end what came after it
		if _, err := c.keys.Amend(ctx, a); err != nil {
			return err
		}
	}
	_, err := c.commit(ctx, ledger.Change{
		Expect: []ledger.Expectation{{Kind: outboxKind, Name: e.Name, Revision: e.Revision}},
		Delete: []ledger.Entry{{Kind: outboxKind, Name: e.Name}},
	})
	if conflict := (*ledger.ConflictError)(nil); errors.As(err, &conflict) {
		return nil // another server was faster
	}
	return err
}

// limitsText is the limits of a policy as people read them.
func limitsText(limits []sluice.Limit) string {
	texts := make([]string, len(limits))
	for i, l := range limits {
		texts[i] = l.Name() + ": " + l.String()
	}
	return strings.Join(texts, ", ")
}
