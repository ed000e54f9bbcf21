package panics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"facteur/internal/panics"

	"github.com/prometheus/client_golang/prometheus"
)

func TestDo_MakesAnErrorOfAPanic(t *testing.T) {
	err := panics.Do(func() error { panic("no such luck") })
	var p *panics.Error
	if !errors.As(err, &p) || err.Error() != "panic: no such luck" || !strings.Contains(p.Stack, "panics_test.go") {
		t.Errorf("%v, with the stack %q", err, p.Stack)
	}
	if err := panics.Do(func() error { return context.Canceled }); !errors.Is(err, context.Canceled) || panics.Is(err) {
		t.Errorf("an error became %v", err)
	}
	if err := panics.Do(func() error { return nil }); err != nil || panics.Is(nil) {
		t.Errorf("nothing became %v", err)
	}
}

func TestLog_LoopGoesOnAfterAPanicAndCountsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := panics.NewLog(slog.New(slog.DiscardHandler))
		runs := 0
		w.Loop(t.Context(), "loop", func(context.Context) {
			if runs++; runs < 3 {
				panic(fmt.Errorf("run %d", runs))
			}
		})
		all := prometheus.NewRegistry()
		all.MustRegister(w.Metrics()...)
		got, err := all.Gather()
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if n := got[0].Metric[0].Counter.GetValue(); runs != 3 || n != 2 {
			t.Errorf("%d runs, %v panics counted", runs, n)
		}
	})
}

func TestGroup_RaisesAPanicWhereItIsWaitedFor(t *testing.T) {
	var g panics.Group
	ended := make(chan bool, 3)
	for i := range 3 {
		g.Go(func() {
			defer func() { ended <- true }()
			if i == 1 {
				panic("no such luck")
			}
		})
	}
	err := panics.Do(func() error { g.Wait(); return nil })
	var p *panics.Error
	if !errors.As(err, &p) || p.Value != "no such luck" || !strings.Contains(p.Stack, "TestGroup_") || len(ended) != 3 {
		t.Errorf("%v after %d had ended", err, len(ended))
	}
}
