package redisstore

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/ledger"
)

// Commit implements [ledger.Ledger].
func (l *Ledger) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if err := c.Validate(); err != nil {
		return ledger.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return ledger.Receipt{}, notSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	keys, args := l.commitArguments(&c)
	parts, err := l.run(ctx, commitScript, keys, args).ToArray()
	if err != nil {
		return ledger.Receipt{}, notCommitted(ctx, err)
	}
	return readReceipt(&c, parts)
}

// commitArguments returns the KEYS and ARGV of the script that commits a change; its head says what each is.
func (l *Ledger) commitArguments(c *ledger.Change) (keys, args []string) {
	keys = append(make([]string, 0, 1+len(c.Append)), l.keys.entries())
	args = make([]string, 0, 6+2*len(c.Expect)+len(c.Delete)+2*len(c.Put)+2*len(c.Append))
	args = append(args, l.keys.changes(), decimal(c.Due), decimal(c.Restore))
	args = append(args, decimal(len(c.Expect)))
	for _, e := range c.Expect {
		args = append(args, entryField(e.Kind, e.Name), decimal(e.Revision))
	}
	args = append(args, decimal(len(c.Delete)))
	for _, e := range c.Delete {
		args = append(args, entryField(e.Kind, e.Name))
	}
	args = append(args, decimal(len(c.Put)))
	for _, e := range c.Put {
		args = append(args, entryField(e.Kind, e.Name), rueidis.BinaryString(e.Value))
	}
	for _, a := range c.Append {
		keys = append(keys, l.keys.log(a.Log))
		args = append(args, decimal(a.Keep), rueidis.BinaryString(a.Value))
	}
	return keys, args
}

func decimal[N ~int | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// readReceipt reads the reply of the script that commits a change.
func readReceipt(c *ledger.Change, parts []rueidis.RedisMessage) (ledger.Receipt, error) {
	var numbers [2]int64
	outcome := ""
	var err error
	if len(parts) > 0 {
		outcome, err = parts[0].ToString()
	}
	for i := range numbers {
		if len(parts) == 3 && err == nil {
			numbers[i], err = parts[1+i].AsInt64()
		}
	}
	switch which := numbers[0]; {
	case err != nil:
	case outcome == "done" && len(parts) == 3:
		return ledger.Receipt{Version: ledger.Version(numbers[0]), Now: sluice.Tick(numbers[1])}, nil
	case outcome == "conflict" && len(parts) == 3 && which >= 0 && which <= int64(len(c.Expect)):
		conflict := &ledger.ConflictError{Current: ledger.Version(numbers[1])}
		if which > 0 {
			conflict.Kind, conflict.Name = c.Expect[which-1].Kind, c.Expect[which-1].Name
		}
		return ledger.Receipt{}, conflict
	case outcome == "early":
		return ledger.Receipt{}, ledger.ErrNotDue
	}
	if err == nil {
		err = fmt.Errorf("the script's reply has %d parts and begins with %.20q", len(parts), outcome)
	}
	return ledger.Receipt{}, uncertain(err)
}

// refusalCode is how an error of Redis begins that has a code of its own; Redis 6.2 says first where in the script some
// are from. The client has taken the code ERR away, which is that of all others, such as that of a stopped script.
var refusalCode = regexp.MustCompile(`^(?:@user_script: ?[0-9]+: )?-?[A-Z]+ `)

// notCommitted says what became of a change that has no answer, or that Redis refused.
func notCommitted(ctx context.Context, err error) error {
	refusal, ok := rueidis.IsRedisErr(err)
	switch {
	case !ok:
		return failed(ctx, err)
	case !refusalCode.MatchString(refusal.Error()) || strings.HasPrefix(refusal.Error(), "BROKEOFF"):
		return uncertain(err)
	case isForeign(refusal):
		return fmt.Errorf("redisstore: %w, nothing done: %w", sluice.ErrForeignState, err)
	}
	return fmt.Errorf("redisstore: redis refused the change, nothing done: %w", err)
}
