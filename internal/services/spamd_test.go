package services_test

import (
	"net"
	"testing"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

func TestStartSpamd_AnswersOnItsOwnPort(t *testing.T) {
	first := servicestest.Spamd(t)
	conn, err := net.Dial("tcp", first.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestSpamd_StopLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	server := start(t, func() (*services.Spamd, error) {
		return services.StartSpamd(t.Context(), services.SpamdOptions{Dir: dir})
	})
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	nothingIn(t, dir)
}
