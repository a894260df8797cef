package merge_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats/merge"
)

var labels = merge.Labels{Ours: "HEAD", Theirs: "topic"}

func TestMarkAndSplit(t *testing.T) {
	for _, tt := range []struct{ name, ours, theirs, want string }{
		{"none", "a\n", "a\n", "a\n"},
		{"in the middle", "a\nb\nc\n", "a\nx\ny\nc\n", "a\n<<<<<<< HEAD\nb\n=======\nx\ny\n>>>>>>> topic\nc\n"},
		{"two", "a\nb\nc\n", "x\nb\n", "<<<<<<< HEAD\na\n=======\nx\n>>>>>>> topic\nb\n<<<<<<< HEAD\nc\n=======\n>>>>>>> topic\n"},
		{"CRLF", "a\r\nb\r\n", "a\r\nc\r\n", "a\r\n<<<<<<< HEAD\r\nb\r\n=======\r\nc\r\n>>>>>>> topic\r\n"},
		{"ends without a line feed", "a\nb", "x\nb", "<<<<<<< HEAD\na\n=======\nx\n>>>>>>> topic\nb"},
		{"one side does", "a\nb", "a\nb\n", "a\n<<<<<<< HEAD (no line feed at the end)\nb\n=======\nb\n>>>>>>> topic\n"},
		{"the other does", "b\n", "c", "<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> topic (no line feed at the end)\n"},
		{"both do", "b", "c", "<<<<<<< HEAD (no line feed at the end)\nb\n=======\nc\n>>>>>>> topic (no line feed at the end)\n"},
		{"one side is empty", "", "c", "<<<<<<< HEAD\n=======\nc\n>>>>>>> topic (no line feed at the end)\n"},
		{"lines like markers", "=======\na\n", "=======\nb\n", "=======\n<<<<<<<< HEAD\na\n========\nb\n>>>>>>>> topic\n"},
		{"a conflict in both", "<<<<<<< x\n1\n=======\n2\n>>>>>>> y\na\n", "<<<<<<< x\n1\n=======\n2\n>>>>>>> y\nb\n",
			"<<<<<<< x\n1\n=======\n2\n>>>>>>> y\n<<<<<<<< HEAD\na\n========\nb\n>>>>>>>> topic\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			marked := merge.Mark([]byte(tt.ours), []byte(tt.theirs), labels, 7)
			if diff := cmp.Diff(tt.want, string(marked)); diff != "" {
				t.Error(diff)
			}
			if merge.HasMarkers(marked) != strings.Contains(tt.want, "<<<") {
				t.Error("HasMarkers does not see what is there")
			}
			ours, theirs, ok := merge.Split(marked)
			if tt.ours == tt.theirs {
				if ok {
					t.Error("Split found a conflict")
				}
				return
			}
			if !ok || string(ours) != tt.ours || string(theirs) != tt.theirs {
				t.Errorf("got %q, %q, %v back", ours, theirs, ok)
			}
		})
	}
}

func TestMarkTakesOddLabelsAndSizes(t *testing.T) {
	ours, theirs := []byte("a"), []byte("b\n")
	for _, l := range []merge.Labels{{}, {Ours: "x\ny", Theirs: "\r\n"}, {Ours: "x (no line feed at the end)", Theirs: "(no line feed at the end)"}} {
		for _, size := range []int{-1, 0, 7, 12} {
			marked := merge.Mark(ours, theirs, l, size)
			a, b, ok := merge.Split(marked)
			if !ok || !bytes.Equal(a, ours) || !bytes.Equal(b, theirs) {
				t.Errorf("%q gave %q, %q, %v", marked, a, b, ok)
			}
			if want := strings.Repeat("<", max(size, 7)); !strings.HasPrefix(string(marked), want) || strings.HasPrefix(string(marked), want+"<") {
				t.Errorf("%q has not %d characters", marked, size)
			}
		}
	}
}

// What git and other tools write, or people leave.
func TestSplitReadsOtherMarkers(t *testing.T) {
	for _, tt := range []struct {
		name, marked, ours, theirs string
		ok                         bool
	}{
		{"diff3", "a\n<<<<<<< HEAD\nb\n||||||| 1234\nbase\n=======\nc\n>>>>>>> topic\n", "a\nb\n", "a\nc\n", true},
		{"diff3 with a conflict in the base", "<<<<<<< o\nb\n||||||| base\n<<<<<<<<< x\n1\n||||||||| y\n2\n=========\n3\n>>>>>>>>> z\n=======\nc\n>>>>>>> t\n", "b\n", "c\n", true},
		{"a conflict in ours", "<<<<<<< a\n<<<<<<< b\n1\n=======\n2\n>>>>>>> b\n=======\n3\n>>>>>>> a\n", "1\n", "3\n", true},
		{"a conflict in theirs", "<<<<<<< a\n1\n=======\n<<<<<<< b\n2\n=======\n3\n>>>>>>> b\n>>>>>>> a\n", "1\n", "3\n", true},
		{"without labels", "<<<<<<<\n1\n=======\n2\n>>>>>>>\n", "1\n", "2\n", true},
		{"the last line has no line feed", "<<<<<<< a\n1\n=======\n2\n>>>>>>> b", "1\n", "2\n", true},
		{"a title", "title\n=======\n<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n", "title\n=======\n1\n", "title\n=======\n2\n", true},
		{"no end", "<<<<<<< a\n1\n=======\n2\n", "", "", false},
		{"no middle", "<<<<<<< a\n1\n>>>>>>> b\n", "", "", false},
		{"two middles", "<<<<<<< a\n1\n=======\n2\n=======\n3\n>>>>>>> b\n", "", "", false},
		{"no start", "1\n=======\n2\n>>>>>>> b\n", "", "", false},
		{"an end too many", "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n>>>>>>> b\n", "", "", false},
		{"short", "<<<<<< a\n1\n======\n2\n>>>>>> b\n", "", "", false},
		{"not at the start of the line", " <<<<<<< a\n1\n =======\n2\n >>>>>>> b\n", "", "", false},
		{"none", "a: 1\n", "", "", false},
		{"nothing", "", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs, ok := merge.Split([]byte(tt.marked))
			if string(ours) != tt.ours || string(theirs) != tt.theirs || ok != tt.ok {
				t.Errorf("got %q, %q, %v, want %q, %q, %v", ours, theirs, ok, tt.ours, tt.theirs, tt.ok)
			}
		})
	}
}

func TestHasMarkersSeesRemains(t *testing.T) {
	for text, want := range map[string]bool{
		"a\n>>>>>>> topic\n": true, "<<<<<<< HEAD\n": true, "a: 1\r\n<<<<<<<\r\nb\r\n": true, ">>>>>>>": true, "<<<<<<<<<< longer\n": true,
		"=======\n": false, "a: <<<<<<< HEAD\n": false, "<<<<<<\n": false, "<<<<<<<HEAD\n": false, "": false,
	} {
		if got := merge.HasMarkers([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
