package httpapi

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/schedule"
)

// Ticks says when a schedule was due last and will be due next, as JSON.
type Ticks struct {
	// Last is up to when nothing needs to be done any more.
	Last time.Time `json:"last"`
	// Next is the next tick; zero where there is none.
	Next time.Time `json:"next,omitzero"`
}

// schedules answers GET /v1/schedules.
func (a *API) schedules(w http.ResponseWriter, _ *http.Request, _ target) error {
	documents, revisions, ticks := map[string]jsontext.Value{}, map[string]string{}, map[string]Ticks{}
	for _, s := range a.control.Schedules() {
		documents[s.Name] = s.Document()
		revisions[s.Name] = s.Revision.String()
		ticks[s.Name] = Ticks{s.Last, s.Next}
	}
	return show(w, map[string]any{"schedules": documents, "revisions": revisions, "ticks": ticks})
}

// schedule answers GET /v1/schedules/{schedule}.
func (a *API) schedule(w http.ResponseWriter, r *http.Request, on target) error {
	s, err := a.control.Schedule(on.name)
	if err != nil {
		return err
	}
	showDocument(w, r, s.Document(), s.Revision)
	return nil
}

// scheduleExample is the document of a schedule.
const scheduleExample = `{"cron":"@hourly","reset":{"policy":"api"}}`

// putSchedule answers PUT /v1/schedules/{schedule}: 201 where the schedule is new, as far as this server knew.
func (a *API) putSchedule(w http.ResponseWriter, r *http.Request, on target) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	document, err := readDocument(w, r, scheduleExample)
	if err != nil {
		return err
	}
	s, err := schedule.ParseDocument(on.name, document)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if _, err := a.control.Schedule(on.name); err != nil {
		status = http.StatusCreated
	}
	var live control.LiveSchedule
	err = c.guard(func(meant control.Revision) (err error) {
		live, err = a.control.PutSchedule(r.Context(), on.caller, s, meant)
		return err
	})
	if err != nil {
		return err
	}
	writeDocument(w, status, live.Document(), live.Revision)
	return nil
}

// deleteSchedule answers DELETE /v1/schedules/{schedule}.
func (a *API) deleteSchedule(w http.ResponseWriter, r *http.Request, on target) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	err = c.guard(func(meant control.Revision) error {
		return a.control.DeleteSchedule(r.Context(), on.caller, on.name, meant)
	})
	if err != nil {
		return err
	}
	return done(w)
}

// runSchedule answers POST /v1/schedules/{schedule}/run: it carries out the job now.
func (a *API) runSchedule(w http.ResponseWriter, r *http.Request, on target) error {
	entry, err := a.control.RunSchedule(r.Context(), on.caller, on.name)
	if err != nil {
		return err
	}
	return show(w, entry)
}
