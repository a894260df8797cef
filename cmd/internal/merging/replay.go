package merging

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats/merge"
)

// IsReplay reports whether git asks for no merge of two sides: to replay the resolution
// of an earlier conflict (git-rerere) it has the driver merge that conflict as it was
// (the base), its resolution (theirs) and the conflict as it is now (ours). git takes
// the labels off the markers for that, which no merge does.
func IsReplay(v merge.Versions) bool {
	return hasBareMarkers(v.Base) && hasBareMarkers(v.Ours) && !merge.HasMarkers(v.Theirs)
}

// Replay returns the resolution if the conflict is the same as it was, to the byte. What
// has been sealed anew since is not to be put together of parts.
func Replay(v merge.Versions) (text []byte, ok bool) {
	return v.Theirs, bytes.Equal(v.Base, v.Ours)
}

// hasBareMarkers reports whether each marker that begins or ends a conflict stands alone
// on its line, and there is one of both.
func hasBareMarkers(text []byte) bool {
	begins, ends := false, false
	for line := range bytes.Lines(text) {
		if line[0] != '<' && line[0] != '>' || !merge.HasMarkers(line) {
			continue
		}
		bare := strings.TrimRight(string(line), "\r\n")
		if strings.Trim(bare, bare[:1]) != "" {
			return false
		}
		begins, ends = begins || bare[0] == '<', ends || bare[0] == '>'
	}
	return begins && ends
}
