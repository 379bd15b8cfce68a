package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// pageSize is how many items of a list are asked for at once.
const pageSize = 1000

// list returns the items that a list of a server has under a name, from all its pages; at most so many, 0 is all.
func (r *remote) list(ctx context.Context, path string, query url.Values, name string, most int) ([]jsontext.Value, error) {
	all := []jsontext.Value{}
	if query == nil {
		query = url.Values{}
	}
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(all))
		}
		query.Set("limit", strconv.Itoa(size))
		answer, err := r.do(ctx, request{path: path + "?" + query.Encode()}, http.StatusOK)
		if err != nil {
			return nil, err
		}
		var (
			object map[string]jsontext.Value
			items  []jsontext.Value
			cursor string
		)
		if err := r.read(answer, &object, name); err != nil {
			return nil, err
		}
		if err := r.read(answer, &struct {
			Cursor *string `json:"cursor"`
		}{&cursor}); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(object[name], &items); err != nil {
			return nil, err
		}
		all = append(all, items...)
		if cursor == "" || most > 0 && len(all) >= most {
			return all, nil
		}
		query.Set("cursor", cursor)
	}
}

// itemsOf reads the items of a list.
func itemsOf[T any](r *remote, items []jsontext.Value) ([]T, error) {
	all := make([]T, len(items))
	for i, item := range items {
		if err := r.read(reply{body: item}, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
