package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluice-project/sluice"
)

// For each policy there is an index of the keys that have a block, and one of those that have an override, in slots of
// their own. An index may name too many keys, never too few: a key is noted before it gets a block or an override, and
// again afterwards. Each entry is verified when it is read, and one that is not true is removed.
//
// A block that a penalty begins is noted by who has seen it; see notes.go.

// listed is a key as an index names it, and until when it is there, 0 for good.
type listed struct {
	entry string
	until sluice.Tick
}

// mostListed is how many entries a page has at most.
const mostListed = 1000

// List implements [sluice.Store].
func (s *Store) List(ctx context.Context, l sluice.List) (sluice.Page, error) {
	return await(ctx, s, func(ctx context.Context) (sluice.Page, error) { return s.list(ctx, l) })
}

func (s *Store) list(ctx context.Context, l sluice.List) (sluice.Page, error) {
	last, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	if err != nil {
		problem := fmt.Sprintf("%.64q is no cursor of a list; send the one that came with the page before, or none", l.Cursor)
		return sluice.Page{}, &sluice.InvalidError{Field: "cursor", Problem: problem}
	}
	most := min(max(l.Most, 1), mostListed)
	call := scriptCall{s.keys.index(l.Policy, l.Overrides), []string{strconv.Itoa(most), string(last)}}
	found, err := s.doScript(ctx, indexScript, call).AsStrSlice()
	if err != nil {
		return sluice.Page{}, failed(ctx, err)
	}
	var page sluice.Page
	if len(found) == most {
		page.Cursor = base64.RawURLEncoding.EncodeToString([]byte(found[most-1]))
	}
	var untrue []string
	page.Entries, untrue, err = s.verify(ctx, l.Policy, l.Overrides, 0, found)
	if err == nil && len(untrue) > 0 {
		var again []sluice.Listed
		again, err = s.unlist(ctx, l.Policy, l.Overrides, 0, untrue)
		page.Entries = append(page.Entries, again...)
	}
	if err != nil {
		return sluice.Page{}, err
	}
	return page, nil
}

// verify looks which entries name keys that have a block or an override at an instant, 0 for now, and returns the others
// too. One whose record cannot be read is in neither.
func (s *Store) verify(
	ctx context.Context, policy string, overrides bool, at sluice.Tick, entries []string,
) (found []sluice.Listed, untrue []string, err error) {
	calls := make([]scriptCall, len(entries))
	for i, e := range entries {
		calls[i] = s.amendment(sluice.Amendment{Policy: policy, At: at}, s.keys.spellEntry(e))
	}
	for i, reply := range s.doScripts(ctx, amendScript, calls) {
		is, err := unpackStanding(ctx, reply)
		switch _, holds := holding(is, overrides); {
		case errors.Is(err, sluice.ErrForeignState):
		case err != nil:
			return nil, nil, err
		case holds:
			found = append(found, sluice.Listed{Key: entries[i], Standing: is})
		default:
			untrue = append(untrue, entries[i])
		}
	}
	return found, untrue, nil
}

// unlist removes entries from an index that were found to be untrue at an instant, 0 for now. A key may have been given a
// block or an override since, and been noted before it was removed here: so they are looked at again, and those that
// have come true are noted and returned.
func (s *Store) unlist(
	ctx context.Context, policy string, overrides bool, at sluice.Tick, entries []string,
) ([]sluice.Listed, error) {
	args := []string{"0", ""}
	for _, e := range entries {
		args = append(args, "gone", e)
	}
	if err := s.doScript(ctx, indexScript, scriptCall{s.keys.index(policy, overrides), args}).Error(); err != nil {
		return nil, failed(ctx, err)
	}
	found, _, err := s.verify(ctx, policy, overrides, at, entries)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	again := make([]listed, len(found))
	for i, f := range found {
		again[i].entry = f.Key
		again[i].until, _ = holding(f.Standing, overrides)
	}
	return found, s.note(ctx, policy, overrides, again...)
}

// note adds keys to an index.
func (s *Store) note(ctx context.Context, policy string, overrides bool, keys ...listed) error {
	if err := s.doScript(ctx, indexScript, s.noting(policy, overrides, keys...)).Error(); err != nil {
		return failed(ctx, err)
	}
	return nil
}

// noting returns what scripts/index.lua is called with to note keys.
func (s *Store) noting(policy string, overrides bool, keys ...listed) scriptCall {
	args := append(make([]string, 0, 2+2*len(keys)), "0", "")
	for _, k := range keys {
		ends := "good"
		if k.until != 0 {
			ends = strconv.FormatInt(int64(min(max(k.until, 1), lastInstant)), 10)
		}
		args = append(args, ends, k.entry)
	}
	return scriptCall{s.keys.index(policy, overrides), args}
}
