package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"facteur/internal/rig"
	"facteur/sending/sandbox"
)

// refusalDrill mails three providers, and then the same with a fourth beside
// them that answers 421 to everything: the others must not be held up.
func refusalDrill(ctx context.Context, o options, binary, dir string) error {
	fmt.Println()
	fmt.Println("## A provider that answers 421 to everything")
	fmt.Println()
	fmt.Println("Mails a second at the other providers, alone and with such a one beside them, one after the other in turns.")
	fmt.Println()
	fmt.Println("| engine | alone | beside it | ratio | refused there |")
	fmt.Println("|---|---|---|---|---|")
	for engine := range strings.SplitSeq(o.engines, ",") {
		var rates [2]float64
		var refused int64
		const rounds = 2
		for round := range 2 * rounds {
			with := round % 2
			rate, n, err := refusalOne(ctx, o, engine, with == 1, binary, filepath.Join(dir, fmt.Sprintf("refusal-%s-%d", engine, round)))
			if err != nil {
				return fmt.Errorf("421 on %s: %w", engine, err)
			}
			rates[with] += rate / rounds
			refused += n
		}
		fmt.Printf("| %s | %.0f/s | %.0f/s | %.2f | %d |\n", engine, rates[0], rates[1], rates[1]/rates[0], refused/rounds)
		if rates[1] < 0.95*rates[0] {
			return fmt.Errorf("421 on %s: the others went at %.2f of their rate", engine, rates[1]/rates[0])
		}
	}
	return nil
}

func refusalOne(ctx context.Context, o options, engine string, with bool, binary, dir string) (rate float64, refused int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	s := &stage{options: o, ctx: ctx, dir: dir, data: dir, people: max(3000, o.recipients/5), drill: drill{domain: "yahoo.com,example.org,orange.fr"}}
	defer s.clear()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	log := filepath.Join(dir, "deliveries")
	rule := sandbox.Rule{Match: "gmail.com", Fraction: 1, Action: "rate"}
	if err := s.listen(sandbox.Options{Latency: 5 * time.Millisecond, PlainNames: true, LogFile: log, Rules: []sandbox.Rule{rule}}); err != nil {
		return 0, 0, err
	}
	if err := s.start(engine, binary); err != nil {
		return 0, 0, err
	}
	if _, err := s.api.ImportCSV(ctx, s.setup.List, s.csv()); err != nil {
		return 0, 0, err
	}
	if with {
		if _, err := s.api.ImportCSV(ctx, s.setup.List, rig.CSVAt(s.people/3, "gmail.com")); err != nil {
			return 0, 0, err
		}
	}
	if _, err := s.api.Launch(ctx, s.setup, letterHTML, ""); err != nil {
		return 0, 0, err
	}
	if err := s.arrived(s.people); err != nil {
		return 0, 0, err
	}
	at, err := arrivalTimes(log, time.Now())
	if err != nil {
		return 0, 0, err
	}
	for code, n := range s.box.Count().Refused {
		if strings.HasPrefix(code, "421") {
			refused += n
		}
	}
	return float64(len(at)) / at[len(at)-1].Sub(at[0]).Seconds(), refused, nil
}
