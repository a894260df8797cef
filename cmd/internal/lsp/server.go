package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

// maxRunning bounds the requests that are worked on at the same time.
const maxRunning = 32

// server serves one client.
type server struct {
	Options
	ctx  context.Context
	conn *jsonrpc2.Conn
	// ready is closed when conn is set.
	ready chan struct{}
	// work counts what runs beside the reader of messages.
	work sync.WaitGroup
	// checking lets one text be checked at a time, so that diagnostics come in order.
	checking sync.Mutex
	ages     ageCache

	mu          sync.Mutex // guards what follows
	state       state
	client      initializeParams
	root        string
	documents   map[string]*document
	running     map[jsonrpc2.ID]context.CancelFunc
	ended       bool
	wasShutdown bool
}

// state is how far a client has got.
type state uint8

const (
	fresh state = iota
	initialized
	shutDown
)

func newServer(ctx context.Context, o Options) *server {
	return &server{
		Options: o, ctx: ctx, ready: make(chan struct{}), documents: map[string]*document{}, running: map[jsonrpc2.ID]context.CancelFunc{},
	}
}

func (s *server) start(conn *jsonrpc2.Conn) {
	s.conn = conn
	close(s.ready)
}

// spawn runs what must not keep the reader of messages waiting, unless the server is
// about to end.
func (s *server) spawn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.work.Go(f)
	}
}

// wait returns when nothing runs any more.
func (s *server) wait() {
	s.mu.Lock()
	s.ended = true
	for _, d := range s.documents {
		d.timer.Stop()
	}
	s.mu.Unlock()
	s.work.Wait()
}

func (s *server) wasShutDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wasShutdown
}

// Handle is called with one message after the other.
func (s *server) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	<-s.ready
	var params json.RawMessage
	if req.Params != nil {
		params = *req.Params
	}
	if req.Notif {
		s.notified(req.Method, params)
		return
	}
	if err := s.admit(req.Method); err != nil {
		s.answer(req.ID, nil, err)
		return
	}
	switch req.Method {
	case "initialize":
		result, err := s.initialize(params)
		s.answer(req.ID, result, err)
	case "shutdown":
		s.mu.Lock()
		s.state, s.wasShutdown = shutDown, true
		s.mu.Unlock()
		s.answer(req.ID, nil, nil)
	default:
		s.run(req.ID, req.Method, params)
	}
}

// admit says whether a request may come now.
func (s *server) admit(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == shutDown:
		return rpcError(jsonrpc2.CodeInvalidRequest, "the server was shut down")
	case s.state == fresh && method != "initialize":
		return rpcError(codeNotInitialized, "initialize comes first")
	case s.state != fresh && method == "initialize":
		return rpcError(jsonrpc2.CodeInvalidRequest, "initialize comes once")
	}
	return nil
}

// run answers a request while other messages are read: a command asks the client, too.
func (s *server) run(id jsonrpc2.ID, method string, params json.RawMessage) {
	handle := s.requests()[method]
	if handle == nil {
		s.answer(id, nil, rpcError(jsonrpc2.CodeMethodNotFound, "there is no method of this name"))
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	busy := len(s.running) >= maxRunning || s.running[id] != nil
	if !busy {
		s.running[id] = cancel
	}
	s.mu.Unlock()
	if busy {
		cancel()
		s.answer(id, nil, rpcError(codeFailed, "too many requests at the same time, or two with one ID"))
		return
	}
	s.spawn(func() {
		defer cancel()
		result, err := guarded(func() (any, error) { return handle(ctx, params) })
		if ctx.Err() != nil {
			result, err = nil, rpcError(codeCancelled, "cancelled")
		}
		s.mu.Lock()
		delete(s.running, id)
		s.mu.Unlock()
		s.answer(id, result, err)
	})
}

// guarded keeps a defect in one request from ending the editor's session. What was
// wrong may hold a value, so it is not told.
func guarded(f func() (any, error)) (result any, err error) {
	defer func() {
		if recover() != nil {
			result, err = nil, rpcError(jsonrpc2.CodeInternalError, "a defect of gitseal: please report what you did")
		}
	}()
	return f()
}

func (s *server) requests() map[string]func(context.Context, json.RawMessage) (any, error) {
	return map[string]func(context.Context, json.RawMessage) (any, error){
		"textDocument/hover":       with(s.hover),
		"textDocument/codeAction":  with(s.codeActions),
		"textDocument/codeLens":    with(s.codeLenses),
		"workspace/executeCommand": with(s.execute),
	}
}

// with makes a handler of one that takes parameters of a certain type.
func with[P any](f func(context.Context, P) (any, error)) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, params json.RawMessage) (any, error) {
		p, err := decode[P](params)
		if err != nil {
			return nil, err
		}
		return f(ctx, p)
	}
}

// decode reads parameters. Its error repeats nothing of them.
func decode[P any](params json.RawMessage) (P, error) {
	var p P
	if len(params) == 0 || json.Unmarshal(params, &p) != nil {
		return p, rpcError(jsonrpc2.CodeInvalidParams, "the parameters are not those of the method")
	}
	return p, nil
}

func rpcError(code int64, text string) error { return &jsonrpc2.Error{Code: code, Message: text} }

// answer replies to a request. That the client is gone is noticed elsewhere.
func (s *server) answer(id jsonrpc2.ID, result any, err error) {
	if err == nil {
		_ = s.conn.Reply(s.ctx, id, result)
		return
	}
	var e *jsonrpc2.Error
	if !errors.As(err, &e) {
		e = &jsonrpc2.Error{Code: codeFailed, Message: err.Error()}
	}
	_ = s.conn.ReplyWithError(s.ctx, id, e)
}

// notified handles a notification. Nobody can be told of one that makes no sense.
func (s *server) notified(method string, params json.RawMessage) {
	if method == "exit" {
		_ = s.conn.Close() // it was closed before, or is now
		return
	}
	if s.admit(method) != nil {
		return
	}
	_, _ = guarded(func() (any, error) {
		switch method {
		case "initialized":
			s.spawn(s.watch)
		case "textDocument/didOpen":
			notify(params, s.opened)
		case "textDocument/didChange":
			notify(params, s.changed)
		case "textDocument/didSave":
			notify(params, s.saved)
		case "textDocument/didClose":
			notify(params, s.closed)
		case "workspace/didChangeWatchedFiles", "workspace/didChangeConfiguration":
			s.recheckAll()
		case "$/cancelRequest":
			notify(params, s.cancelled)
		}
		return nil, nil
	})
}

func notify[P any](params json.RawMessage, f func(P)) {
	if p, err := decode[P](params); err == nil {
		f(p)
	}
}

type cancelParams struct {
	ID jsonrpc2.ID `json:"id"`
}

func (s *server) cancelled(p cancelParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[p.ID]; cancel != nil {
		cancel()
	}
}

func (s *server) initialize(params json.RawMessage) (any, error) {
	p, err := decode[initializeParams](params)
	if err != nil {
		return nil, err
	}
	root := pathOf(p.RootURI)
	if len(p.WorkspaceFolders) > 0 {
		root = pathOf(p.WorkspaceFolders[0].URI)
	}
	if root != "" {
		root = resolve(root)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.root, s.state = p, root, initialized
	return initializeResult{
		ServerInfo: serverInfo{Name: "gitseal", Version: s.Version},
		Capabilities: serverCapabilities{
			TextDocumentSync: syncOptions{OpenClose: true, Change: syncFull, Save: true},
			HoverProvider:    true, CodeActionProvider: actionOptions{Kinds: []string{kindQuickFix, kindRewrite}},
			// What the client knows itself it would otherwise be told twice.
			ExecuteCommand: commandOptions{Commands: slices.DeleteFunc(commandNames(), func(n string) bool { return slices.Contains(p.Options.ClientCommands, n) })},
		},
	}, nil
}

// watch asks the client to tell of changed configurations.
func (s *server) watch() {
	if !s.clientInfo().Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration {
		return
	}
	// Without it, saving one in this editor is noticed all the same.
	_ = s.conn.Call(s.ctx, "client/registerCapability", registrationParams{Registrations: []registration{{
		ID: "gitseal-config", Method: "workspace/didChangeWatchedFiles",
		Options: watchOptions{Watchers: []watcher{{Glob: "**/" + configName}}},
	}}}, nil)
}

func (s *server) clientInfo() initializeParams {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

// tell shows people a message.
func (s *server) tell(text string) {
	_ = s.conn.Notify(s.ctx, "window/showMessage", messageParams{Type: messageInfo, Message: oneLine(text)})
}
