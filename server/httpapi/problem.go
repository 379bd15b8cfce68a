package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// Problem is the body of every answer that is an error, and of every refusal by authorize, as in RFC 9457. It is an
// error for those who read it.
type Problem struct {
	// Type is a URI that names the kind of problem: one of this door's own, which problems.md lists, or the
	// quota-exceeded of draft-ietf-httpapi-ratelimit-headers-11.
	Type string `json:"type"`
	// Title is the kind of problem in words.
	Title string `json:"title"`
	// Status is the status code of the response; within a list of answers, the one that it would have had alone.
	Status int `json:"status"`
	// Detail says what was wrong with this request and what would be right.
	Detail string `json:"detail"`
	// Field is the one at fault, such as "cost" or "checks[3].limits[0]"; empty where no single one is.
	Field string `json:"field,omitzero"`
	// ViolatedPolicies are the names of the limits that refused, where the type is quota-exceeded.
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
	notLocalAdmin     = problemKind{"not-local", "Administration is open to this machine only", http.StatusForbidden}
	inlineRefused     = problemKind{"inline-limits-refused", "Callers may not bring their own limits", http.StatusForbidden}
	notFound          = problemKind{"not-found", "There is no such call here", http.StatusNotFound}
	unknownPolicy     = problemKind{"unknown-policy", "There is no such policy", http.StatusNotFound}
	policyWithoutKey  = problemKind{"policy-without-key", "The policy does not say whom it limits", http.StatusNotFound}
	methodNotAllowed  = problemKind{"method-not-allowed", "The call has another method", http.StatusMethodNotAllowed}
	bodyTooLarge      = problemKind{"body-too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	notJSON           = problemKind{"not-json", "The body is not said to be JSON", http.StatusUnsupportedMediaType}
	keyMissing        = problemKind{"key-missing", "The request does not say whom to limit", http.StatusTooManyRequests}
	undecided         = problemKind{"undecided", "Nobody knows whether the request is within its limits", http.StatusTooManyRequests}
	draining          = problemKind{"draining", "The server is stopping", http.StatusServiceUnavailable}
	notReady          = problemKind{"not-ready", "The server is not ready", http.StatusServiceUnavailable}
	storeFailed       = problemKind{"store-failed", "The store did not answer", http.StatusServiceUnavailable}
	storeUncertain    = problemKind{"store-uncertain", "The store did not say whether it charged", http.StatusServiceUnavailable}
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

// problemOf makes a problem of whatever a call returned.
func problemOf(err error) *Problem {
	var (
		problem *Problem
		unknown *engine.UnknownPolicyError
		invalid *sluice.InvalidError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &unknown):
		return newFault(unknownPolicy, "policy", "%s", unknown)
	case errors.As(err, &invalid):
		p := newProblem(invalidValue, "%s", strings.ReplaceAll(err.Error(), "\n", "; ")) // each fault names its field
		p.Field = invalid.Field
		return p
	case errors.Is(err, sluice.ErrUncertain):
		return newProblem(storeUncertain, "%s; asking again may charge again", err)
	}
	return newProblem(storeFailed, "%s; nothing was charged, ask again later", err)
}

// write sends the problem as the whole response. Header fields that were set before are sent too.
func (p *Problem) write(w http.ResponseWriter) {
	writeJSON(w, p.Status, "application/problem+json", p)
}

// writeJSON sends a value, which must have a JSON form, as the whole response.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
	if err != nil { // the values are this package's own, and all of them have a JSON form
		panic(err)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller that has gone needs no answer
}
