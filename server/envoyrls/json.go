package envoyrls

import (
	"errors"
	"io"
	"net/http"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// JSON answers requests in the JSON form of the protocol: 200 or 429 with the answer, 400 without.
func (d *Door) JSON(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		code := http.StatusServiceUnavailable // there is no memory left for bodies, or it took too long
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			code = http.StatusRequestEntityTooLarge
		}
		refuse(w, code)
		return
	}
	if tooManyObjects(body) {
		refuse(w, http.StatusBadRequest)
		return
	}
	var req pb.RateLimitRequest
	if err := protojson.Unmarshal(body, &req); err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	response, err := d.ShouldRateLimit(r.Context(), &req)
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	text, err := protojson.Marshal(response)
	if err != nil {
		refuse(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if response.GetOverallCode() == pb.RateLimitResponse_OVER_LIMIT {
		w.WriteHeader(http.StatusTooManyRequests)
	}
	_, _ = w.Write(text) // who has gone gets nothing
}

func refuse(w http.ResponseWriter, code int) { http.Error(w, http.StatusText(code), code) }
