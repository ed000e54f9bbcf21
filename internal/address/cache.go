package address

import (
	"container/list"
	"sync"
	"time"
)

type question struct{ kind, name string }

// answer is what DNS said to a question: records of the kind's type, or a sure no.
type answer struct {
	records any
	err     error
	until   time.Time
}

// cache keeps the answers last used, up to size.
type cache struct {
	mu     sync.Mutex
	size   int
	byName map[question]*list.Element
	recent *list.List // of *kept, the last used in front
}

type kept struct {
	question
	answer
}

func newCache(size int) *cache {
	return &cache{size: size, byName: make(map[question]*list.Element), recent: list.New()}
}

func (c *cache) get(q question, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byName[q]
	if !ok {
		return answer{}, false
	}
	k := e.Value.(*kept)
	if !now.Before(k.until) {
		c.remove(e)
		return answer{}, false
	}
	c.recent.MoveToFront(e)
	return k.answer, true
}

func (c *cache) put(q question, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[q]; ok {
		c.remove(e)
	}
	c.byName[q] = c.recent.PushFront(&kept{q, a})
	if c.recent.Len() > c.size {
		c.remove(c.recent.Back())
	}
}

func (c *cache) drop(q question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[q]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	c.recent.Remove(e)
	delete(c.byName, e.Value.(*kept).question)
}
