// Package panics makes errors of panics, so that a fault met by one message
// costs that message and not the process with all that it has under way.
package panics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Error is a panic as a value. Its text has no stack, which may go on for pages.
type Error struct {
	Value any
	Stack string
}

// New is the error of a value that recover returned, with the stack of the
// goroutine that panicked.
func New(value any) *Error {
	if again, ok := value.(*Error); ok {
		return again // raised by [Group.Wait]: the stack is where it began
	}
	return &Error{value, string(debug.Stack())}
}

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Catch, deferred, makes the function's error of its panic.
func Catch(err *error) {
	if v := recover(); v != nil {
		*err = New(v)
	}
}

// Is tells whether an error comes of a panic.
func Is(err error) bool { return errors.As(err, new(*Error)) }

// Log logs and counts the panics of a process.
type Log struct {
	log   *slog.Logger
	count *prometheus.CounterVec
}

// NewLog counts from 0.
func NewLog(log *slog.Logger) *Log {
	return &Log{log, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "facteur_panics_total", Help: "Panics that were survived: faults of the program, by where they happened.",
	}, []string{"where"})}
}

// Metrics is the count, by where.
func (l *Log) Metrics() []prometheus.Collector { return []prometheus.Collector{l.count} }

// Note logs and counts err if it comes of a panic, which it tells.
func (l *Log) Note(where string, err error) bool {
	var p *Error
	if !errors.As(err, &p) {
		return false
	}
	l.count.WithLabelValues(where).Inc()
	l.log.Error("panic", "where", where, "panic", p.Value, "stack", p.Stack)
	return true
}

// pause is how long a loop that panicked waits before it goes on.
const pause = time.Second

// Loop runs what is to run until ctx ends, and again when it panicked.
func (l *Log) Loop(ctx context.Context, where string, run func(context.Context)) {
	for l.Note(where, Do(func() error { run(ctx); return nil })) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Do runs f and returns its error, or its panic as one.
func Do(f func() error) (err error) {
	defer Catch(&err)
	return f()
}
