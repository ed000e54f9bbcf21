package markup

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"
)

//go:embed mjml/mjml-browser.js.gz
var mjmlSource []byte

const (
	// timeLimit is for what the other limits do not foresee: it is ten times what a mail takes, since the machine may
	// have much else to do.
	timeLimit  = time.Second
	perElement = 20 * time.Millisecond
	// maxUses is after how many mails a machine is thrown away, with what its caches hold.
	maxUses = 100
	maxIdle = 5 * time.Minute
	maxCall = 500 // functions in each other
)

// Compiler runs the MJML compiler. What that needs is made when the first mail is compiled, and its
// machines go when none has been used for a while. One Compiler serves any number of goroutines, each with
// a machine of its own, as many at a time as there are processors.
type Compiler struct {
	program func() (*goja.Program, error)
	turns   chan struct{}
	limit   time.Duration

	mutex sync.Mutex
	idle  []*machine
	drop  *time.Timer // lets the idle ones go
}

// NewCompiler makes one, which costs nothing yet.
func NewCompiler() *Compiler {
	return &Compiler{program: sync.OnceValues(loadProgram), turns: make(chan struct{}, runtime.GOMAXPROCS(0)), limit: timeLimit}
}

func loadProgram() (*goja.Program, error) {
	z, err := gzip.NewReader(bytes.NewReader(mjmlSource))
	if err != nil {
		return nil, err
	}
	source, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	return goja.Compile("mjml-browser.js", string(source), false)
}

// MJML makes a whole mail of MJML. Tags of the template language may stand in texts, in values that
// MJML does not reckon with, and between elements, but not between those of the head. Fonts are
// fetched by a mail only if it has mj-font elements. CSS in an <mj-style inline="inline"> is inlined; the page
// needs no Inline.
func (c *Compiler) MJML(src string) (string, error) {
	if err := checkSource(src, maxSource); err != nil {
		return "", err
	}
	m, broken := masked(src)
	if broken != nil {
		return "", broken
	}
	r, broken := readMJML(m)
	if broken != nil {
		return "", broken
	}
	var tree strings.Builder
	r.root.json(&tree)
	page, complaints, err := c.run(tree.String(), c.limit+time.Duration(r.elements)*perElement)
	if err != nil {
		return "", err
	}
	if err := r.complain(complaints); err != nil {
		return "", err
	}
	page, ok := r.release(page)
	page, order := m.restore(r.before + page + r.behind)
	if !ok || len(page) > maxHTML {
		return "", tooLarge()
	}
	if i := m.firstMissing(append(order, r.dropped...)); i >= 0 {
		return "", fault(src, m.tags[i].from, "the tag %s stands where MJML writes nothing; move it into a text, or between the elements of the body", quoted(src[m.tags[i].from:m.tags[i].to]))
	}
	if r.inlined != "" {
		page, err = inlineMarked(page, r.marker)
	}
	return page, placeless(err)
}

// complaint is what the compiler finds wrong.
type complaint struct {
	Line    int
	Element string
	Message string
}

// complain makes errors of complaints. A tag of the template language may stand for a color, which the compiler
// hands through.
func (r *mjmlReader) complain(all []complaint) error {
	var errs []error
	for _, c := range all {
		i, _, _ := r.next(c.Message)
		if i >= 0 && strings.HasSuffix(strings.TrimSpace(c.Message), "for type Color") {
			continue
		}
		message, _ := r.release(strings.TrimRight(c.Message, ", "))
		message, _ = r.restore(message)
		if i >= 0 {
			message += "; MJML reckons with this value, so it can't come from a tag of the template language"
		}
		if len(errs) == 20 {
			break
		}
		errs = append(errs, &Error{Line: c.Line, Message: "<" + c.Element + ">: " + message})
	}
	return errors.Join(errs...)
}

// machine is a JavaScript machine with the compiler in it. Only one goroutine uses it at a time.
type machine struct {
	vm      *goja.Runtime
	compile goja.Callable
	random  *rand.PCG
	uses    int
}

// host is what the compiler expects to find around it, and how it is called.
const host = `
var window = this, self = this, global = this
var console = { log: function () {}, warn: function () {}, error: function () {} }
var document = { createElement: function () { return { setAttribute: function () {}, style: {}, childNodes: [], innerHTML: '' } } }
`

const call = `(function (compile) {
	return function (tree) {
		var made = compile(JSON.parse(tree), { fonts: {}, validationLevel: 'soft' })
		var wrong = made.errors.map(function (e) { return { Line: e.line, Element: e.tagName, Message: e.message } })
		return { html: made.html, wrong: JSON.stringify(wrong) }
	}
})(mjml.default || mjml)`

func (c *Compiler) newMachine() (*machine, error) {
	program, err := c.program()
	if err != nil {
		return nil, err
	}
	m := &machine{vm: goja.New(), random: rand.NewPCG(1, 1)}
	m.vm.SetMaxCallStackSize(maxCall)
	m.vm.SetRandSource(func() float64 { return float64(m.random.Uint64()>>11) / (1 << 53) })
	if _, err := m.vm.RunString(host); err != nil {
		return nil, err
	}
	if _, err := m.vm.RunProgram(program); err != nil {
		return nil, err
	}
	compile, err := m.vm.RunString(call)
	if err != nil {
		return nil, err
	}
	m.compile, _ = goja.AssertFunction(compile)
	return m, nil
}

// run compiles a tree. A machine that was interrupted or failed is not used again.
func (c *Compiler) run(tree string, limit time.Duration) (string, []complaint, error) {
	c.turns <- struct{}{}
	defer func() { <-c.turns }()
	m := c.take()
	if m == nil {
		var err error
		if m, err = c.newMachine(); err != nil {
			return "", nil, fmt.Errorf("the MJML compiler can't be started: %w", err)
		}
	}
	page, complaints, reusable, err := m.run(tree, limit)
	if m.uses++; reusable && m.uses < maxUses {
		c.put(m)
	}
	return page, complaints, err
}

// take gives an idle machine, or nil.
func (c *Compiler) take() *machine {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	n := len(c.idle) - 1
	if n < 0 {
		return nil
	}
	m := c.idle[n]
	c.idle[n] = nil
	c.idle = c.idle[:n]
	return m
}

// put keeps a machine for the next mail.
func (c *Compiler) put(m *machine) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.idle = append(c.idle, m)
	if c.drop != nil {
		c.drop.Reset(maxIdle)
		return
	}
	c.drop = time.AfterFunc(maxIdle, func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.idle = nil
	})
}

func (m *machine) run(tree string, limit time.Duration) (page string, complaints []complaint, reusable bool, err error) {
	defer func() {
		if p := recover(); p != nil { // goja turns JavaScript's exceptions into errors, but has faults of its own
			reusable, err = false, &Error{Message: fmt.Sprintf("the MJML compiler failed: %v", p)}
		}
	}()
	m.random.Seed(1, 1) // the same ids in a mail that is compiled again
	timer := time.AfterFunc(limit, func() { m.vm.Interrupt("time") })
	made, err := m.compile(goja.Undefined(), m.vm.ToValue(tree))
	reusable = timer.Stop() && err == nil
	var interrupted *goja.InterruptedError
	switch {
	case errors.As(err, &interrupted):
		return "", nil, false, &Error{Message: fmt.Sprintf("compiling took longer than %v; make the mail simpler", limit)}
	case err != nil:
		return "", nil, false, &Error{Message: "MJML can't compile this: " + quoted(err.Error())}
	}
	answer := made.ToObject(m.vm)
	if err := json.Unmarshal([]byte(answer.Get("wrong").String()), &complaints); err != nil {
		return "", nil, false, fmt.Errorf("the MJML compiler answered otherwise than it should: %w", err)
	}
	return answer.Get("html").String(), complaints, reusable, nil
}
