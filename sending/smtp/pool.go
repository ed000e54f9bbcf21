package smtp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"facteur/internal/panics"
)

// idle is how long a connection waits for the next mail before it says QUIT.
const idle = 20 * time.Second

// barrenLimit is how many connections in a row may end without one final
// answer before the relay counts as down.
const barrenLimit = 5

// Options of [NewPool].
type Options struct {
	Server         Server
	MaxConnections int // at least 1
	Turn           Turn
	// Panicked is told of faults that ended a connection, and nothing else; nil:
	// nobody is.
	Panicked func(error)
	// Down is told, once, why the relay could not be reached or logged in to;
	// from then on Send fails with ErrDown until [Pool.Revive].
	Down func(Result)
}

// Pool is the connections to one relay. They are opened as mail comes, share
// it, and take urgent mail first.
type Pool struct {
	server Server
	turn   Turn
	onDown func(Result)
	onFall func(error)
	urgent chan Mail
	bulk   chan Mail
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	barren  atomic.Int32 // connections in a row without a final answer
	probing atomic.Bool  // one connection only, until it brings a plain answer
	resting atomic.Bool  // equals isDown, read without the lock

	mu      sync.Mutex
	limit   int
	room    int       // how many connections the relay lets us have; at most limit
	until   time.Time // when to try more than room again
	open    map[*conn]struct{}
	dialing int
	down    chan struct{} // closed while the relay is down
	isDown  bool
	closing bool
}

// NewPool opens nothing yet.
func NewPool(o Options) *Pool {
	o.Server.Timeouts = o.Server.Timeouts.orDefault()
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{
		server: o.Server, turn: o.Turn, onDown: o.Down, onFall: o.Panicked, urgent: make(chan Mail), bulk: make(chan Mail), ctx: ctx, cancel: cancel,
		limit: max(1, o.MaxConnections), room: max(1, o.MaxConnections), open: map[*conn]struct{}{}, down: make(chan struct{}),
	}
}

// Send waits until a connection takes m. On an error m was not taken.
func (p *Pool) Send(ctx context.Context, m Mail, urgent bool) error {
	line := p.bulk
	if urgent {
		line = p.urgent
	}
	select {
	case line <- m:
		return nil
	default:
	}
	for {
		down, err := p.grow()
		if err != nil {
			return err
		}
		again := time.NewTimer(100 * time.Millisecond) // a connection may have ended meanwhile
		select {
		case line <- m:
			again.Stop()
			return nil
		case <-down:
			again.Stop()
			return ErrDown
		case <-p.ctx.Done():
			again.Stop()
			return ErrClosed
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		case <-again.C:
		}
	}
}

// grow opens one more connection if there may be more.
func (p *Pool) grow() (down <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closing:
		return nil, ErrClosed
	case p.isDown:
		return nil, ErrDown
	}
	if p.room < p.limit && time.Now().After(p.until) && !p.probing.Load() {
		p.room = p.limit
	}
	if len(p.open)+p.dialing < p.room {
		p.dialing++
		p.work.Go(func() {
			if err := panics.Do(func() error { p.connect(); return nil }); err != nil {
				p.panicked(err)
			}
		})
	}
	return p.down, nil
}

// connect dials and runs one connection to its end.
func (p *Pool) connect() {
	var c *conn
	var res Result
	if err := panics.Do(func() error { c, res = p.dial(p.ctx); return nil }); err != nil {
		c, res = nil, Result{Stage: Connect, Err: err}
	}
	p.mu.Lock()
	p.dialing--
	if c == nil {
		p.mu.Unlock()
		p.refused(res)
		return
	}
	if p.closing {
		p.mu.Unlock()
		c.drop()
		return
	}
	p.open[c] = struct{}{}
	p.mu.Unlock()

	c.survive()
	_ = c.client.Close() // before another may take its place

	p.mu.Lock()
	delete(p.open, c)
	if c.dead && !c.withdrawn && c.answers == 0 {
		p.barren.Add(1)
	}
	barren := p.barren.Load() >= barrenLimit && len(p.open) == 0
	p.mu.Unlock()
	if barren {
		p.fail(Result{Stage: Connect, Err: fmt.Errorf("%d connections in a row ended without an answer", barrenLimit)})
	}
}

func (p *Pool) panicked(err error) {
	if p.onFall != nil {
		p.onFall(err)
	}
}

// roomFor is how long a relay is asked for no more connections than it let us have.
const roomFor = 30 * time.Second

// refused handles a failed dial. With other connections open, or about to be,
// it is taken for the relay's limit, and no more are opened for a while.
func (p *Pool) refused(res Result) {
	p.mu.Lock()
	if n := len(p.open) + p.dialing; n > 0 {
		p.room, p.until = n, time.Now().Add(roomFor) // more would only be refused again
		p.mu.Unlock()
		return
	}
	p.room = p.limit
	p.mu.Unlock()
	p.fail(res)
}

func (p *Pool) fail(res Result) {
	p.mu.Lock()
	if p.isDown || p.closing {
		p.mu.Unlock()
		return
	}
	p.rest()
	p.mu.Unlock()
	p.onDown(res)
}

// Rest lets no mail begin any more until [Pool.Revive]; open dialogues end.
func (p *Pool) Rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isDown && !p.closing {
		p.rest()
	}
}

func (p *Pool) rest() {
	p.isDown = true
	p.resting.Store(true)
	close(p.down)
}

// fruitful notes a final answer: the relay is there, and a probe may be followed by others.
func (p *Pool) fruitful() {
	if p.barren.Load() != 0 {
		p.barren.Store(0)
	}
	if p.probing.Load() {
		p.mu.Lock()
		p.probing.Store(false)
		p.room = p.limit
		p.mu.Unlock()
	}
}

// Down tells whether Send would fail with [ErrDown].
func (p *Pool) Down() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isDown
}

// Revive lets Send try again after a rest: with one connection, until it has
// brought a plain answer.
func (p *Pool) Revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isDown || p.closing {
		return
	}
	p.barren.Store(0)
	p.probing.Store(true)
	p.room, p.until = 1, time.Now().Add(roomFor)
	p.isDown = false
	p.resting.Store(false)
	p.down = make(chan struct{})
}

// Probing tells whether the relay is only coming back: one connection tries it.
func (p *Pool) Probing() bool { return p.probing.Load() }

// Connections is how many are open now.
func (p *Pool) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// take waits for a mail; nil when the pool closes or nobody has one for a while.
func (p *Pool) take() Mail {
	if m := p.tryTake(); m != nil {
		return m
	}
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-down:
		return nil
	case m := <-p.urgent:
		return m
	case m := <-p.bulk:
		return m
	case <-p.ctx.Done():
		return nil
	case <-timer.C:
		return nil
	}
}

// tryTake takes a mail if somebody is offering one now, urgent first.
func (p *Pool) tryTake() Mail {
	if p.ctx.Err() != nil || p.resting.Load() {
		return nil
	}
	select {
	case m := <-p.urgent:
		return m
	default:
	}
	select {
	case m := <-p.bulk:
		return m
	default:
		return nil
	}
}

// Close takes no more mail, waits for the open dialogues until ctx ends, and
// then drops what is left.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.cancel()
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	p.mu.Lock()
	for c := range p.open {
		_ = c.client.Close() // its goroutine sees the error and settles a doubt
	}
	p.mu.Unlock()
	<-done
}
