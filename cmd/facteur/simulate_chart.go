package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"facteur/throttle"
)

// Measures of the chart, in units of its view box.
const (
	chartWidth, chartHeight         = 960.0, 420.0
	chartLeft, chartTop, chartBelow = 70.0, 50.0, 60.0
	chartRight                      = 150.0
)

// drawForecast draws what is sent a day, stacked by provider, and the caps
// together as a line; on a scale of powers of ten, as a warm-up is one.
func drawForecast(out io.Writer, f throttle.Forecast, title string) error {
	var b strings.Builder
	most := 10.0
	for _, d := range f.Days {
		most = max(most, sums(d, func(l throttle.ForecastLane) float64 { return float64(l.Begun) }), sums(d, capOf))
	}
	top := math.Ceil(math.Log10(most))
	y := func(n float64) float64 {
		if n < 1 {
			return chartHeight - chartBelow
		}
		return chartHeight - chartBelow - (chartHeight-chartTop-chartBelow)*math.Log10(n)/top
	}
	step := (chartWidth - chartLeft - chartRight) / float64(max(1, len(f.Days)))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s"><style>
text{font:13px sans-serif;fill:#333}.t{font-size:16px;font-weight:600}.g{stroke:#ccc}.c{fill:none;stroke:#111;stroke-width:2;stroke-dasharray:5 3}.b{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.c{stroke:#eee}.b{fill:#1a1a1a}}</style><rect class="b" width="100%%" height="100%%"/>`, chartWidth, chartHeight, html.EscapeString(title))
	fmt.Fprintf(&b, `<text class="t" x="%g" y="24">%s</text>`, chartLeft, html.EscapeString(title))
	for power := 0.0; power <= top; power++ {
		at := y(math.Pow(10, power))
		fmt.Fprintf(&b, `<line class="g" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`, chartLeft, chartWidth-chartRight, at, at, chartLeft-8, at+4, thousands(math.Pow(10, power)))
	}
	caps := ""
	for i, d := range f.Days {
		x, sum := chartLeft+float64(i)*step, 0.0
		for k, l := range d.Lanes {
			if l.Begun == 0 {
				continue
			}
			from, to := y(sum), y(sum+float64(l.Begun))
			sum += float64(l.Begun)
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s %s: %s</title></rect>`, x+step*0.1, to, step*0.8, max(0.5, from-to), colour(k), throttle.DayTime(d.Date).Format(time.DateOnly), l.Provider, thousands(float64(l.Begun)))
		}
		if n := sums(d, capOf); n > 0 {
			caps += fmt.Sprintf("%.1f,%.1f %.1f,%.1f ", x, y(n), x+step, y(n))
		}
		if i%max(1, len(f.Days)/8) == 0 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`, x+step/2, chartHeight-chartBelow+20, throttle.DayTime(d.Date).Format("2 Jan"))
		}
	}
	if caps != "" {
		fmt.Fprintf(&b, `<polyline class="c" points="%s"/><text x="%g" y="%g">- - the caps</text>`, caps, chartWidth-chartRight+16, chartTop)
	}
	if len(f.Days) > 0 {
		for k, l := range f.Days[0].Lanes {
			at := chartTop + 24*float64(k+1)
			fmt.Fprintf(&b, `<rect x="%g" y="%g" width="12" height="12" fill="%s"/><text x="%g" y="%g">%s</text>`, chartWidth-chartRight+16, at-10, colour(k), chartWidth-chartRight+34, at+1, html.EscapeString(l.Provider))
		}
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">mails begun a day, by provider (each line is ten times the one below)</text></svg>`, (chartLeft+chartWidth-chartRight)/2, chartHeight-14)
	_, err := io.WriteString(out, b.String()+"\n")
	return err
}

func sums(d throttle.ForecastDay, of func(throttle.ForecastLane) float64) (sum float64) {
	for _, l := range d.Lanes {
		sum += of(l)
	}
	return sum
}

// capOf is a lane's cap; 0 where there is none.
func capOf(l throttle.ForecastLane) float64 {
	if l.Cap == throttle.Unlimited {
		return 0
	}
	return float64(l.Cap)
}

// colour tells providers apart, for eyes that see few colours too (Okabe and Ito).
func colour(i int) string {
	all := [...]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#b8a800"}
	return all[i%len(all)]
}

// thousands writes a number with commas.
func thousands(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
