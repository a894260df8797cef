package merge

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// texts returns for each value a text that only equal ones share.
func texts(nodes []formats.Node) []string {
	all := make([]string, len(nodes))
	for i := range nodes {
		all[i] = textOf(&nodes[i])
	}
	return all
}

func textOf(n *formats.Node) string {
	var b strings.Builder
	write(&b, n)
	return b.String()
}

// write writes n so that no two values that differ give the same text: every text
// has its length in front.
func write(b *strings.Builder, n *formats.Node) {
	text := func(s string) {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	b.WriteString(strconv.Itoa(int(n.Kind)) + "," + strconv.Itoa(int(n.Scalar.Kind)) + "," + strconv.Itoa(len(n.Items)))
	text(n.Scalar.Text)
	order := make([]int, len(n.Items))
	for i := range order {
		order[i] = i
	}
	if n.Kind == formats.MapNode {
		slices.SortFunc(order, func(i, j int) int { return strings.Compare(n.Items[i].Key, n.Items[j].Key) })
	}
	for _, i := range order {
		if n.Kind == formats.MapNode {
			text(n.Items[i].Key)
		}
		write(b, &n.Items[i])
	}
}
