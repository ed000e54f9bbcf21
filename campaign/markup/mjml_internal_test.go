package markup

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// bundle is the compiler's source.
func bundle(t *testing.T) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(mjmlSource))
	if err != nil {
		t.Fatal(err)
	}
	source, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func TestMJML_TablesAreTheCompilers(t *testing.T) {
	source := bundle(t)
	literal := regexp.MustCompile(`t\.default=\{(mjml:\["mj-body".*?\]\}),`).FindStringSubmatch(source)
	if literal == nil {
		t.Fatal("the compiler's table of elements is not found")
	}
	var theirs map[string][]string
	text := strings.Replace(strings.Replace(literal[1], "mjml:", `{"mjml":`, 1), "[/^.*^/]", `["*"]`, 1)
	if err := json.Unmarshal([]byte(text), &theirs); err != nil {
		t.Fatal(err)
	}
	refused := []string{"mj-html-attributes", "mj-html-attribute", "mj-selector"}
	for name, list := range theirs {
		if slices.Contains(refused, name) {
			continue
		}
		list = slices.DeleteFunc(list, func(s string) bool { return slices.Contains(refused, s) })
		ours := strings.Fields(inside[name])
		slices.Sort(list)
		slices.Sort(ours)
		if !slices.Equal(list, ours) {
			t.Errorf("in %s may stand %q, ours are %q", name, list, ours)
		}
	}
	named := regexp.MustCompile(`"componentName","(mj-[a-z-]+)"\),\(0,\w+\.default\)\(\w+,"endingTag",(!0)\)`)
	components := regexp.MustCompile(`"componentName","(mj-[a-z-]+)"\)`).FindAllStringSubmatch(source, -1)
	if len(components) < 25 {
		t.Errorf("only %d components are found", len(components))
	}
	ending := named.FindAllStringSubmatch(source, -1)
	for _, c := range components {
		name := c[1]
		theirs := slices.ContainsFunc(ending, func(m []string) bool { return m[1] == name })
		if theirs != holdsHTML(name) {
			t.Errorf("%s holds HTML: %v, ours says %v", name, theirs, holdsHTML(name))
		}
		if !isElement(name) && !slices.Contains(refused, name) {
			t.Errorf("%s is not in our table", name)
		}
	}
	for name := range inside {
		if !strings.Contains(source, `"componentName","`+name+`"`) && name != "mjml" {
			t.Errorf("%s is no component", name)
		}
	}
}

// Our reader is there for limits, lines and the template language; what comes out is what the compiler makes of the source itself.
func TestMJML_IsWhatTheCompilerMakes(t *testing.T) {
	c := NewCompiler()
	m, err := c.newMachine()
	if err != nil {
		t.Fatal(err)
	}
	compile, err := m.vm.RunString(`(function (source) { return (mjml.default || mjml)(source, { fonts: {} }).html })`)
	if err != nil {
		t.Fatal(err)
	}
	theirs, _ := goja.AssertFunction(compile)
	files, err := filepath.Glob("testdata/*.mjml")
	if err != nil || len(files) == 0 {
		t.Fatal("no mails", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Without the template language, and without the CSS that the compiler would inline otherwise.
		source := regexp.MustCompile(`(?s)\{\{.*?\}\}|\{%.*?%\}`).ReplaceAllString(string(text), "")
		source = strings.ReplaceAll(source, ` background-color=""`, "")
		source = regexp.MustCompile(`(?s)<mj-style inline.*?</mj-style>`).ReplaceAllString(source, "")
		m.random.Seed(1, 1)
		want, err := theirs(goja.Undefined(), m.vm.ToValue(source))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.MJML(source)
		if err != nil || got != want.String() {
			t.Errorf("%s: %v\n%s", file, err, firstDifference(got, want.String()))
		}
	}
}

func firstDifference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	around := func(s string) string { return s[max(0, min(len(s), i-100)):min(len(s), i+100)] }
	return "got  …" + around(got) + "\nwant …" + around(want)
}

func TestMJML_StopsWhenItsTimeIsOver(t *testing.T) {
	c := NewCompiler()
	m, err := c.newMachine()
	if err != nil {
		t.Fatal(err)
	}
	forever, err := m.vm.RunString(`(function () { for (;;) {} })`)
	if err != nil {
		t.Fatal(err)
	}
	m.compile, _ = goja.AssertFunction(forever)
	_, _, reusable, err := m.run("{}", time.Millisecond)
	var fault *Error
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "took longer than 1ms") || reusable {
		t.Errorf("reusable: %v, %v", reusable, err)
	}
	deep, err := m.vm.RunString(`(function f() { return f() + 1 })`)
	if err != nil {
		t.Fatal(err)
	}
	m.vm.ClearInterrupt()
	m.compile, _ = goja.AssertFunction(deep)
	if _, _, reusable, err := m.run("{}", time.Minute); err == nil || reusable {
		t.Errorf("endless depth: reusable %v, %v", reusable, err)
	}
}

func TestCompiler_CostsNothingBeforeItIsUsed(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() { NewCompiler() }); n > 10 {
		t.Errorf("a new compiler takes %v allocations", n)
	}
	c := NewCompiler()
	ran := false
	load := c.program
	c.program = func() (*goja.Program, error) { ran = true; return load() }
	if _, err := c.MJML("<mjml><mj-text>"); err == nil || ran {
		t.Errorf("a source that is refused has loaded the compiler: %v, %v", ran, err)
	}
}

func TestCompiler_ReusesMachines(t *testing.T) {
	c := NewCompiler()
	for range 2 {
		if _, err := c.MJML("<mjml><mj-body/></mjml>"); err != nil || len(c.idle) != 1 {
			t.Fatalf("%d machines, %v", len(c.idle), err)
		}
	}
	if uses := c.idle[0].uses; uses != 2 {
		t.Errorf("the machine was used %d times", uses)
	}
	c.idle[0].uses = maxUses - 1
	if _, err := c.MJML("<mjml><mj-body/></mjml>"); err != nil || len(c.idle) != 0 {
		t.Errorf("%d machines, %v", len(c.idle), err)
	}
}

// A machine holds nothing of one mail when it compiles the next.
func TestMJML_MachinesKeepNothing(t *testing.T) {
	c := NewCompiler()
	source, err := os.ReadFile("testdata/welcome.mjml")
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.MJML(string(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{
		`<mjml><mj-head><mj-attributes><mj-all color="red"/><mj-class name="__proto__" color="red"/></mj-attributes></mj-head><mj-body/></mjml>`,
		`<mjml><mj-head><mj-attributes><mj-all color="red"/><mj-class name="toString" color="red"/><mj-class name="plain" color="red"/></mj-attributes><mj-font name="Ubuntu" href="x"/></mj-head><mj-body background-color="red"/></mjml>`,
		`<mjml><mj-body><mj-section __proto__="x"></mj-section></mj-body></mjml>`,
		`<mjml><mj-body><mj-section nonsense="x"></mj-section></mj-body></mjml>`,
	} {
		_, _ = c.MJML(other)
		if again, err := c.MJML(string(source)); err != nil || again != first {
			t.Errorf("after %s: %v\n%s", other, err, firstDifference(again, first))
		}
	}
}
