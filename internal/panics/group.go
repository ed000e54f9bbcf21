package panics

import "sync"

// Group runs functions beside each other, as [sync.WaitGroup] does. The first
// of their panics is raised again by Wait: where the caller, and not a goroutine
// that nobody watches, decides what it costs.
type Group struct {
	all   sync.WaitGroup
	mu    sync.Mutex
	first error
}

// Go runs f on a goroutine of its own.
func (g *Group) Go(f func()) { g.all.Go(func() { g.Do(f) }) }

// Do runs f here, and keeps its panic for Wait.
func (g *Group) Do(f func()) {
	err := Do(func() error { f(); return nil })
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == nil {
		g.first = err
	}
}

// Wait returns when all have ended.
func (g *Group) Wait() {
	g.all.Wait()
	if g.first != nil {
		panic(g.first)
	}
}
