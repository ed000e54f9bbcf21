package main

import (
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NewLog is the process's log as the settings want it.
func NewLog(c Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: logged}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// idFields are the fields that hold an id.
var idFields = []string{"batch", "campaign", "import", "lane", "letter", "list", "relay"}

// places are the fields that may hold an @ which is nobody's.
var places = []string{"database", "public_url"}

var addressLike = regexp.MustCompile(`[^\s<>()"',;:=]+@[^\s<>()"',;:]+`)

// logged is how a field is written: ids as text, as numbers of 63 bits do not
// survive every JSON reader; and no addresses, not even in an error or in a
// relay's words. Whoever logs leaves them out; this is the net under them.
func logged(_ []string, a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindInt64:
		if slices.Contains(idFields, a.Key) {
			a.Value = slog.StringValue(strconv.FormatInt(a.Value.Int64(), 10))
		}
	case slog.KindString, slog.KindAny:
		if text := a.Value.String(); strings.Contains(text, "@") && !slices.Contains(places, a.Key) {
			a.Value = slog.StringValue(addressLike.ReplaceAllLiteralString(text, "(address)"))
		}
	}
	return a
}
