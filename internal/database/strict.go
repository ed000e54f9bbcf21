package database

import (
	"bytes"
	"runtime"
	"sync"
)

// strict finds, in tests, who asks the pool inside a transaction: such a
// reading does not see what the transaction has done, and waits for a second
// connection while it keeps the first. Enough of them at once wait for each
// other, and for whatever locks they hold, until the server cuts them.
type strict struct{ inside sync.Map } // goroutine → true

func (s *strict) enter() (leave func()) {
	if s == nil {
		return func() {}
	}
	id := goroutine()
	s.inside.Store(id, true)
	return func() { s.inside.Delete(id) }
}

func (s *strict) outside(query string) {
	if s == nil {
		return
	}
	if _, ok := s.inside.Load(goroutine()); ok {
		panic("inside a transaction the pool is asked: " + query)
	}
}

// goroutine is the number of this goroutine, as its stack tells.
func goroutine() string {
	stack := make([]byte, 40)
	stack = stack[:runtime.Stack(stack, false)]
	return string(bytes.Fields(stack)[1])
}
