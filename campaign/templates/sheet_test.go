package templates_test

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facteur/campaign/templates"
)

// sheet is a page with all templates in one language: in a reading pane by
// day, and on a phone by night.
func sheet(locale string) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light"><style>
body { margin: 0; padding: 24px 0 0 24px; width: 1620px; background: #dcdee2; font: 17px/1.5 Helvetica, Arial, sans-serif; color: #222 }
figure { display: inline-block; vertical-align: top; margin: 0 24px 24px 0; width: 300px }
figcaption { padding: 0 0 6px }
div { overflow: hidden; width: 300px; border-radius: 6px }
iframe { border: 0; transform-origin: 0 0 }
.day { height: 540px } .day iframe { width: 600px; height: 1080px; transform: scale(.5) }
.night { height: 340px } .night iframe { width: 375px; height: 425px; transform: scale(.8) }
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
			fmt.Fprintf(&b, `<div class="%s"><iframe scrolling="no" src="/%s/%s?%s"></iframe></div></figure>`, side, tpl.Name, tpl.Locale, side)
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
		g.look(t, "/sheet/"+locale, 1644, "light")
		b := coarser(t, g.shot(t))
		if len(b) > 300_000 {
			t.Errorf("the sheet in %s has %d bytes", locale, len(b))
		}
		if err := os.WriteFile(filepath.Join(dir, locale+".png"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// coarser makes a picture small: each colour becomes the nearest of 65 shades of
// red, green and blue.
func coarser(t *testing.T, b []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	area := from.Bounds()
	to := image.NewRGBA(area)
	draw.Draw(to, area, from, area.Min, draw.Src)
	for i, v := range to.Pix {
		to.Pix[i] = uint8(min(255, (int(v)+2)/4*4))
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
