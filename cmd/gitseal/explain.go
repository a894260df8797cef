package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// The exit codes. They are documented in the README and do not change.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitWrongState  = 3
	exitNoIdentity  = 4
	exitTampered    = 5
	exitRefused     = 6
	exitInterrupted = 130
)

// commandError is an error that knows its exit code and hint.
type commandError struct {
	code int
	text string
	hint string
}

func (e *commandError) Error() string { return e.text }

func usageError(text, hint string) error {
	return &commandError{code: exitUsage, text: text, hint: hint}
}

func failure(text, hint string) error {
	return &commandError{code: exitFailed, text: text, hint: hint}
}

// fileError says which file an error is about, and whether that file was being
// unsealed.
type fileError struct {
	name      string
	unsealing bool
	err       error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// explanation is what people are told of an error.
type explanation struct {
	code  int
	text  string
	hints []string
}

// explain gives an error its exit code and the way out. Libraries know nothing
// of flags; this is where hints come from.
func explain(err error) explanation {
	e := explanation{code: exitFailed, text: err.Error()}
	var own *commandError
	var file *fileError
	name, unsealing := "FILE", false
	if errors.As(err, &file) {
		name, unsealing = hintName(file.name), file.unsealing
	}
	if value := (*valueError)(nil); errors.As(err, &value) {
		e.code, e.hints = exitUsage, []string{value.hint}
		return e
	}
	if errors.As(err, &own) {
		e.code = own.code
		e.hints = []string{cmp.Or(own.hint, "see gitseal --help")}
		return e
	}
	if file != nil && errors.Is(err, cipher.ErrNotSealed) && holdsDocument(file.name) {
		e.code, e.text = exitWrongState, file.name+": a SealedManifest, whose sealed file is in spec.document"
		e.hints = []string{hintFor(file.name, "gitseal unseal --manifest FILE gives that file; get, edit, set, keys, diff and the other commands for sealed files work on it where it stands")}
		return e
	}
	for _, explainer := range []func(error, string, bool) (int, string){
		explainManifest, explainState, explainKeys, explainFormat, explainSelection, explainSystem,
	} {
		if code, hint := explainer(err, name, unsealing); code != 0 {
			e.code, e.hints = code, []string{hint}
			return e
		}
	}
	e.hints = []string{"no file was changed; run the command again when the cause is gone"}
	return e
}

func explainState(err error, name string, _ bool) (int, string) {
	var none *cipher.NoIdentityError
	var tampered *cipher.TamperedError
	switch {
	case errors.Is(err, cipher.ErrNotSealed):
		return exitWrongState, "the file has no sops metadata; gitseal seal " + name + " would seal it"
	case errors.Is(err, cipher.ErrHalfMerged):
		return exitWrongState, "gitseal reseal " + name + " verifies it, and seals it again"
	case errors.Is(err, cipher.ErrNotHalfMerged):
		return exitWrongState, "it needs no resealing"
	case errors.Is(err, cipher.ErrPartGone):
		return exitWrongState, "reseal it where it was merged, or merge again; gitseal reseal --trust " + name + " seals what stands there, which nothing vouches for"
	case errors.Is(err, cipher.ErrMergeDepth):
		return exitWrongState, "reseal it at an earlier commit and merge or rebase from there, a part at a time; or gitseal reseal --trust " + name + " seals what stands there, which nothing vouches for"
	case errors.Is(err, cipher.ErrEdited):
		return exitWrongState, "look at that version and reseal it first, on the branch where it was edited (gitseal reseal --accept-changes " + name + "); then undo this merge, and merge again; gitseal reseal --trust " + name + " seals what stands there, which nothing vouches for"
	case errors.As(err, new(*cipher.UnmergeableError)):
		return exitWrongState, "take one side as a whole: git checkout --ours (or --theirs) -- " + name + " while git is merging, git checkout COMMIT -- " + name + " later"
	case errors.Is(err, cipher.ErrAlreadySealed):
		return exitWrongState, "gitseal inspect " + name + " shows what is in it"
	case errors.As(err, &none):
		return exitNoIdentity, noIdentityHint(none)
	case errors.As(err, &tampered):
		return exitTampered, "nothing was written; compare with the last good version (git log -p " + name + ") and restore it"
	case errors.Is(err, cipher.ErrIntegrity):
		return exitTampered, "the rule requires integrity; if you trust the file, unseal it elsewhere and seal it again with gitseal"
	case errors.Is(err, cipher.ErrProposal):
		return exitTampered, "turn it down with gitseal accept --drop, and have it proposed again"
	case errors.Is(err, cipher.ErrContext):
		return exitTampered, "the file was made for another place; do not use it here"
	}
	return 0, ""
}

// noIdentityHint says what could open the file, and what was refused.
func noIdentityHint(none *cipher.NoIdentityError) string {
	if uses := refusals(none); len(uses) > 0 {
		return allowHint(uses[0])
	}
	return "it is sealed for " + readersText(none.Readers) + "; point SOPS_AGE_KEY_FILE or --identity at the private key of one of them, or log in to its key service"
}

// allowHint says how to agree to what only a file names.
func allowHint(u keysources.Use) string {
	if u.Kind == "" {
		return "the key service that was asked refuses it; whoever runs it can allow it there (gitseal keyservice --allow)"
	}
	what := map[string]string{
		keysources.UseVault: "your Vault token would go to that server", keysources.UseAzure: "your Azure token would go to that server",
		keysources.UseKMSRole: "that role would be assumed with your credentials", keysources.UseKMSProfile: "that profile of your AWS configuration would be used",
		keysources.UseKMSRegion: "that is not one of AWS's regions", keysources.UseAgePlugin: "the program age-plugin-" + u.Value + " would be run",
	}[u.Kind]
	return "only the file names it, and " + what + "; if you know it, allow it: --allow " + u.String() + ", or GITSEAL_ALLOW, or a line in ~/.config/gitseal/allow"
}

// explainKeys is about wrapping for a reader.
func explainKeys(err error, _ string, _ bool) (int, string) {
	var e *keysources.Error
	if !errors.As(err, &e) {
		return 0, ""
	}
	switch e.Reason {
	case keysources.Refused:
		return exitFailed, allowHint(e.Use)
	case keysources.Unauthenticated:
		return exitFailed, "log in to the key service, or renew the token"
	case keysources.Denied:
		return exitFailed, "ask for the right to use this key, or use another reader's"
	case keysources.NotFound, keysources.Malformed:
		return exitFailed, "check the reader's name, its region and project"
	case keysources.Disabled:
		return exitFailed, "enable or renew the key, or use another reader's"
	case keysources.Damaged:
		return exitFailed, "restore the sops block from the last good version of the file, or use another reader's key"
	case keysources.Timeout, keysources.Unreachable, keysources.Throttled:
		return exitFailed, "check the network and the service's address, and try again; --timeout says how long to wait"
	case keysources.Unavailable:
		return exitFailed, "install the program that is missing"
	}
	return 0, ""
}

// maxReadersShown bounds the list of readers in a hint.
const maxReadersShown = 3

func readersText(readers []string) string {
	var out []string
	for _, r := range readers {
		if len(out) == maxReadersShown {
			out = append(out, fmt.Sprintf("%d more", len(readers)-maxReadersShown))
			break
		}
		out = append(out, shortReader(r))
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}

// shortReader abbreviates post-quantum recipients, which have 1,960 characters.
func shortReader(r string) string {
	if len(r) > 100 {
		return r[:24] + "…" + r[len(r)-8:]
	}
	return r
}

func explainFormat(err error, name string, unsealing bool) (int, string) {
	code := exitFailed
	if unsealing && (errors.Is(err, formats.ErrDuplicate) || errors.Is(err, formats.ErrMetadata)) {
		code = exitTampered
	}
	switch {
	case errors.Is(err, formats.ErrPlace), errors.Is(err, formats.ErrNoSuchKey):
		return code, "gitseal inspect FILE shows the keys that there are; for what cannot be changed one by one, unseal the file, edit it, and seal it again"
	case errors.Is(err, formats.ErrNotSealable):
		return code, "sops's format cannot hold this; seal the file as a whole with --format binary"
	case errors.Is(err, formats.ErrDuplicate):
		return code, "which of the two counts depends on the reader; remove one"
	case errors.Is(err, formats.ErrLimit):
		return code, fmt.Sprintf("the limits: %d MiB plain, %d MiB sealed, depth %d, %d values, %d MiB a value; larger files can be sealed with --format binary (64 MiB)",
			formats.MaxSource>>20, formats.MaxSealed>>20, formats.MaxDepth, formats.MaxLeaves, formats.MaxValue>>20)
	case errors.Is(err, formats.ErrLineEnds):
		return code, "gitseal git install tells git to leave sealed files as they are (-text); then give the lines their old ends: perl -pi -e 's/\\r$//' " + name + " && git add " + name
	case errors.Is(err, formats.ErrMetadata):
		return code, "restore the sops block from the last good version of the file"
	case errors.Is(err, formats.ErrSyntax):
		return code, "correct the file, or name its real format with --format (" + formatNames() + ")"
	}
	return 0, ""
}

func explainSelection(err error, _ string, _ bool) (int, string) {
	var noRule *rules.NoRuleError
	var config *rules.ConfigError
	switch {
	case errors.Is(err, cipher.ErrNothingSelected):
		return exitFailed, "the file would stay plain; choose another selector in its rule or by a flag, such as --unencrypted-suffix _unencrypted for every value"
	case errors.Is(err, cipher.ErrAliasLeak):
		return exitFailed, "write the value out at one of the two places, or let the selector cover both"
	case errors.Is(err, cipher.ErrMarker):
		return exitFailed, "restore the file's sops block from git, or remove the sealed value"
	case errors.Is(err, cipher.ErrSelector):
		return exitFailed, "selectors are RE2 regular expressions (https://github.com/google/re2/wiki/Syntax) or plain suffixes"
	case errors.Is(err, cipher.ErrNoRecipients):
		return exitFailed, "name a recipient: --age age1…, or an age: entry in the .sops.yaml rule"
	case errors.Is(err, cipher.ErrVerify):
		return exitFailed, "this is a defect of gitseal: nothing was written; please report it with a file that shows it"
	case errors.Is(err, cipher.ErrUnsupported), errors.Is(err, age.ErrUnsupported):
		return exitFailed, "a newer version of gitseal may know it"
	case errors.Is(err, cipher.ErrKeyGroups):
		return exitFailed, "shamir_threshold is the number of key groups that are needed: at least 2, and no more than there are"
	case errors.Is(err, cipher.ErrProposals):
		return exitWrongState, "on the sealed file, gitseal accept FILE takes them in, and gitseal accept --drop FILE turns them down; seal --no-reuse forgets them"
	case errors.As(err, &noRule):
		return exitFailed, "add a creation rule for it, or name recipients with --age"
	case errors.As(err, &config):
		return exitFailed, "gitseal reads .sops.yaml strictly, so that a typing mistake never leaves a value plain"
	}
	return 0, ""
}

func explainSystem(err error, _ string, _ bool) (int, string) {
	var noMatch *workset.NoMatchError
	var partial *atomicfile.PartialError
	var write *atomicfile.Error
	switch {
	case errors.As(err, &partial):
		return exitFailed, "run the command again for the other files"
	case errors.As(err, &write) && write.Replaced:
		return exitFailed, "the file is complete; check the disk"
	case errors.As(err, &noMatch):
		return exitFailed, "of folders, only files that a rule in .sops.yaml matches are taken; name files, or add a rule (gitseal init)"
	case errors.Is(err, workset.ErrNotRegular):
		return exitFailed, "name a file or folder; - is standard input"
	case errors.Is(err, atomicfile.ErrChanged):
		return exitFailed, "run the command again; the other change is kept"
	case errors.Is(err, atomicfile.ErrNotRegular):
		return exitFailed, "name a file; -o - is standard output"
	case errors.Is(err, atomicfile.ErrOutside):
		return exitFailed, "a link must not lead a write out of the repository; name the file that it leads to"
	case errors.Is(err, fs.ErrNotExist):
		return exitFailed, "check the name"
	case errors.Is(err, fs.ErrPermission):
		return exitFailed, "check the permissions and the owner of the file and its folder"
	}
	return 0, ""
}
