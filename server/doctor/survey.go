package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/store/redisstore"
)

// survey is what a walk through the keys of the prefix has found.
type survey struct {
	err     error
	looked  int64 // keys of the prefix
	whole   bool  // there are no more
	forever tally // without a time to live that should have one
	foreign tally // that are none of Sluice's, or of another type than they should be
}

// tally is a number of keys, and one of them.
type tally struct {
	keys    int64
	example string
}

func (t *tally) add(key string) {
	if t.keys++; t.example == "" {
		t.example = key
	}
}

// The walk ends after so many keys of the prefix, see [Config], or so long, whichever comes first: Redis runs one command
// after the other, and a server may have a billion keys of others.
const (
	surveyTime = 3 * time.Second
	surveyPage = 500
)

// look walks through the keys of all masters, as far as the budget goes.
func (p *patient) look(ctx context.Context) survey {
	s := survey{whole: true}
	deadline := time.Now().Add(surveyTime)
	for i, n := range p.masters {
		share := (int64(p.config.Keys) - s.looked) / int64(len(p.masters)-i)
		p.walk(ctx, n, &s, s.looked+share, time.Now().Add(time.Until(deadline)/time.Duration(len(p.masters)-i)))
		if s.err != nil {
			break
		}
	}
	return s
}

func (p *patient) walk(ctx context.Context, n *node, s *survey, most int64, deadline time.Time) {
	pattern := escape(p.config.Prefix) + "*"
	for cursor := uint64(0); ; {
		if s.looked >= most || time.Now().After(deadline) {
			s.whole = false
			return
		}
		page, err := n.do(ctx, "SCAN", strconv.FormatUint(cursor, 10), "MATCH", pattern, "COUNT", strconv.Itoa(surveyPage)).AsScanEntry()
		if err != nil {
			s.err = err
			return
		}
		if s.err = p.examine(ctx, n, s, page.Elements); s.err != nil {
			return
		}
		if cursor = page.Cursor; cursor == 0 {
			return
		}
	}
}

// examine looks at a page of keys.
func (p *patient) examine(ctx context.Context, n *node, s *survey, keys []string) error {
	commands := make([]rueidis.Completed, 0, 2*len(keys))
	for _, key := range keys {
		commands = append(commands, n.client.B().Pttl().Key(key).Build(), n.client.B().Type().Key(key).Build())
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	replies := n.client.DoMulti(ctx, commands...)
	for i, key := range keys {
		left, err1 := replies[2*i].AsInt64()
		kept, err2 := replies[2*i+1].ToString()
		if moved(err1) || moved(err2) { // on its way, which the walk may meet again
			s.whole = false
			continue
		}
		if err1 != nil {
			return err1
		}
		if err2 != nil {
			return err2
		}
		kind := redisstore.KindOf(p.config.Prefix, key)
		if left == -2 || kept == "none" || kind == redisstore.Scratch && left >= 0 { // it has expired, or is our own
			continue
		}
		s.looked++
		switch {
		case kind != redisstore.Scratch && kind.Type() != kept: // also of a foreign key, whose type is none
			s.foreign.add(key)
		case left == -1 && !n.stays(ctx, kind, key):
			s.forever.add(key)
		}
	}
	return nil
}

// stays reports whether a key is meant to have no time to live; so it is taken to be where that cannot be seen.
func (n *node) stays(ctx context.Context, kind redisstore.Kind, key string) bool {
	switch kind {
	case redisstore.Entries, redisstore.Log, redisstore.Index: // an index stays where it names an override for good
		return true
	case redisstore.Standing:
		value, err := n.do(ctx, "GET", key).ToString()
		return err != nil || redisstore.MeantToStay(value)
	}
	return false
}

// escape returns a text as a pattern of SCAN that it alone matches.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "^", `\^`).Replace(text)
}

// extent says how much was looked at.
func (s *survey) extent() string {
	if s.whole {
		return fmt.Sprintf("all %d keys of the prefix were looked at", s.looked)
	}
	return fmt.Sprintf("%d keys of the prefix were looked at, there may be more", s.looked)
}

// untold returns what to say where the keys were not told.
func (s *survey) untold() Finding { return notTold(s.err, "SCAN", "PTTL", "TYPE") }

func expiry(_ context.Context, p *patient) Finding {
	s := p.survey()
	if s.err != nil {
		return s.untold()
	}
	if s.forever.keys == 0 {
		return well("every counter, block and penalty has a time to live (%s)", s.extent())
	}
	return well("%d keys have no time to live that should have one, such as %.80q (%s)", s.forever.keys, s.forever.example, s.extent()).as(Warning,
		"the next check of such a key heals it; delete those that nobody asks for any more, and see who says PERSIST or restores keys without their time to live")
}

func prefix(_ context.Context, p *patient) Finding {
	s := p.survey()
	if s.err != nil {
		return s.untold()
	}
	if s.foreign.keys == 0 {
		return well("under %q is nothing but Sluice's (%s)", p.config.Prefix, s.extent())
	}
	return well("%d keys under %q are not Sluice's, such as %.80q (%s)", s.foreign.keys, p.config.Prefix, s.foreign.example, s.extent()).as(Warning,
		"set key_prefix to one that nobody else writes, or move what is there: where a key of both meets, its checks are errors")
}
