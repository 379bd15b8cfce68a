package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice/store/ledger"
)

// auditKept is how many changes the audit log keeps, about.
const auditKept = 10_000

// Audit is one change: who made it, when, and from what to what.
type Audit struct {
	// At is when, by the store's clock.
	At time.Time `json:"at,omitzero"`
	// Who made it: the name of a token, "certificate:NAME", "operator", "file", "schedule:NAME" or "server:NAME".
	Who string `json:"who"`
	// What was done: "put", "delete", "reset", "block", "unblock", "override", "remove override", "restored", "run".
	What string `json:"what"`
	// Policy, Schedule and Key are what it was done to; empty where they do not apply.
	Policy   string `json:"policy,omitzero"`
	Schedule string `json:"schedule,omitzero"`
	// Key is the key as it is, where it is UTF-8; else in Go's quoted form.
	Key string `json:"key,omitzero"`
	// From and To are what it was before and is now, as documents or words; empty where there was or is nothing. Of a
	// document of more than 16 KiB it is the beginning, and how long it is.
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
	// Uncertain says that the store did not say whether it was done: it may have been. To is then what was meant.
	Uncertain bool `json:"uncertain,omitzero"`
}

// Audit returns up to most changes, the newest first, from those before a cursor; "" begins with the newest. The cursor
// that is returned is "" where there are no more.
func (c *Control) Audit(ctx context.Context, before string, most int) ([]Audit, string, error) {
	return readLog(ctx, c.ledger, auditLog, before, most, func(a *Audit, at time.Time) { a.At = at })
}

// auditLine is a change as the log keeps it; when it was made the ledger adds by itself.
func (c *Control) auditLine(a Audit) ledger.Append {
	a.From, a.To = shortened(a.From), shortened(a.To)
	return line(auditLog, a, auditKept)
}

// mostAudited is how many bytes of a document the audit log shows: all of most, and so many lines are no burden.
const mostAudited = 16 << 10

// shortened is a text as the audit log has it.
func shortened(text string) string {
	if len(text) <= mostAudited {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:mostAudited], ""), len(text))
}

func line(log string, value any, keep int) ledger.Append {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of a struct of texts and times
	}
	return ledger.Append{Log: log, Value: text, Keep: keep}
}

func readLog[T any](ctx context.Context, l ledger.Ledger, log, before string, most int, at func(*T, time.Time)) ([]T, string, error) {
	lines, cursor, err := l.Log(ctx, log, before, most)
	if err != nil {
		return nil, "", err
	}
	all := make([]T, len(lines))
	for i, n := range lines {
		if err := json.Unmarshal(n.Value, &all[i]); err != nil {
			return nil, "", fmt.Errorf("the log %s holds a line that cannot be read: %w", log, err)
		}
		at(&all[i], time.UnixMicro(int64(n.At)).UTC())
	}
	return all, cursor, nil
}
