'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { canary, plain, gitseal, skip, leaks, changedKeys } = require('../help/sandbox');
const { workbench, openEditor } = require('../help/workbench');
const { Uri } = require('../help/uri');

const unseal = file => gitseal(['unseal', '--quiet', file]);

test('a file is edited and saved, and only what was changed changes', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    assert.equal(e.last().text, plain);
    const before = w.sealed();
    await e.type('-before', '-after');
    assert.equal(e.edits.length, 1);
    await w.editor.saveCustomDocument(e.document);
    assert.deepEqual(changedKeys(before, w.sealed()), ['password']);
    assert.equal(unseal(w.file), plain.replace('-before', '-after'));
    assert.deepEqual(leaks(w.root), []);
    assert.ok(!JSON.stringify(w.calls).includes(canary));
    await e.type('two', 'three');
    await w.editor.saveCustomDocument(e.document); // the digest has moved on
    const saved = w.sealed();
    await w.editor.saveCustomDocument(e.document);
    assert.equal(w.sealed(), saved);
});

test('every byte that is not changed stays', { skip }, async t => {
    const w = workbench(t);
    const text = '\ufeffa: 1\r\nb: "x"\r\n# c\nd: 2';
    fs.rmSync(w.file);
    gitseal(['seal', '--quiet', '--path', w.file, '--if-unchanged', 'none', '-'], text);
    const e = await openEditor(w);
    assert.ok(!e.last().text.includes('\r'));
    await e.type('"x"', '"x"\ne: 3');
    await w.editor.saveCustomDocument(e.document);
    assert.equal(unseal(w.file), text.replace('"x"', '"x"\r\ne: 3'));
});

test('what gitseal warns of is said, and a file of sops gets the better seal', { skip }, async t => {
    const w = workbench(t);
    fs.writeFileSync(w.file, w.sealed().replace(/ {4}seal:\n( {8}.*\n)+/, '')); // as sops writes it
    w.fake.answer('showWarningMessage', undefined);
    w.fake.answer('showWarningMessage', undefined);
    const e = await openEditor(w);
    assert.match(w.fake.said(), /sops/);
    await e.type('one', 'eins');
    await w.editor.saveCustomDocument(e.document);
    assert.equal(unseal(w.file), plain.replace('one', 'eins'));
    assert.match(w.sealed(), / {4}seal:/);
});

test('undo and redo are there, revert gives the file back', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    await e.type('one', 'eins');
    await e.type('two', 'zwei');
    e.edits[1].undo();
    assert.equal(e.last().text, plain.replace('one', 'eins'));
    e.edits[0].undo();
    assert.equal(e.last().text, plain);
    e.edits[0].redo();
    assert.equal(e.last().text, plain.replace('one', 'eins'));
    await w.editor.revertCustomDocument(e.document);
    assert.equal(e.last().text, plain);
});

test('an undo does not reach into a text that was read again', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    await e.type('one', 'eins');
    gitseal(['set', '--quiet', w.file, 'list[0]'], 'eins!');
    await w.editor.revertCustomDocument(e.document);
    const now = e.last().text;
    e.edits[0].undo();
    assert.equal(e.last().text, now);
    assert.match(w.fake.said(), /cannot be undone/);
});

test('typing into a text that is gone is not taken', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    for (const message of [{ base: 7, start: 0, removed: 0, inserted: 'x' }, { base: 0, start: 0, removed: 0, inserted: 1 }]) {
        await e.received.fire({ type: 'edit', ...message });
        assert.equal(e.last().text, plain);
    }
    assert.equal(e.edits.length, 0);
});

test('what VS Code backs up is sealed, and comes back', { skip }, async t => {
    const w = workbench(t);
    fs.writeFileSync(path.join(w.work, '.sops.yaml'), `creation_rules:\n    - age: ${/age1\w+/.exec(w.sealed())[0]}\n      encrypted_regex: ^(password|note|list)$\n`);
    const e = await openEditor(w);
    // Half typed: no YAML, and not where the selector would seal it.
    await e.type('list: [', `[unfinished ${canary} `);
    const destination = Uri.file(path.join(w.root, 'Backups', 'a b#1', 'one'));
    const backup = await w.editor.backupCustomDocument(e.document, { destination });
    assert.deepEqual(leaks(w.root), []);
    const bytes = fs.readFileSync(destination.fsPath, 'utf8');
    assert.ok(bytes.includes('ENC[AES256_GCM,') && !bytes.includes('shop') && !bytes.includes('unfinished'));
    assert.equal(fs.statSync(destination.fsPath).mode & 0o077, 0);
    // While VS Code was not there, somebody else has changed the file.
    gitseal(['seal', '--quiet', '--path', w.file, '--if-unchanged', 'any', '--config', '/dev/null', '-'], plain.replace('two', 'others'));

    const again = await openEditor(w, backup.id);
    assert.equal(again.last().text, plain.replace('list: [', `[unfinished ${canary} `));
    assert.equal(again.document.session.dirty, true);
    await again.type(`[unfinished ${canary} `, 'list: [zero, ');
    w.fake.answer('showWarningMessage', undefined);
    await assert.rejects(w.editor.saveCustomDocument(again.document), /changed meanwhile/);
    await backup.delete();
    await new Promise(done => setTimeout(done, 50));
    assert.equal(fs.existsSync(destination.fsPath), false);
});

test('a backup opens only where the file may be opened', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    const backup = await w.editor.backupCustomDocument(e.document, { destination: Uri.file(path.join(w.root, 'Backups', 'one')) });
    fs.writeFileSync(path.join(w.work, '.sops.yaml'), 'gitseal:\n    doors: closed\n');
    w.fake.answer('showWarningMessage', undefined);
    await assert.rejects(w.editor.openCustomDocument(w.uri, { backupId: backup.id }), { code: 6 });
});

test('a file that was changed meanwhile is not written over without a yes', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    await e.type('one', 'eins');
    gitseal(['set', '--quiet', w.file, 'db.host'], 'other');
    const theirs = w.sealed();
    w.fake.answer('showWarningMessage', (text, options) => void assert.ok(options.modal && /changed meanwhile/.test(text)));
    await assert.rejects(w.editor.saveCustomDocument(e.document));
    assert.equal(w.sealed(), theirs);
    w.fake.answer('showWarningMessage', 'Seal Over It');
    await w.editor.saveCustomDocument(e.document);
    assert.equal(unseal(w.file), plain.replace('one', 'eins'));
});

test('a change by others is shown, unless there are changes here', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    gitseal(['set', '--quiet', w.file, 'db.host'], 'other');
    await w.fake.watchers[0].changed.fire(w.uri);
    assert.match(e.last().text, /host: other/);
    await e.type('one', 'eins');
    gitseal(['set', '--quiet', w.file, 'db.host'], 'third');
    await w.fake.watchers[0].changed.fire(w.uri);
    assert.match(e.document.session.text.shown, /host: other[^]*eins/);
    e.document.dispose();
    assert.equal(e.document.session.text.shown, '');
    assert.equal(w.fake.watchers[0].disposed, true);
});

test('an error in the text is shown where it is, and nothing is written', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    const before = w.sealed();
    await e.type('    password:', '  \tpassword:');
    w.fake.answer('showErrorMessage', undefined);
    await assert.rejects(w.editor.saveCustomDocument(e.document), { code: 1 });
    assert.equal(w.sealed(), before);
    assert.deepEqual(e.posted.at(-1).type, 'place');
    assert.ok(e.posted.at(-1).line >= 3);
    assert.ok(!w.fake.said().includes(canary));
});

test('saved as another file it is sealed, too, and a plain file is not replaced', { skip }, async t => {
    const w = workbench(t);
    const e = await openEditor(w);
    const other = path.join(w.work, 'other.yaml');
    await w.editor.saveCustomDocumentAs(e.document, Uri.file(other));
    assert.equal(unseal(other), plain);
    fs.writeFileSync(other, 'a: 1\n');
    w.fake.answer('showErrorMessage', undefined);
    await assert.rejects(w.editor.saveCustomDocumentAs(e.document, Uri.file(other)));
    assert.equal(fs.readFileSync(other, 'utf8'), 'a: 1\n');
    assert.deepEqual(leaks(w.root), []);
});

test('a file that was tampered with or is not text does not open', { skip }, async t => {
    const w = workbench(t);
    fs.writeFileSync(w.file, w.sealed().replace('password:', 'passwords:'));
    w.fake.answer('showErrorMessage', undefined);
    await assert.rejects(w.editor.openCustomDocument(w.uri, {}), { code: 5 });
    fs.rmSync(w.file);
    fs.writeFileSync(path.join(w.work, 'plain.bin'), Buffer.from([0xff, 0, 1]));
    gitseal(['seal', '--quiet', path.join(w.work, 'plain.bin')]);
    w.fake.answer('showErrorMessage', undefined);
    await assert.rejects(w.editor.openCustomDocument(Uri.file(path.join(w.work, 'plain.bin')), {}), /not UTF-8 text/);
});
