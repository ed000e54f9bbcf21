package sandbox

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestTally_HoldsManyPairsInLittleMemory(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var books tally
	for i := range n {
		a, b := fmt.Appendf(nil, "recipient%d@domain%d.test", i, i%5000), fmt.Appendf(nil, "%020d.abcd@mail.sender.test", i)
		if count, first := books.add(a, b, int64(i)); count != 1 || first != int64(i) {
			t.Fatalf("pair %d: count %d first %d", i, count, first)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / n; each > 100 {
		t.Errorf("%.0f bytes a pair, want at most 100", each)
	} else {
		t.Logf("%.0f bytes a pair", each)
	}
	for i := range n {
		a, b := fmt.Appendf(nil, "recipient%d@domain%d.test", i, i%5000), fmt.Appendf(nil, "%020d.abcd@mail.sender.test", i)
		if count, first := books.add(a, b, int64(i)+5); count != 2 || first != int64(i) {
			t.Fatalf("pair %d again: count %d first %d", i, count, first)
		}
		if p := books.at(i); p.a != string(a) || p.b != string(b) || p.last != p.first+5 {
			t.Fatalf("pair %d read back: %+v", i, p)
		}
	}
	runtime.KeepAlive(&books)
}

func TestTally_StoresWholeTextsWhenItsDomainsAreFull(t *testing.T) {
	var books tally
	for i := range maxDomains + 10 {
		books.add(fmt.Appendf(nil, "a@d%d", i), nil, 0)
	}
	if books.n != maxDomains+10 || len(books.names) != maxDomains {
		t.Fatalf("%d pairs, %d domains", books.n, len(books.names))
	}
	last := fmt.Sprintf("a@d%d", maxDomains+9)
	if got := books.of(last); len(got) != 1 || got[0].a != last {
		t.Fatalf("got %+v", got)
	}
}

func TestTally_CutsTextsThatAreTooLong(t *testing.T) {
	var books tally
	long := []byte(strings.Repeat("x", 5000))
	books.add(long, long, 0)
	if p := books.at(0); len(p.a) != maxText || len(p.b) != maxText {
		t.Fatalf("kept %d and %d bytes", len(p.a), len(p.b))
	}
	if count, _ := books.add(bytes.Clone(long), long, 0); count != 2 {
		t.Fatal("the same text is another pair")
	}
}
