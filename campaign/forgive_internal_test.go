package campaign

import (
	"context"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// ahead does something while the clock is a day or a year ahead.
func (s *stepped) ahead(d time.Duration, do func(tx *database.Tx) error) {
	s.Helper()
	s.step(d)
	s.write(do)
	s.step(-d)
}

func (s *stepped) exec(tx *database.Tx, query string, args ...any) {
	s.Helper()
	_, err := tx.Exec(s.Context(), query, args...)
	s.must(err)
}

// doubt lets the clock be doubted on both engines, and trust ends that.
func (s *stepped) doubt() {
	s.write(func(tx *database.Tx) error {
		s.exec(tx, `UPDATE clock SET doubt = 'a test', doubted_at = ?`, s.wall.UnixMilli())
		return nil
	})
}

func (s *stepped) trust() {
	s.write(func(tx *database.Tx) error { return s.scheduler.watch.Confirm(s.Context(), tx) })
}

func (s *stepped) forgive() {
	s.Helper()
	s.must(s.scheduler.watch.Look(s.Context()))
	s.must(s.scheduler.Forgive(s.Context(), s.scheduler.write))
}

// A relay that was put to rest by a clock a day ahead would rest for a day.
func TestForgive_ARelayDoesNotRestForADay(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		s.ahead(24*time.Hour, func(tx *database.Tx) error {
			_, err := s.senders.Rest(s.Context(), tx, s.relay, sending.Trouble{Reason: "refuses us", Refused: true})
			return err
		})
		usable := func() bool {
			r, err := s.senders.Relay(s.Context(), s.relay)
			s.must(err)
			return r.Usable(s.wall.UnixMilli())
		}
		if usable() {
			s.Fatal("not at rest")
		}
		s.forgive()
		if !usable() {
			s.Fatal("at rest for another day")
		}
		// A rest of now is left alone.
		s.write(func(tx *database.Tx) error {
			_, err := s.senders.Rest(s.Context(), tx, s.relay, sending.Trouble{Reason: "refuses us", Refused: true})
			return err
		})
		s.forgive()
		if usable() {
			s.Fatal("a rest of now has been ended")
		}
	})
}

// deliveries of a running campaign that wait, one for each time and status.
func (s *stepped) waiting(calendar Calendar) (campaign int64, wait func(person int64, status DeliveryStatus, until time.Duration)) {
	s.write(func(tx *database.Tx) error {
		c, err := s.scheduler.store.Create(s.Context(), tx, Campaign{Name: "c", Subject: "s", Text: "t", SenderID: s.sender, ListIDs: []int64{s.list}, Calendar: calendar})
		s.must(err)
		campaign = c.ID
		_, err = s.scheduler.store.Launch(s.Context(), tx, c.ID, time.Time{}, Canary{}, Clearance{})
		return err
	})
	return campaign, func(person int64, status DeliveryStatus, until time.Duration) {
		s.Helper()
		s.write(func(tx *database.Tx) error {
			s.exec(tx, `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts, relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at)
				VALUES (?, ?, ?, 2, 1, 0, ?, 0, 1, 0, 1, 0, 0, 0, '', '', '', 0, 0, 0, 0)`, campaign, person, string(status), s.wall.Add(until).UnixMilli())
			return nil
		})
	}
}

func TestForgive_WaitsThatNoWaitReachesAreOver(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		plain, wait := s.waiting(Calendar{})
		wait(1, Deferred, 24*time.Hour)
		wait(2, Queued, year)
		wait(3, Deferred, 4*time.Hour) // as its patience is
		wait(4, Uncertain, year)
		timed, wait := s.waiting(Calendar{Days: []string{"mon"}})
		wait(1, Queued, 6*24*time.Hour)
		wait(2, Queued, year)
		due := func(campaign int64) int64 {
			return s.count(`SELECT COALESCE(SUM(subscriber_id), 0) FROM deliveries WHERE campaign_id = ? AND not_before <= ?`, campaign, s.wall.UnixMilli())
		}
		s.doubt()
		s.forgive()
		if got := due(plain); got != 1+2 {
			s.Errorf("due are people of sum %d, want 1 and 2", got)
		}
		if got := due(timed); got != 2 {
			s.Errorf("due with a calendar are people of sum %d, want 2", got)
		}
		s.trust()
		s.forgive()
		if got := s.count(`SELECT COUNT(*) FROM deliveries WHERE campaign_id = ? AND subscriber_id = 4 AND not_before <= ?`, plain, s.wall.UnixMilli()); got != 1 {
			s.Error("a doubt waits for a year, with a clock that is trusted")
		}
	})
}

func TestForgive_LettersWaitNoLongerThanTheyCan(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		waits := func(status string, until time.Duration) int64 {
			id := s.db.NewID()
			s.write(func(tx *database.Tx) error {
				s.must(s.senders.WriteLetter(s.Context(), tx, sending.Letter{ID: id, Kind: sending.AccessLetter, SenderID: s.sender, Email: "ada@example.org", Message: "m"}))
				s.exec(tx, `UPDATE letters SET status = ?, not_before = ? WHERE id = ?`, status, s.wall.Add(until).UnixMilli(), id)
				return nil
			})
			return id
		}
		// Put off by a clock that was a day ahead, for its next try; and one of now.
		deferred, patient, doubt := waits("deferred", 24*time.Hour), waits("deferred", 4*time.Hour), waits("uncertain", 24*time.Hour)
		due := func(id int64) bool {
			return s.count(`SELECT COUNT(*) FROM letters WHERE id = ? AND not_before <= ?`, id, s.wall.UnixMilli()) == 1
		}
		s.doubt()
		s.forgive()
		if !due(deferred) || due(patient) || due(doubt) {
			s.Errorf("a day ahead is due: %v; within its patience: %v; in doubt: %v", due(deferred), due(patient), due(doubt))
		}
		s.trust()
		s.forgive()
		if !due(doubt) {
			s.Error("a letter in doubt waits for a day, with a clock that is trusted")
		}
	})
}

func TestForgive_CountsOfTheFutureCountAsOfNowOnceTheClockIsTrusted(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		ctx := s.Context()
		lane := throttle.Lane{Domain: "example.com", Provider: "other"}
		var id int64
		s.write(func(tx *database.Tx) (err error) { id, err = s.pace.LaneID(ctx, tx, lane); return err })
		for range 2 {
			s.ahead(year, func(tx *database.Tx) error {
				s.must(s.pace.CountBegins(ctx, tx, map[throttle.Begun]int64{{Lane: id}: 7}))
				return s.pace.CountRates(ctx, tx, throttle.RateTally{{Lane: id, Hour: throttle.Hour(s.wall)}: {Accepted: 5, Complained: 1}})
			})
		}
		s.ahead(year, func(tx *database.Tx) error {
			_, err := s.pace.Trip(ctx, tx, throttle.DomainScope("example.com"), throttle.Bounces, "many")
			s.must(err)
			return s.pace.Resume(ctx, tx, throttle.DomainScope("example.com"), "mended")
		})
		future := func() int64 {
			return s.count(`SELECT COUNT(*) FROM begun_minutes WHERE minute > ?`, s.wall.Unix()/60) + s.count(`SELECT COUNT(*) FROM rates WHERE hour > ?`, throttle.Hour(s.wall)) +
				s.count(`SELECT COUNT(*) FROM breakers WHERE resumed_at > ?`, s.wall.UnixMilli())
		}
		s.doubt()
		s.forgive()
		if future() != 3 {
			s.Fatalf("%d rows of the future, want 3 left alone while the clock is doubted", future())
		}
		s.trust()
		s.forgive()
		usage, err := s.pace.Usage(ctx)
		s.must(err)
		used := usage.Through(throttle.Gate{Scope: throttle.AllScope})
		if future() != 0 || used.Hour != 14 || used.Day != 14 {
			s.Errorf("%d rows of the future, used %+v; want none, and 14 of this hour", future(), used)
		}
		if got := s.count(`SELECT SUM(accepted) * 100 + SUM(complained) FROM rates WHERE hour = ?`, throttle.Hour(s.wall)); got != 1002 {
			s.Errorf("rates of this hour: %d, want 10 accepted and 2 complaints", got)
		}
	})
}

func TestForgive_ASlowdownOfTheFutureIsOverAndABatchIsOfferedAgain(t *testing.T) {
	eachStepped(t, func(s *stepped) {
		ctx := s.Context()
		var lane int64
		s.write(func(tx *database.Tx) (err error) {
			lane, err = s.pace.LaneID(ctx, tx, throttle.Lane{Domain: "example.com", Provider: "gmail"})
			return err
		})
		s.ahead(24*time.Hour, func(tx *database.Tx) error {
			s.exec(tx, `INSERT INTO slowdowns (lane, rule, reason, hits, window_at, since, until_at, recover_at, per_minute, times) VALUES (?, 'r', 'a', 0, 0, ?, ?, ?, 10, 1)`,
				lane, s.wall.UnixMilli(), s.wall.Add(time.Hour).UnixMilli(), s.wall.Add(time.Hour).UnixMilli())
			s.exec(tx, `INSERT INTO batches (id, campaign_id, lane, size, members, state, session, execution, released_at, enqueued_at) VALUES (9, 1, 1, 1, '[1]', 'released', 0, 0, ?, ?)`, s.wall.UnixMilli(), s.wall.UnixMilli())
			return nil
		})
		if slowed, err := s.pace.Slowdowns(ctx); err != nil || len(slowed) != 1 {
			s.Fatal(slowed, err)
		}
		s.forgive()
		if slowed, err := s.pace.Slowdowns(ctx); err != nil || len(slowed) != 0 {
			s.Error("suspended for another day:", slowed, err)
		}
		s.must(s.scheduler.offerAgain(context.WithoutCancel(ctx)))
		if got := s.scheduler.queue.(*shelf).ids; len(got) != 1 || got[0] != 9 {
			s.Errorf("offered again: %v, want batch 9", got)
		}
	})
}
