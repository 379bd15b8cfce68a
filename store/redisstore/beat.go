package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"time"
)

//go:embed scripts/beat.lua
var beatSource string

var beatScript = newLedgerScript(beatSource)

// BeatLife is after how long a server counts as gone that has not said that it is alive, which it should every second. Servers that
// lose Redis one after the other within eight seconds are all counted until the last of them has.
const BeatLife = 10 * time.Second

// Beat says that a server of the fleet is alive, and returns how many are, by Redis's clock, and which of them it is,
// counted from 0 in the order of their names. Servers must have different names.
func (l *Ledger) Beat(ctx context.Context, server string) (index, count int, err error) {
	return l.beat(ctx, server, "")
}

// Leave says that a server goes, so that nobody waits for its [BeatLife] to end.
func (l *Ledger) Leave(ctx context.Context, server string) error {
	_, _, err := l.beat(ctx, server, "1")
	return err
}

func (l *Ledger) beat(ctx context.Context, server, leaves string) (index, count int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, notSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	reply := l.run(ctx, beatScript, []string{l.keys.servers()}, []string{server, decimal(BeatLife.Milliseconds()), leaves})
	numbers, err := reply.AsIntSlice()
	if err == nil && len(numbers) != 2 {
		err = fmt.Errorf("the script's reply has %d parts, want 2", len(numbers))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("redisstore: count the servers: %w", err)
	}
	return int(numbers[1]), int(numbers[0]), nil
}
