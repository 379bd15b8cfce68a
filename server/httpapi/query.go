package httpapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice"
)

// query is the parameters of a request, by name.
type query map[string]string

// parseQuery reads a query strictly: each parameter is one of those that there are, and given once.
func parseQuery(raw string, names []string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, newProblem(invalidValue, "the query is not legal: %s; escape what is in a key, as in ?key=a%%26b", err)
	}
	q := make(query, len(values))
	for name, given := range values {
		switch {
		case len(names) == 0:
			return nil, newFault(invalidValue, fieldText(name), "this call has no parameters: leave it out")
		case !slices.Contains(names, name):
			return nil, newFault(invalidValue, fieldText(name), "there is no such parameter here; it must be one of %s", strings.Join(names, ", "))
		case len(given) > 1:
			return nil, newFault(invalidValue, name, "it is given %d times; give it once", len(given))
		}
		q[name] = given[0]
	}
	return q, nil
}

// key returns the key that a call is about: any bytes.
func (q query) key() (string, error) {
	key, plain := q["key"]
	encoded, bytes := q["key_base64"]
	switch {
	case plain && bytes:
		return "", newFault(invalidValue, "key_base64", "it cannot be given beside key: leave out one of the two")
	case plain:
		return key, nil
	case !bytes:
		return "", newFault(invalidValue, "key", "it is missing; say whose state is meant, as in ?key=alice, or in key_base64")
	}
	key, err := decodeBase64(encoded)
	if err != nil {
		return "", newFault(invalidValue, "key_base64", "it is not Base64: %s", err)
	}
	return key, nil
}

// cost returns the units that a look at a key is about; 1 unless said.
func (q query) cost() (int64, error) {
	text, said := q["cost"]
	if !said {
		return 1, nil
	}
	cost, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, newFault(invalidValue, "cost", "it is %.64q; it must be a whole number from 0 to %d, in digits", text, int64(sluice.MaxCount))
	}
	return cost, nil
}

const (
	mostLines    = 1000
	defaultLines = 100
)

// page returns from where on a list is asked for, and how many entries at most.
func (q query) page() (cursor string, most int, err error) {
	most = defaultLines
	if text, said := q["limit"]; said {
		if most, err = strconv.Atoi(text); err != nil || most < 1 || most > mostLines {
			return "", 0, newFault(invalidValue, "limit", "it is %.64q; it must be a whole number from 1 to %d, in digits", text, mostLines)
		}
	}
	if cursor, said := q["cursor"]; said && cursor == "" {
		return "", 0, newFault(invalidValue, "cursor", "it is empty; send that of the page before, or leave it out to begin")
	}
	return q["cursor"], most, nil
}
