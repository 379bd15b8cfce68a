package filesource_test

import (
	"fmt"

	"github.com/sluice-project/sluice/policy/filesource"
)

// All faults of a file are reported at once.
func ExampleParse() {
	_, err := filesource.Parse("sluice.yaml", []byte(`
listen: {http: 8080}
policies:
  api:
    limts: {second: 10/s}
  login:
    limits: {burst: 5/s burst 10, long: 100/fortnight}
    key: header
`))
	fmt.Println(err)
	// Output:
	// sluice.yaml:2:16: listen.http: "8080" is no address to listen on; write HOST:PORT, as in "127.0.0.1:8080", "[::1]:8080" or ":8080" for every address
	// sluice.yaml:4:3: policies.api.limits: there is none; give at least one, such as "100/minute"
	// sluice.yaml:5:5: policies.api.limts: there is no such field here; did you mean limits?
	// sluice.yaml:7:41: policies.login.limits.long: "100/fortnight": the period's unit "fortnight" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)
	// sluice.yaml:8:10: policies.login.key: "header": the name is missing; write header:NAME
}

// A file that gives only its policies has the defaults for the rest.
func ExampleParse_defaults() {
	file, err := filesource.Parse("sluice.yaml", []byte("policies: {api: {limits: [10/s, 1000/day]}}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Listen.HTTP, file.Store, file.StoreTimeout)
	for _, l := range file.Policies[0].Limits {
		fmt.Println(l.Name(), l)
	}
	// Output:
	// 127.0.0.1:8080 memory 100ms
	// second 10/s
	// day 1000/day
}
