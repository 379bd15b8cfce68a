package control_test

import (
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/store/ledger"
)

// TestResetsStay shows that the instant of a policy's reset grows with each, and that no other change takes it back.
func TestResetsStay(t *testing.T) {
	t.Parallel()
	s := newServer(t, "s", ledger.NewMemory(nil), newKeys(t))
	put := func(document string) {
		t.Helper()
		if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", document), control.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	resetAt := func() sluice.Tick {
		t.Helper()
		live, err := s.Policy("api")
		if err != nil {
			t.Fatal(err)
		}
		return live.ResetAt
	}
	put(`{"limits":["10/s"]}`)
	last := resetAt()
	for _, document := range []string{`{"limits":["20/s"]}`, `{"limits":["30/s"]}`} {
		if err := s.ResetPolicy(t.Context(), operator, "api"); err != nil {
			t.Fatal(err)
		}
		reset := resetAt()
		if put(document); reset <= last || resetAt() != reset {
			t.Errorf("the policy was reset at %d, and at %d after a change; want the same, after %d", reset, resetAt(), last)
		}
		last = reset
	}
}
