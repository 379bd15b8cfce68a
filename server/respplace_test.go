package server

import (
	"testing"

	"github.com/sluice-project/sluice/policy/filesource"
)

// TestRESPPlace has the door at its default where the HTTP door is at its own.
func TestRESPPlace(t *testing.T) {
	t.Parallel()
	for listen, want := range map[filesource.Listen]string{
		{HTTP: "127.0.0.1:8080"}:                         "127.0.0.1:7379",
		{HTTP: "127.0.0.1:8080", RESP: "off"}:            "<nil>",
		{HTTP: "127.0.0.1:8080", RESP: "127.0.0.1:7380"}: "127.0.0.1:7380",
		{HTTP: "127.0.0.1:8090"}:                         "<nil>",
		{HTTP: "127.0.0.1:8090", RESP: "127.0.0.1:7379"}: "127.0.0.1:7379",
	} {
		if got, err := respPlace(listen); got.String() != want || err != nil {
			t.Errorf("respPlace(%+v) = %s, %v; want %s", listen, got, err, want)
		}
	}
}
