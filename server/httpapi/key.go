package httpapi

import (
	"context"
	"net/http"

	"github.com/sluice-project/sluice/engine"
)

// KeyState is what the key call answers, as JSON: what a check would be answered, and what is known of the key besides
// its counters.
type KeyState struct {
	Decision
	// Override is the limits that hold for this key alone; nil where it has none. Those that the policy has for keys of
	// its kind are in the policy's document.
	Override *Override `json:"override,omitzero"`
	// Refusals is how many refusals count towards the next penalty.
	Refusals int64 `json:"refusals,omitzero"`
	// PastBlocks is how many past penalties make the next one longer.
	PastBlocks int `json:"past_blocks,omitzero"`
}

// key answers GET /v1/policies/{policy}/key: what a key has left, and its standing.
func (a *API) key(w http.ResponseWriter, r *http.Request, on target) error {
	key, err := on.query.key()
	if err != nil {
		return err
	}
	cost, err := on.query.cost()
	if err != nil {
		return err
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: on.name, Key: key, Cost: cost, Peek: true})
	if err != nil {
		return err
	}
	standing, err := a.control.Standing(r.Context(), on.name, key)
	if err != nil {
		return err
	}
	return show(w, KeyState{
		Decision: NewDecision(answer, ""), Override: newOverride(standing.Override), Refusals: standing.Refusals, PastBlocks: standing.Blocks,
	})
}

// resetKey answers DELETE of the same: it forgets what a key has used.
func (a *API) resetKey(w http.ResponseWriter, r *http.Request, on target) error {
	return changeKey(w, r, on, a.control.ResetKey)
}

// changeKey answers a call that says nothing but which key is meant.
func changeKey(w http.ResponseWriter, r *http.Request, on target, change func(ctx context.Context, who, policy, key string) error) error {
	key, err := on.query.key()
	if err != nil {
		return err
	}
	if err := change(r.Context(), on.caller, on.name, key); err != nil {
		return err
	}
	return done(w)
}

// keyAndBody reads which key a call means, and what its body says.
func keyAndBody[T any](w http.ResponseWriter, r *http.Request, on target, parse func([]byte) (T, error)) (key string, said T, err error) {
	if key, err = on.query.key(); err != nil {
		return key, said, err
	}
	body, err := readBody(w, r)
	if err != nil {
		return key, said, err
	}
	said, err = parse(body)
	return key, said, err
}
