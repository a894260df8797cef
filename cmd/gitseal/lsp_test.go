package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/age"
)

// TestLSP has the real server make new texts, which only the editor saves.
func TestLSP(t *testing.T) {
	bin := buildProgram(t)
	for name, test := range map[string]func(*testing.T, *lspDesk){
		"a plain file": lspSealsFiles, "a value": lspSealsValues, "a value that was saved": lspSealsSavedValues,
		"a value without a key": lspProposesValues, "generate": lspGenerates, "generate without a key": lspProposesGenerated,
		"sync": lspSyncs, "tampered": lspRefusesTampered,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newLSPDesk(t, bin))
		})
	}
}

func lspSealsFiles(t *testing.T, d *lspDesk) {
	if err := os.WriteFile(d.file, []byte(lspPlain), 0o600); err != nil {
		t.Fatal(err)
	}
	d.connect(false) // sealing takes the readers' public keys alone
	d.made(lspPlain, "gitseal.seal", "")
	d.end()
	if got := d.gitseal("unseal", d.file); got != lspPlain {
		t.Errorf("got %q", got)
	}
}

func lspSealsValues(t *testing.T, d *lspDesk) {
	d.connect(true)
	before := d.content()
	after := d.made(d.byHand(before, lspCanary+"-after"), "gitseal.seal", "")
	d.end()
	if got := changedLines(before, after); !slices.Equal(got, []int{3}) {
		t.Errorf("the lines %v have changed", got)
	}
	if got := d.opened("db.password"); got != lspCanary+"-after" {
		t.Errorf("got %q", got)
	}
}

// lspSealsSavedValues: what is on the disk does not open; git has what does.
func lspSealsSavedValues(t *testing.T, d *lspDesk) {
	d.connect(true)
	before := d.content()
	spoilt := d.byHand(before, lspCanary+"-after")
	if err := os.WriteFile(d.file, []byte(spoilt), 0o600); err != nil {
		t.Fatal(err)
	}
	after := d.made(spoilt, "gitseal.seal", "")
	d.end()
	if got := changedLines(before, after); !slices.Equal(got, []int{3}) || d.opened("db.password") != lspCanary+"-after" {
		t.Errorf("the lines %v have changed, and it is %q", got, d.opened("db.password"))
	}
}

func lspProposesValues(t *testing.T, d *lspDesk) {
	d.connect(false)
	before := d.content()
	d.made(d.byHand(before, lspCanary+"-after"), "gitseal.seal", "")
	if _, err := d.execute(strings.Replace(d.byHand(before, "x"), "db:", "database:", 1), "gitseal.seal", ""); err == nil {
		t.Error("keys were renamed without a key")
	}
	d.end()
	if got := d.opened("db.password"); got != lspCanary+"-before" {
		t.Errorf("before it is accepted: %q", got)
	}
	d.gitseal("accept", "--yes", d.file)
	if got := d.opened("db.password"); got != lspCanary+"-after" {
		t.Errorf("accepted: %q", got)
	}
}

func lspGenerates(t *testing.T, d *lspDesk) {
	d.connect(true)
	d.made(d.content(), "gitseal.generate", `, "key": "db.password", "kind": "password"`)
	for _, more := range []string{`, "key": "db.password", "kind": "no such kind"`, `, "key": "db..x"`} {
		if _, err := d.execute(d.content(), "gitseal.generate", more); err == nil {
			t.Errorf("%s was done", more)
		}
	}
	d.end()
	if got := d.opened("db.password"); len(got) != 32 || strings.Contains(d.said.String()+d.errs.String(), got) {
		t.Errorf("got %d characters, or they were told", len(got))
	}
}

func lspProposesGenerated(t *testing.T, d *lspDesk) {
	d.connect(false)
	d.made(d.content(), "gitseal.generate", `, "key": "db.password", "kind": "hex"`)
	d.end()
	d.gitseal("accept", "--yes", d.file)
	if got := d.opened("db.password"); len(got) != 64 {
		t.Errorf("got %d characters", len(got))
	}
}

func lspSyncs(t *testing.T, d *lspDesk) {
	other, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	d.rule(d.id.Recipient().String() + "," + other.Recipient().String())
	d.connect(true)
	// A file that is not as its rule says is changed by nothing else.
	if _, err := d.execute(d.content(), "gitseal.generate", `, "key": "db.password"`); err == nil || !strings.Contains(err.Error(), "not sealed as its rule says") {
		t.Errorf("got %v", err)
	}
	before := d.content()
	after := d.made(before, "gitseal.sync", "")
	d.end()
	if len(changedLines(before, after)) > 0 || !strings.Contains(d.gitseal("inspect", d.file), other.Recipient().String()) {
		t.Errorf("got %s", after)
	}
}

func lspRefusesTampered(t *testing.T, d *lspDesk) {
	tampered := strings.Replace(d.content(), "host: ENC[AES256_GCM,data:", "host: ENC[AES256_GCM,data:AAAA", 1)
	d.connect(true)
	if _, err := d.execute(tampered, "gitseal.generate", `, "key": "db.password"`); err == nil || !strings.Contains(err.Error(), "db.host") {
		t.Errorf("got %v", err)
	}
	d.end()
}

// TestLSPEndsWithItsEditor: the end of the input ends the server.
func TestLSPEndsWithItsEditor(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "seal")
	if code, stderr := w.run(w.bin, "lsp"); code != 1 || !strings.Contains(stderr, "hint: an editor starts gitseal lsp") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _ := w.run(w.bin, "lsp", "file"); code != 2 {
		t.Errorf("with an argument: exit code %d", code)
	}
}

// lspScript is what a person does in Neovim: write a value by hand, look at what is said
// of it and of another one, take the first action, and save.
const lspScript = `local said = {}
local function say(text) for line in (text .. '\n'):gmatch('(.-)\n') do table.insert(said, line) end end
local ok, err = pcall(function()
  local id = vim.lsp.start_client { name = 'gitseal', cmd = { vim.env.GITSEAL, 'lsp' }, root_dir = vim.fn.getcwd() }
  vim.lsp.buf_attach_client(0, id)
  local function wait(what, f) if not vim.wait(30000, f, 10) then error('waited in vain for ' .. what) end end
  wait('the server', function() return vim.lsp.get_client_by_id(id).initialized end)
  vim.api.nvim_buf_set_lines(0, 3, 4, true, { '    password: ' .. vim.env.VALUE })
  wait('diagnostics', function() return #vim.diagnostic.get(0) > 0 end)
  local d = vim.diagnostic.get(0)[1]
  say(d.source .. ' ' .. d.severity .. ' ' .. d.lnum .. ':' .. d.col .. ' ' .. d.message)
  local where = { textDocument = { uri = vim.uri_from_bufnr(0) }, position = { line = 4, character = 8 } }
  say(vim.lsp.buf_request_sync(0, 'textDocument/hover', where, 30000)[id].result.contents.value)
  vim.api.nvim_win_set_cursor(0, { 4, 6 })
  vim.ui.select = function(items, _, choose) say(items[1][2].title) choose(items[1]) end
  vim.lsp.buf.code_action()
  wait('the edit', function() return vim.api.nvim_buf_get_lines(0, 3, 4, true)[1]:match('ENC%[') end)
  wait('no diagnostics', function() return #vim.diagnostic.get(0) == 0 end)
  vim.cmd('write')
end)
say(ok and 'done' or err)
vim.fn.writefile(said, vim.env.PROBE)
vim.cmd('qall!')
`

// TestLSPInNeovim runs the client that is built into Neovim.
func TestLSPInNeovim(t *testing.T) {
	needProgram(t, "nvim")
	d := newLSPDesk(t, buildProgram(t))
	base := filepath.Dir(d.repo)
	script, probe := filepath.Join(base, "script.lua"), filepath.Join(base, "probe")
	if err := os.WriteFile(script, []byte(lspScript), 0o600); err != nil {
		t.Fatal(err)
	}
	before := d.content()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", d.file, "-c", "luafile "+script)
	cmd.Dir, cmd.Env = d.repo, append(slices.Clone(d.env), "GITSEAL="+d.bin, "PROBE="+probe, "VALUE="+lspCanary+"-by-hand")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(probe)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"gitseal 1 3:14 the selector wants db.password sealed, and it is plain\n", "\ndb.note\nsealed string, ciphertext ", "\nreaders: age1", "\nSeal the value of db.password\n", "\ndone\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(string(got), lspCanary) {
		t.Errorf("a value was told: %q", got)
	}
	if changed := changedLines(before, d.content()); !slices.Equal(changed, []int{3}) {
		t.Errorf("the lines %v have changed", changed)
	}
	if value := d.opened("db.password"); value != lspCanary+"-by-hand" {
		t.Errorf("got %q", value)
	}
}
