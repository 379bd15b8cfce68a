package httpapi

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// key answers GET and DELETE /v1/policies/{policy}/key: what a key has left, and its reset.
func (a *API) key(w http.ResponseWriter, r *http.Request, on target) error {
	q, err := parseKeyQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		if err := a.engine.Reset(r.Context(), on.policy, q.key); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: on.policy, Key: q.key, Cost: q.cost, Peek: true})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", NewDecision(answer, ""))
	return nil
}

// keyQuery is what the query of a key call says.
type keyQuery struct {
	key  string // any bytes
	cost int64  // 1 unless said
}

// parseKeyQuery reads a query strictly: each parameter is known, and given once.
func parseKeyQuery(raw string) (keyQuery, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return keyQuery{}, newProblem(invalidValue, "the query is not legal: %s; escape what is in a key, as in ?key=a%%26b", err)
	}
	q := keyQuery{cost: 1}
	for name, given := range values {
		fault := func(format string, args ...any) error {
			return newFault(invalidValue, fieldText(name), format, args...)
		}
		if len(given) > 1 {
			return q, fault("it is given %d times; give it once", len(given))
		}
		switch name {
		case "key":
			q.key = given[0]
		case "key_base64":
			if q.key, err = decodeBase64(given[0]); err != nil {
				return q, fault("it is not Base64: %s", err)
			}
		case "cost":
			if q.cost, err = strconv.ParseInt(given[0], 10, 64); err != nil {
				return q, fault("it is %.64q; it must be a whole number from 0 to %d, in digits", given[0], int64(sluice.MaxCount))
			}
		default:
			return q, fault("there is no such parameter here; it must be one of key, key_base64 and cost")
		}
	}
	switch hasKey, hasBase64 := values.Has("key"), values.Has("key_base64"); {
	case hasKey && hasBase64:
		return q, newFault(invalidValue, "key_base64", "it cannot be given beside key: leave out one of the two")
	case !hasKey && !hasBase64:
		return q, newFault(invalidValue, "key", "it is missing; say whose state is meant, as in ?key=alice, or in key_base64")
	}
	return q, nil
}
