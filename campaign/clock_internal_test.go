package campaign

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// stepped is a scheduler whose clocks are moved by hand: the wall clock, and
// the one that runs evenly.
type stepped struct {
	*testing.T
	wall      time.Time
	even      time.Duration
	db        *database.DB
	people    *subscribers.Store
	senders   *sending.Store
	pace      *throttle.Store
	scheduler *Scheduler
	list      int64
	relay     int64
	sender    int64
}

// eachStepped runs a test on both engines. The watch measures the process's
// clock: on PostgreSQL, whose server's cannot be moved, with no patience for
// what differs from it.
func eachStepped(t *testing.T, test func(s *stepped)) {
	var s *stepped
	s = &stepped{wall: time.Now(), even: database.SinceBoot()}
	opt := database.Options{Now: func() time.Time { return s.wall }, Since: func() time.Duration { return s.even }}
	databasetest.EachWith(t, opt, func(t *testing.T, db *database.DB) {
		s = &stepped{T: t, wall: time.Now(), even: database.SinceBoot(), db: db}
		s.furnish()
		test(s)
	})
}

func (s *stepped) furnish() {
	ctx := s.Context()
	keys, err := keyring.Open(ctx, s.db, "a secret of the tests")
	s.must(err)
	s.people, s.senders, s.pace = subscribers.NewStore(s.db).Keyed(keys), sending.NewStore(s.db, keys), throttle.NewStore(s.db)
	process, err := database.Join(ctx, s.db, s.TempDir())
	s.must(err)
	s.Cleanup(func() { _ = process.Leave(context.Background()) })
	watch, err := database.NewWatch(ctx, s.db)
	s.must(err)
	s.scheduler = NewScheduler(NewStore(s.db, s.people, s.senders, s.pace), process, &shelf{}, DefaultPatience(), slog.New(slog.DiscardHandler))
	s.scheduler.Watched(watch)
	if !s.scheduler.lead(ctx) {
		s.Fatal("does not lead")
	}
	s.write(func(tx *database.Tx) error {
		l, err := s.people.CreateList(ctx, tx, subscribers.List{Name: "all", OptIn: subscribers.Double})
		s.must(err)
		r, err := s.senders.CreateRelay(ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil)
		s.must(err)
		_, err = s.senders.CreateDomain(ctx, tx, sending.Domain{Name: "example.com", Warmup: sending.NoWarmup})
		s.must(err)
		v, err := s.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "a@example.com", PostalAddress: "here", RelayIDs: []int64{r.ID}})
		s.list, s.relay, s.sender = l.ID, r.ID, v.ID
		return err
	})
}

func (s *stepped) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stepped) write(change func(tx *database.Tx) error) {
	s.Helper()
	s.must(s.db.Write(s.Context(), change))
}

// pass lets time go by on both clocks.
func (s *stepped) pass(d time.Duration) { s.wall, s.even = s.wall.Add(d), s.even+d }

// step moves the wall clock alone.
func (s *stepped) step(d time.Duration) { s.wall = s.wall.Add(d) }

const year = 365 * 24 * time.Hour

// pending brings somebody who is to confirm.
func (s *stepped) pending(email string) {
	s.write(func(tx *database.Tx) error {
		a, err := address.Parse(email)
		s.must(err)
		_, err = s.people.Enroll(s.Context(), tx, s.list, []subscribers.Person{{Address: a}}, consent.Statement{Basis: consent.OptIn, Source: "test", At: s.wall}, true)
		s.must(err)
		_, err = tx.Exec(s.Context(), `UPDATE subscriptions SET status = 'pending', confirmed_at = 0, changed_at = ?`, s.wall.UnixMilli())
		return err
	})
}

func (s *stepped) count(query string, args ...any) (n int64) {
	s.Helper()
	s.must(s.db.Get(s.Context(), &n, query, args...))
	return n
}

// One minute of a year ahead must not delete what it would for good.
func TestScheduler_FinalDutiesRestWhileTheClockMayBeWrong(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		s.pending("ada@example.org")
		ran := 0
		expire := Duty{Name: "expire", Every: time.Minute, Final: true, Do: func(ctx context.Context, write Fenced) (any, error) {
			ran++
			return nil, write(ctx, func(tx *database.Tx) error { _, err := s.people.ExpirePending(ctx, tx, 10); return err })
		}}
		pending := func() int64 { return s.count(`SELECT COUNT(*) FROM subscriptions WHERE status = 'pending'`) }
		s.must(s.scheduler.do(s.Context(), expire))
		if ran != 1 || pending() != 1 {
			s.Fatalf("ran %d times, %d pending; want 1 of each", ran, pending())
		}
		s.step(year)
		if err := s.scheduler.do(s.Context(), expire); !errors.Is(err, database.ErrUnsteady) || ran != 1 || pending() != 1 {
			s.Fatalf("a year ahead: %v, ran %d times, %d pending", err, ran, pending())
		}
		s.step(-year)
		// It jumps while the duty runs: what it did is undone.
		jump := expire
		jump.Do = func(ctx context.Context, write Fenced) (any, error) {
			return nil, write(ctx, func(tx *database.Tx) error {
				s.step(year)
				n, err := s.people.ExpirePending(ctx, tx, 10)
				if n != 1 {
					s.Errorf("expired %d in the year ahead, want 1", n)
				}
				return err
			})
		}
		if err := s.scheduler.do(s.Context(), jump); !errors.Is(err, database.ErrUnsteady) || pending() != 1 {
			s.Fatalf("a jump under the duty: %v, %d pending", err, pending())
		}
		s.step(-year)
		s.pass(365 * 24 * time.Hour) // the year really passes
		s.must(s.scheduler.do(s.Context(), expire))
		if pending() != 0 {
			s.Fatal("not expired when its time had come")
		}
	})
}

func TestScheduler_ADailyDutyIsNotHeldUpByARunOfTheFuture(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		ran := 0
		daily := Duty{Name: "daily", Daily: true, Do: func(context.Context, Fenced) (any, error) { ran++; return nil, nil }}
		s.step(year)
		s.must(s.scheduler.do(s.Context(), daily))
		s.step(-year)
		s.must(s.scheduler.do(s.Context(), daily))
		s.must(s.scheduler.do(s.Context(), daily))
		if ran != 2 {
			s.Fatalf("ran %d times, want 2", ran)
		}
	})
}

func TestScheduler_AJumpLaunchesNothing(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		var id int64
		s.write(func(tx *database.Tx) error {
			c, err := s.scheduler.store.Create(s.Context(), tx, Campaign{Name: "c", Subject: "s", Text: "t", SenderID: s.sender, ListIDs: []int64{s.list}})
			s.must(err)
			id = c.ID
			_, err = s.scheduler.store.Launch(s.Context(), tx, id, s.wall.Add(30*24*time.Hour), Canary{}, Clearance{})
			return err
		})
		status := func() Status {
			s.must(s.scheduler.start(s.Context()))
			c, err := s.scheduler.store.Campaign(s.Context(), id)
			s.must(err)
			return c.Status
		}
		s.step(year)
		if got := status(); got != Scheduled {
			s.Fatalf("a year ahead by a jump it is %s", got)
		}
		s.step(-year)
		s.pass(29 * 24 * time.Hour)
		if got := status(); got != Scheduled {
			s.Fatalf("a day early it is %s", got)
		}
		s.pass(25 * time.Hour)
		if got := status(); got != Sending {
			s.Fatalf("when its time has come it is %s", got)
		}
	})
}

func TestPatience_NobodyIsGivenUpByAJump(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		p := DefaultPatience()
		p.Watch = s.scheduler.watch
		refused := sending.Outcome{Verdict: sending.Deferred, Class: sending.Temporary}
		settle := func(deferredAt int64) DeliveryStatus {
			return p.Settle(Delivery{Attempts: 2, DeferredAt: deferredAt}, refused, "resend", s.wall, 0).Status
		}
		first := s.wall.UnixMilli()
		s.step(year)
		if got := settle(first); got != Deferred {
			s.Errorf("a year ahead by a jump: %s", got)
		}
		ahead := s.wall.UnixMilli()
		s.step(-year)
		s.pass(49 * time.Hour)
		if got := settle(first); got != Failed {
			s.Errorf("after 49 h: %s", got)
		}
		// Deferred first by a clock that was ahead, it gets its two days from now on.
		next := p.Settle(Delivery{Attempts: 2, DeferredAt: ahead}, refused, "resend", s.wall, 0)
		if next.Status != Deferred || next.DeferredAt != s.wall.UnixMilli() {
			s.Errorf("deferred first in the future: %+v, want since %d", next, s.wall.UnixMilli())
		}
	})
}
