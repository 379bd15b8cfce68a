package config_test

import (
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// TestUpstreamsFiles reads files in the shapes that upstream's users have.
func TestUpstreamsFiles(t *testing.T) {
	t.Parallel()
	c, err := config.Load("testdata", config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		domain, entries string
		requests        int64 // -1: no rule, -2: unlimited
		unit            config.Unit
	}{
		{"messages", "kind=promotion number=1", 5, config.Day},
		{"messages", "number=1", 100, config.Day},
		{"messages", "kind=promotion", -1, 0},
		{"messages", "kind=other number=1", -1, 0},
		{"addresses", "remote_address=192.0.2.1", 10, config.Second},
		{"addresses", "remote_address=192.0.2.66", 0, config.Second},
		{"addresses", "remote_address=192.0.2.67", -1, 0}, // a descriptor without a limit
		{"addresses", "internal=", -2, 0},
	} {
		m := c.Match(test.domain, entries(test.entries))
		got := int64(-1)
		if m.Rule != nil {
			got = m.Rule.Requests
		}
		if m.Rule != nil && m.Rule.Unlimited {
			got = -2
		}
		if got != test.requests || m.Rule != nil && m.Rule.Unit != test.unit {
			t.Errorf("%s of %s matches %+v, want %d a %s", test.entries, test.domain, m.Rule, test.requests, strings.ToLower(test.unit.String()))
		}
	}
}
