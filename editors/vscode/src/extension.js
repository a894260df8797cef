// @ts-check
'use strict';

const childProcess = require('node:child_process');
const vscode = require('vscode');
const { Checks, Lenses } = require('./checks');
const { registerCommands } = require('./commands');
const { isSealed } = require('./core/detect');
const { Gitseal } = require('./core/gitseal');
const { locate } = require('./core/process');
const { Editor, viewType } = require('./editor');
const { Views, scheme } = require('./views');

/**
 * Called by VS Code when the extension is needed.
 * @param {vscode.ExtensionContext} context
 */
function activate(context) {
    const settings = () => vscode.workspace.getConfiguration('gitseal');
    const gitseal = new Gitseal({
        program: () => locate(settings().get('path', 'gitseal'), process.env),
        timeout: () => settings().get('timeout', 60) * 1000,
        spawn: childProcess.spawn,
    });
    const problems = vscode.languages.createDiagnosticCollection('gitseal');
    const checks = new Checks(gitseal, problems);
    const views = new Views(gitseal);
    const editor = new Editor(gitseal, vscode.Uri.joinPath(context.extensionUri, 'media'));
    context.subscriptions.push(
        problems,
        views,
        vscode.workspace.registerTextDocumentContentProvider(scheme, views),
        vscode.languages.registerCodeLensProvider([{ scheme }, { scheme: 'file' }], new Lenses(views)),
        // A page that is hidden is thrown away, with the text in it, and filled again.
        vscode.window.registerCustomEditorProvider(viewType, editor, { supportsMultipleEditorsPerDocument: false, webviewOptions: { retainContextWhenHidden: false, enableFindWidget: true } }),
        vscode.window.onDidChangeActiveTextEditor(active => shown(views, active)),
        vscode.window.tabGroups.onDidChangeTabs(() => shown(views, vscode.window.activeTextEditor)),
        vscode.workspace.onDidOpenTextDocument(document => checks.saved(document)),
        vscode.workspace.onDidSaveTextDocument(document => checks.saved(document)),
        vscode.workspace.onDidCloseTextDocument(document => {
            views.closed(document);
            checks.closed(document);
        }),
        ...registerCommands({ gitseal, views, checks }),
    );
    void shown(views, vscode.window.activeTextEditor);
}

/**
 * Decides which commands the menus offer, and how a sealed file is shown.
 * @param {Views} views
 * @param {vscode.TextEditor | undefined} editor
 */
async function shown(views, editor) {
    const sealed = editor !== undefined && (editor.document.uri.scheme === scheme || isSealed(editor.document.getText()));
    await vscode.commands.executeCommand('setContext', 'gitseal.sealed', sealed);
    await views.opened(editor);
}

module.exports = { activate };
