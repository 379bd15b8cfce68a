package redisstore_test

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestCalendarByRedisClock has a server whose clock is a window or years off ask for limits of a calendar: Redis's clock
// chooses the window, whatever the server has thought, and a check is charged once.
func TestCalendarByRedisClock(t *testing.T) {
	t.Parallel()
	redis := redistest.Shared(t)
	limit := sluice.PerCalendar(5, sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 15})
	policy := sluice.Policy{Name: "calendar", Limits: []sluice.Limit{limit, sluice.PerDay(100)}}
	calendar, _ := limit.Calendar()
	now := sluice.Tick(time.Now().UnixMicro())
	start, end := calendar.Window(now)
	span := func(ticks sluice.Tick) time.Duration { return time.Duration(ticks) * time.Microsecond }
	for name, off := range map[string]time.Duration{
		"right": 0, "a year behind": -365 * 24 * time.Hour, "ten years ahead": 3650 * 24 * time.Hour,
		"in the window before": span(start-now) - time.Hour, "in the window after": span(end-now) + time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			store, err := redisstore.New(newClient(t, redis.URL()), redisstore.Config{Timeout: patient, Prefix: "calendar" + name + ":"})
			if err != nil {
				t.Fatal(err)
			}
			store.SetClock(func() time.Time { return time.Now().Add(off) })
			l, err := sluice.New(store, policy)
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(7) {
				before := sluice.Tick(time.Now().UnixMicro())
				d, err := l.Check(t.Context(), "k", 1)
				if err != nil || d.Allowed != (i < 5) || d.Remaining != max(0, 4-i) {
					t.Fatalf("check %d: %v, %v; want %d remaining", i, d, err, max(0, 4-i))
				}
				_, end := calendar.Window(before)
				month := d.Limits()[0]
				if left := span(end - before); month.ResetAfter > left || month.ResetAfter < left-patient {
					t.Errorf("check %d: the window ends in %s, want about %s", i, month.ResetAfter, left)
				}
			}
			asks := []sluice.Ask{{Key: "a", Cost: 2}, {Key: "b", Cost: 2}, {Key: "a", Cost: 2}, {Key: "a", Cost: 2}}
			for i, r := range l.CheckAll(t.Context(), asks) {
				if r.Err != nil || r.Decision.Allowed != (i < 3) {
					t.Errorf("check %d of a batch: %v, %v", i, r.Decision, r.Err)
				}
			}
		})
	}
}
