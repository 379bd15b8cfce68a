package control_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// meddling is a ledger of which something happens right after the next commit. It is for one goroutine.
type meddling struct {
	ledger.Ledger
	afterCommit func()
}

func (m *meddling) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	receipt, err := m.Ledger.Commit(ctx, c)
	if do := m.afterCommit; do != nil && err == nil {
		m.afterCommit = nil
		do()
	}
	return receipt, err
}

// TestAPutAnswersWithItsOwn has a schedule be changed, or deleted, by somebody else before it is read back: who has put it
// is told his own, with its revision, and not one that he does not know.
func TestAPutAnswersWithItsOwn(t *testing.T) {
	t.Parallel()
	const document = `{"cron":"@hourly","reset":{"policy":"api"}}`
	for _, name := range []string{"changed", "deleted"} {
		l := &meddling{Ledger: ledger.NewMemory(nil)}
		s, other := startOne(t, l), newServer(t, "other", l, newKeys(t))
		l.afterCommit = func() {
			var err error
			if name == "changed" {
				_, err = other.PutSchedule(t.Context(), operator, parseSchedule(t, "x", strings.Replace(document, "hourly", "daily", 1)), control.AnyRevision)
			} else {
				err = other.DeleteSchedule(t.Context(), operator, "x", control.AnyRevision)
			}
			if err != nil {
				t.Error(err)
			}
		}
		live, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, "x", document), control.AnyRevision)
		if err != nil || live.Cron != "@hourly" || live.Next.Sub(live.Last) <= 0 {
			t.Errorf("%s: PutSchedule = %+v, %v; want what was put", name, live, err)
		}
		if err := s.DeleteSchedule(t.Context(), operator, "x", live.Revision); err == nil {
			t.Errorf("%s: by the revision %s that was told, what somebody else has done was undone", name, live.Revision)
		}
	}
}

// TestTheAuditLogStaysSmall changes a policy whose document is long.
func TestTheAuditLogStaysSmall(t *testing.T) {
	t.Parallel()
	s := startOne(t, ledger.NewMemory(nil))
	p := parsePolicy(t, "api", `{"limits":["10/s"]}`)
	for _, pattern := range []string{strings.Repeat("a", 1000), strings.Repeat("\u20ac", 1000)} {
		for i := range 30 {
			p.Overrides = append(p.Overrides, policy.Override{Pattern: pattern + strings.Repeat("b", i), Limits: p.Limits})
		}
	}
	for range 2 {
		if _, err := s.PutPolicy(t.Context(), operator, p, control.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	lines, _, err := s.Audit(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"from": lines[0].From, "to": lines[0].To} {
		if len(text) < 16_000 || len(text) > 17_000 || !strings.HasPrefix(string(p.Document()), text[:16_000]) || !strings.HasSuffix(text, " bytes)") {
			t.Errorf("%s has %d bytes and ends in %q; want the first 16 KiB of the document, and how long it is", what, len(text), text[max(0, len(text)-30):])
		}
	}
}
