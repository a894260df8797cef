// @ts-check
'use strict';

const vscode = require('vscode');
const { valueAt } = require('./core/keys');
const { fileOf, scheme } = require('./views');
const { safe } = require('./messages');

/** @typedef {import('./core/gitseal').Value} Value */

/**
 * The file that a command is for: the one that it was called on, or the one shown.
 * @param {unknown} argument
 * @returns {vscode.Uri | undefined}
 */
function target(argument) {
    if (argument instanceof vscode.Uri) {
        return fileOf(argument);
    }
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    if (input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom) {
        return fileOf(input.uri);
    }
    const editor = vscode.window.activeTextEditor;
    return editor && fileOf(editor.document.uri);
}

/**
 * Asks which value of a file is meant; that at the cursor comes first.
 * @param {import('./views').Views} views
 * @param {vscode.Uri} file
 * @param {{title: string, fresh: boolean}} options `fresh`: it may be one that is not there yet
 * @returns {Promise<string | undefined>} a key path
 */
async function pickKey(views, file, options) {
    const view = await views.load(file.fsPath);
    const editor = vscode.window.activeTextEditor;
    /** @type {Value | undefined} */
    let first;
    if (editor && editor.document.uri.scheme === scheme && fileOf(editor.document.uri).toString() === file.toString()) {
        first = valueAt(view, editor.selection.active.line, editor.selection.active.character);
    }
    const values = first ? [first, ...view.values.filter(v => v !== first)] : view.values;
    /** @type {(vscode.QuickPickItem & {key?: string})[]} */
    const items = values.map(v => ({ label: safe(v.path), description: `${v.state} ${v.kind}`, key: v.path }));
    if (options.fresh) {
        items.push({ label: 'A new key…' });
    }
    const picked = await vscode.window.showQuickPick(items, { title: options.title, placeHolder: 'Key' });
    if (!picked || picked.key !== undefined) {
        return picked?.key;
    }
    return vscode.window.showInputBox({ title: options.title, prompt: 'Key path, such as db.password or servers[0].token', ignoreFocusOut: true });
}

module.exports = { target, pickKey };
