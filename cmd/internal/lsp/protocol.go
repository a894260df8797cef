package lsp

import "encoding/json"

// The types of LSP 3.17, as far as they are used here.

type position struct {
	Line      int `json:"line"`
	Character int `json:"character"` // in UTF-16 code units
}

type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type textEdit struct {
	Range   textRange `json:"range"`
	NewText string    `json:"newText"`
}

type documentID struct {
	URI string `json:"uri"`
}

type versionedID struct {
	URI     string `json:"uri"`
	Version int    `json:"version"`
}

type initializeParams struct {
	RootURI          string `json:"rootUri"`
	WorkspaceFolders []struct {
		URI string `json:"uri"`
	} `json:"workspaceFolders"`
	Capabilities struct {
		Workspace struct {
			ApplyEdit     bool `json:"applyEdit"`
			WorkspaceEdit struct {
				DocumentChanges bool `json:"documentChanges"`
			} `json:"workspaceEdit"`
			DidChangeWatchedFiles struct {
				DynamicRegistration bool `json:"dynamicRegistration"`
			} `json:"didChangeWatchedFiles"`
		} `json:"workspace"`
		TextDocument struct {
			CodeAction struct {
				LiteralSupport *json.RawMessage `json:"codeActionLiteralSupport"`
			} `json:"codeAction"`
		} `json:"textDocument"`
	} `json:"capabilities"`
	Options struct {
		// ClientCommands are those of our commands that the client itself knows.
		ClientCommands []string `json:"clientCommands"`
	} `json:"initializationOptions"`
}

type initializeResult struct {
	Capabilities serverCapabilities `json:"capabilities"`
	ServerInfo   serverInfo         `json:"serverInfo"`
}

type serverInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type serverCapabilities struct {
	TextDocumentSync   syncOptions    `json:"textDocumentSync"`
	HoverProvider      bool           `json:"hoverProvider"`
	CodeActionProvider actionOptions  `json:"codeActionProvider"`
	CodeLensProvider   struct{}       `json:"codeLensProvider"`
	ExecuteCommand     commandOptions `json:"executeCommandProvider"`
}

// syncFull: changes come as the whole text.
const syncFull = 1

type syncOptions struct {
	OpenClose bool `json:"openClose"`
	Change    int  `json:"change"`
	Save      bool `json:"save"`
}

type actionOptions struct {
	Kinds []string `json:"codeActionKinds"`
}

type commandOptions struct {
	Commands []string `json:"commands"`
}

type openParams struct {
	Document struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
		Text    string `json:"text"`
	} `json:"textDocument"`
}

type changeParams struct {
	Document versionedID `json:"textDocument"`
	Changes  []struct {
		Range *textRange `json:"range"`
		Text  string     `json:"text"`
	} `json:"contentChanges"`
}

type documentParams struct {
	Document documentID `json:"textDocument"`
}

type hoverParams struct {
	Document documentID `json:"textDocument"`
	Position position   `json:"position"`
}

type hoverResult struct {
	Contents markup    `json:"contents"`
	Range    textRange `json:"range"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type actionParams struct {
	Document documentID `json:"textDocument"`
	Range    textRange  `json:"range"`
	Context  struct {
		Only []string `json:"only"`
	} `json:"context"`
}

type codeAction struct {
	Title       string       `json:"title"`
	Kind        string       `json:"kind"`
	Diagnostics []diagnostic `json:"diagnostics,omitempty"`
	Preferred   bool         `json:"isPreferred,omitempty"`
	Command     command      `json:"command"`
}

type command struct {
	Title     string            `json:"title"`
	Command   string            `json:"command"`
	Arguments []commandArgument `json:"arguments,omitempty"`
}

// commandArgument is the one argument that our commands have.
type commandArgument struct {
	URI string `json:"uri"`
	// Version is that of the text for which the command was offered; without it, the
	// text is taken as it is.
	Version *int `json:"version,omitempty"`
	// Key is a key path; Kind is what is to be generated, Side who wins a conflict.
	Key  string `json:"key,omitempty"`
	Kind string `json:"kind,omitempty"`
	Side string `json:"side,omitempty"`
}

type commandParams struct {
	Command   string            `json:"command"`
	Arguments []commandArgument `json:"arguments"`
}

type codeLens struct {
	Range   textRange `json:"range"`
	Command command   `json:"command"`
}

type diagnosticsParams struct {
	URI         string       `json:"uri"`
	Version     int          `json:"version"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Range    textRange `json:"range"`
	Severity int       `json:"severity"`
	Code     string    `json:"code"`
	Source   string    `json:"source"`
	Message  string    `json:"message"`
}

type applyParams struct {
	Label string        `json:"label"`
	Edit  workspaceEdit `json:"edit"`
}

type workspaceEdit struct {
	Changes         map[string][]textEdit `json:"changes,omitempty"`
	DocumentChanges []documentEdit        `json:"documentChanges,omitempty"`
}

type documentEdit struct {
	Document versionedID `json:"textDocument"`
	Edits    []textEdit  `json:"edits"`
}

type applyResult struct {
	Applied bool   `json:"applied"`
	Reason  string `json:"failureReason"`
}

// messageInfo is the type of messages that tell of no trouble.
const messageInfo = 3

type messageParams struct {
	Type    int    `json:"type"`
	Message string `json:"message"`
}

type registrationParams struct {
	Registrations []registration `json:"registrations"`
}

type registration struct {
	ID      string       `json:"id"`
	Method  string       `json:"method"`
	Options watchOptions `json:"registerOptions"`
}

type watchOptions struct {
	Watchers []watcher `json:"watchers"`
}

type watcher struct {
	Glob string `json:"globPattern"`
}

// The codes of errors that JSON-RPC itself does not have.
const (
	codeNotInitialized = -32002
	codeCancelled      = -32800
	codeModified       = -32801
	codeFailed         = -32803
)
