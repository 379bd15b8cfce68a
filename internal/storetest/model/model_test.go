package model_test

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
)

const (
	second = 1_000_000 // in ticks
	never  = -1
	peek   = true
)

// row is one check and its answer, reckoned by hand. Times are in ticks.
type row struct {
	at, cost     int64 // a cost of less than 0 is given back
	peek         bool
	allowed      bool
	remaining    int64
	retry, reset int64
}

func TestOneLimit(t *testing.T) {
	const year = 366 * 24 * 3600 * second
	const maxWait = 1<<53 - 1
	for limit, rows := range map[string][]row{
		"10/s burst 20": {
			{at: 1_000_000, cost: 1, allowed: true, remaining: 19, reset: 100_000},
			{at: 1_000_000, cost: 20, remaining: 19, retry: 100_000, reset: 100_000},
			{at: 1_099_999, cost: 20, remaining: 19, retry: 1, reset: 1},
			{at: 1_100_000, cost: 20, allowed: true, remaining: 0, reset: 2 * second},
			// The clock steps back to before the anchor: nothing comes back until it is reached again.
			{at: 1_050_000, cost: 1, remaining: 0, retry: 150_000, reset: 2_050_000},
			{at: 3_099_999, cost: 20, remaining: 19, retry: 1, reset: 1},
			{at: 3_100_000, cost: 20, allowed: true, remaining: 0, reset: 2 * second},
			// Exactly one period behind the anchor, then one tick more: all used now.
			{at: 2_100_000, cost: 1, remaining: 0, retry: 1_100_000, reset: 3 * second},
			{at: 2_099_999, cost: 1, peek: peek, remaining: 0, retry: 100_000, reset: 2 * second},
			{at: 2_199_998, cost: 1, remaining: 0, retry: 1, reset: 1_900_001},
			{at: 2_199_999, cost: 1, allowed: true, remaining: 0, reset: 2 * second},
			{at: 2_199_999, cost: 21, remaining: 0, retry: never, reset: 2 * second},
		},
		"7/s burst 7": { // 142857 1/7 ticks a unit: no part of a tick gets lost
			{at: 1, cost: 7, allowed: true, remaining: 0, reset: 1_000_000},
			{at: 1, cost: 1, remaining: 0, retry: 142_858, reset: 1_000_000},
			{at: 142_858, cost: 1, remaining: 0, retry: 1, reset: 857_143},
			{at: 142_859, cost: 1, allowed: true, remaining: 0, reset: 1_000_000},
			{at: 142_859, cost: 1, remaining: 0, retry: 142_857, reset: 1_000_000},
			{at: 142_859 + 142_857, cost: 1, allowed: true, remaining: 0, reset: 1_000_000},
			{at: 142_859 + 142_857, cost: 1, remaining: 0, retry: 142_857, reset: 1_000_000},
			// Two periods later the anchor moves on by one, so a step back before that finds nothing earned.
			{at: 1 + 8*second/7 + 1, cost: 1, allowed: true, remaining: 5, reset: 285_714},
		},
		"1/366d burst 4294967295": {
			{at: 1, cost: 4294967295, allowed: true, remaining: 0, reset: maxWait},
			{at: 1, cost: 1, remaining: 0, retry: year, reset: maxWait},
			{at: 1, cost: 4294967295, remaining: 0, retry: maxWait, reset: maxWait},
			{at: year, cost: 1, remaining: 0, retry: 1, reset: maxWait},
			{at: year + 1, cost: 1, allowed: true, remaining: 0, reset: maxWait},
		},
		"4294967295/s burst 4294967295": { // 4294.967295 units a tick
			{at: 1, cost: 4294967295, allowed: true, remaining: 0, reset: second},
			{at: 2, cost: 4295, remaining: 4294, retry: 1, reset: 999_999},
			{at: 3, cost: 8589, allowed: true, remaining: 0, reset: 1_000_000}, // 0.934590 of a unit stays
			{at: 4, cost: 4295, allowed: true, remaining: 0, reset: 1_000_000},
		},
		"2/s": {
			{at: 1_000_000, cost: 1, allowed: true, remaining: 1, reset: second},
			{at: 1_400_000, cost: 1, allowed: true, remaining: 0, reset: second},
			{at: 1_999_999, cost: 1, remaining: 0, retry: 1, reset: 400_001},
			{at: 1_999_999, cost: 2, remaining: 0, retry: 400_001, reset: 400_001},
			{at: 2_000_000, cost: 1, allowed: true, remaining: 0, reset: second},
			{at: 2_000_000, cost: 3, remaining: 0, retry: never, reset: second},
			// A step back: what a write has dropped stays dropped.
			{at: 1_500_000, cost: 1, remaining: 0, retry: 900_000, reset: 1_500_000},
			{at: 1_000_000, cost: 1, remaining: 0, retry: 1_400_000, reset: 2 * second},
			{at: 999_999, cost: 1, remaining: 0, retry: second, reset: second},
			{at: 1_999_999, cost: 1, allowed: true, remaining: 1, reset: second},
			// An admission is never recorded before the latest.
			{at: 1_899_999, cost: 1, allowed: true, remaining: 0, reset: 1_100_000},
			{at: 2_999_998, cost: 1, remaining: 0, retry: 1, reset: 1},
			{at: 2_999_999, cost: 2, allowed: true, remaining: 0, reset: second},
		},
		"3/s fixed-window": {
			{at: 1_000_005, cost: 2, allowed: true, remaining: 1, reset: second},
			{at: 2_000_004, cost: 2, remaining: 1, retry: 1, reset: 1},
			{at: 2_000_005, cost: 2, allowed: true, remaining: 1, reset: second},
			{at: 1_000_010, cost: 1, allowed: true, remaining: 0, reset: 1_999_995},
			{at: 1_000_005, cost: 1, remaining: 0, retry: 2 * second, reset: 2 * second},
			{at: 1_000_004, cost: 1, remaining: 0, retry: second, reset: second},
			{at: 2_000_003, cost: 1, remaining: 0, retry: 1, reset: 1},
			{at: 2_000_004, cost: 0, allowed: true, remaining: 3, reset: 0},
		},
		"3/s fixed-window aligned": {
			{at: 1_999_999, cost: 3, allowed: true, remaining: 0, reset: 1},
			{at: 2_000_000, cost: 3, allowed: true, remaining: 0, reset: second},
			{at: 1_500_000, cost: 1, remaining: 0, retry: 1_500_000, reset: 1_500_000},
			{at: 999_999, cost: 1, remaining: 0, retry: 1, reset: 1},
			{at: 1_000_000, cost: 1, allowed: true, remaining: 2, reset: second},
		},
		"10/s sliding-counter": {
			{at: 1_000_000, cost: 10, allowed: true, remaining: 0, reset: 2 * second},
			{at: 1_500_000, cost: 1, remaining: 0, retry: 600_000, reset: 1_500_000},
			{at: 2_099_999, cost: 1, remaining: 0, retry: 1, reset: 900_001},
			{at: 2_100_000, cost: 1, allowed: true, remaining: 0, reset: 1_900_000},
			{at: 2_550_000, cost: 5, remaining: 4, retry: 50_000, reset: 1_450_000},
			{at: 2_550_000, cost: 4, allowed: true, remaining: 0, reset: 1_450_000},
			// Before its window it reads as at the window's start, when all of the one before counted.
			{at: 1_900_000, cost: 1, remaining: 0, retry: 700_000, reset: 2_100_000},
			{at: 1_000_000, cost: 1, peek: peek, remaining: 0, retry: 1_600_000, reset: 3 * second},
			{at: 999_999, cost: 1, peek: peek, remaining: 0, retry: 100_001, reset: 1_000_001},
			{at: 1_100_000, cost: 1, allowed: true, remaining: 0, reset: 1_900_000},
		},
	} {
		t.Run(limit, func(t *testing.T) { play(t, []string{limit}, rows) })
	}
}

func TestRefund(t *testing.T) {
	for limit, rows := range map[string][]row{
		"10/s burst 20": {
			{at: 1_000_000, cost: 5, allowed: true, remaining: 15, reset: 500_000},
			{at: 1_050_000, cost: -2, allowed: true, remaining: 17, reset: 250_000},
			{at: 1_250_000, cost: 1, allowed: true, remaining: 18, reset: 150_000},
			{at: 1_340_000, cost: -1, allowed: true, remaining: 20, reset: 0},
			{at: 1_340_000, cost: 21, remaining: 20, retry: never, reset: 0},
			{at: 2_000_000, cost: 3, allowed: true, remaining: 17, reset: 300_000},
			{at: 1_900_000, cost: -1, allowed: true, remaining: 18, reset: 300_000}, // the clock steps back to before the anchor
			{at: 3_500_000, cost: -1, allowed: true, remaining: 20, reset: 0},
		},
		"10/s": {
			{at: 1_000_000, cost: 4, allowed: true, remaining: 6, reset: second},
			{at: 1_200_000, cost: 3, allowed: true, remaining: 3, reset: second},
			{at: 1_300_000, cost: 2, allowed: true, remaining: 1, reset: second},
			{at: 1_400_000, cost: -4, allowed: true, remaining: 5, reset: 800_000},
			{at: 2_000_000, cost: -1, allowed: true, remaining: 10, reset: 0},
			{at: 2_000_000, cost: 10, allowed: true, remaining: 0, reset: second},
			{at: 1_500_000, cost: -11, allowed: true, remaining: 10, reset: 0},
		},
		"3/s fixed-window": {
			{at: 1_000_005, cost: 2, allowed: true, remaining: 1, reset: second},
			{at: 1_500_005, cost: -1, allowed: true, remaining: 2, reset: 500_000},
			{at: 1_500_005, cost: -1, allowed: true, remaining: 3, reset: 0},
			{at: 1_600_000, cost: 1, allowed: true, remaining: 2, reset: second},
			{at: 2_600_000, cost: -1, allowed: true, remaining: 3, reset: 0},
		},
		"10/s sliding-counter": {
			{at: 1_000_000, cost: 10, allowed: true, remaining: 0, reset: 2 * second},
			{at: 2_250_000, cost: 2, allowed: true, remaining: 0, reset: 1_750_000},
			{at: 2_250_000, cost: -3, allowed: true, remaining: 3, reset: 750_000}, // 9 of the 10 that were before: 6.75 count
			{at: 2_250_000, cost: -9, allowed: true, remaining: 10, reset: 0},
		},
	} {
		t.Run(limit, func(t *testing.T) { play(t, []string{limit}, rows) })
	}
	t.Run("a debt", func(t *testing.T) {
		play(t, []string{"100/s", "10/s"}, []row{
			{at: 1_000_000, cost: 15, allowed: true, remaining: 85, reset: second},
			{at: 1_000_000, cost: -1, allowed: true, remaining: 0, reset: second},
			{at: 1_000_000, cost: 0, remaining: 0, retry: second, reset: second},
			{at: 1_000_000, cost: -5, allowed: true, remaining: 1, reset: second},
		})
	})
}

// TestChangedNumbers asks the first row of each table under the first limit and the others under the second.
func TestChangedNumbers(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		rows           []row
	}{
		{"speed", "10/s burst 10", "20/s burst 10", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 5, reset: 500_000},
			{at: 1_050_000, cost: 1, allowed: true, remaining: 4, reset: 275_000},
		}},
		{"speed, before the anchor", "10/s burst 10", "20/s burst 10", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 5, reset: 500_000},
			{at: 950_000, cost: 1, peek: peek, allowed: true, remaining: 5, reset: 300_000},
		}},
		{"speed, all earned", "10/s burst 10", "20/s burst 10", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 5, reset: 500_000},
			{at: 1_500_000, cost: 1, allowed: true, remaining: 9, reset: 50_000},
		}},
		{"smaller burst, into debt", "10/s burst 10", "10/s burst 3", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 5, reset: 500_000},
			{at: 1_050_000, cost: 0, remaining: 0, retry: 150_000, reset: 450_000},
			{at: 1_200_000, cost: 0, allowed: true, remaining: 0, reset: 300_000},
		}},
		{"count, into debt", "100/s", "10/s", []row{
			{at: 1_000_000, cost: 50, allowed: true, remaining: 50, reset: second},
			{at: 1_400_000, cost: 0, remaining: 0, retry: 600_000, reset: 600_000},
			{at: 2_000_000, cost: 10, allowed: true, remaining: 0, reset: second},
		}},
		{"bucket to window, a part of a unit counts whole", "10/s burst 10", "10/s", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 5, reset: 500_000},
			{at: 1_050_000, cost: 1, peek: peek, allowed: true, remaining: 5, reset: second},
			{at: 1_060_000, cost: 1, peek: peek, allowed: true, remaining: 5, reset: 990_000}, // written at once
		}},
		{"window to fixed, another period", "5/s", "5/m fixed-window", []row{
			{at: 1_000_000, cost: 3, allowed: true, remaining: 2, reset: second},
			{at: 1_100_000, cost: 3, remaining: 2, retry: 60 * second, reset: 60 * second},
			{at: 1_200_000, cost: 3, remaining: 2, retry: 59_900_000, reset: 59_900_000},
		}},
		{"fixed to aligned", "5/s fixed-window", "5/s fixed-window aligned", []row{
			{at: 1_300_000, cost: 3, allowed: true, remaining: 2, reset: second},
			{at: 1_400_000, cost: 1, allowed: true, remaining: 1, reset: 600_000},
			{at: 2_000_000, cost: 5, allowed: true, remaining: 0, reset: second},
		}},
		{"counter to bucket", "10/s sliding-counter", "10/s burst 10", []row{
			{at: 1_000_000, cost: 10, allowed: true, remaining: 0, reset: 2 * second},
			{at: 2_550_000, cost: 1, allowed: true, remaining: 4, reset: 600_000}, // 5 of 10 weighted, rounded up
		}},
		{"what is over counts for nothing", "5/s", "5/m", []row{
			{at: 1_000_000, cost: 5, allowed: true, remaining: 0, reset: second},
			{at: 2_000_000, cost: 5, allowed: true, remaining: 0, reset: 60 * second},
		}},
		{"a wrong clock before a change", "5/s", "8/m", []row{
			{at: 9_000_000, cost: 1, allowed: true, remaining: 4, reset: second},
			{at: 1_000_000, cost: 1, remaining: 0, retry: 60 * second, reset: 60 * second},
		}},
	} {
		t.Run(test.name, func(t *testing.T) { play(t, []string{test.from, test.to}, test.rows) })
	}
}

// play asks rows of a model, the first under the first limit and the others under the last.
func play(t *testing.T, limits []string, rows []row) {
	t.Helper()
	m := model.New()
	for i, r := range rows {
		text := limits[min(i, len(limits)-1)]
		limit, err := sluice.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{limit.WithName("l")}}
		d := m.Decide(sluice.Request{
			Policy: policy, Key: "k", Cost: max(0, r.cost), Refund: uint32(max(0, -r.cost)), Peek: r.peek, At: sluice.Tick(r.at),
		})
		retry := time.Duration(r.retry) * time.Microsecond
		if r.retry == never {
			retry = sluice.Never
		}
		reset := time.Duration(r.reset) * time.Microsecond
		if d.Allowed != r.allowed || d.Remaining != r.remaining || d.RetryAfter != retry || d.ResetAfter != reset {
			t.Fatalf("row %d: %s at %d, cost %d: %s, %d, %d, %d; want %t, %d, %d, %d", i, text, r.at, r.cost,
				d, d.Remaining, d.RetryAfter, d.ResetAfter, r.allowed, r.remaining, retry, reset)
		}
	}
}

func TestAllLimitsOrNone(t *testing.T) {
	policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerMinute(5), sluice.PerHour(3)}}
	m := model.New()
	ask := func(cost int64) sluice.Decision {
		return m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: cost, At: 1})
	}
	if d := ask(2); !d.Allowed || d.Remaining != 1 || d.ResetAfter != time.Hour {
		t.Errorf("2 of 5 and 3: %s", d)
	}
	d := ask(2)
	if d.Allowed || d.Remaining != 1 || d.RetryAfter != time.Hour {
		t.Errorf("2 more: %s", d)
	}
	if o := d.Limits()[0]; !o.Allowed || o.Remaining != 3 || o.RetryAfter != 0 || o.ResetAfter != time.Minute {
		t.Errorf("the limit that had room: %+v", o)
	}
	if d := ask(4); d.RetryAfter != sluice.Never {
		t.Errorf("4 of 5 and 3: %s", d)
	}
	if d := ask(1); !d.Allowed || d.Remaining != 0 {
		t.Errorf("1 more: %s", d)
	}
}

func TestLife(t *testing.T) {
	policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.Per(7, time.Second).WithBurst(7)}}
	id := model.ID{Policy: "p", Key: "k"}
	m := model.New()
	m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 8, At: 1})
	m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 1, Peek: true, At: 1})
	if life, ok := m.Life(id); ok {
		t.Errorf("a refusal and a peek left state of %+v", life)
	}
	m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 1, At: 1})
	want := model.Life{Written: 1, Least: 142_858 * time.Microsecond, Most: 143 * time.Millisecond}
	if life, ok := m.Life(id); !ok || life != want {
		t.Errorf("Life() = %+v, %t, want %+v", life, ok, want)
	}
	m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 7, At: 1_000})
	if life, _ := m.Life(id); life != want {
		t.Errorf("after a refusal Life() = %+v, want %+v", life, want)
	}
	m.Forget(id)
	if d := m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 7, At: 1}); !d.Allowed {
		t.Errorf("a forgotten key: %s", d)
	}
}

// TestCrowdedWindow takes 65 units 15 ms apart from a window of one second, of which the 65th makes all of them late by
// up to 15.625 ms.
func TestCrowdedWindow(t *testing.T) {
	policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerSecond(65)}}
	request := func(at sluice.Tick) sluice.Request { return sluice.Request{Policy: policy, Key: "k", Cost: 1, At: at} }
	answer := func(req sluice.Request, remaining int64, retry, reset time.Duration) sluice.Decision {
		d := sluice.NewDecision(req)
		d.Add(sluice.Outcome{Allowed: retry == 0, Remaining: remaining, RetryAfter: retry, ResetAfter: reset})
		return d
	}
	const start = second
	full := func() *model.Model {
		m := model.New()
		for i := range sluice.Tick(65) {
			m.Decide(request(start + i*15_000))
		}
		return m
	}
	const us = time.Microsecond
	for _, test := range []struct {
		name      string
		at        sluice.Tick
		remaining int64
		retry     time.Duration // 0: allowed
		reset     time.Duration
		legal     bool
	}{
		{"one tick early", start + second - 1, 0, 0, second * us, false},
		{"refused one tick early", start + second - 1, 0, us, 960_001 * us, true},
		{"as early as may be", start + second, 0, 0, second * us, true},
		{"as late as may be", start + second + 15_624, 0, us, 960_001 * us, true},
		{"one tick late", start + second + 15_625, 0, us, 960_000 * us, false},
		{"a reset that is too early", start + second, 0, us, 959_999 * us, false},
		{"a reset as late as may be", start + second, 0, 15_625 * us, 975_625 * us, true},
		{"a reset that is too late", start + second, 0, us, 975_626 * us, false},
		{"a wait that is too long", start + second, 0, 15_626 * us, 960_000 * us, false},
	} {
		req := request(test.at)
		err := full().Judge(req, answer(req, test.remaining, test.retry, test.reset))
		if (err == nil) != test.legal {
			t.Errorf("%s: error %v, want legal %t", test.name, err, test.legal)
		}
	}
	// 64 are kept exactly.
	m := model.New()
	for i := range sluice.Tick(64) {
		m.Decide(request(start + i*15_000))
	}
	req := request(start + second)
	if err := m.Judge(req, answer(req, 0, 0, second*us)); err == nil {
		t.Error("64 admissions: that one unit is late is legal")
	}
}

// TestStanding follows one key through a penalty of 2 refusals a second for 10 s, doubling up to 25 s, by hand.
func TestStanding(t *testing.T) {
	policy := &sluice.Policy{
		Name: "p", Limits: []sluice.Limit{sluice.PerDay(1)},
		Penalty: &sluice.Penalty{After: 2, Within: time.Second, For: 10 * time.Second, Max: 25 * time.Second},
	}
	id := model.ID{Policy: "p", Key: "k"}
	m := model.New()
	const start = 1_000_000 * second
	ask := func(cost int64) func(at sluice.Tick) {
		return func(at sluice.Tick) { m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: cost, At: at}) }
	}
	amend := func(a sluice.Amendment) func(at sluice.Tick) {
		return func(at sluice.Tick) {
			a.Policy, a.Key, a.At = "p", "k", at
			m.Amend(a)
		}
	}
	for i, step := range []struct {
		at       sluice.Tick // from start
		do       func(at sluice.Tick)
		block    sluice.Tick // until, from start; 0 for none
		refusals int64
		past     int
		life     time.Duration // since the last write; 0 for no record
	}{
		{0, ask(1), 0, 0, 0, 0}, // allowed
		{0, ask(1), 0, 1, 0, time.Second},
		{999_999, ask(0), 0, 1, 0, time.Second},
		{second, ask(1), 0, 1, 0, time.Second}, // the first is over
		{2*second - 1, ask(1), 12*second - 1, 0, 1, 35 * time.Second},
		{3 * second, ask(1), 12*second - 1, 0, 1, 35 * time.Second},
		{12*second - 2, ask(1), 12*second - 1, 0, 1, 35 * time.Second},
		{12*second - 1, ask(1), 0, 1, 1, 25 * time.Second},
		{12 * second, ask(1), 32 * second, 0, 2, 45 * time.Second},
		{32 * second, ask(1), 0, 1, 2, 25 * time.Second},
		{32 * second, ask(1), 57 * second, 0, 3, 50 * time.Second},
		{57 * second, amend(sluice.Amendment{Bar: &sluice.Bar{For: time.Second}}), 58 * second, 0, 3, 25 * time.Second},
		{57 * second, amend(sluice.Amendment{Bar: &sluice.Bar{Until: start}}), 0, 0, 3, 25 * time.Second},
		{82*second - 1, ask(1), 0, 1, 3, time.Second},
		{82 * second, ask(1), 92 * second, 0, 1, 35 * time.Second}, // the past ones have faded
		{83 * second, amend(sluice.Amendment{Unbar: true}), 0, 0, 0, 0},
	} {
		step.do(start + step.at)
		got := m.Look(id, start+step.at)
		until := sluice.Tick(0)
		if got.Block != nil {
			until = got.Block.Until - start
		}
		if until != step.block || got.Refusals != step.refusals || got.Blocks != step.past {
			t.Errorf("step %d: barred until %d, %d refusals, %d past blocks, want %d, %d, %d",
				i+1, until, got.Refusals, got.Blocks, step.block, step.refusals, step.past)
		}
		if life, ok := m.StandingLife(id); ok != (step.life != 0) || life.Least != step.life || life.Most != step.life {
			t.Errorf("step %d: it lives for %+v, want %s", i+1, life, step.life)
		}
	}
}

// TestJudgeBlocks: a decision must carry the block that there is, and no other.
func TestJudgeBlocks(t *testing.T) {
	policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerDay(5)}}
	req := sluice.Request{Policy: policy, Key: "k", Cost: 1, At: 10 * second}
	answer := func(used int64, b *sluice.Block, left time.Duration) sluice.Decision {
		d := sluice.NewDecision(req)
		o := sluice.Outcome{Allowed: true, Remaining: 5 - used}
		if used > 0 {
			o.ResetAfter = 24 * time.Hour
		}
		d.Add(o)
		if b != nil {
			d.Bar(*b, left)
		}
		return d
	}
	right := sluice.Block{Until: 70 * second, Reason: "abuse"}
	for name, test := range map[string]struct {
		barred bool
		got    sluice.Decision
		legal  bool
	}{
		"as it is":            {true, answer(0, &right, time.Minute), true},
		"no block":            {true, answer(1, nil, 0), false},
		"another end":         {true, answer(0, &sluice.Block{Until: 71 * second, Reason: "abuse"}, time.Minute), false},
		"another reason":      {true, answer(0, &sluice.Block{Until: 70 * second}, time.Minute), false},
		"a penalty":           {true, answer(0, &sluice.Block{Until: 70 * second, Reason: "abuse", Penalty: true}, time.Minute), false},
		"another wait":        {true, answer(0, &right, time.Minute-1), false},
		"charged":             {true, answer(1, &right, time.Minute), false},
		"a block out of none": {false, answer(0, &right, time.Minute), false},
		"none":                {false, answer(1, nil, 0), true},
	} {
		m := model.New()
		if test.barred {
			m.Amend(sluice.Amendment{Policy: "p", Key: "k", At: 10 * second, Bar: &sluice.Bar{For: time.Minute, Reason: "abuse"}})
		}
		if err := m.Judge(req, test.got); (err == nil) != test.legal {
			t.Errorf("%s: error %v, want legal %t", name, err, test.legal)
		}
	}
}

func TestResetAt(t *testing.T) {
	m := model.New()
	for _, resetAt := range []sluice.Tick{0, 5} {
		policy := &sluice.Policy{Name: "p", Limits: []sluice.Limit{sluice.PerDay(5)}, ResetAt: resetAt}
		if d := m.Decide(sluice.Request{Policy: policy, Key: "k", Cost: 5, At: 10}); !d.Allowed {
			t.Errorf("5 of 5 under ResetAt %d: %s", resetAt, d)
		}
	}
}
