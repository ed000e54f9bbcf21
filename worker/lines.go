package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

// line is a relay as this process uses it: its connections and how its
// answers have been.
type line struct {
	relay    sending.Relay
	mark     string // field of its provider for our id, see mark.go
	pool     *smtp.Pool
	streak   sending.Streak // the recorder's only
	suspect  atomic.Bool    // has rested and not accepted a message since
	restless atomic.Bool    // must rest, which is not written yet
	restedAt atomic.Int64   // when that was written, Unix nanoseconds
	loaded   chan struct{}  // held by the unpaced batches that are in memory
	feeding  chan struct{}  // and by those of them that feed it
}

// How many unpaced batches of a relay are in memory, and how many of them feed
// its connections. More of these would only mix their pages in the database,
// which each commit writes; fewer would let connections wait.
const (
	loadedAtOnce  = 4
	feedingAtOnce = 2
)

// lines are the relays in use.
type lines struct {
	db       *database.DB
	senders  *sending.Store
	recorder *Recorder
	log      *slog.Logger
	helo     string
	timeouts smtp.Timeouts
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)

	shares shares

	mu      sync.Mutex
	byID    map[int64]*line
	retired []*line // whose relay's settings have changed
	closed  bool
}

// pick chooses among relays one that takes n mails now, so that each gets its
// share by weight. It returns nil, and when to ask again (Unix milliseconds),
// when none does.
func (l *lines) pick(ctx context.Context, ids []int64, n int) (*line, int64, error) {
	read, now := time.Now(), l.db.Now().UnixMilli()
	var usable []sending.Relay
	again := int64(0)
	for _, id := range ids {
		r, err := l.senders.Relay(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if r.Usable(now) {
			usable = append(usable, r)
		} else if r.State == sending.Resting && (again == 0 || r.Until < again) {
			again = r.Until
		}
	}
	if len(usable) == 0 {
		return nil, again, nil
	}
	line, err := l.open(l.shares.next(usable, n), read)
	return line, 0, err
}

// open is the line to a relay, made at first use and revived after a rest. r
// was read at the given time: what was read before the rest was written says
// nothing about its end.
func (l *lines) open(r sending.Relay, read time.Time) (*line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, smtp.ErrClosed
	}
	if at, ok := l.byID[r.ID]; ok && at.relay.ChangedAt != r.ChangedAt {
		l.retire(at)
	} else if ok {
		if at.pool.Down() && !at.restless.Load() && read.UnixNano() > at.restedAt.Load() {
			at.pool.Revive()
		}
		if r.State != sending.Healthy || r.Doubting {
			at.suspect.Store(true)
		}
		return at, nil
	}
	server, err := l.senders.Server(r, l.helo)
	if err != nil {
		return nil, err
	}
	server.Timeouts, server.Lookup = l.timeouts, l.lookup
	at := &line{relay: r, mark: markFor(r.Host), loaded: make(chan struct{}, loadedAtOnce), feeding: make(chan struct{}, feedingAtOnce)}
	at.suspect.Store(r.State != sending.Healthy || r.Doubting)
	at.pool = smtp.NewPool(smtp.Options{
		Server: server, MaxConnections: r.MaxConnections,
		Turn:     func(ended []smtp.Ended, next smtp.Mail) bool { return l.recorder.turn(at, ended, next) },
		Down:     func(res smtp.Result) { l.down(at, res) },
		Panicked: func(err error) { l.recorder.mishaps.Note("connection", err) },
	})
	if at.suspect.Load() {
		at.pool.Rest()
		at.pool.Revive()
	}
	l.byID[r.ID] = at
	return at, nil
}

// retire lets a line's open dialogues end; the next mail goes over a new one.
func (l *lines) retire(at *line) {
	delete(l.byID, at.relay.ID)
	l.retired = append(l.retired, at)
	go at.pool.Close(context.Background())
}

// down rests a relay that could not be reached or logged in to. Nothing
// counts as an attempt against anybody.
func (l *lines) down(at *line, res smtp.Result) {
	o := sending.Judge(res)
	reason := fmt.Sprintf("does not take connections (%s): %s", res.Stage, o.Text)
	if res.Code != 0 {
		reason = fmt.Sprintf("refuses connections (%s): %d %s %s", res.Stage, res.Code, res.Enhanced, res.Text)
	}
	at.suspect.Store(true)
	at.restless.Store(true)
	l.recorder.metrics.down(at.relay.ID, res)
	defer at.resting()
	l.log.Warn("relay rests", "relay", at.relay.ID, "reason", reason)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := l.db.Write(ctx, func(tx *database.Tx) error {
		_, err := l.senders.Rest(ctx, tx, at.relay.ID, sending.Trouble{Reason: reason, Refused: res.Stage == smtp.Auth || res.Code >= 500})
		return err
	})
	if err != nil {
		l.log.Error("rest a relay", "relay", at.relay.ID, "error", err)
	}
}

// resting notes that the rest is written.
func (at *line) resting() {
	at.restedAt.Store(time.Now().UnixNano())
	at.restless.Store(false)
}

// close ends all dialogues, by force when ctx ends.
func (l *lines) close(ctx context.Context) {
	l.mu.Lock()
	l.closed = true
	all := slices.AppendSeq(slices.Clone(l.retired), maps.Values(l.byID))
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, at := range all {
		wg.Go(func() { at.pool.Close(ctx) })
	}
	wg.Wait()
}

// connections counts the open ones.
func (l *lines) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, at := range l.byID {
		n += at.pool.Connections()
	}
	return n
}
