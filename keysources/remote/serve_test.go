package remote_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice/keyservicetest"
	"github.com/gitseal/gitseal/keysources/remote"
)

// frames returns texts as frames.
func frames(texts ...string) []byte {
	var out []byte
	for _, t := range texts {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(t))), t...)
	}
	return out
}

const parentHello = `{"Protocol":"gitseal-keyservice","Version":1,"Role":"parent"}`

func serve(input []byte) (string, error) {
	src := &keyservicetest.Source{Type: keysources.TypeKMS}
	var out bytes.Buffer
	err := remote.Serve(context.Background(), bytes.NewReader(input), &out, remote.Sources(map[string]keysources.Source{src.Type: src}))
	return out.String(), err
}

func TestServeTakesOnlyTheProtocol(t *testing.T) {
	good := `{"ID":1,"Op":"unwrap","Source":"kms","Stanza":{"Type":"kms","Fields":[{"Name":"arn","Value":"a"}]}}`
	for _, tt := range []struct {
		name  string
		input []byte
		ok    bool
	}{
		{"nothing", nil, true},
		{"a hello", frames(parentHello), true},
		{"a request", frames(parentHello, good), true},
		{"a cancelled request", frames(parentHello, good, `{"ID":1,"Op":"cancel"}`), true},
		{"another version", frames(`{"Protocol":"gitseal-keyservice","Version":2,"Role":"parent"}`), false},
		{"its own echo", frames(`{"Protocol":"gitseal-keyservice","Version":1,"Role":"child"}`), false},
		{"text", []byte("hello, how are you?\n"), false},
		{"a request without hello", frames(good), false},
		{"cut off", frames(parentHello, good)[:100], false},
		{"cut off in a length", append(frames(parentHello), 0, 0), false},
		{"an unknown field", frames(parentHello, `{"ID":1,"Op":"unwrap","Verbose":true}`), false},
		{"two values in a frame", frames(parentHello, `{"ID":1,"Op":"cancel"}{}`), false},
		{"an empty frame", frames(parentHello, ""), false},
		{"too long", append(frames(parentHello), 0, 0x10, 0, 1), false},
		{"far too long", append(frames(parentHello), 0xff, 0xff, 0xff, 0xff), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := serve(tt.input); (err == nil) != tt.ok {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestServeRefusesAnIDThatIsInUse(t *testing.T) {
	src := &keyservicetest.Source{Type: keysources.TypeKMS, Before: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
	request := `{"ID":1,"Op":"unwrap","Source":"kms","Stanza":{"Type":"kms","Fields":[{"Name":"arn","Value":"a"}]}}`
	err := remote.Serve(t.Context(), bytes.NewReader(frames(parentHello, request, request)), io.Discard, remote.Sources(map[string]keysources.Source{src.Type: src}))
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func TestServeSaysNothingOfWhatItRead(t *testing.T) {
	_, err := serve(frames(parentHello, `{"ID":1,"Op":"wrap","DataKey":"canary"}`))
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func TestServeEndsWhenNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ended := make(chan error, 1)
	go func() {
		ended <- remote.Serve(t.Context(), r, failingWriter{}, remote.Sources(nil))
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestAChildEndsWithItsParent closes the child's input, which is what the system
// does when the parent is killed, while a call hangs.
func TestAChildEndsWithItsParent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), identityEnv+"="+newPair(t).identity)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write(frames(parentHello, `{"ID":1,"Op":"unwrap","Source":"kms","Stanza":{"Type":"kms","Fields":[{"Name":"arn","Value":"deaf"}]}}`)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	stdin.Close()
	killer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}

func FuzzServe(f *testing.F) {
	f.Add(frames(parentHello, `{"ID":1,"Op":"unwrap","Source":"kms","Stanza":{"Type":"kms","Fields":[{"Name":"arn","Value":"a"},{"Name":"enc","Value":"e"}],"Context":[{"Name":"a","Value":"b"}]}}`))
	f.Add(frames(parentHello, `{"ID":2,"Op":"wrap","Source":"kms","DataKey":"AAAA","Timeout":1000,"Stanza":{"Type":"kms"}}`, `{"ID":2,"Op":"cancel"}`))
	f.Add(frames(parentHello, `{"ID":3,"Op":"else","Source":"gcp_kms"}`))
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, input []byte) {
		out, err := serve(input)
		// Whatever comes, what is sent are frames, and errors quote no input.
		for rest := []byte(out); len(rest) > 0; {
			if len(rest) < 4 || len(rest)-4 < int(binary.BigEndian.Uint32(rest)) {
				t.Fatalf("half a frame was written")
			}
			rest = rest[4+binary.BigEndian.Uint32(rest):]
		}
		if err != nil && len(err.Error()) > 100 {
			t.Errorf("a long error: %v", err)
		}
	})
}
