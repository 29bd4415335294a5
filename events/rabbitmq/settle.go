package rabbitmq

import (
	"context"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// How long the oldest open delivery may hold up the acks of those behind it.
const (
	shortestStall = 2 * time.Millisecond
	longestStall  = 128 * time.Millisecond
)

// acknowledger is what a settler needs of a channel.
type acknowledger interface {
	Ack(tag uint64, multiple bool) error
	Nack(tag uint64, multiple, requeue bool) error
}

// acksGather is how long acks wait for others, where there are few of them and the prefetch leaves room: see gather.
const (
	acksGather    = 10 * time.Millisecond
	acksEnough    = 100
	gatherAtLeast = 16 // prefetch
)

// delivery is a message in somebody's hands.
type delivery struct {
	tag    uint64
	msg    *message.Message
	cancel context.CancelFunc // of the message's context
}

// settled says without waiting whether the message was acked or nacked.
func (d *delivery) settled() (acked, nacked bool) {
	select {
	case <-d.msg.Acked():
		return true, false
	case <-d.msg.Nacked():
		return false, true
	default:
		return false, false
	}
}

// settler tells the broker what became of the deliveries of one channel. It is one goroutine (run). Acks gather for a moment
// and go out as one.
//
// It belongs to its channel: when that is gone, what is settled later is dropped, and the broker delivers it again.
type settler struct {
	channel acknowledger
	fresh   chan *delivery     // in the order of their tags; closed when there will be no more
	gone    <-chan *amqp.Error // says that the channel is closed
	giveUp  <-chan struct{}    // closed when Close waits no longer
	most    int                // deliveries that the broker leaves open
	done    chan struct{}      // closed at run's end

	open     []*delivery // what is not settled, in the order of tags; its head is what holds up the others
	complete bool        // fresh is closed
	stall    time.Duration
	timer    *time.Timer
}

func newSettler(channel acknowledger, prefetch int, gone <-chan *amqp.Error, giveUp <-chan struct{}) *settler {
	return &settler{
		channel: channel, fresh: make(chan *delivery, prefetch), gone: gone, giveUp: giveUp, most: prefetch, done: make(chan struct{}),
	}
}

// run returns when everything is settled and no more will come, or on giveUp.
func (s *settler) run() {
	s.timer = time.NewTimer(longestStall)
	defer s.timer.Stop()
	defer s.release()
	s.expectHead()
	for {
		s.takeFresh()
		s.gather()
		s.takeFresh()
		if s.settleHead() {
			s.expectHead()
			continue
		}
		if len(s.open) == 0 && s.complete || !s.wait() {
			return
		}
	}
}

// await waits until run has ended: everything is settled. It returns early when ctx ends.
func (s *settler) await(ctx context.Context) {
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

// release ends the contexts of whatever is left.
func (s *settler) release() {
	close(s.done)
	for _, d := range s.open {
		d.cancel()
	}
	for {
		select {
		case d, ok := <-s.fresh:
			if !ok {
				return
			}
			d.cancel()
		default:
			return
		}
	}
}

func (s *settler) takeFresh() {
	for !s.complete {
		select {
		case d, ok := <-s.fresh:
			s.add(d, ok)
		default:
			return
		}
	}
}

func (s *settler) add(d *delivery, ok bool) {
	if !ok {
		s.complete, s.fresh = true, nil
		return
	}
	s.open = append(s.open, d)
}

// gather lets acks gather once the head's is to be written. Nobody waits for an ack: a message is done before it. But the
// broker does as much for one ack as for many, at the very time at which the next stage has begun.
//
// And a quorum queue's channel passes on only so many acks (32, on 3.10) before the first of them is on disk; those that wait
// for that are forgotten when the channel is closed, and their messages come again. Gathered, they are never so many.
func (s *settler) gather() {
	if s.most < gatherAtLeast || len(s.open) == 0 {
		return
	}
	if acked, _ := s.open[0].settled(); !acked || s.finished() >= min(s.most/2, acksEnough) {
		return
	}
	enough := time.NewTimer(acksGather)
	defer enough.Stop()
	select {
	case <-enough.C:
	case <-s.giveUp:
	}
}

// finished counts the open deliveries that are acked.
func (s *settler) finished() (n int) {
	for _, d := range s.open {
		if acked, _ := d.settled(); acked {
			n++
		}
	}
	return n
}

// settleHead settles the contiguous run of finished deliveries at the head, the acked ones by one ack. It reports
// whether there were any.
//
// All deliveries of this channel up to the last of the run are finished, and the last ack's own tag is open at the
// broker: only so is `multiple` safe.
func (s *settler) settleHead() bool {
	run, acks, last := 0, 0, uint64(0)
	for _, d := range s.open {
		acked, nacked := d.settled()
		if !acked && !nacked {
			break
		}
		if acked {
			acks, last = acks+1, d.tag
		} else {
			_ = s.channel.Nack(d.tag, false, true) // an error means that the channel is gone: see gone
		}
		run++
	}
	if acks > 0 {
		_ = s.channel.Ack(last, acks > 1)
	}
	for _, d := range s.open[:run] {
		d.cancel()
	}
	s.open = slices.Delete(s.open, 0, run)
	return run > 0
}

// settleBehind settles one by one what is finished behind a head that is not, so that a slow message does not use
// up the prefetch with those that are done. It reports whether there were any.
func (s *settler) settleBehind() bool {
	before := len(s.open)
	s.open = slices.DeleteFunc(s.open, func(d *delivery) bool {
		acked, nacked := d.settled()
		switch {
		case acked:
			_ = s.channel.Ack(d.tag, false)
		case nacked:
			_ = s.channel.Nack(d.tag, false, true)
		default:
			return false
		}
		d.cancel()
		return true
	})
	return len(s.open) < before
}

// expectHead starts the clock of a new head.
func (s *settler) expectHead() {
	s.stall = shortestStall
	s.timer.Reset(s.stall)
}

// wait sleeps until something happens. It returns false on giveUp.
func (s *settler) wait() bool {
	var acked, nacked <-chan struct{}
	var stalled <-chan time.Time
	if len(s.open) > 0 {
		acked, nacked = s.open[0].msg.Acked(), s.open[0].msg.Nacked()
	}
	if len(s.open) > 1 {
		stalled = s.timer.C
	}
	select {
	case <-acked:
	case <-nacked:
	case d, ok := <-s.fresh:
		s.add(d, ok)
	case <-stalled:
		s.stall = min(2*s.stall, longestStall)
		if s.settleBehind() {
			s.stall = shortestStall
		}
		s.timer.Reset(s.stall)
	case <-s.gone:
		s.channel, s.gone = goneChannel{}, nil
	case <-s.giveUp:
		return false
	}
	return true
}

// goneChannel stands for a channel that is closed: its tags must never reach another one.
type goneChannel struct{}

func (goneChannel) Ack(uint64, bool) error        { return nil }
func (goneChannel) Nack(uint64, bool, bool) error { return nil }
