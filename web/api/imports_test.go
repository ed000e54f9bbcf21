package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"facteur/internal/database/databasetest"
	"facteur/web/api"
)

const importQuery = "/imports?basis=customer&source=shop&at=2025-01-01T00:00:00Z"

func TestImport_BringsAFileOfPeople(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	a := h.do("POST", s.path("/lists/DOUBLE")+importQuery, "email,name\nb@example.org,Bo\nnonsense,No\nada@example.org,Ada\n", "Content-Type: application/whatever")
	if a.status != 202 || a.get("status") != "running" || a.get("basis") != "customer" || a.get("problems") != "[]" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go h.importer.Run(ctx)
	defer cancel()
	path := "/imports/" + a.get("id")
	for a = h.must("GET", path, ""); a.get("status") == "running"; a = h.must("GET", path, "") {
		time.Sleep(time.Millisecond) // another goroutine works on it
	}
	for field, want := range map[string]string{"status": "done", "rows": "3", "created": "1", "updated": "1", "refused": "1", "problems.0.line": "3", "list_id": s.double} {
		if a.get(field) != want {
			t.Errorf("%s is %s, want %s", field, a.get(field), want)
		}
	}
	if a.get("finished_at") == "<nil>" {
		t.Error("no finished_at")
	}
}

func TestImport_SaysWhatIsWrong(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	for _, w := range []wish{
		{"POST", "/lists/LIST/imports", "email\n", 422, "code=invalid field=basis"},
		{"POST", "/lists/LIST/imports?basis=hearsay&source=x&at=2025-01-01T00:00:00Z", "email\n", 422, "code=invalid field=basis"},
		{"POST", "/lists/LIST/imports?basis=customer&source=%20&at=2025-01-01T00:00:00Z", "email\n", 422, "code=invalid field=source"},
		{"POST", "/lists/LIST/imports?basis=customer&source=x&at=2999-01-01T00:00:00Z", "email\n", 422, "code=invalid field=at"},
		{"POST", "/lists/LIST/imports?basis=customer&source=x&at=today", "email\n", 422, "code=invalid field=at"},
		{"POST", "/lists/1" + importQuery, "email\na@example.org\n", 404, "code=not_found"},
		{"POST", "/lists/LIST" + importQuery, "", 422, "code=bad_file"},
		{"POST", "/lists/LIST" + importQuery, "name,city\nA,B\n", 422, "code=bad_file"},
	} {
		h.grant(t, s, w)
	}
	if n := h.count(t, `SELECT COUNT(*) FROM imports`); n != 0 {
		t.Errorf("%d imports", n)
	}
}

func TestImport_LeavesNothingOfABodyThatBreaksOff(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, databasetest.New(t), func(o *api.Options) { o.Importer = newImporter(t, o.DB, o.People, dir) })
	s := h.furnish()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "POST %s%s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: half\r\nContent-Length: 1000000\r\n\r\nemail\na@example.org\n",
		api.Prefix, s.path("/lists/LIST"), importQuery, adminToken)
	_ = conn.(*net.TCPConn).CloseWrite()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 || h.count(t, `SELECT COUNT(*) FROM imports`) != 0 || h.count(t, `SELECT COUNT(*) FROM replies`) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if a := h.do("POST", s.path("/lists/LIST")+importQuery, "email\na@example.org\n", "Idempotency-Key: half"); a.status != 202 {
		t.Errorf("the key is not free: %d %s", a.status, a.body)
	}
}

func TestImport_RefusesATooLargeFileBeforeItComes(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "POST %s%s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
		api.Prefix, s.path("/lists/LIST"), importQuery, adminToken, 2<<30+1)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 413 || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
