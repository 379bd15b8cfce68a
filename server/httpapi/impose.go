package httpapi

import (
	"errors"
	"net/http"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
)

// impose answers PUT /v1/policies: it makes live just what the body says, and deletes the rest.
func (a *API) impose(w http.ResponseWriter, r *http.Request, on target) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	file, err := parseImposed(body)
	if err != nil {
		return err
	}
	if err := a.control.Impose(r.Context(), on.caller, file); err != nil {
		return err
	}
	return show(w, map[string]int{"policies": len(file.Policies), "schedules": len(file.Schedules)})
}

const imposedExample = `{"policies":{"api":{"limits":{"second":"10/s burst 20"}}},"schedules":{}}`

// parseImposed reads the body of such a change. Both fields must be there: what is not in them is deleted. Whether the
// schedules are about policies that are there, control looks.
func parseImposed(body []byte) (file control.File, err error) {
	var (
		faults              []error
		policies, schedules bool
	)
	p := newBodyParser(body, imposedExample)
	err = p.object("policies and schedules", func(name string) (known bool, err error) {
		switch name {
		case "policies":
			policies = true
			err = p.documents(func(name string, document []byte) {
				parsed, err := policy.ParseDocument(name, document)
				file.Policies = append(file.Policies, parsed)
				faults = append(faults, within(policy.JoinPath("policies", name), err))
			})
		case "schedules":
			schedules = true
			err = p.documents(func(name string, document []byte) {
				parsed, err := schedule.ParseDocument(name, document)
				file.Schedules = append(file.Schedules, parsed)
				faults = append(faults, within(policy.JoinPath("schedules", name), err))
			})
		default:
			return false, nil
		}
		return true, err
	})
	const remedy = "it is missing; what is not in it is deleted, so send {} where there are to be none"
	switch {
	case err != nil:
	case !policies:
		err = p.faultIn("policies", remedy)
	case !schedules:
		err = p.faultIn("schedules", remedy)
	default:
		err = p.end()
	}
	if err != nil {
		return control.File{}, err
	}
	if err := errors.Join(faults...); err != nil {
		return control.File{}, err
	}
	return file, nil
}

// documents reads an object of names and documents, and hands them on one by one.
func (p *bodyParser) documents(each func(name string, document []byte)) error {
	if _, err := p.token('{', "an object"); err != nil {
		return err
	}
	for p.tokens.PeekKind() != '}' {
		token, err := p.token('"', "a name")
		if err != nil {
			return err
		}
		name := token.String() // before the document takes its place
		document, err := p.document()
		if err != nil {
			return err
		}
		each(name, document)
	}
	_, err := p.token('}', "an object")
	return err
}

// within returns the faults of an error, each as one of something at a path; nil of nil.
func within(path string, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []error
		for _, e := range joined.Unwrap() {
			faults = append(faults, within(path, e))
		}
		return errors.Join(faults...)
	}
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return &sluice.InvalidError{Field: path + "." + invalid.Field, Problem: invalid.Problem}
	}
	return err
}
