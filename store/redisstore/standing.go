package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

// Amend implements [sluice.Store]. Block and override that a key is given are listed before they hold, so that nothing
// holds unlisted; an entry that came too early is found out by whoever reads it. An amendment that takes both away
// deletes the record, even one that is not Sluice's.
func (s *Store) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	return await(ctx, s, func(ctx context.Context) (sluice.Standing, error) { return s.amend(ctx, a) })
}

func (s *Store) amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	entry := s.keys.entry(a.Key)
	now := a.At
	if now == 0 {
		now = sluice.Tick(time.Now().UnixMicro()) // near enough to that of Redis, which is what is noted in the end
	}
	if a.Bar != nil {
		if err := s.note(ctx, a.Policy, false, listed{entry, end(a.Bar.Until, a.Bar.For, now)}); err != nil {
			return sluice.Standing{}, err
		}
	}
	if a.Except != nil {
		if err := s.note(ctx, a.Policy, true, listed{entry, end(a.Except.Until, a.Except.For, now)}); err != nil {
			return sluice.Standing{}, err
		}
	}
	is, err := unpackStanding(ctx, s.doScript(ctx, amendScript, s.amendment(a, s.keys.spell(a.Key))))
	if err != nil {
		return is, err
	}
	// The amendment is made, so an error of the index is none of it any more. The index knows of the key already, and
	// what it knows wrong is found out when it is read.
	if a.Bar != nil || a.Unbar {
		_ = s.relist(ctx, a, false, entry, is)
	}
	if a.Except != nil || a.Unexcept {
		_ = s.relist(ctx, a, true, entry, is)
	}
	return is, nil
}

// end returns until when something lasts that is said to last until an instant or for a time, 0 for good.
func end(until sluice.Tick, d time.Duration, now sluice.Tick) sluice.Tick {
	if d != 0 {
		return now + sluice.Tick(d/time.Microsecond)
	}
	return until
}

// relist has an index say what the standing of a key is after an amendment.
func (s *Store) relist(ctx context.Context, a sluice.Amendment, overrides bool, entry string, is sluice.Standing) error {
	if until, holds := holding(is, overrides); holds {
		return s.note(ctx, a.Policy, overrides, listed{entry, until})
	}
	_, err := s.unlist(ctx, a.Policy, overrides, a.At, []string{entry})
	return err
}

// holding returns until when a standing has a block or an override, 0 for good, and whether it has.
func holding(is sluice.Standing, override bool) (until sluice.Tick, holds bool) {
	switch {
	case override && is.Override != nil:
		return is.Override.Until, true
	case !override && is.Block != nil:
		return is.Block.Until, true
	}
	return 0, false
}

// amendment returns what scripts/amend.lua is called with.
func (s *Store) amendment(a sluice.Amendment, spelled string) scriptCall {
	args := make([]string, 3)
	if a.At != 0 {
		args[0] = strconv.FormatInt(int64(a.At), 10)
	}
	if b := a.Bar; b != nil {
		args[1] = string(appendEnd(nil, b.Until, b.For)) + b.Reason
	} else if a.Unbar {
		args[1] = "-"
	}
	if e := a.Except; e != nil {
		args[2] = string(appendOwnLimits(appendEnd(nil, e.Until, e.For), e.Limits))
	} else if a.Unexcept {
		args[2] = "-"
	}
	return scriptCall{[]string{s.keys.standing(a.Policy, spelled)}, args}
}

// appendEnd appends 7 bytes, an instant or a span, and a byte that says which.
func appendEnd(b []byte, until sluice.Tick, d time.Duration) []byte {
	switch {
	case until != 0:
		return append(appendInstant(b, until), 0)
	case d == 0:
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return append(appendInstant(b, sluice.Tick(d/time.Microsecond)), 1)
}

// unpackStanding reads what scripts/amend.lua replied.
func unpackStanding(ctx context.Context, reply rueidis.RedisResult) (is sluice.Standing, err error) {
	parts, err := reply.ToArray()
	if err != nil {
		if foreign := keyFailed(err); errors.Is(foreign, sluice.ErrForeignState) {
			return is, foreign
		}
		return is, failed(ctx, err)
	}
	const instant = 7
	var texts [2]string
	var numbers [2]int64
	if len(parts) != len(texts)+len(numbers) {
		return is, uncertain(fmt.Errorf("the script's reply has %d parts, want 4", len(parts)))
	}
	for i := range texts {
		if texts[i], err = parts[i].ToString(); err != nil {
			return is, uncertain(err)
		}
		if numbers[i], err = parts[len(texts)+i].AsInt64(); err != nil {
			return is, uncertain(err)
		}
	}
	is.Refusals, is.Blocks = numbers[0], int(numbers[1])
	if b := texts[0]; len(b) > instant {
		is.Block = &sluice.Block{Until: sluice.Tick(bigEndian(b[:instant])), Penalty: b[instant] == 1, Reason: b[instant+1:]}
	}
	if o := texts[1]; len(o) > instant {
		limits, err := unpackOwnLimits(o[instant:])
		if err != nil {
			return is, fmt.Errorf("redisstore: %w: %w", sluice.ErrForeignState, err)
		}
		is.Override = &sluice.Override{Limits: limits, Until: sluice.Tick(bigEndian(o[:instant]))}
	}
	return is, nil
}

// appendOwnLimits appends the limits of an override: a byte whose bit i says that limit i was given a name, and then what
// appendLimits appends.
func appendOwnLimits(b []byte, limits []sluice.Limit) []byte {
	named := byte(0)
	for i, l := range limits {
		if l != l.WithName("") {
			named |= 1 << i
		}
	}
	return appendLimits(append(b, named), limits, 0) // of which none has a calendar
}

func unpackOwnLimits(b string) ([]sluice.Limit, error) {
	const numbers = 1 + 5 + 4 + 4
	named, rest := b[0], b[1:]
	var limits []sluice.Limit
	for i := 0; len(rest) > 0; i++ {
		head := 1 + int(rest[0])
		if i == sluice.MaxLimits || len(rest) < head+numbers {
			return nil, fmt.Errorf("%d bytes are not the limits of an override", len(b))
		}
		l, err := unpackLimit(rest[head : head+numbers])
		if err != nil {
			return nil, err
		}
		if named&(1<<i) != 0 {
			l = l.WithName(rest[1:head])
			if err := l.Validate(); err != nil {
				return nil, err
			}
		}
		limits = append(limits, l)
		rest = rest[head+numbers:]
	}
	return limits, nil
}

// unpackLimit reads what appendLimits appends behind a limit's name.
func unpackLimit(b string) (sluice.Limit, error) {
	l := sluice.Per(int64(bigEndian(b[6:10])), time.Duration(bigEndian(b[1:6]))*time.Millisecond)
	switch capacity := int64(bigEndian(b[10:14])); b[0] {
	case kinds[sluice.SlidingWindow]:
	case kinds[sluice.TokenBucket]:
		l = l.WithBurst(capacity)
	case kinds[sluice.FixedWindow]:
		l = l.WithAlgorithm(sluice.FixedWindow)
	case kinds[sluice.SlidingCounter]:
		l = l.WithAlgorithm(sluice.SlidingCounter)
	case alignedWindow:
		l = l.WithAligned()
	default:
		return l, fmt.Errorf("there is no limit of kind %d", b[0])
	}
	return l, l.Validate()
}
