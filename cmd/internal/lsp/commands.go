package lsp

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

func invalid(text string) error { return rpcError(jsonrpc2.CodeInvalidParams, text) }

// execute runs a command on the text of an open file, and has the editor show the
// result.
func (s *server) execute(ctx context.Context, p commandParams) (any, error) {
	if !slices.Contains(commandNames(), p.Command) {
		return nil, invalid("there is no command of this name")
	}
	if len(p.Arguments) != 1 {
		return nil, invalid("the command takes one argument, with the uri of an open file")
	}
	arg := p.Arguments[0]
	v := s.view(arg.URI)
	switch {
	case v == nil:
		return nil, invalid("the file is not open in the editor")
	case v.tooLong || v.format == nil:
		return nil, rpcError(codeFailed, v.Name+": too large to be changed in the editor")
	case arg.Version != nil && *arg.Version != v.version:
		return nil, rpcError(codeModified, v.Name+": the text was changed meanwhile; try again")
	case p.Command == commandReaders:
		return nil, s.showReaders(v)
	case v.shadow:
		return nil, rpcError(codeFailed, v.Name+": the editor shows the plain text of a sealed file; saving it seals it")
	}
	made, err := s.make(ctx, v, p.Command, arg)
	if err != nil {
		return nil, err
	}
	if err := s.apply(ctx, v, made); err != nil {
		return nil, err
	}
	s.tell(v.Name + ": " + made.Note)
	return nil, nil
}

func (s *server) make(ctx context.Context, v *view, name string, arg commandArgument) (Made, error) {
	switch name {
	case commandSeal:
		return s.Sealer.Seal(ctx, v.File)
	case commandSync:
		return s.Sealer.Sync(ctx, v.File)
	case commandResolve:
		return v.resolve(arg)
	}
	path, err := formats.ParsePath(arg.Key)
	if err != nil {
		return Made{}, invalid("the key path is malformed")
	}
	if arg.Kind == "" && len(s.Generators) > 0 {
		arg.Kind = s.Generators[0]
	}
	return s.Sealer.Generate(ctx, v.File, path, arg.Kind)
}

// apply has the editor change its text. It refuses if that is another one by now.
func (s *server) apply(ctx context.Context, v *view, made Made) error {
	if bytes.Equal(made.Text, v.Text) {
		return nil
	}
	client := s.clientInfo().Capabilities.Workspace
	if !client.ApplyEdit {
		return rpcError(codeFailed, "this editor lets language servers change nothing; gitseal does it on the command line")
	}
	if s.current(v.uri) != v.version {
		return rpcError(codeModified, v.Name+": the text was changed meanwhile; try again")
	}
	edits := []textEdit{editBetween(v.lines, made.Text)}
	p := applyParams{Label: "gitseal"}
	if client.WorkspaceEdit.DocumentChanges {
		p.Edit.DocumentChanges = []documentEdit{{Document: versionedID{URI: v.uri, Version: v.version}, Edits: edits}}
	} else {
		p.Edit.Changes = map[string][]textEdit{v.uri: edits}
	}
	var result applyResult
	if err := s.conn.Call(ctx, "workspace/applyEdit", p, &result); err != nil {
		return rpcError(codeFailed, "the editor has not changed the text")
	}
	if !result.Applied {
		return rpcError(codeFailed, "the editor has not changed the text: "+oneLine(result.Reason))
	}
	return nil
}

// showReaders tells people who can read a file.
func (s *server) showReaders(v *view) error {
	if v.meta == nil {
		return rpcError(codeFailed, v.Name+" is not sealed")
	}
	s.tell(v.Name + ": " + strings.Join(v.readerLines(), "; "))
	return nil
}

// resolve lets one side win the conflict at a key, or all conflicts.
func (v *view) resolve(arg commandArgument) (Made, error) {
	if arg.Side != sideOurs && arg.Side != sideTheirs {
		return Made{}, invalid("the side is neither ours nor theirs")
	}
	left, err := cipher.ReadUndecided(v.format, v.Text)
	if err != nil {
		return Made{}, fmt.Errorf("%s: %w", v.Name, err)
	}
	ours := arg.Side == sideOurs
	if left.Whole || arg.Key == "" && len(left.Conflicts) == 0 {
		return v.takeSide(left, ours)
	}
	var at []*formats.Path
	for _, c := range left.Conflicts {
		if arg.Key == "" || c.Path.Text() == arg.Key {
			at = append(at, c.Path)
		}
	}
	if len(at) == 0 {
		return Made{}, fmt.Errorf("%s: %s is not in conflict", v.Name, oneLine(arg.Key))
	}
	if left, err = left.Settle(ours, at...); err != nil {
		return Made{}, fmt.Errorf("%s: %w", v.Name, err)
	}
	if left.Whole {
		return Made{}, fmt.Errorf("%s: settling this would spoil the file: %s", v.Name, left.Why)
	}
	if len(left.Conflicts) > 0 || !bytes.Equal(left.Ours, left.Theirs) {
		text := merge.Mark(left.Ours, left.Theirs, merge.Labels{Ours: sideOurs, Theirs: sideTheirs}, merge.MarkerSize)
		return Made{Text: text, Note: fmt.Sprintf("kept %s of %d; still in conflict: %d", arg.Side, len(at), len(left.Conflicts))}, nil
	}
	return Made{Text: left.Ours, Note: "nothing is in conflict any more; save it, then gitseal reseal " + v.Name + " if the merge was made without a key"}, nil
}

// takeSide settles a text that is one conflict.
func (v *view) takeSide(left *cipher.Undecided, ours bool) (Made, error) {
	text := left.Theirs
	if ours {
		text = left.Ours
	}
	if len(text) == 0 {
		return Made{}, fmt.Errorf("%s: that side has no content", v.Name)
	}
	return Made{Text: text, Note: "took one side as a whole"}, nil
}
