'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { canary, gitseal, skip, leaks, changedKeys } = require('../help/sandbox');
const { TabInputTextDiff } = require('../help/fakevscode');
const { workbench } = require('../help/workbench');

const secret = `new-${canary}-value`;

/** Does as VS Code does when a file is opened in a tab. */
async function openTab(w, uri = w.uri) {
    const editor = w.fake.show(await w.fake.document(uri));
    await w.fake.events.activeEditor.fire(editor);
}

/** Time that passes when it is told to, for what waits as long as people do. */
function fakeClock(t) {
    const original = globalThis.setTimeout;
    let now = 0;
    let waiting = [];
    globalThis.setTimeout = (f, delay, ...rest) => {
        if (delay !== 10_000 && delay !== 30_000) {
            return original(f, delay, ...rest);
        }
        waiting.push({ f, at: now + delay });
        return undefined;
    };
    t.after(() => (globalThis.setTimeout = original));
    return {
        tick(by) {
            now += by;
            const due = waiting.filter(w => w.at <= now);
            waiting = waiting.filter(w => w.at > now);
            due.forEach(w => w.f());
        },
    };
}

const shownNow = w => w.fake.api.window.activeTextEditor.document;

test('a sealed file opens without its values, and its own tab goes', { skip }, async t => {
    const w = workbench(t);
    await openTab(w);
    assert.equal(shownNow(w).uri.toString(), `gitseal-view://${w.file}`);
    assert.match(shownNow(w).getText(), /password: <sealed string \w{10}>/);
    assert.deepEqual(w.fake.group.tabs.map(tab => tab.input.uri.scheme), ['gitseal-view']);
    assert.deepEqual([...new Set(w.calls.map(args => args[0]))], ['view']); // nothing was opened
    assert.deepEqual(w.fake.executed.at(-1), ['setContext', 'gitseal.sealed', true]);
    await w.fake.events.activeEditor.fire(undefined);
    assert.deepEqual(w.fake.executed.at(-1), ['setContext', 'gitseal.sealed', false]);
    assert.deepEqual(leaks(w.root), []);
});

test('differences, plain files and files wanted as they are stay so', { skip }, async t => {
    const w = workbench(t);
    const plain = path.join(w.work, 'plain.yaml');
    fs.writeFileSync(plain, 'a: 1\n');
    await openTab(w, w.uri.with({ path: plain }));
    assert.equal(shownNow(w).uri.scheme, 'file');
    const editor = w.fake.show(await w.fake.document(w.uri));
    w.fake.group.activeTab = { input: new TabInputTextDiff() };
    await w.fake.events.activeEditor.fire(editor);
    assert.equal(shownNow(w).uri.scheme, 'file');
    await w.run('gitseal.showSealed');
    await openTab(w);
    assert.equal(shownNow(w).uri.scheme, 'file');
    await w.fake.events.closed.fire({ uri: w.uri });
    await openTab(w);
    assert.equal(shownNow(w).uri.scheme, 'gitseal-view');
});

test('the view follows the file', { skip }, async t => {
    const w = workbench(t);
    await w.run('gitseal.view');
    const changed = [];
    w.fake.registered.get('gitseal-view').onDidChange(uri => changed.push(uri.toString()));
    gitseal(['set', w.file, 'db.fresh'], secret);
    await w.fake.watchers[0].changed.fire(w.uri);
    assert.deepEqual(changed, [`gitseal-view://${w.file}`]);
    assert.match(await w.fake.registered.get('gitseal-view').provideTextDocumentContent(shownNow(w).uri), /fresh: <sealed/);
    await w.fake.events.closed.fire({ uri: shownNow(w).uri });
    assert.equal(w.fake.watchers[0].disposed, true);
});

test('a value is asked for hidden, goes through a pipe, and changes its line only', { skip }, async t => {
    const w = workbench(t);
    await w.run('gitseal.view');
    shownNow(w);
    w.fake.api.window.activeTextEditor.selection = { active: { line: 3, character: 6 } };
    const before = w.sealed();
    w.fake.answer('showQuickPick', items => items[0]);
    w.fake.answer('showInputBox', secret);
    await w.run('gitseal.setValue');
    const box = w.fake.asked.find(a => a.kind === 'showInputBox').args[0];
    assert.equal(box.password, true);
    assert.equal(box.value, undefined);
    assert.equal(gitseal(['get', w.file, 'db.password']), secret);
    assert.deepEqual(changedKeys(before, w.sealed()), ['password']);
    assert.ok(!JSON.stringify(w.calls).includes(canary) && !w.fake.said().includes(canary));
    assert.deepEqual(leaks(w.root), []);
});

test('a value of several lines comes from the clipboard, which is emptied', { skip }, async t => {
    const w = workbench(t);
    w.fake.clipboard = `first ${canary}\nsecond\n`;
    w.fake.answer('showQuickPick', items => items.at(-1));
    w.fake.answer('showInputBox', 'tls.key');
    await w.run('gitseal.setFromClipboard');
    assert.equal(gitseal(['get', w.file, 'tls.key']), `first ${canary}\nsecond\n`);
    assert.equal(w.fake.clipboard, '');
    await w.run('gitseal.setFromClipboard');
    assert.match(w.fake.said(), /clipboard holds no text/);
});

test('a value is made without being seen', { skip }, async t => {
    const w = workbench(t);
    w.fake.answer('showQuickPick', items => items.find(i => i.key === 'db.password'));
    w.fake.answer('showQuickPick', 'password');
    await w.run('gitseal.generate');
    const made = gitseal(['get', w.file, 'db.password']);
    assert.match(made, /^\w{32}$/);
    assert.ok(!w.fake.said().includes(made));
});

test('a value is revealed after a question, in a list that goes away', { skip }, async t => {
    const clock = fakeClock(t);
    const w = workbench(t);
    w.fake.answer('showQuickPick', items => items.find(i => i.key === 'db.note'));
    w.fake.answer('showWarningMessage', (text, options, yes) => (assert.equal(options.modal, true), yes));
    await w.run('gitseal.reveal');
    const [list] = w.fake.lists;
    assert.deepEqual(list.items.map(i => i.label), [`first canary-${canary}-note`, 'second', '']);
    assert.equal(list.shown, true);
    clock.tick(9_999);
    assert.equal(list.shown, true);
    clock.tick(1);
    assert.deepEqual([list.shown, list.disposed, list.items], [false, true, []]);
    assert.ok(!w.fake.said().includes(canary));
});

test('a value is copied after a question, and the clipboard emptied unless it holds something else', { skip }, async t => {
    const clock = fakeClock(t);
    const w = workbench(t);
    const copy = async () => {
        w.fake.answer('showQuickPick', items => items.find(i => i.key === 'db.password'));
        w.fake.answer('showWarningMessage', (text, options, yes) => yes);
        await w.run('gitseal.copy');
        assert.equal(w.fake.clipboard, `canary-${canary}-before`);
    };
    await copy();
    clock.tick(30_000);
    await new Promise(setImmediate);
    assert.equal(w.fake.clipboard, '');
    await copy();
    w.fake.clipboard = 'something else';
    clock.tick(30_000);
    await new Promise(setImmediate);
    assert.equal(w.fake.clipboard, 'something else');
});

test('without a yes nothing is opened', { skip }, async t => {
    const w = workbench(t);
    for (const name of ['gitseal.copy', 'gitseal.reveal']) {
        w.fake.answer('showQuickPick', items => items[0]);
        w.fake.answer('showWarningMessage', undefined);
        assert.equal(await w.run(name), undefined);
    }
    assert.ok(w.calls.every(args => args[0] === 'view'));
    assert.equal(w.fake.clipboard, '');
});

test('a closed door is told, and the view offered', { skip }, async t => {
    const w = workbench(t);
    process.env.GITSEAL_DOORS = 'closed';
    w.fake.answer('showQuickPick', items => items[1]);
    w.fake.answer('showWarningMessage', (text, options, yes) => yes); // do copy
    w.fake.answer('showWarningMessage', (text, button) => {
        assert.match(text, /gitseal get is closed/);
        return button;
    });
    await w.run('gitseal.copy');
    assert.equal(shownNow(w).uri.scheme, 'gitseal-view');
    w.fake.answer('showWarningMessage', 'Show Without Values');
    await assert.rejects(w.editor.openCustomDocument(w.uri, {}), { code: 6 });
    await new Promise(setImmediate);
    assert.deepEqual(w.fake.executed.at(-1).slice(0, 2), ['gitseal.view', w.uri]);
});

test('proposals are accepted and turned down', { skip }, async t => {
    const w = workbench(t);
    await w.run('gitseal.accept');
    assert.match(w.fake.said(), /Nothing is proposed/);
    gitseal(['set', '--quiet', '--propose', w.file, 'db.password'], secret);
    gitseal(['set', '--quiet', '--propose', w.file, 'list[0]'], 'x');
    for (const [key, how] of [['db.password', 'Accept'], ['list[0]', 'Turn down']]) {
        w.fake.answer('showQuickPick', (items, options) => (assert.equal(options.canPickMany, true), items.filter(i => i.label === key)));
        w.fake.answer('showQuickPick', how);
        await w.run('gitseal.accept');
    }
    assert.equal(gitseal(['get', w.file, 'db.password']), secret);
    assert.equal(gitseal(['get', w.file, 'list[0]']), 'one');
    assert.match(w.fake.said(), /db.password: accepted/);
    assert.match(w.fake.said(), /list\[0\]: dropped/);
});

test('readers are listed, and stand above the file', { skip }, async t => {
    const w = workbench(t);
    w.fake.answer('showQuickPick', items => void assert.match(items[0].label, /^age1/));
    await w.run('gitseal.who');
    const lenses = w.fake.registered.get('lenses');
    const titles = async uri => (await lenses.provideCodeLenses(await w.fake.document(uri))).map(lens => lens.command.title);
    assert.match((await titles(w.uri)).join('|'), /^sealed for age1\w{8}…\|show without values\|set a value\|edit$/);
    assert.match((await titles(w.uri.with({ scheme: 'gitseal-view' }))).join('|'), /^sealed for age1\w{8}…\|set a value\|edit$/);
    fs.writeFileSync(path.join(w.work, 'plain.yaml'), 'a: 1\n');
    assert.deepEqual(await titles(w.uri.with({ path: path.join(w.work, 'plain.yaml') })), []);
});

test('what check finds is a problem of the file', { skip }, async t => {
    const w = workbench(t);
    fs.writeFileSync(path.join(w.work, '.sops.yaml'), 'creation_rules:\n    - path_regex: plain\n      age: ' + /age1\w+/.exec(w.sealed())[0] + '\n');
    const uri = w.uri.with({ path: path.join(w.work, 'plain.yaml') });
    fs.writeFileSync(uri.fsPath, 'a: 1\n');
    await w.fake.events.saved.fire(await w.fake.document(uri));
    const [problem] = w.fake.problems.get(uri.toString());
    assert.deepEqual([problem.code, problem.severity, problem.source], ['not-sealed', 0, 'gitseal']);
    await w.fake.events.closed.fire({ uri });
    assert.equal(w.fake.problems.has(uri.toString()), false);
    await w.run('gitseal.check');
    assert.match(w.fake.said(), /gitseal check/);
});

test('without trust files are shown, and nothing is opened or sealed', { skip }, async t => {
    const w = workbench(t, { trusted: false });
    await openTab(w);
    assert.equal(shownNow(w).uri.scheme, 'gitseal-view');
    const before = w.sealed();
    for (const name of ['edit', 'setValue', 'setFromClipboard', 'generate', 'reveal', 'copy', 'accept']) {
        await w.run(`gitseal.${name}`);
    }
    await assert.rejects(w.editor.openCustomDocument(w.uri, {}), /trust/);
    assert.equal(w.sealed(), before);
    assert.ok(w.calls.every(args => args[0] === 'view'));
});

test('a missing gitseal is told once, and the file stays open', { skip }, async t => {
    const w = workbench(t, { settings: { path: 'no-such-gitseal' } });
    w.fake.answer('showErrorMessage', text => void assert.match(text, /no-such-gitseal is not in the PATH.*gitseal\.path/));
    await openTab(w);
    await openTab(w);
    assert.equal(shownNow(w).uri.scheme, 'file');
    assert.equal(w.fake.asked.length, 1);
});

test('names from a repository make no links in messages', { skip }, async t => {
    const w = workbench(t);
    const { safe } = require('../src/messages'); // as the extension has loaded it
    assert.equal(safe('[click](command:evil) \u202e$(bug)\n'), '[click] (command:evil)  $ (bug) ');
    w.fake.answer('showQuickPick', items => items[0]);
    w.fake.answer('showInputBox', undefined);
    await w.run('gitseal.setValue'); // and an answer that is taken back does nothing
    assert.deepEqual([...new Set(w.calls.map(args => args[0]))], ['view']);
});
