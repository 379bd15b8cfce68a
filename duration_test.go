package sluice_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"100ms": 100 * time.Millisecond, "1m30s": 90 * time.Second, "24h": day, "1d": day, "-1s": -time.Second,
		"1d12h": 36 * time.Hour, "0d1ms": time.Millisecond, "65535d": 65535 * day,
	} {
		if got, err := sluice.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "d", "-1d", "1.5d", "1d-1h", "1d+1h", "1dx", "1h1d", "65536d", "65535d1000000h", "1 d", "1w"} {
		got, err := sluice.ParseDuration(text)
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "duration" {
			t.Errorf("ParseDuration(%q) = %s, %v, want an *InvalidError", text, got, err)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "1ms": time.Millisecond, "1500ms": 1500 * time.Millisecond, "90s": 90 * time.Second, "15m": 15 * time.Minute,
		"23h": 23 * time.Hour, "1d": day, "36h": 36 * time.Hour, "366d": 366 * day, "1.5µs": 1500, "-1m0s": -time.Minute,
		"1572864h": 65536 * day,
	} {
		if got := sluice.DurationText(d); got != want {
			t.Errorf("DurationText(%d) = %q, want %q", d, got, want)
		}
	}
}

// TestDurationTextIsRead shows that every duration is read as it is written.
func TestDurationTextIsRead(t *testing.T) {
	t.Parallel()
	unit := rapid.SampledFrom([]time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour, day})
	rapid.Check(t, func(t *rapid.T) {
		u := unit.Draw(t, "unit")
		d := time.Duration(rapid.Int64Range(math.MinInt64/int64(u), math.MaxInt64/int64(u)).Draw(t, "n")) * u
		if got, err := sluice.ParseDuration(sluice.DurationText(d)); err != nil || got != d {
			t.Errorf("ParseDuration(%q) = %d, %v, want %d", sluice.DurationText(d), got, err, d)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"100ms", "1d12h", "65535d", "-1s", "d", "1d-1s", "0.5d", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sluice.ParseDuration(text)
		if plain, plainErr := time.ParseDuration(text); plainErr == nil && (err != nil || d != plain) {
			t.Errorf("ParseDuration(%q) = %s, %v, want %s", text, d, err, plain)
		}
		if err == nil && strings.Contains(text, "d") && d < 0 {
			t.Errorf("ParseDuration(%q) = %s, which is negative", text, d)
		}
	})
}
