package campaign

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
)

// Intervals of the scheduler.
const (
	leaseTTL   = 10 * time.Second
	busyTick   = 25 * time.Millisecond
	idleTick   = 250 * time.Millisecond
	slowTick   = time.Second
	offerAfter = 3 * time.Second
	wakePage   = 1000
)

// Scheduler plans campaigns, releases batches and picks up what was left. Of
// several, one leads by a lease; each of its transactions renews the lease
// first and is rolled back when another has taken it.
type Scheduler struct {
	store    *Store
	process  *database.Process
	queue    Queue
	patience Patience
	watch    *database.Watch
	log      *slog.Logger
	nudge    chan struct{}
	duties   []Duty
	metrics  *schedulerMetrics
	mishaps  *panics.Log
	turn     int                    // counts the releases
	opened   map[int64]int64        // lane → the day of its warm-up that was looked at last
	released map[string]time.Time   // scope whose permits are rare → when it let the last through
	searches map[int64]search       // campaign → how far [Scheduler.Relane] is
	checks   map[int64]chan checked // scheduled campaign → what the gate says of it
	troubles map[int64]trouble      // campaigns that could not be worked on
	sweeping []int64                // cancelled campaigns with people left

	mu      sync.Mutex
	lease   *database.Lease // nil: another leads, or nobody
	renewed time.Time
}

// NewScheduler leads or waits once [Scheduler.Run] is called.
func NewScheduler(store *Store, process *database.Process, queue Queue, patience Patience, log *slog.Logger) *Scheduler {
	return &Scheduler{store: store, process: process, queue: queue, patience: patience, log: log, nudge: make(chan struct{}, 1), metrics: newSchedulerMetrics(), mishaps: panics.NewLog(log), opened: map[int64]int64{}, released: map[string]time.Time{}, checks: map[int64]chan checked{}, troubles: map[int64]trouble{}}
}

// Watched lets nothing be deleted, expired or given up while the clock may be
// wrong; before [Scheduler.Run].
func (s *Scheduler) Watched(w *database.Watch) { s.watch = w }

// sure is the time, or less while the clock may have been put forward.
func (s *Scheduler) sure() time.Time { return s.watch.Sure(s.store.db.Now()) }

// Mishaps lets the process's log note this scheduler's panics; before [Scheduler.Run].
func (s *Scheduler) Mishaps(l *panics.Log) { s.mishaps = l }

// Nudge asks for a tick now: a batch was finished, a campaign launched.
func (s *Scheduler) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Run schedules until ctx ends, then gives up the lead.
func (s *Scheduler) Run(ctx context.Context) {
	var slow time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	var attending sync.WaitGroup
	for _, d := range s.duties {
		attending.Go(func() { s.attend(ctx, d) })
	}
	for {
		select {
		case <-ctx.Done():
			attending.Wait()
			s.resign()
			return
		case <-s.nudge:
		case <-timer.C:
		}
		wait := idleTick
		if s.lead(ctx) {
			var busy bool
			err := panics.Do(func() (err error) {
				busy, err = s.Tick(ctx, time.Since(slow) >= slowTick)
				return err
			})
			s.mishaps.Note("scheduler", err)
			if time.Since(slow) >= slowTick {
				slow = time.Now()
			}
			if busy {
				wait = busyTick
			}
			s.report(ctx, err, &wait)
		}
		timer.Reset(wait)
	}
}

// report logs a failed tick, and gives up the lead when that is what failed.
func (s *Scheduler) report(ctx context.Context, err error, wait *time.Duration) {
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, database.ErrStale):
		s.hold(nil)
		s.metrics.leads.Store(false)
		s.log.Warn("another scheduler leads now")
	default:
		s.log.Error("scheduler", "error", err)
		*wait = slowTick
	}
}

// lead holds or tries to get the lease.
func (s *Scheduler) lead(ctx context.Context) bool {
	if !s.leads() {
		lease, err := s.store.db.Acquire(ctx, schedulerLease, s.process.Session(), leaseTTL)
		if err != nil {
			if errors.Is(err, database.ErrConflict) {
				err = s.process.Unseat(ctx, schedulerLease)
			}
			if err != nil && ctx.Err() == nil {
				s.log.Error("scheduler lease", "error", err)
			}
			return false
		}
		s.hold(lease)
		s.metrics.leads.Store(true)
		s.log.Info("scheduler leads")
	}
	if s.sinceRenewed() > leaseTTL/3 {
		if err := s.write(ctx, func(*database.Tx) error { return nil }); err != nil {
			wait := idleTick
			s.report(ctx, err, &wait)
			return false
		}
	}
	return true
}

// leads tells whether this process holds the lease, as far as it knows.
func (s *Scheduler) leads() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease != nil
}

// hold takes over a lease, or none.
func (s *Scheduler) hold(l *database.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease, s.renewed = l, time.Now()
}

func (s *Scheduler) held() *database.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

func (s *Scheduler) sinceRenewed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.renewed)
}

func (s *Scheduler) resign() {
	if !s.leads() {
		return
	}
	s.metrics.leads.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.held().Release(ctx, s.store.db); err != nil {
		s.log.Warn("give up the scheduler lease", "error", err)
	}
}

// write is every change of the scheduler: fenced.
func (s *Scheduler) write(ctx context.Context, change func(tx *database.Tx) error) error {
	lease := s.held()
	if lease == nil {
		return database.ErrStale
	}
	err := s.store.db.Write(ctx, func(tx *database.Tx) error {
		if err := lease.Renew(ctx, tx); err != nil {
			return err
		}
		return change(tx)
	})
	if err == nil {
		s.mu.Lock()
		s.renewed = time.Now()
		s.mu.Unlock()
	}
	return err
}

// Tick does one round; slow adds what need not be done each time. It tells
// whether there is more to do at once. How long it takes does not depend on the
// size of the campaigns: each gets a few pages.
func (s *Scheduler) Tick(ctx context.Context, slow bool) (busy bool, err error) {
	defer s.metrics.ticked(time.Now())
	if slow {
		if err := s.chores(ctx); err != nil {
			return false, err
		}
	}
	if err := s.sweep(ctx); err != nil {
		return false, err
	}
	stopped := true
	if _, err := s.store.Stopped(ctx); errors.Is(err, database.ErrNotFound) {
		stopped = false
	} else if err != nil {
		return false, err
	}
	running, err := s.sound(ctx, Sending, Paused)
	if err != nil {
		return false, err
	}
	sending := running[:0:0]
	for _, c := range running {
		if err := s.advance(ctx, c, slow); err != nil {
			if err := s.trouble(ctx, c.ID, err); err != nil {
				return false, err
			}
		} else if c.Status == Sending {
			sending = append(sending, c)
		}
	}
	busy = len(sending)+len(s.sweeping) > 0
	if stopped {
		return busy, nil
	}
	_, err = s.release(ctx, sending)
	return busy, err
}

// advance plans some of a campaign, wakes whose time has come, and moves its
// canary on: each second where people have hours of their own, which are counted.
func (s *Scheduler) advance(ctx context.Context, c Campaign, slow bool) error {
	if err := s.planSome(ctx, c); err != nil {
		return err
	}
	if err := s.wake(ctx, c); err != nil || c.Status != Sending || !slow && !c.Calendar.Always() {
		return err
	}
	return s.watchCanary(ctx, c)
}

// chores are what a second's delay does not hurt. One that fails keeps the
// others from nothing, unless another leads by now or the database is away.
func (s *Scheduler) chores(ctx context.Context) error {
	for _, chore := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"recover", s.recover},
		{"start", s.start},
		{"brake", s.brake},
		{"finish", s.finish},
		{"reopen", s.reopen},
		{"cancelled", s.cancelled},
		{"offer again", s.offerAgain},
		{"letters", s.offerLetters},
		{"prune", s.prune},
	} {
		err := chore.do(ctx)
		if ctx.Err() != nil || errors.Is(err, database.ErrStale) || errors.Is(err, database.ErrUnavailable) {
			return err
		}
		if err != nil {
			s.log.Error("chore of the scheduler", "chore", chore.name, "error", err)
		}
	}
	return nil
}

// peersAtOnce is how many processes a round takes over from: after a crash loop
// without a scheduler there are many, and the lease must be renewed between them.
const peersAtOnce = 20

// recover hands on what processes left that ended or fell silent: one after the
// other, each in a transaction of its own.
func (s *Scheduler) recover(ctx context.Context) error {
	var silent []database.Peer
	err := s.write(ctx, func(tx *database.Tx) (err error) {
		silent, err = s.process.Silent(ctx, tx)
		return err
	})
	for _, p := range silent[:min(len(silent), peersAtOnce)] {
		if err == nil {
			err = s.takeOver(ctx, p.Session)
		}
	}
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *database.Tx) error {
		return errors.Join(s.recoverStrays(ctx, tx), s.recoverStrayLetters(ctx, tx))
	})
}

// takeOver hands on what one process left, if it still is silent.
func (s *Scheduler) takeOver(ctx context.Context, session int64) error {
	return s.write(ctx, func(tx *database.Tx) error {
		silent, err := s.process.Silent(ctx, tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(silent, func(p database.Peer) bool { return p.Session == session })
		if i < 0 {
			return nil
		}
		p := silent[i]
		batches, doubts, err := s.store.Recover(ctx, tx, p.Session, p.Proven, s.patience.FinalDot.Milliseconds())
		if err != nil {
			return err
		}
		if err := s.recoverLetters(ctx, tx, p.Session, p.Proven); err != nil {
			return err
		}
		if err := s.process.Forget(ctx, tx, p); err != nil {
			return err
		}
		s.metrics.tookOver(doubts)
		s.log.Warn("took over from a process", "pid", p.PID, "ended", p.Proven, "batches", batches, "doubts", doubts)
		return nil
	})
}

// recoverStrays hands on batches whose session nobody has any more: they were
// taken by a commit that came through after its process was written off.
func (s *Scheduler) recoverStrays(ctx context.Context, tx *database.Tx) error {
	sessions, err := s.store.Strays(ctx, tx)
	if err != nil || len(sessions) == 0 {
		return err
	}
	known, err := s.process.Sessions(ctx, tx)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if slices.Contains(known, session) {
			continue
		}
		batches, doubts, err := s.store.Recover(ctx, tx, session, false, s.patience.FinalDot.Milliseconds())
		if err != nil {
			return err
		}
		s.log.Warn("took over stray batches", "batches", batches, "doubts", doubts)
	}
	return nil
}

// wake readies deliveries whose time has come; a doubt only once its relay answers plainly.
func (s *Scheduler) wake(ctx context.Context, c Campaign) error {
	now := s.store.db.Now().UnixMilli()
	var due []Delivery
	err := s.store.db.Select(ctx, &due, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND wait = 2 AND not_before <= ? ORDER BY not_before LIMIT ?`, c.ID, now, wakePage)
	if err != nil || len(due) == 0 {
		return err
	}
	relays, err := s.store.senders.Relays(ctx)
	if err != nil {
		return err
	}
	doubtful := map[int64]bool{}
	for _, r := range relays {
		doubtful[r.ID] = r.Doubting || r.State != sending.Healthy
	}
	idle, err := s.store.idle(ctx, c.ID)
	if err != nil {
		return err
	}
	probes := map[int64]bool{}
	for _, r := range relays {
		if idle && doubtful[r.ID] && r.Usable(now) {
			probes[probeWith(due, r.ID)] = true
		}
	}
	return s.write(ctx, func(tx *database.Tx) error {
		t := Tally{}
		for _, d := range due {
			if d.Status == Uncertain && doubtful[d.RelayID] && !probes[d.SubscriberID] {
				_, err := tx.Exec(ctx, `UPDATE deliveries SET not_before = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = 'uncertain' AND wait = 2`,
					now+doubtPause.Milliseconds(), d.CampaignID, d.SubscriberID)
				if err != nil {
					return err
				}
				continue
			}
			n, err := tx.Exec(ctx, `UPDATE deliveries SET status = 'queued', wait = 1 WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND wait = 2`,
				d.CampaignID, d.SubscriberID, string(d.Status))
			if err != nil {
				return err
			}
			if n == 1 && d.Status != Queued {
				lane, err := s.store.pace.With(tx).Lane(ctx, d.Lane)
				if err != nil {
					return err
				}
				t.move(d.CampaignID, lane.Provider, d.Status, Queued, 1)
			}
		}
		return s.store.Count(ctx, tx, t)
	})
}

// probeWith is the person whose doubt is let through to a relay that is
// coming back, when the campaign has no other mail that could show whether it
// answers again; 0 when there is none.
func probeWith(due []Delivery, relay int64) int64 {
	for _, d := range due {
		if d.Status == Uncertain && d.RelayID == relay {
			return d.SubscriberID
		}
	}
	return 0
}

// finish ends campaigns that have nothing left to do.
func (s *Scheduler) finish(ctx context.Context) error {
	running, err := s.sound(ctx, Sending, Sending)
	if err != nil {
		return err
	}
	for _, c := range running {
		if err := s.finishOne(ctx, c); err != nil {
			if err := s.trouble(ctx, c.ID, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scheduler) finishOne(ctx context.Context, c Campaign) error {
	if !c.Planned {
		return nil
	}
	n, err := s.store.Counts(ctx, c.ID)
	if err != nil {
		return err
	}
	if n.Queued+n.Sending+n.Deferred > 0 {
		return nil
	}
	var waiting int64
	err = s.store.db.Get(ctx, &waiting, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND wait = 2 LIMIT 1`, c.ID)
	if err == nil {
		return nil // a doubt that is to be sent again
	}
	if !errors.Is(err, database.ErrNotFound) {
		return err
	}
	err = s.write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, true); err != nil {
			return err
		}
		if again, err := s.store.With(tx).Counts(ctx, c.ID); err != nil || again != n {
			return err // something came in between; the next round looks again
		}
		_, err := s.store.move(ctx, tx, c.ID, Sent, "finish", "")
		return err
	})
	if errors.Is(err, ErrState) {
		return nil
	}
	if err != nil {
		return err
	}
	s.log.Info("campaign sent", "campaign", c.ID, "recipients", n.Recipients, "sent", n.Sent, "failed", n.Failed, "skipped", n.Skipped, "uncertain", n.Uncertain)
	return nil
}

// reopen sets campaigns going again that got something to do after their end,
// such as a late deferral of what had been in doubt.
func (s *Scheduler) reopen(ctx context.Context) error {
	ids, err := s.unfinished(ctx, Sent)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := s.write(ctx, func(tx *database.Tx) error {
			_, err := s.store.reopen(ctx, tx, id)
			return err
		})
		if err != nil && !errors.Is(err, ErrState) {
			return err
		}
	}
	return nil
}

// unfinished lists the campaigns in a state that have queued or deferred deliveries.
func (s *Scheduler) unfinished(ctx context.Context, in Status) ([]int64, error) {
	var ids []int64
	err := s.store.db.Select(ctx, &ids, `SELECT n.campaign_id FROM campaign_counts n JOIN campaigns c ON c.id = n.campaign_id
		WHERE c.status = ? AND n.status IN ('queued', 'deferred') GROUP BY n.campaign_id HAVING SUM(n.n) > 0`, string(in))
	return ids, err
}

// prune forgets what only helped for a while.
func (s *Scheduler) prune(ctx context.Context) error {
	if s.store.db.Now().Unix()%60 != 0 || s.watch.Steady() != nil {
		return nil
	}
	return errors.Join(s.store.people.PruneNoes(ctx), s.store.pace.PruneMinutes(ctx), s.store.pruneFiles(ctx))
}
