'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { Gitseal, GitsealError } = require('../src/core/gitseal');
const { isSealed } = require('../src/core/detect');
const { valueAt } = require('../src/core/keys');
const { locate, RunError } = require('../src/core/process');
const { fakeSpawn } = require('../help/fakespawn');

function withAnswers(...answers) {
    const { spawn, calls } = fakeSpawn(answers);
    return { gitseal: new Gitseal({ program: () => '/bin/gitseal', timeout: () => 200, spawn }), calls };
}

test('a value goes through standard input, and nowhere else', async () => {
    const { gitseal, calls } = withAnswers({ stdout: '{"action":"set","path":"db.x"}' });
    const result = await gitseal.set('/repo/a.yaml', 'db.x', Buffer.from('hunter2'));
    assert.equal(result.action, 'set');
    assert.deepEqual(calls[0].args, ['set', '--json', '--', '/repo/a.yaml', 'db.x', '-']);
    assert.equal(calls[0].input, 'hunter2');
    assert.ok(!JSON.stringify([calls[0].args, calls[0].options]).includes('hunter2'));
});

test('programs are started without a shell, a terminal and variables of ours', async () => {
    const { gitseal, calls } = withAnswers({ stdout: '{}' });
    await gitseal.view('/repo/a.yaml');
    const { shell, stdio, env, cwd, detached } = calls[0].options;
    assert.deepEqual({ shell, stdio, env, cwd, detached }, { shell: false, stdio: ['pipe', 'pipe', 'pipe'], env: undefined, cwd: '/repo', detached: process.platform !== 'win32' });
});

test('a file name or key that looks like a flag stays a name', async () => {
    const { gitseal, calls } = withAnswers({ stdout: '{}' }, { stdout: 'v' }, { stdout: '', stderr: '{"code":0}' });
    await gitseal.view('/repo/--describe');
    await gitseal.get('/repo/a.yaml', '--json');
    await gitseal.unseal('/repo/a.yaml');
    for (const call of calls) {
        assert.ok(call.args.includes('--'), call.args.join(' '));
        assert.ok(call.args.indexOf('--') < call.args.findIndex(a => a.startsWith('/repo') || a === '--json' && call.args[0] === 'get'));
    }
});

test('errors of --editor and of text have code, message, hint and place', async () => {
    const { gitseal } = withAnswers(
        { code: 1, stderr: '{"error":"not YAML","hint":"mend it","code":1,"line":3,"column":5,"path":"a.b"}\n' },
        { code: 6, stderr: 'gitseal: warning: w\ngitseal: error: gitseal get is closed\ngitseal: hint: gitseal view\n' },
        { code: 2, stderr: 'gitseal: error: wrong flag\n' },
        { code: 3, stderr: '' },
    );
    await assert.rejects(gitseal.seal('/w/a', Buffer.from('x'), 'any'), { message: 'not YAML', hint: 'mend it', code: 1, line: 3, column: 5, path: 'a.b', refused: false });
    await assert.rejects(gitseal.get('/w/a', 'k'), { message: 'gitseal get is closed', hint: 'gitseal view', code: 6, refused: true });
    await assert.rejects(gitseal.unseal('/w/a'), { message: 'wrong flag', code: 2 });
    await assert.rejects(gitseal.view('/w/a'), { message: 'gitseal has failed with code 3', code: 3 });
});

test('an answer that is no JSON is an error that does not quote it', async () => {
    const { gitseal } = withAnswers({ stdout: 'hunter2' }, { stdout: '', stderr: 'hunter2 is no report' });
    await assert.rejects(gitseal.view('/w/a'), error => error instanceof GitsealError && !String(error.stack).includes('hunter2'));
    await assert.rejects(gitseal.unseal('/w/a'), GitsealError); // exit 0 without a report is no success
});

test('findings and proposals that come with exit code 3 are results', async () => {
    const { gitseal } = withAnswers({ code: 3, stdout: '{"findings":[{"id":"secret"}]}' }, { code: 3, stdout: '[{"proposals":[{"id":"a","action":"left"}]}]' }, { code: 3, stdout: '', stderr: 'gitseal: error: no' });
    assert.equal((await gitseal.check('/w/a')).length, 1);
    assert.equal((await gitseal.settle('/w/a', ['a'], 'accept'))[0].action, 'left');
    await assert.rejects(gitseal.check('/w/a'), { message: 'no' });
});

test('a program that hangs is ended, one that is killed or cannot start is told', async () => {
    const { gitseal, calls } = withAnswers({ hangs: true }, { code: null }, { error: new Error('EACCES') });
    await assert.rejects(gitseal.view('/w/a'), RunError);
    assert.equal(calls[0].killed, true);
    await assert.rejects(gitseal.view('/w/a'), /ended by SIGKILL/);
    await assert.rejects(gitseal.view('/w/a'), /cannot be started: EACCES/);
});

test('programs are looked for in absolute folders of the PATH only', t => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gitseal-path-'));
    t.after(() => fs.rmSync(dir, { recursive: true }));
    const file = path.join(dir, 'gitseal');
    fs.writeFileSync(file, '', { mode: 0o700 });
    fs.mkdirSync(path.join(dir, 'sub', 'gitseal'), { recursive: true });
    assert.equal(locate('gitseal', { PATH: ['', '.', 'rel', path.join(dir, 'sub'), dir].join(path.delimiter) }), file);
    assert.equal(locate('/opt/x/gitseal', {}), '/opt/x/gitseal');
    assert.throws(() => locate('./gitseal', { PATH: dir }), RunError);
    assert.throws(() => locate('', { PATH: dir }), RunError);
    const here = process.cwd();
    process.chdir(dir);
    t.after(() => process.chdir(here));
    assert.throws(() => locate('gitseal', { PATH: `.${path.delimiter}` }), /not in the PATH/);
});

test('sealed files are told from others', () => {
    const mac = 'ENC[AES256_GCM,data:x]';
    for (const text of [`a: 1\nsops:\n    mac: ${mac}\n`, `a: 1\r\nsops:\r\n    mac: ${mac}\r\n`, `{\n\t"sops": {\n"mac": "${mac}"}}`, `{"a":"${mac}","sops":{"mac":"x"}}`, `A=${mac}\nsops_mac=x`, `[sops]\nmac = ${mac}`]) {
        assert.equal(isSealed(text), true, text);
    }
    for (const text of ['', 'sops:\n  mac: x', `about ${mac}`, `# sops: ${mac}`, `a:\n  sops:\n    mac: ${mac}`]) {
        assert.equal(isSealed(text), false, text);
    }
});

const view = {
    text: '# <sealed comment aaaaaaaaaa>\ndb:\n    pass: <sealed string bbbbbbbbbb>\n    note: |-\n        <sealed string cccccccccc>\nlist: [<sealed string dddddddddd>, <sealed string bbbbbbbbbb>]\nport: 5432\n',
    values: [
        { path: 'db.pass', token: '<sealed string bbbbbbbbbb>' }, { path: 'db.note', token: '<sealed string cccccccccc>' },
        { path: 'list[0]', token: '<sealed string dddddddddd>' }, { path: 'list[1]', token: '<sealed string bbbbbbbbbb>' }, { path: 'port' },
    ],
};

test('the value at the cursor is the nearest in its line, or the block below', () => {
    for (const [line, character, want] of [[2, 0, 'db.pass'], [2, 20, 'db.pass'], [3, 6, 'db.note'], [4, 0, 'db.note'], [5, 8, 'list[0]'], [5, 60, 'list[1]'], [0, 3, undefined], [1, 0, undefined], [6, 2, undefined], [99, 0, undefined]]) {
        assert.equal(valueAt(view, line, character)?.path, want, `${line}:${character}`);
    }
});
