// @ts-check
'use strict';

const childProcess = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { FakeVSCode, load } = require('./fakevscode');
const { program, sandbox } = require('./sandbox');
const { Uri } = require('./uri');

/**
 * The extension, running in the fake with a sealed file and the real gitseal.
 * @param {import('node:test').TestContext} t
 * @param {{settings?: object, trusted?: boolean}} [options]
 */
function workbench(t, options = {}) {
    const box = sandbox(t);
    const fake = new FakeVSCode({ path: program, open: 'redacted', check: true, timeout: 60, ...options.settings });
    fake.trusted = options.trusted ?? true;
    /** @type {string[][]} */
    const calls = [];
    const original = childProcess.spawn;
    // @ts-ignore one of its forms
    childProcess.spawn = (name, args, spawnOptions) => {
        calls.push(args);
        return original(name, args, spawnOptions);
    };
    const context = { subscriptions: /** @type {any[]} */ ([]), extensionUri: Uri.file(path.join(__dirname, '..')) };
    try {
        load(fake, '../src/extension.js').activate(context);
    } finally {
        childProcess.spawn = original;
    }
    t.after(() => context.subscriptions.forEach(s => s?.dispose?.()));
    const uri = Uri.file(box.file);
    return {
        ...box, fake, calls, uri, context,
        run: (/** @type {string} */ name) => /** @type {Function} */ (fake.commands.get(name))(uri),
        sealed: () => fs.readFileSync(box.file, 'utf8'),
        editor: fake.registered.get('gitseal.editor'),
    };
}

/**
 * Opens a file in the editor, with a page that types.
 * @param {ReturnType<typeof workbench>} w
 * @param {string} [backupId]
 */
async function openEditor(w, backupId) {
    const document = await w.editor.openCustomDocument(w.uri, { backupId });
    const page = w.fake.panel();
    w.editor.resolveCustomEditor(document, page.panel);
    /** @type {any[]} */
    const edits = [];
    w.editor.onDidChangeCustomDocument((/** @type {any} */ edit) => edits.push(edit));
    await page.received.fire({ type: 'ready' });
    const last = () => page.posted.filter(m => m.type === 'show').at(-1);
    return {
        ...page, document, edits, last,
        /** Replaces a text, as the page does. */
        async type(/** @type {string} */ from, /** @type {string} */ to) {
            const start = document.session.text.shown.indexOf(from);
            await page.received.fire({ type: 'edit', base: document.session.version, start, removed: from.length, inserted: to });
        },
    };
}

module.exports = { workbench, openEditor };
