package sluice

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestZonesAreBounded shows that only zones that exist are kept, and no more than so many whatever the database holds.
func TestZonesAreBounded(t *testing.T) {
	before := zones.Load()
	t.Cleanup(func() { zones.Store(before) })
	zones.Store(nil)
	for n := range 100 {
		if _, problem := zoneOf(fmt.Sprintf("Europe/Nowhere%d", n)); !strings.Contains(problem, "is unknown") {
			t.Fatalf("a zone that does not exist: %s", problem)
		}
	}
	for n := 2; n < 40; n++ { // a file system takes all of these for the same
		for _, name := range []string{"Europe" + strings.Repeat("/", n) + "Berlin", "Etc" + strings.Repeat("/", n) + "UTC"} {
			if _, problem := zoneOf(name); !strings.Contains(problem, "is unknown") {
				t.Errorf("%q is a zone: %q", name, problem)
			}
		}
	}
	if zones.Load() != nil {
		t.Errorf("zones that do not exist were kept: %d", len(*zones.Load()))
	}
	berlin, problem := zoneOf("Europe/Berlin")
	if again, _ := zoneOf("Europe/Berlin"); problem != "" || berlin == nil || again != berlin {
		t.Errorf("Europe/Berlin is %p %s, and then %p", berlin, problem, again)
	}
	for n := range maxZones - 1 {
		if _, problem := keepZone(fmt.Sprintf("Zone%d", n), time.UTC); problem != "" {
			t.Fatal(problem)
		}
	}
	if _, problem := zoneOf("Europe/Paris"); !strings.Contains(problem, "one too many") {
		t.Errorf("zone %d: %q", maxZones+1, problem)
	}
	if again, _ := zoneOf("Europe/Berlin"); again != berlin {
		t.Error("a zone that was valid has ceased to be")
	}
}
