package inspect

import (
	"math"
	"strconv"
	"strings"
)

// color is one of sRGB. One that is not known is seen on everything.
type color struct {
	r, g, b uint8
	known   bool
	clear   bool // transparent
}

// colorNames are those that mails use; any other name is not known.
var colorNames = map[string]color{
	"white": {r: 255, g: 255, b: 255, known: true}, "black": {known: true}, "red": {r: 255, known: true}, "green": {g: 128, known: true}, "blue": {b: 255, known: true},
	"yellow": {r: 255, g: 255, known: true}, "gray": {r: 128, g: 128, b: 128, known: true}, "grey": {r: 128, g: 128, b: 128, known: true}, "silver": {r: 192, g: 192, b: 192, known: true},
	"navy": {b: 128, known: true}, "maroon": {r: 128, known: true}, "orange": {r: 255, g: 165, known: true}, "purple": {r: 128, b: 128, known: true}, "teal": {g: 128, b: 128, known: true},
	"lightgray": {r: 211, g: 211, b: 211, known: true}, "lightgrey": {r: 211, g: 211, b: 211, known: true}, "whitesmoke": {r: 245, g: 245, b: 245, known: true}, "snow": {r: 255, g: 250, b: 250, known: true},
	"ivory": {r: 255, g: 255, b: 240, known: true}, "ghostwhite": {r: 248, g: 248, b: 255, known: true}, "darkgray": {r: 169, g: 169, b: 169, known: true}, "darkgrey": {r: 169, g: 169, b: 169, known: true},
	"transparent": {clear: true},
}

// parseColor reads one colour; false: it is none.
func parseColor(s string) (color, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if c, ok := colorNames[s]; ok {
		return c, true
	}
	if hex, ok := strings.CutPrefix(s, "#"); ok {
		return parseHex(hex)
	}
	if len(s) == 6 { // bgcolor=ffffff
		if c, ok := parseHex(s); ok {
			return c, true
		}
	}
	for _, f := range []string{"rgb(", "rgba("} {
		if inner, ok := strings.CutPrefix(s, f); ok {
			numbers := strings.FieldsFunc(strings.TrimSuffix(inner, ")"), func(r rune) bool { return strings.ContainsRune(" ,/", r) })
			if len(numbers) < 3 {
				return color{}, false
			}
			var v [3]uint8
			for i := range v {
				n, err := strconv.ParseFloat(strings.TrimSuffix(numbers[i], "%"), 64)
				if err != nil {
					return color{}, true
				}
				if strings.HasSuffix(numbers[i], "%") {
					n *= 2.55
				}
				v[i] = uint8(min(255, max(0, n)))
			}
			if len(numbers) > 3 {
				alpha, err := strconv.ParseFloat(numbers[3], 64)
				if err != nil || alpha > 0 && alpha < 1 {
					return color{}, true // mixed with what is below
				}
				if alpha == 0 {
					return color{clear: true}, true
				}
			}
			return color{v[0], v[1], v[2], true, false}, true
		}
	}
	return color{}, strings.HasPrefix(s, "hsl")
}

func parseHex(hex string) (color, bool) {
	n, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return color{}, false
	}
	switch len(hex) {
	case 3:
		return color{uint8(n>>8) * 17, uint8(n>>4&15) * 17, uint8(n&15) * 17, true, false}, true
	case 6:
		return color{uint8(n >> 16), uint8(n >> 8), uint8(n), true, false}, true
	}
	return color{}, len(hex) == 4 || len(hex) == 8
}

// contrast is the ratio of WCAG 2: 1 for the same colour, 21 for black on white.
func contrast(a, b color) float64 {
	light, dark := luminance(a), luminance(b)
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

func luminance(c color) float64 {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// pixels reads a length; of is what 1em is. Percent and words are none.
func pixels(s string, of float64) (float64, bool) {
	s = strings.TrimSpace(s)
	unit := strings.TrimLeft(s, "+-.0123456789")
	n, err := strconv.ParseFloat(s[:len(s)-len(unit)], 64)
	if err != nil {
		return 0, false
	}
	switch unit {
	case "", "px":
		return n, true
	case "pt":
		return n * 4 / 3, true
	case "em", "ex", "ch":
		return n * of, true
	case "rem":
		return n * 16, true
	case "cm":
		return n * 37.8, true
	case "mm":
		return n * 3.78, true
	case "in":
		return n * 96, true
	}
	return 0, false
}
