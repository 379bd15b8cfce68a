module github.com/sluice-project/sluice

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/goccy/go-yaml v1.19.2
	github.com/google/go-cmp v0.7.0
	github.com/redis/rueidis v1.0.79
	pgregory.net/rapid v1.3.0
)

require golang.org/x/sys v0.47.0 // indirect
