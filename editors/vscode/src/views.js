// @ts-check
'use strict';

const path = require('node:path');
const vscode = require('vscode');
const { isSealed } = require('./core/detect');
const { showError } = require('./messages');

/** @typedef {import('./core/gitseal').View} View */

/** The scheme of documents that show a sealed file without its values. */
const scheme = 'gitseal-view';

/**
 * Shows sealed files without their values, for which no key is needed. There is
 * nothing secret in these documents, wherever VS Code or an assistant puts them.
 */
class Views {
    /** @param {import('./core/gitseal').Gitseal} gitseal */
    constructor(gitseal) {
        this.gitseal = gitseal;
        /** @type {Map<string, vscode.FileSystemWatcher>} */
        this.watchers = new Map();
        /** Files that somebody wants to see as they are. @type {Set<string>} */
        this.asTheyAre = new Set();
        /** Files whose view is about to be shown. @type {Set<string>} */
        this.replacing = new Set();
        this.changes = new vscode.EventEmitter();
        this.onDidChange = this.changes.event;
    }

    /**
     * The text of a document, for VS Code.
     * @param {vscode.Uri} uri
     */
    async provideTextDocumentContent(uri) {
        const view = await this.load(uri.fsPath);
        this.#watch(uri);
        return view.text;
    }

    /**
     * Asks gitseal for the view of a file, as it is now.
     * @param {string} file
     * @returns {Promise<View>}
     */
    load(file) {
        return this.gitseal.view(file);
    }

    /**
     * Shows the view of a file.
     * @param {vscode.Uri} file
     * @param {vscode.TextDocumentShowOptions} [options]
     */
    async show(file, options) {
        const uri = viewOf(file);
        await this.load(file.fsPath); // its error says more than that of a document without a text
        this.changes.fire(uri);
        const document = await vscode.workspace.openTextDocument(uri);
        return vscode.window.showTextDocument(document, options);
    }

    /**
     * Shows a file as it is, sealed.
     * @param {vscode.Uri} file
     */
    async showSealed(file) {
        this.asTheyAre.add(file.toString());
        await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
    }

    /**
     * Takes the view in place of a sealed file that was just opened in a tab of its
     * own. Differences, and files with changes, stay what they are.
     * @param {vscode.TextEditor | undefined} editor
     */
    async opened(editor) {
        const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
        if (!editor || !tab || !(tab.input instanceof vscode.TabInputText) || !this.#isToBeReplaced(editor.document, tab.input.uri)) {
            return;
        }
        const name = editor.document.uri.toString();
        this.replacing.add(name);
        try {
            await this.show(editor.document.uri, { viewColumn: editor.viewColumn, preview: tab.isPreview });
            await closeTab(name, editor.viewColumn);
        } catch (error) {
            this.asTheyAre.add(name); // it is told once
            await showError(error);
        } finally {
            this.replacing.delete(name);
        }
    }

    /**
     * @param {vscode.TextDocument} document
     * @param {vscode.Uri} shown
     */
    #isToBeReplaced(document, shown) {
        const wanted = vscode.workspace.getConfiguration('gitseal').get('open') === 'redacted';
        return wanted && document.uri.scheme === 'file' && document.uri.toString() === shown.toString() && !document.isDirty &&
            !this.asTheyAre.has(document.uri.toString()) && !this.replacing.has(document.uri.toString()) && isSealed(document.getText());
    }

    /**
     * Forgets a document that is no longer shown.
     * @param {vscode.TextDocument} document
     */
    closed(document) {
        this.asTheyAre.delete(document.uri.toString());
        if (document.uri.scheme !== scheme) {
            return;
        }
        const file = document.uri.fsPath;
        this.watchers.get(file)?.dispose();
        this.watchers.delete(file);
    }

    /**
     * Keeps a view what the file is, whoever writes it.
     * @param {vscode.Uri} uri
     */
    #watch(uri) {
        const file = uri.fsPath;
        if (this.watchers.has(file)) {
            return;
        }
        const watcher = watch(file, async () => {
            try {
                await this.load(file);
                this.changes.fire(uri);
            } catch {
                // What was shown last stays: the file is gone, or half of it is there.
            }
        });
        this.watchers.set(file, watcher);
    }

    dispose() {
        for (const watcher of this.watchers.values()) {
            watcher.dispose();
        }
        this.changes.dispose();
    }
}

/**
 * Closes the tab of a file, if it is still there: a view can have taken its place.
 * @param {string} name
 * @param {vscode.ViewColumn | undefined} column
 */
async function closeTab(name, column) {
    const tabs = vscode.window.tabGroups.all.filter(group => group.viewColumn === column).flatMap(group => group.tabs);
    const tab = tabs.find(t => t.input instanceof vscode.TabInputText && t.input.uri.toString() === name);
    if (tab && !tab.isDirty) {
        await vscode.window.tabGroups.close(tab, true);
    }
}

/**
 * Calls somebody when a file is written or replaced.
 * @param {string} file
 * @param {() => unknown} changed
 */
function watch(file, changed) {
    const pattern = new vscode.RelativePattern(vscode.Uri.file(path.dirname(file)), path.basename(file).replace(/[*?[\]{}]/g, '?'));
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    watcher.onDidChange(changed);
    watcher.onDidCreate(changed);
    return watcher;
}

/** @param {vscode.Uri} file */
function viewOf(file) {
    return file.with({ scheme });
}

/**
 * The sealed file that a document is, or shows.
 * @param {vscode.Uri} uri
 */
function fileOf(uri) {
    return uri.scheme === scheme ? uri.with({ scheme: 'file' }) : uri;
}

module.exports = { Views, scheme, fileOf, watch };
