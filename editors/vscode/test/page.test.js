'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const vm = require('node:vm');
const { FakeVSCode, load } = require('../help/fakevscode');
const { Plaintext } = require('../src/core/plaintext');
const { Uri } = require('../help/uri');

const media = path.join(__dirname, '..', 'media');

/** The page, in a browser of which only what is here may be used. */
function page() {
    const listeners = {};
    const posted = [];
    const field = {
        value: '', disabled: true, selectionStart: 0, selectionEnd: 0, scrollTop: 0,
        addEventListener: (name, f) => (listeners[name] = f),
        setSelectionRange(start, end) {
            Object.assign(field, { selectionStart: start, selectionEnd: end });
        },
        setRangeText(text, start, end) {
            field.value = field.value.slice(0, start) + text + field.value.slice(end);
            field.setSelectionRange(start + text.length, start + text.length);
        },
        focus() {},
    };
    // There is no setState: what is given to it is kept on the disk.
    const host = new Proxy({ postMessage: m => posted.push(structuredClone(m)) }, { get: (t, key) => t[key] ?? assert.fail(`${String(key)} is used`) });
    const context = vm.createContext({ acquireVsCodeApi: () => host, document: { getElementById: () => field }, TextEncoder, TextDecoder });
    context.window = context;
    context.addEventListener = (name, f) => (listeners[name] = f);
    for (const name of ['splice.js', 'editor.js']) {
        vm.runInContext(fs.readFileSync(path.join(media, name), 'utf8'), context);
    }
    const press = (key, more = {}) => {
        const event = { key, prevented: false, preventDefault: () => (event.prevented = true), ...more };
        listeners.keydown(event);
        return event.prevented;
    };
    return { field, listeners, posted, press, receive: data => listeners.message({ data }) };
}

test('the page sends what was typed, as changes that lead to the same text', () => {
    const p = page();
    assert.deepEqual(p.posted, [{ type: 'ready' }]);
    assert.equal(p.field.disabled, true);
    p.receive({ type: 'show', version: 4, text: 'a: 1\n  b: 2' });
    assert.equal(p.field.disabled, false);
    const model = new Plaintext('a: 1\n  b: 2');
    for (const value of ['a: 12\n  b: 2', 'a: 12\n  b: 2', '', 'x😀\n  y']) {
        p.field.value = value;
        p.listeners.input();
    }
    p.field.setSelectionRange(p.field.value.length, p.field.value.length);
    assert.equal(p.press('Enter'), true);
    assert.equal(p.press('Tab'), true);
    assert.deepEqual(p.posted.slice(1).map(m => m.base), [4, 5, 6, 7, 8]); // no change, no message
    p.posted.slice(1).forEach(m => model.splice(m.start, m.removed, m.inserted));
    assert.equal(model.shown, 'x😀\n  y\n      ');
    assert.equal(p.field.value, model.shown);
});

test('keys that are not for the text are left alone, and Escape lets Tab out', () => {
    const p = page();
    p.receive({ type: 'show', version: 0, text: 'a' });
    assert.equal(p.press('Tab', { shiftKey: true }), false);
    assert.equal(p.press('s', { ctrlKey: true }), false);
    assert.equal(p.press('Enter', { isComposing: true }), false);
    assert.equal(p.press('Escape'), false);
    assert.equal(p.press('Tab'), false);
    assert.equal(p.press('Tab'), true);
});

test('the browser does not undo by itself', () => {
    const p = page();
    for (const [inputType, want] of [['historyUndo', true], ['historyRedo', true], ['insertText', false]]) {
        let prevented = false;
        p.listeners.beforeinput({ inputType, preventDefault: () => (prevented = true) });
        assert.equal(prevented, want);
    }
});

test('an error is shown at its byte', () => {
    const p = page();
    p.receive({ type: 'show', version: 0, text: 'a: 1\nü: €x\n' });
    p.receive({ type: 'place', line: 2, column: 8 }); // ü and € are five bytes
    assert.deepEqual([p.field.selectionStart, p.field.selectionEnd], [9, 10]);
    p.receive({ type: 'place', line: 99, column: 1 });
    assert.equal(p.field.selectionStart, 9);
});

test('the page may load its own script and style, and nothing else', () => {
    const fake = new FakeVSCode({});
    const { pageOf } = load(fake, '../src/page.js');
    const { panel } = fake.panel();
    const [one, two] = [1, 2].map(() => pageOf(panel.webview, Uri.file('/ext/media')));
    const policy = /content="([^"]+)"/.exec(one)[1];
    const nonce = /'nonce-([^']+)'/.exec(policy)[1];
    assert.equal(policy, `default-src 'none'; base-uri 'none'; form-action 'none'; style-src https://own.example; script-src 'nonce-${nonce}'`);
    assert.equal(Buffer.from(nonce, 'base64').length, 18);
    assert.notEqual(one, two);
    for (const script of one.match(/<script[^]*?<\/script>/g)) {
        assert.match(script, /^<script nonce="[^"]+" src="[^"]+"><\/script>$/); // none inline
    }
    assert.match(one, /<textarea[^>]*spellcheck="false"[^>]*><\/textarea>/);
});
