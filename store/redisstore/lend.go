package redisstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
)

var _ lease.Lender = (*Store)(nil)

// Lend implements [lease.Lender]. Asks are carried out in one script call, on a Cluster in one for each; see
// scripts/lend.lua.
func (s *Store) Lend(ctx context.Context, asks []lease.Ask) []lease.Answer {
	answers, err := await(ctx, s, func(ctx context.Context) ([]lease.Answer, error) { return s.lend(ctx, asks), nil })
	if err != nil {
		answers = make([]lease.Answer, len(asks))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
}

func (s *Store) lend(ctx context.Context, asks []lease.Ask) []lease.Answer {
	answers := make([]lease.Answer, len(asks))
	clock := sluice.Tick(s.now().UnixMicro())
	outside := s.lendAt(ctx, asks, clock, answers)
	// Once more for those of a calendar whose windows were not those of Redis's clock, now that it has told what it reads.
	for _, o := range outside {
		one := make([]lease.Answer, 1)
		s.lendAt(ctx, asks[o.place:o.place+1], o.clock, one)
		answers[o.place] = one[0]
	}
	return answers
}

// misplaced is an ask that was not carried out because the clock of Redis reads something else than was thought.
type misplaced struct {
	place int
	clock sluice.Tick
}

// lendAt carries out asks with the windows of calendars that are right at an instant.
func (s *Store) lendAt(ctx context.Context, asks []lease.Ask, clock sluice.Tick, answers []lease.Answer) (outside []misplaced) {
	together := len(asks)
	if s.apart() {
		together = 1
	}
	var calls []scriptCall
	for batch := range slices.Chunk(asks, together) {
		calls = append(calls, s.lending(batch, clock))
	}
	for i, reply := range s.doScripts(ctx, lendScript, calls) {
		first := i * together
		parts, err := reply.ToArray()
		if err == nil && len(parts) != together {
			err = uncertain(fmt.Errorf("the script answered for %d keys, want %d", len(parts), together))
		} else if err != nil {
			err = failed(ctx, err)
		}
		for j := range together {
			a := &answers[first+j]
			if a.Err = err; err != nil {
				continue
			}
			if told, ok := outsideOf(parts[j]); ok {
				outside = append(outside, misplaced{first + j, told})
			}
			*a = readAnswer(parts[j])
		}
	}
	return outside
}

// lending returns what scripts/lend.lua is called with.
func (s *Store) lending(asks []lease.Ask, clock sluice.Tick) scriptCall {
	keys := make([]string, 0, 2*len(asks))
	args := make([]string, 1+len(asks), 2+len(asks))
	if at := asks[0].At; at != 0 {
		args[0] = strconv.FormatInt(int64(at), 10)
		clock = at
	}
	var policies []lease.Ask // the first ask under each
	for i, a := range asks {
		spelled := s.keys.spell(a.Key)
		keys = append(keys, s.keys.state(a.Policy, spelled), s.keys.standing(a.Policy.Name, spelled))
		number := slices.IndexFunc(policies, func(b lease.Ask) bool { return b.Policy == a.Policy && b.Before == a.Before })
		if number < 0 {
			number = len(policies)
			policies = append(policies, a)
			args = append(args, packLending(a, clock))
		}
		args[1+i] = packAsk(number+1, a)
	}
	return scriptCall{keys, args}
}

func packAsk(policy int, a lease.Ask) string {
	b := make([]byte, 0, 2+7+5+5+1+5)
	b = binary.BigEndian.AppendUint16(b, uint16(policy))
	b = appendSigned(b, a.Held.End)
	b = appendUnits(b, a.Held.Units)
	b = appendUnits(b, a.Spent)
	keep := byte(0)
	if a.Keep {
		keep = 1
	}
	return string(appendUnits(append(b, keep), a.Want))
}

func packLending(a lease.Ask, clock sluice.Tick) string {
	b := make([]byte, 0, 128)
	before := a.Before
	if before == 0 {
		before = lastInstant
	}
	b = append(appendInstant(b, before), byte(a.Policy.Lease.Share))
	return string(appendLimits(appendMillis(b, a.Policy.Lease.TTL), a.Policy.Limits, clock))
}

// appendUnits appends 5 bytes.
func appendUnits(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(n>>32)), uint32(n))
}

// What scripts/lend.lua replies for each key.
const (
	lentBytes      = 7 + 1 + 7 + 5 // instant, status, end, units
	lentStateBytes = 7 + 4         // for each limit: reset after, remaining
	kept           = 1
	stands         = 2
)

func readAnswer(reply rueidis.RedisMessage) (a lease.Answer) {
	b, err := reply.ToString()
	switch {
	case err != nil:
		a.Err = keyFailed(err)
		return a
	case len(b) < lentBytes || (len(b)-lentBytes)%lentStateBytes != 0:
		a.Err = uncertain(fmt.Errorf("the script's reply has %d bytes, want %d and %d for each limit", len(b), lentBytes, lentStateBytes))
		return a
	}
	a.Now = sluice.Tick(bigEndian(b[:7]))
	a.Kept, a.Stands = b[7] == kept, b[7] == stands
	a.Loan = lease.Loan{End: sluice.Tick(bigEndian(b[8:15])), Units: int64(bigEndian(b[15:20]))}
	for b = b[lentBytes:]; len(b) > 0; b = b[lentStateBytes:] {
		a.Limits = append(a.Limits, lease.State{ResetAfter: ticks(b[:7]), Remaining: int64(bigEndian(b[7:11]))})
	}
	return a
}
