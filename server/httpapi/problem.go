package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
)

// Problem is the body of every answer that is an error, and of every refusal by authorize, as in RFC 9457. It is an
// error for those who read it.
type Problem struct {
	// Type is a URI that names the kind of problem: one of this door's own, which problems.md lists, or one of those of
	// draft-ietf-httpapi-ratelimit-headers-11: quota-exceeded, or abnormal-usage-detected for a key that is blocked.
	Type string `json:"type"`
	// Title is the kind of problem in words.
	Title string `json:"title"`
	// Status is the status code of the response; within a list of answers, the one that it would have had alone.
	Status int `json:"status"`
	// Detail says what was wrong with this request and what would be right.
	Detail string `json:"detail"`
	// Field is the one at fault, such as "cost" or "checks[3].limits[0]", the first where there are several; empty where no
	// single one is.
	Field string `json:"field,omitzero"`
	// CurrentRevision is the revision that there is, where a change was meant for another; empty where there is none. The
	// answer has it as its ETag, too.
	CurrentRevision string `json:"current_revision,omitzero"`
	// ViolatedPolicies are the names of the limits that refused, where the type is quota-exceeded or
	// abnormal-usage-detected.
	ViolatedPolicies []string `json:"violated-policies,omitzero"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// typeBase is where the kinds of problems are described.
const typeBase = "https://github.com/sluice-project/sluice/blob/main/server/httpapi/problems.md#"

// problemKind is what problems of one kind share.
type problemKind struct {
	name   string // the end of the type
	title  string
	status int
}

var (
	malformedBody     = problemKind{"malformed-body", "The body is not what this call takes", http.StatusBadRequest}
	invalidValue      = problemKind{"invalid-value", "A value is not legal", http.StatusBadRequest}
	conflictingSource = problemKind{"conflicting-source", "The request says two things of the one that it asks about", http.StatusBadRequest}
	unauthenticated   = problemKind{"unauthenticated", "The request does not prove who sends it", http.StatusUnauthorized}
	roleMissing       = problemKind{"role-missing", "The token may not do this", http.StatusForbidden}
	notLocalAdmin     = problemKind{"not-local", "Administration is open to this machine only", http.StatusForbidden}
	inlineRefused     = problemKind{"inline-limits-refused", "Callers may not bring their own limits", http.StatusForbidden}
	notFound          = problemKind{"not-found", "There is no such call here", http.StatusNotFound}
	unknownPolicy     = problemKind{"unknown-policy", "There is no such policy", http.StatusNotFound}
	unknownSchedule   = problemKind{"unknown-schedule", "There is no such schedule", http.StatusNotFound}
	policyWithoutKey  = problemKind{"policy-without-key", "The policy does not say whom it limits", http.StatusNotFound}
	methodNotAllowed  = problemKind{"method-not-allowed", "The call has another method", http.StatusMethodNotAllowed}
	revisionConflict  = problemKind{"revision-conflict", "The change was meant for another revision", http.StatusPreconditionFailed}
	bodyTooLarge      = problemKind{"body-too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	notJSON           = problemKind{"not-json", "The body is not said to be JSON", http.StatusUnsupportedMediaType}
	keyMissing        = problemKind{"key-missing", "The request does not say whom to limit", http.StatusTooManyRequests}
	undecided         = problemKind{"undecided", "Nobody knows whether the request is within its limits", http.StatusTooManyRequests}
	overloaded        = problemKind{"overloaded", "The server has too much to do", http.StatusServiceUnavailable}
	draining          = problemKind{"draining", "The server is stopping", http.StatusServiceUnavailable}
	notReady          = problemKind{"not-ready", "The server is not ready", http.StatusServiceUnavailable}
	storeFailed       = problemKind{"store-failed", "The store did not answer", http.StatusServiceUnavailable}
	storeUncertain    = problemKind{"store-uncertain", "The store did not say whether it was done", http.StatusServiceUnavailable}
)

func newProblem(kind problemKind, format string, args ...any) *Problem {
	return &Problem{Type: typeBase + kind.name, Title: kind.title, Status: kind.status, Detail: fmt.Sprintf(format, args...)}
}

// newFault returns a problem with one field; without a name it is the body itself.
func newFault(kind problemKind, field, format string, args ...any) *Problem {
	name := field
	if name == "" {
		name = "the body"
	}
	p := newProblem(kind, "%s: %s", name, fmt.Sprintf(format, args...))
	p.Field = field
	return p
}

// problemOf makes a problem of whatever a call returned that takes a decision or looks at something.
func problemOf(err error) *Problem {
	if p := faultOf(err); p != nil {
		return p
	}
	if errors.Is(err, sluice.ErrUncertain) {
		return newProblem(storeUncertain, "%s; asking again may charge again", err)
	}
	return newProblem(storeFailed, "%s; nothing was charged, ask again later", err)
}

// problemOfChange makes a problem of whatever a call returned that changes something.
func problemOfChange(err error) *Problem {
	if p := faultOf(err); p != nil {
		return p
	}
	if errors.Is(err, sluice.ErrUncertain) {
		return newProblem(storeUncertain, "%s; it may be done all the same: look, and ask again where it is not", err)
	}
	return newProblem(storeFailed, "%s; ask again later", err)
}

// faultOf makes a problem of an error that is about the request; nil of one that is about the store.
func faultOf(err error) *Problem {
	var (
		problem  *Problem
		unnamed  *engine.UnknownPolicyError
		unknown  *control.UnknownError
		conflict *control.RevisionError
		invalid  *sluice.InvalidError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &unnamed):
		return newFault(unknownPolicy, "policy", "%s", unnamed)
	case errors.As(err, &unknown) && unknown.What == "schedule":
		return newFault(unknownSchedule, "schedule", "%s; it must be one of those of /v1/schedules", unknown)
	case errors.As(err, &unknown):
		return newFault(unknownPolicy, "policy", "%s; it must be one of those of /v1/policies", unknown)
	case errors.As(err, &conflict) && conflict.Current == 0:
		return newProblem(revisionConflict, "%s: leave If-Match out to make it anew", conflict)
	case errors.As(err, &conflict):
		p := newProblem(revisionConflict, "%s", conflict)
		p.CurrentRevision = conflict.Current.String()
		return p
	case errors.As(err, &invalid):
		p := newProblem(invalidValue, "%s", faultsText(err))
		p.Field = invalid.Field
		return p
	}
	return nil
}

// faultsText is the faults that an error joins on one line; each names its field. Of very many the first are told.
func faultsText(err error) string {
	const most = 10
	faults := strings.Split(err.Error(), "\n")
	if more := len(faults) - most; more > 0 {
		faults = append(faults[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(faults, "; ")
}

// write sends the problem as the whole response. Header fields that were set before are sent too.
func (p *Problem) write(w http.ResponseWriter) {
	if p.CurrentRevision != "" {
		w.Header().Set("ETag", `"`+p.CurrentRevision+`"`)
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

// writeJSON sends a value, which must have a JSON form, as the whole response.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(jsonOf(v), '\n')) // a caller that has gone needs no answer
}

// jsonOf returns the JSON form of a value of this package, which has one.
func jsonOf(v any) []byte {
	text, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return text
}
