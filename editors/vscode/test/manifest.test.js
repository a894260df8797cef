'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { FakeVSCode, load } = require('../help/fakevscode');
const { Uri } = require('../help/uri');

const root = path.join(__dirname, '..');
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

function sources() {
    return ['src', 'src/core', 'media'].flatMap(dir => fs.readdirSync(path.join(root, dir)).filter(n => n.endsWith('.js')).map(n => path.join(dir, n)));
}

test('the commands and editors of the manifest are those of the code', () => {
    const fake = new FakeVSCode({});
    load(fake, '../src/extension.js').activate({ subscriptions: [], extensionUri: Uri.file(root) });
    const declared = manifest.contributes.commands.map(c => c.command);
    assert.deepEqual(declared.sort(), [...fake.commands.keys()].sort());
    assert.ok(manifest.contributes.customEditors.every(e => fake.registered.has(e.viewType) && e.priority === 'option'));
    for (const item of Object.values(manifest.contributes.menus).flat()) {
        assert.ok(declared.includes(item.command), item.command);
    }
});

test('a workspace can neither name the program nor, without trust, have anything opened', () => {
    const { properties } = manifest.contributes.configuration;
    assert.equal(properties['gitseal.path'].scope, 'machine');
    assert.equal(manifest.capabilities.untrustedWorkspaces.supported, 'limited');
    assert.ok(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.includes('gitseal.path'));
    const open = manifest.contributes.commands.filter(c => c.enablement !== 'isWorkspaceTrusted').map(c => c.command);
    assert.deepEqual(open, ['gitseal.view', 'gitseal.showSealed', 'gitseal.who', 'gitseal.check']);
    assert.equal(manifest.capabilities.virtualWorkspaces.supported, false);
});

test('the extension starts only where it may be needed, and needs nothing', () => {
    assert.ok(manifest.activationEvents.every(event => event !== '*' && event !== 'onStartupFinished'));
    for (const name of ['dependencies', 'devDependencies', 'optionalDependencies', 'extensionDependencies']) {
        assert.equal(manifest[name], undefined);
    }
    for (const file of sources()) {
        for (const [, name] of fs.readFileSync(path.join(root, file), 'utf8').matchAll(/require\('([^']+)'\)/g)) {
            assert.match(name, /^(vscode|node:(child_process|crypto|fs|fs\/promises|path)|\.\.?\/.*)$/, file);
        }
    }
});

/** What would log, keep or run something. */
const forbidden = /console\.|createOutputChannel|\.setState\(|globalState|workspaceState|\.secrets\b|shell: true|\bexec(Sync|File|FileSync)?\(['"`]|\beval\(|innerHTML|retainContextWhenHidden: true/;

test('the sources log nothing, use no shell, and write one file: the sealed backup', () => {
    const writes = [];
    for (const file of sources()) {
        const text = fs.readFileSync(path.join(root, file), 'utf8');
        assert.doesNotMatch(text, forbidden, file);
        for (const [call] of text.matchAll(/(writeFile|appendFile|createWriteStream|copyFile|rename)\w*\(/g)) {
            writes.push(`${file}: ${call}`);
        }
    }
    assert.deepEqual(writes, [`${path.join('src', 'core', 'session.js')}: writeFile(`]);
});

test('files and functions stay small', () => {
    for (const file of sources()) {
        const lines = fs.readFileSync(path.join(root, file), 'utf8').split('\n');
        assert.ok(lines.length <= 400, file);
        let start = -1;
        lines.forEach((line, i) => {
            if (/^( {4})?(async |static async |static |get )?(function )?[#\w]+\(.*\) \{$/.test(line) || /^(async )?function /.test(line)) {
                start = i;
            } else if (/^( {4})?\}$/.test(line) && start >= 0) {
                assert.ok(i - start < 50, `${file}:${start + 1} has ${i - start + 1} lines`);
            }
        });
    }
});
