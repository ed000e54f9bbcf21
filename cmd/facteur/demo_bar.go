package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"facteur/web/client"
)

// bar shows how far a campaign is: redrawn in place on a terminal, a line now
// and then elsewhere.
type bar struct {
	to    io.Writer
	live  bool // a terminal
	drawn time.Time
}

func newBar(to *os.File) *bar {
	info, err := to.Stat()
	return &bar{to: to, live: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

const barWidth = 30

// draw shows the counts; end says that these are the last ones.
func (b *bar) draw(c client.Campaign, end bool) {
	every := 2 * time.Second
	if b.live {
		every = 0
	}
	if !end && time.Since(b.drawn) < every {
		return
	}
	b.drawn = time.Now()
	n := c.Counts
	done := n.Recipients - n.Queued - n.Sending
	part := 0.0
	if n.Recipients > 0 {
		part = float64(done) / float64(n.Recipients)
	}
	full := int(part * barWidth)
	line := fmt.Sprintf("  %s%s %3.0f%%  %d of %d  %.0f/s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), part*100, done, n.Recipients, c.Rate)
	switch {
	case end:
		line += "  done"
	case c.Rate > 0 && done < n.Recipients:
		line += fmt.Sprintf("  %s left", short(time.Duration(float64(n.Recipients-done)/c.Rate*float64(time.Second))))
	}
	if !b.live {
		_, _ = fmt.Fprintln(b.to, line)
		return
	}
	_, _ = fmt.Fprintf(b.to, "\r%s\x1b[K", line)
	if end {
		_, _ = fmt.Fprintln(b.to)
	}
}
