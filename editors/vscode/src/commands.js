// @ts-check
'use strict';

const vscode = require('vscode');
const { kinds } = require('./core/gitseal');
const { target, pickKey } = require('./pick');
const { safe, showError, showInfo } = require('./messages');

/** How long a value is shown, or kept in the clipboard, in milliseconds. */
const times = Object.freeze({ shown: 10_000, copied: 30_000 });

/** @typedef {{gitseal: import('./core/gitseal').Gitseal, views: import('./views').Views, checks: import('./checks').Checks}} Tools */

/**
 * The commands by their names. Each is called with the file that it is for.
 * @param {Tools} tools
 * @returns {Record<string, {opens: boolean, run: (file: vscode.Uri) => Promise<void>}>} `opens`: it needs keys or writes, and is not there in a workspace that is not trusted
 */
function commands(tools) {
    return {
        'gitseal.view': { opens: false, run: async file => void (await tools.views.show(file)) },
        'gitseal.showSealed': { opens: false, run: file => tools.views.showSealed(file) },
        'gitseal.who': { opens: false, run: file => who(tools, file) },
        'gitseal.check': { opens: false, run: file => check(tools, file) },
        'gitseal.edit': { opens: true, run: async file => void (await vscode.commands.executeCommand('vscode.openWith', file, 'gitseal.editor')) },
        'gitseal.setValue': { opens: true, run: file => setValue(tools, file) },
        'gitseal.setFromClipboard': { opens: true, run: file => setFromClipboard(tools, file) },
        'gitseal.generate': { opens: true, run: file => generate(tools, file) },
        'gitseal.reveal': { opens: true, run: file => reveal(tools, file) },
        'gitseal.copy': { opens: true, run: file => copy(tools, file) },
        'gitseal.accept': { opens: true, run: file => accept(tools, file) },
    };
}

/**
 * Makes the commands known to VS Code.
 * @param {Tools} tools
 * @returns {vscode.Disposable[]}
 */
function registerCommands(tools) {
    return Object.entries(commands(tools)).map(([name, command]) =>
        // Nothing is returned: other extensions can call commands, too.
        vscode.commands.registerCommand(name, async argument => {
            const file = target(argument);
            if (!file || file.scheme !== 'file') {
                showInfo('Open a sealed file first.');
                return;
            }
            if (command.opens && !vscode.workspace.isTrusted) {
                showInfo('This is not done in a workspace that you do not trust: its rules say who can read what you seal.');
                return;
            }
            try {
                await command.run(file);
            } catch (error) {
                const instead = 'Show Without Values';
                const refused = /** @type {{refused?: boolean}} */ (error).refused && name !== 'gitseal.view';
                if ((await showError(error, ...(refused ? [instead] : []))) === instead) {
                    await tools.views.show(file).catch(showError);
                }
            }
        }),
    );
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function setValue(tools, file) {
    const title = 'Set Value';
    const key = await pickKey(tools.views, file, { title, fresh: true });
    if (!key) {
        return;
    }
    const value = await vscode.window.showInputBox({
        title: safe(`${title}: ${key}`), prompt: 'The new value; several lines come from the clipboard, with another command', password: true, ignoreFocusOut: true,
        validateInput: text => (text === '' ? 'An empty value has nothing to seal' : undefined),
    });
    if (value) {
        done(await tools.gitseal.set(file.fsPath, key, Buffer.from(value, 'utf8')));
    }
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function setFromClipboard(tools, file) {
    const value = await vscode.env.clipboard.readText();
    if (value === '') {
        showInfo('The clipboard holds no text.');
        return;
    }
    const key = await pickKey(tools.views, file, { title: 'Set Value From Clipboard', fresh: true });
    if (!key) {
        return;
    }
    done(await tools.gitseal.set(file.fsPath, key, Buffer.from(value, 'utf8')));
    await clearClipboard(value);
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function generate(tools, file) {
    const title = 'Generate Value';
    const key = await pickKey(tools.views, file, { title, fresh: true });
    const kind = key && (await vscode.window.showQuickPick(kinds, { title: safe(`${title}: ${key}`), placeHolder: 'What to make' }));
    if (key && kind) {
        done(await tools.gitseal.generate(file.fsPath, key, kind));
    }
}

/** @param {import('./core/gitseal').SetResult} result */
function done(result) {
    /** @type {Record<string, string>} */
    const said = { set: 'is set', unchanged: 'has that value already', proposed: 'is proposed: a reader of the file has to accept it' };
    const more = result.public ? `. The public part: ${result.public}` : '';
    showInfo(`${result.path} ${said[result.action] ?? result.action}${more}`);
}

/**
 * Asks a person before a value leaves. An assistant can call commands, and cannot
 * answer this.
 * @param {string} question
 * @param {string} yes
 */
async function confirmed(question, yes) {
    return (await vscode.window.showWarningMessage(safe(question), { modal: true }, yes)) === yes;
}

/**
 * Shows a value for a while, in a list that goes away when it loses the focus. It is in
 * no document and in no notification, which are kept.
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function reveal(tools, file) {
    const key = await pickKey(tools.views, file, { title: 'Reveal Value', fresh: false });
    if (!key || !(await confirmed(`Show the value of ${key} for ${times.shown / 1000} seconds?`, 'Show'))) {
        return;
    }
    const value = (await tools.gitseal.get(file.fsPath, key)).toString('utf8');
    const list = vscode.window.createQuickPick();
    list.title = safe(`${key} (for ${times.shown / 1000} seconds)`);
    list.items = value.split('\n').map(line => ({ label: line.replace(/\$\(/g, '$\u200b('), alwaysShow: true }));
    const timer = setTimeout(() => list.hide(), times.shown);
    list.onDidHide(() => {
        clearTimeout(timer);
        list.items = [];
        list.dispose();
    });
    list.onDidAccept(() => list.hide());
    list.show();
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function copy(tools, file) {
    const key = await pickKey(tools.views, file, { title: 'Copy Value', fresh: false });
    if (!key || !(await confirmed(`Copy the value of ${key} to the clipboard for ${times.copied / 1000} seconds?`, 'Copy'))) {
        return;
    }
    const value = (await tools.gitseal.get(file.fsPath, key)).toString('utf8');
    await vscode.env.clipboard.writeText(value);
    setTimeout(() => void clearClipboard(value), times.copied);
    showInfo(`${key} is in the clipboard for ${times.copied / 1000} seconds.`);
}

/** @param {string} value what to take out of the clipboard, if it is still there */
async function clearClipboard(value) {
    if ((await vscode.env.clipboard.readText()) === value) {
        await vscode.env.clipboard.writeText('');
    }
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function accept(tools, file) {
    const open = await tools.gitseal.proposals(file.fsPath);
    if (open.length === 0) {
        showInfo('Nothing is proposed in this file.');
        return;
    }
    const items = open.map(p => ({ label: safe(p.path), description: safe(`${p.kind ?? ''} ${p.by ? `by “${p.by}”` : ''}`), detail: `${p.id}, ${p.at}`, id: p.id }));
    const picked = await vscode.window.showQuickPick(items, { title: 'Proposals', placeHolder: 'Nobody vouches for who made them: look at the commit', canPickMany: true });
    if (!picked || picked.length === 0) {
        return;
    }
    const how = await vscode.window.showQuickPick(['Accept', 'Turn down'], { title: `${picked.length} proposed` });
    if (!how) {
        return;
    }
    const settled = await tools.gitseal.settle(file.fsPath, picked.map(p => p.id), how === 'Accept' ? 'accept' : 'drop');
    showInfo(settled.map(p => `${p.path}: ${p.action}`).join('; '));
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function who(tools, file) {
    const { readers, threshold, key_groups: groups } = await tools.gitseal.who(file.fsPath);
    const items = readers.map(r => ({ label: safe(r.name ?? r.reader), description: `${r.type}${r.state === 'current' ? '' : `, ${r.state}`}${groups > 1 ? `, group ${r.group}` : ''}`, detail: r.name ? safe(r.reader) : undefined }));
    await vscode.window.showQuickPick(items, { title: groups > 1 ? `${threshold} of ${groups} groups together can read this file` : 'Each of these can read this file', placeHolder: 'Not verified: opening the file does that' });
}

/**
 * @param {Tools} tools
 * @param {vscode.Uri} file
 */
async function check(tools, file) {
    const found = await tools.checks.check(file);
    showInfo(found === 0 ? 'gitseal check has found nothing.' : `gitseal check: ${found} found, see Problems.`);
}

module.exports = { registerCommands, times };
