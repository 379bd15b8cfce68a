package httpapi

import (
	"net/http"

	"github.com/sluice-project/sluice"
)

// BlockedKey is an entry of the list of blocks, as JSON.
type BlockedKey struct {
	// Key is the key, where it is UTF-8; else KeyBase64 is.
	Key       string `json:"key,omitzero"`
	KeyBase64 []byte `json:"key_base64,omitzero"`
	Blocked
	// Penalty says that the policy's penalty began the block, and not somebody by hand.
	Penalty bool `json:"penalty"`
}

// block answers PUT /v1/policies/{policy}/key/block: it bars a key.
func (a *API) block(w http.ResponseWriter, r *http.Request, on target) error {
	key, bar, err := keyAndBody(w, r, on, parseBar)
	if err != nil {
		return err
	}
	standing, err := a.control.Block(r.Context(), on.caller, on.name, key, bar)
	switch {
	case err != nil:
		return err
	case standing.Block == nil:
		return newFault(invalidValue, "until", "it has passed; give an instant that is yet to come")
	}
	return show(w, map[string]*Blocked{"blocked": newBlocked(*standing.Block)})
}

// unblock answers DELETE of the same.
func (a *API) unblock(w http.ResponseWriter, r *http.Request, on target) error {
	return changeKey(w, r, on, a.control.Unblock)
}

// blocks answers GET /v1/blocks: a page of the keys of a policy that are barred.
func (a *API) blocks(w http.ResponseWriter, r *http.Request, on target) error {
	page, err := a.list(r, on.query, false)
	if err != nil {
		return err
	}
	answer := struct {
		Blocks []BlockedKey `json:"blocks"`
		Cursor string       `json:"cursor,omitzero"`
	}{Cursor: page.Cursor}
	for _, e := range page.Entries {
		if b := e.Standing.Block; b != nil {
			text, bytes := spelled(e.Key)
			answer.Blocks = append(answer.Blocks, BlockedKey{Key: text, KeyBase64: bytes, Blocked: *newBlocked(*b), Penalty: b.Penalty})
		}
	}
	return show(w, answer)
}

// list returns the page that a query asks for.
func (a *API) list(r *http.Request, q query, overrides bool) (sluice.Page, error) {
	name, said := q["policy"]
	if !said {
		return sluice.Page{}, newFault(invalidValue, "policy", "it is missing; name one, as in ?policy=api")
	}
	cursor, most, err := q.page()
	if err != nil {
		return sluice.Page{}, err
	}
	return a.control.List(r.Context(), sluice.List{Policy: name, Overrides: overrides, Cursor: cursor, Most: most})
}

const barExample = `{"for_ms":900000,"reason":"abuse"}`

// parseBar reads the body of a block.
func parseBar(body []byte) (sluice.Bar, error) {
	var (
		bar  sluice.Bar
		span lasting
	)
	p := newBodyParser(body, barExample)
	err := p.object("for_ms, until and reason", func(name string) (known bool, err error) {
		if name != "reason" {
			return span.field(p, name)
		}
		bar.Reason, err = p.text()
		return true, err
	})
	if err == nil && !span.said() {
		err = p.faultIn("for_ms", "it is missing; say how long, as in "+barExample+`, or until when, as in "until":"2027-01-01T00:00:00Z"`)
	}
	if err != nil {
		return bar, err
	}
	bar.For, bar.Until = span.length, span.until
	return bar, p.end()
}
