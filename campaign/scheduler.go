package campaign

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"facteur/internal/database"
	"facteur/internal/panics"
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

// prune forgets what only helped for a while.
func (s *Scheduler) prune(ctx context.Context) error {
	if s.store.db.Now().Unix()%60 != 0 || s.watch.Steady() != nil {
		return nil
	}
	return errors.Join(s.store.people.PruneNoes(ctx), s.store.pace.PruneMinutes(ctx), s.store.pruneFiles(ctx))
}
