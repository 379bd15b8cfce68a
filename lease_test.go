package sluice_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

func TestLeaseValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lease sluice.Lease
		want  []string // what it says, a fault each; nil: legal
	}{
		{sluice.Lease{Share: 10, TTL: time.Second}, nil},
		{sluice.Lease{Share: 1, TTL: 10 * time.Millisecond}, nil},
		{sluice.Lease{Share: 100, TTL: time.Minute}, nil},
		{sluice.Lease{Share: 0, TTL: time.Second}, []string{"share: it is 0%; it must be 1% to 100%"}},
		{sluice.Lease{Share: 101, TTL: time.Second}, []string{"share: it is 101%"}},
		{sluice.Lease{Share: 10, TTL: time.Millisecond}, []string{"ttl: it is 1ms; it must be 10ms to 1m"}},
		{sluice.Lease{Share: 10, TTL: time.Minute + time.Millisecond}, []string{"ttl: it is 60001ms"}},
		{sluice.Lease{Share: 10, TTL: time.Second + 1}, []string{"ttl: it is 1.000000001s; it must be whole milliseconds"}},
		{sluice.Lease{}, []string{"share: it is 0%", "ttl: it is 0s"}},
	} {
		err := test.lease.Validate()
		if test.want == nil {
			if err != nil {
				t.Errorf("%+v: %v, want no fault", test.lease, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%+v has no fault, want %q", test.lease, test.want)
			continue
		}
		got := strings.Split(err.Error(), "\n")
		for i, want := range test.want {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Errorf("%+v: faults %q, want %q", test.lease, got, test.want)
			}
		}
	}
}

// TestPolicyOwnsItsLease changes a lease after the limiter was made of it.
func TestPolicyOwnsItsLease(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerSecond(1)}, Lease: &sluice.Lease{Share: 10, TTL: time.Second}}
	l, err := sluice.New(store, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Lease.Share = 50
	l.Policy().Lease.Share = 60
	if got := l.Policy().Lease.Share; got != 10 {
		t.Errorf("the share is %d, want 10 as it was", got)
	}
	p.Lease = &sluice.Lease{Share: 10}
	if _, err := sluice.New(store, p); err == nil || !strings.Contains(err.Error(), "lease.ttl: it is 0s") {
		t.Errorf("New with a lease of no time: %v, want the fault of lease.ttl", err)
	}
}

func TestParseShare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"10%": 10, "1%": 1, "100%": 100, "0%": 0, "101%": 101} {
		got, err := sluice.ParseShare(text)
		if err != nil || got != want {
			t.Errorf("ParseShare(%q) = %d, %v, want %d", text, got, err, want)
		}
		if back := (sluice.Lease{Share: got}).ShareText(); back != text {
			t.Errorf("ShareText of %d = %q, want %q", got, back, text)
		}
	}
	for _, text := range []string{"", "%", "10", "10 %", "-1%", "+1%", "1.5%", "10%%", "ten%", "99999999999999999999%"} {
		_, err := sluice.ParseShare(text)
		want := fmt.Sprintf(`share: %q is no share; write whole percent, as in "10%%"`, text)
		if invalid := (*sluice.InvalidError)(nil); !errors.As(err, &invalid) || err.Error() != want {
			t.Errorf("ParseShare(%q): %v, want %s", text, err, want)
		}
	}
}
