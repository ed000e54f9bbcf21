package templates_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facteur/campaign/templates"
)

// sheet is a page with all templates in one language: in a reading pane by
// day, and on a phone by night.
func sheet(locale string) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light"><style>
body { margin: 0; padding: 24px 0 0 24px; width: 1656px; background: #dcdee2; font: 17px/1.5 Helvetica, Arial, sans-serif; color: #222 }
figure { display: inline-block; vertical-align: top; margin: 0 24px 24px 0; width: 300px }
figcaption { padding: 0 0 6px }
div { overflow: hidden; width: 300px; border-radius: 6px }
iframe { border: 0; transform-origin: 0 0 }
.day, .day iframe { color-scheme: light } .day { height: 600px } .day iframe { width: 600px; height: 1200px; transform: scale(.5) }
.night, .night iframe { color-scheme: dark } .night { height: 400px } .night iframe { width: 375px; height: 500px; transform: scale(.8) }
</style><body>`)
	for _, side := range []string{"day", "night"} {
		for _, tpl := range templates.All() {
			if tpl.Locale != locale {
				continue
			}
			b.WriteString("<figure>")
			if side == "day" {
				fmt.Fprintf(&b, "<figcaption>%s</figcaption>", tpl.Title)
			}
			fmt.Fprintf(&b, `<div class="%s"><iframe scrolling="no" src="/%s/%s"></iframe></div></figure>`, side, tpl.Name, tpl.Locale)
		}
	}
	return b.String()
}

// Only make sheets runs this to its end: it draws the contact sheets of the
// documentation into the folder FACTEUR_SHEETS.
func TestTemplates_DrawContactSheets(t *testing.T) {
	dir := os.Getenv("FACTEUR_SHEETS")
	if dir == "" {
		t.Skip("skipped: draws the documentation's pictures; make sheets")
	}
	g := openGallery(t)
	for _, locale := range []string{"en", "fr"} {
		g.look(t, "/sheet/"+locale, 1656, "light")
		b := fewerColours(t, g.shot(t))
		if len(b) > 300_000 {
			t.Errorf("the sheet in %s has %d bytes", locale, len(b))
		}
		if err := os.WriteFile(filepath.Join(dir, locale+".png"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fewerColours makes a picture small: the 256 colours that are used most, and
// for each other one the nearest of them.
func fewerColours(t *testing.T, b []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	used := map[color.Color]int{}
	area := from.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			used[from.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(used), func(a, b color.Color) int { return used[b] - used[a] })
	to := image.NewPaletted(area, color.Palette(most[:min(256, len(most))]))
	nearest := map[color.Color]uint8{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c := from.At(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(to.Palette.Index(c))
				nearest[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
