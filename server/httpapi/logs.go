package httpapi

import (
	"errors"
	"net/http"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
)

// audit answers GET /v1/audit: a page of who changed what.
func (a *API) audit(w http.ResponseWriter, r *http.Request, on target) error {
	cursor, most, err := on.query.page()
	if err != nil {
		return err
	}
	lines, next, err := a.control.Audit(r.Context(), cursor, most)
	if err != nil {
		return cursorFault(err)
	}
	return show(w, struct {
		Audit  []control.Audit `json:"audit"`
		Cursor string          `json:"cursor,omitzero"`
	}{lines, next})
}

// history answers GET /v1/schedules/{schedule}/history: a page of what a schedule has done. That of one which was deleted
// stays.
func (a *API) history(w http.ResponseWriter, r *http.Request, on target) error {
	cursor, most, err := on.query.page()
	if err != nil {
		return err
	}
	ticks, next, err := a.control.History(r.Context(), on.name, cursor, most)
	if err != nil {
		return cursorFault(err)
	}
	if len(ticks) == 0 && cursor == "" {
		if _, err := a.control.Schedule(on.name); err != nil {
			return err
		}
	}
	return show(w, struct {
		History []control.Done `json:"history"`
		Cursor  string         `json:"cursor,omitzero"`
	}{ticks, next})
}

// cursorFault is the error of a page of a log: where it says that something is not legal, that is the cursor, which a log
// calls otherwise.
func cursorFault(err error) error {
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return newFault(invalidValue, "cursor", "it is not one that a page of this list came with; send one of those, or none to begin")
	}
	return err
}
