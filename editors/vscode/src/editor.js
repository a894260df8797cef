// @ts-check
'use strict';

const vscode = require('vscode');
const { GitsealError } = require('./core/gitseal');
const { ChangedError, Session } = require('./core/session');
const { showError, showInfo, showWarnings } = require('./messages');
const { pageOf } = require('./page');
const { watch } = require('./views');

/** The type of the editor, in package.json. */
const viewType = 'gitseal.editor';

/** A sealed file that is open in the editor. */
class Document {
    /**
     * @param {vscode.Uri} uri
     * @param {Session} session
     */
    constructor(uri, session) {
        this.uri = uri;
        this.session = session;
        /** @type {Set<vscode.WebviewPanel>} */
        this.panels = new Set();
        this.watcher = watch(uri.fsPath, () => this.changedOnDisk());
    }

    /**
     * Shows the text as it is now.
     * @param {number} [caret] where the cursor is to be
     */
    show(caret) {
        const { version, text } = this.session;
        for (const panel of this.panels) {
            void panel.webview.postMessage({ type: 'show', version, text: text.shown, caret });
        }
    }

    /**
     * Shows what an undo or redo has done.
     * @param {boolean} moved
     * @param {number} caret
     */
    moved(moved, caret) {
        if (!moved) {
            showInfo('The file was read again since: changes from before cannot be undone.');
        }
        this.show(moved ? caret : undefined);
    }

    /** Takes in what somebody else has written, unless there are changes here. */
    async changedOnDisk() {
        try {
            if (!this.session.dirty && (await this.session.changedOnDisk())) {
                await this.session.reload();
                this.show();
            }
        } catch {
            // Saving notices that the file is another one, and says so.
        }
    }

    dispose() {
        this.watcher.dispose();
        this.session.close();
    }
}

/**
 * Edits sealed files without a text document: VS Code writes text documents to its
 * backups and its local history, and shows them to other extensions. What it keeps of
 * this one is what backupCustomDocument writes, and that is sealed.
 * @implements {vscode.CustomEditorProvider<Document>}
 */
class Editor {
    /**
     * @param {import('./core/gitseal').Gitseal} gitseal
     * @param {vscode.Uri} media
     */
    constructor(gitseal, media) {
        this.gitseal = gitseal;
        this.media = media;
        /** @type {vscode.EventEmitter<vscode.CustomDocumentEditEvent<Document>>} */
        this.edits = new vscode.EventEmitter();
        this.onDidChangeCustomDocument = this.edits.event;
    }

    /**
     * @param {vscode.Uri} uri
     * @param {vscode.CustomDocumentOpenContext} context
     */
    async openCustomDocument(uri, context) {
        if (uri.scheme !== 'file') {
            throw new Error('gitseal edits files on the disk only');
        }
        if (!vscode.workspace.isTrusted) {
            throw new Error('gitseal opens no files in a workspace that you do not trust');
        }
        try {
            const session = context.backupId ? await Session.restore(this.gitseal, uri.fsPath, backupOf(context.backupId)) : await Session.open(this.gitseal, uri.fsPath);
            showWarnings(session.warnings);
            return new Document(uri, session);
        } catch (error) {
            void this.#offerView(uri, error);
            throw error;
        }
    }

    /**
     * @param {vscode.Uri} uri
     * @param {unknown} error
     */
    async #offerView(uri, error) {
        const instead = 'Show Without Values';
        if ((await showError(error, instead)) === instead) {
            await vscode.commands.executeCommand('gitseal.view', uri);
        }
    }

    /**
     * @param {Document} document
     * @param {vscode.WebviewPanel} panel
     */
    resolveCustomEditor(document, panel) {
        panel.webview.options = { enableScripts: true, enableForms: false, enableCommandUris: false, localResourceRoots: [this.media] };
        panel.webview.onDidReceiveMessage(message => this.#received(document, panel, message));
        panel.onDidDispose(() => document.panels.delete(panel));
        document.panels.add(panel);
        panel.webview.html = pageOf(panel.webview, this.media);
    }

    /**
     * @param {Document} document
     * @param {vscode.WebviewPanel} panel
     * @param {any} message
     */
    #received(document, panel, message) {
        const { session } = document;
        if (message.type === 'ready') {
            void panel.webview.postMessage({ type: 'show', version: session.version, text: session.text.shown });
            return;
        }
        if (message.type !== 'edit') {
            return;
        }
        const step = session.edit(message);
        if (!step) {
            document.show(); // typed into a text that was undone or reloaded meanwhile
            return;
        }
        this.edits.fire({
            document,
            label: 'Edit',
            undo: () => document.moved(session.undo(step), step.start + step.removed.length),
            redo: () => document.moved(session.redo(step), step.start + step.inserted.length),
        });
    }

    /** @param {Document} document */
    async saveCustomDocument(document) {
        try {
            showWarnings(await document.session.save());
        } catch (error) {
            if (!(error instanceof ChangedError)) {
                return this.#notSaved(document, error);
            }
            const over = 'Seal Over It';
            const choice = await vscode.window.showWarningMessage('The file was changed meanwhile, by another program or editor. Seal your text over it, and lose that change?', { modal: true }, over);
            if (choice !== over) {
                throw error;
            }
            try {
                showWarnings(await document.session.save({ over: true }));
            } catch (second) {
                return this.#notSaved(document, second);
            }
        }
    }

    /**
     * @param {Document} document
     * @param {unknown} error
     * @returns {never}
     */
    #notSaved(document, error) {
        if (error instanceof GitsealError && error.line > 0) {
            for (const panel of document.panels) {
                void panel.webview.postMessage({ type: 'place', line: error.line, column: error.column });
            }
        }
        void showError(error);
        throw error;
    }

    /**
     * @param {Document} document
     * @param {vscode.Uri} destination
     */
    async saveCustomDocumentAs(document, destination) {
        if (destination.scheme !== 'file') {
            throw new Error('gitseal seals files on the disk only');
        }
        try {
            showWarnings(await document.session.saveAs(destination.fsPath));
        } catch (error) {
            this.#notSaved(document, error);
        }
    }

    /** @param {Document} document */
    async revertCustomDocument(document) {
        await document.session.reload();
        document.show();
    }

    /**
     * @param {Document} document
     * @param {vscode.CustomDocumentBackupContext} context
     */
    async backupCustomDocument(document, context) {
        const { destination } = context;
        const made = await document.session.backup(destination.fsPath);
        return {
            id: destination.with({ fragment: made.digest }).toString(),
            delete: () => void vscode.workspace.fs.delete(destination).then(undefined, () => {}),
        };
    }
}

/**
 * Reads what backupCustomDocument called a backup.
 * @param {string} id
 */
function backupOf(id) {
    const uri = vscode.Uri.parse(id, true);
    return { path: uri.fsPath, digest: uri.fragment };
}

module.exports = { Editor, viewType };
