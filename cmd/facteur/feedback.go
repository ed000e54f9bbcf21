package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"facteur/feedback/parse"
)

type feedbackCmd struct {
	Parse feedbackParseCmd `cmd:"" help:"Print what mails that came back mean: a JSON line for each recipient."`
}

type feedbackParseCmd struct {
	Files []string `arg:"" name:"FILE" help:"Mails as they came, headers and all; - reads standard input."`
}

func (feedbackParseCmd) Help() string {
	return "Example:\n  facteur feedback parse bounce.eml\n\nNothing is recorded: to have a mail counted, POST it to /api/v1/feedback/messages."
}

// reportLine is a line of the output.
type reportLine struct {
	File       string `json:"file"`
	Kind       string `json:"kind"`
	Recipient  string `json:"recipient"`
	Status     string `json:"status"`
	Class      string `json:"class"`
	Hard       bool   `json:"hard"`
	Diagnostic string `json:"diagnostic"`
}

// Run goes on with the other files when one cannot be read.
func (c *feedbackParseCmd) Run(*Config) error {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	var failed error
	for _, name := range c.Files {
		if err := parseFile(name, out); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func parseFile(name string, out *json.Encoder) error {
	file := os.Stdin
	if name != "-" {
		var err error
		if file, err = os.Open(name); err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder: name the files in it", name)
	}
	for _, r := range parse.Message(file).Reports {
		line := reportLine{name, string(r.Kind), r.Recipient, r.Status, string(r.Class), r.Hard(), r.Diagnostic}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
