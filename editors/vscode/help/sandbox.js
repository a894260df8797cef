// @ts-check
'use strict';

const childProcess = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** A part of all that is secret in the tests, and of nothing else. */
const canary = process.env.GITSEAL_TEST_CANARY || 'Vc5xTq9RnB';

const plain = `# the shop's database
db:
    host: db-1.internal
    password: canary-${canary}-before
    note: |
        first canary-${canary}-note
        second
list: [one, two]
`;

/** gitseal as it is built; the tests in the folder above say where. */
const program = process.env.GITSEAL_TEST_PROGRAM ?? '';

/** Why a test that needs gitseal is skipped; false if it is not. */
const skip = program === '' && !process.env.GITSEAL_TEST_NO_SKIP ? 'GITSEAL_TEST_PROGRAM names no gitseal' : false;

/**
 * A home and a work tree of their own, for as long as the test runs.
 * @param {import('node:test').TestContext} t
 */
function sandbox(t) {
    const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'gitseal-vscode-')));
    const work = path.join(root, 'work');
    fs.mkdirSync(path.join(root, 'home'));
    fs.mkdirSync(work);
    // A person sits here, whoever runs the tests.
    const before = { ...process.env };
    Object.assign(process.env, { HOME: path.join(root, 'home'), TMPDIR: root, GITSEAL_DOORS: 'open' });
    t.after(() => {
        for (const name of ['HOME', 'TMPDIR', 'GITSEAL_DOORS']) {
            if (before[name] === undefined) {
                delete process.env[name];
            } else {
                process.env[name] = before[name];
            }
        }
        fs.rmSync(root, { recursive: true });
    });
    const file = path.join(work, 'app.yaml');
    gitseal(['seal', '--quiet', '--path', file, '--if-unchanged', 'none', '-'], plain);
    return { root, work, file };
}

/**
 * Runs gitseal beside the extension.
 * @param {string[]} args
 * @param {string} [input]
 */
function gitseal(args, input = '') {
    return childProcess.execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/**
 * Lists the files below a folder that hold the canary, as it is or encoded.
 * @param {string} root
 */
function leaks(root) {
    const guises = [Buffer.from(canary), Buffer.from(Buffer.from(canary).toString('hex')), Buffer.from(canary, 'utf16le')];
    for (const [shift, from] of [[0, 0], [1, 2], [2, 3]]) {
        const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(canary)]).toString('base64').replace(/=+$/, '');
        guises.push(Buffer.from(text.slice(from, -2)));
    }
    const found = [];
    for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
        const name = path.join(entry.path ?? /** @type {any} */ (entry).parentPath, entry.name);
        if (entry.isFile() && guises.some(g => fs.readFileSync(name).includes(g))) {
            found.push(name);
        }
    }
    return found;
}

/**
 * Lists the lines in which two versions of a file differ, by the key in them, without
 * those that go with every change.
 * @param {string} before
 * @param {string} after
 */
function changedKeys(before, after) {
    const old = before.split('\n');
    return after.split('\n').filter((line, i) => line !== old[i]).map(line => line.trim().split(':')[0]).filter(key => !['mac', 'lastmodified', 'comments', 'spelling'].includes(key));
}

module.exports = { canary, plain, program, skip, sandbox, gitseal, leaks, changedKeys };
