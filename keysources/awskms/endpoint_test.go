package awskms_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// childEnv, if set, makes TestEndpointsOfAWS the child of itself.
const childEnv = "GITSEAL_TEST_AWSKMS_CHILD"

// TestEndpointsOfAWS lets the SDK find AWS's own endpoints of regions and
// partitions, and a proxy that knows nothing else take their place. It needs a
// process of its own: Go reads HTTPS_PROXY only once.
func TestEndpointsOfAWS(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		for _, arn := range []string{awskmstest.DefaultKey, mrkReplica, govKey, chinaKey} {
			roundTrip(t, key(arn))
		}
		roundTrip(t, key(roleKey, "role", sealerRole))
		return
	}
	s := awskmstest.New(t, options())
	env, err := s.ProxyEnv(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	use(t, env...)
	t.Setenv(childEnv, "1")
	out, err := exec.Command(os.Args[0], "-test.run=^TestEndpointsOfAWS$").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if e, d, a := s.Calls("Encrypt"), s.Calls("Decrypt"), s.Calls("AssumeRole"); e != 5 || d != 5 || a != 2 {
		t.Errorf("%d, %d and %d calls, want 5, 5 and 2", e, d, a)
	}
}

func TestSessionNames(t *testing.T) {
	for _, tt := range []struct {
		host string
		err  error
		want string
	}{
		{"build-7.example.org", nil, "sops@build-7.example.org"},
		{"a b/c:d?<e>;[f]_ü", nil, "sops@abcdef_"},
		{strings.Repeat("h", 100), nil, "sops@" + strings.Repeat("h", 59)},
		{"", nil, "sops@"},
		{"", errors.New("no name"), "sops@unknown"},
	} {
		if got := awskms.SessionName(func() (string, error) { return tt.host, tt.err }); got != tt.want {
			t.Errorf("host %q: got %q, want %q", tt.host, got, tt.want)
		}
	}
}
