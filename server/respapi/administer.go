package respapi

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
)

// reset answers SL.RESET policy key.
func (s *session) reset(args [][]byte) {
	s.done(s.door.control.ResetKey(context.Background(), s.who.Name, string(args[1]), string(args[2])))
}

// block answers SL.BLOCK policy key milliseconds [reason].
func (s *session) block(args [][]byte) {
	most := sluice.MaxPeriod.Milliseconds()
	length, ok := wholeNumber(args[3])
	if !ok || length < 1 || length > most {
		s.reply.fail(fmt.Sprintf("ERR milliseconds: it is %s; it must be a whole number from 1 to %d, which is 366 days", quoted(args[3]), most))
		return
	}
	bar := sluice.Bar{For: time.Duration(length) * time.Millisecond}
	if len(args) == 5 {
		bar.Reason = string(args[4])
	}
	_, err := s.door.control.Block(context.Background(), s.who.Name, string(args[1]), string(args[2]), bar)
	s.done(err)
}

// unblock answers SL.UNBLOCK policy key.
func (s *session) unblock(args [][]byte) {
	s.done(s.door.control.Unblock(context.Background(), s.who.Name, string(args[1]), string(args[2])))
}

func (s *session) done(err error) {
	if err != nil {
		s.reply.fail(errorText(err))
		return
	}
	s.reply.simple("OK")
}
