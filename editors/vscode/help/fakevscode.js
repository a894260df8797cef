// @ts-check
'use strict';

const fs = require('node:fs/promises');
const Module = require('node:module');
const { Uri } = require('./uri');

/**
 * An object of the API of which only what is here may be used.
 * @template {object} T
 * @param {string} name
 * @param {T} members
 * @returns {T}
 */
function strict(name, members) {
    return new Proxy(members, {
        get(target, key) {
            if (typeof key === 'string' && !(key in target) && key !== 'then') {
                throw new Error(`${name}.${key} is not in the fake of VS Code`);
            }
            return Reflect.get(target, key);
        },
        set(target, key, value) {
            if (!(key in target)) {
                throw new Error(`${name}.${String(key)} cannot be set in the fake of VS Code`);
            }
            return Reflect.set(target, key, value);
        },
    });
}

class EventEmitter {
    constructor() {
        /** @type {Set<Function>} */
        this.listeners = new Set();
        this.event = (/** @type {Function} */ listener) => {
            this.listeners.add(listener);
            return { dispose: () => this.listeners.delete(listener) };
        };
    }

    /** @param {unknown} data */
    fire(data) {
        return Promise.all([...this.listeners].map(listener => listener(data)));
    }

    dispose() {
        this.listeners.clear();
    }
}

class TabInputText {
    /** @param {Uri} uri */
    constructor(uri) {
        this.uri = uri;
    }
}
class TabInputTextDiff {}
class TabInputCustom extends TabInputText {}
class Range {
    /** @param {number} line @param {number} character @param {number} endLine @param {number} endCharacter */
    constructor(line, character, endLine, endCharacter) {
        this.start = { line, character };
        this.end = { line: endLine, character: endCharacter };
    }
}
class Diagnostic {
    /** @param {Range} range @param {string} message @param {number} severity */
    constructor(range, message, severity) {
        Object.assign(this, { range, message, severity, source: undefined, code: undefined });
    }
}
class CodeLens {
    /** @param {Range} range @param {object} command */
    constructor(range, command) {
        Object.assign(this, { range, command });
    }
}
class RelativePattern {
    /** @param {Uri} base @param {string} pattern */
    constructor(base, pattern) {
        Object.assign(this, { base, pattern });
    }
}

/** VS Code, as far as the extension uses it. A person answers what `answer` was told. */
class FakeVSCode {
    /** @param {Record<string, unknown>} settings of gitseal */
    constructor(settings) {
        this.settings = settings;
        this.trusted = true;
        this.clipboard = '';
        /** @type {Map<string, Function>} */
        this.commands = new Map();
        /** @type {{kind: string, args: any[]}[]} */
        this.asked = [];
        /** @type {{kind: string, reply: any}[]} */
        this.replies = [];
        /** @type {Map<string, any>} */
        this.registered = new Map();
        /** @type {Map<string, any[]>} */
        this.problems = new Map();
        /** @type {any[]} */
        this.lists = [];
        /** @type {any[]} */
        this.watchers = [];
        /** @type {any[]} */
        this.executed = [];
        this.events = { activeEditor: new EventEmitter(), tabs: new EventEmitter(), opened: new EventEmitter(), saved: new EventEmitter(), closed: new EventEmitter() };
        this.group = strict('TabGroup', { viewColumn: 1, activeTab: /** @type {any} */ (undefined), tabs: /** @type {any[]} */ ([]) });
        this.api = this.#api();
    }

    /**
     * Says what the person answers when asked next in some way.
     * @param {string} kind such as showInputBox
     * @param {any} reply a function is called with the arguments
     */
    answer(kind, reply) {
        this.replies.push({ kind, reply });
    }

    /** @param {string} kind */
    #ask(kind) {
        return async (/** @type {any[]} */ ...args) => {
            this.asked.push({ kind, args });
            if (kind === 'showInformationMessage' && this.replies[0]?.kind !== kind) {
                return undefined; // nobody has to answer
            }
            const next = this.replies.shift();
            if (next?.kind !== kind) {
                throw new Error(`${kind} was not expected: ${JSON.stringify(args)}`);
            }
            return typeof next.reply === 'function' ? next.reply(...args) : next.reply;
        };
    }

    /** What was said, as one text. */
    said() {
        return this.asked.map(a => `${a.kind}: ${JSON.stringify(a.args)}`).join('\n');
    }

    #api() {
        return strict('vscode', {
            Uri, EventEmitter, TabInputText, TabInputCustom, Range, Diagnostic, CodeLens, RelativePattern,
            DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2 },
            commands: strict('commands', {
                registerCommand: this.#keep(this.commands),
                executeCommand: async (/** @type {any[]} */ ...args) => void this.executed.push(args),
            }),
            env: strict('env', { clipboard: strict('clipboard', { readText: async () => this.clipboard, writeText: async (/** @type {string} */ text) => void (this.clipboard = text) }) }),
            languages: strict('languages', {
                createDiagnosticCollection: () => strict('DiagnosticCollection', { set: (/** @type {Uri} */ uri, /** @type {any[]} */ list) => this.problems.set(uri.toString(), list), delete: (/** @type {Uri} */ uri) => this.problems.delete(uri.toString()), dispose() {} }),
                registerCodeLensProvider: (/** @type {any} */ _, /** @type {any} */ provider) => this.#keep(this.registered)('lenses', provider),
            }),
            window: this.#window(),
            workspace: this.#workspace(),
        });
    }

    #window() {
        return strict('window', {
            activeTextEditor: /** @type {any} */ (undefined),
            tabGroups: strict('tabGroups', { activeTabGroup: this.group, all: [this.group], onDidChangeTabs: this.events.tabs.event, close: async (/** @type {any} */ tab) => this.group.tabs.splice(this.group.tabs.indexOf(tab), 1) }),
            registerCustomEditorProvider: this.#keep(this.registered),
            onDidChangeActiveTextEditor: this.events.activeEditor.event,
            showTextDocument: async (/** @type {any} */ document) => this.show(document),
            createQuickPick: () => this.#list(),
            showErrorMessage: this.#ask('showErrorMessage'),
            showWarningMessage: this.#ask('showWarningMessage'),
            showInformationMessage: this.#ask('showInformationMessage'),
            showInputBox: this.#ask('showInputBox'),
            showQuickPick: this.#ask('showQuickPick'),
        });
    }

    #workspace() {
        const fake = this;
        return strict('workspace', {
            get isTrusted() {
                return fake.trusted;
            },
            fs: strict('fs', { delete: (/** @type {Uri} */ uri) => fs.rm(uri.fsPath) }),
            getConfiguration: (/** @type {string} */ section) => ({ get: (/** @type {string} */ key, /** @type {any} */ or) => (section === 'gitseal' ? this.settings[key] : undefined) ?? or }),
            registerTextDocumentContentProvider: this.#keep(this.registered),
            onDidOpenTextDocument: this.events.opened.event,
            onDidSaveTextDocument: this.events.saved.event,
            onDidCloseTextDocument: this.events.closed.event,
            openTextDocument: (/** @type {Uri} */ uri) => this.document(uri),
            createFileSystemWatcher: (/** @type {any} */ pattern) => this.#watcher(pattern),
        });
    }

    /** @param {Map<string, any>} into */
    #keep(into) {
        return (/** @type {string} */ name, /** @type {any} */ what) => {
            if (into.has(name)) {
                throw new Error(`${name} is registered twice`);
            }
            into.set(name, what);
            return { dispose: () => into.delete(name) };
        };
    }

    /** @param {any} pattern */
    #watcher(pattern) {
        const changed = new EventEmitter();
        const watcher = { pattern, changed, disposed: false };
        this.watchers.push(watcher);
        return strict('FileSystemWatcher', { onDidChange: changed.event, onDidCreate: new EventEmitter().event, dispose: () => void (watcher.disposed = true) });
    }

    #list() {
        const hidden = new EventEmitter();
        const list = strict('QuickPick', {
            title: '', items: /** @type {any[]} */ ([]), shown: false, disposed: false,
            show() {
                list.shown = true;
            },
            hide() {
                list.shown = false;
                void hidden.fire(undefined);
            },
            dispose() {
                list.disposed = true;
            },
            onDidHide: hidden.event, onDidAccept: new EventEmitter().event,
        });
        this.lists.push(list);
        return list;
    }

    /** @param {Uri} uri */
    async document(uri) {
        const text = uri.scheme === 'file' ? await fs.readFile(uri.fsPath, 'utf8') : await this.registered.get(uri.scheme).provideTextDocumentContent(uri);
        return strict('TextDocument', { uri, isDirty: false, getText: () => text });
    }

    /** @param {any} document */
    show(document) {
        const editor = strict('TextEditor', { document, viewColumn: 1, selection: { active: { line: 0, character: 0 } } });
        this.group.activeTab = strict('Tab', { input: new TabInputText(document.uri), isPreview: true, isDirty: false });
        this.group.tabs.push(this.group.activeTab);
        this.api.window.activeTextEditor = editor;
        return editor;
    }

    /** A page of a custom editor. */
    panel() {
        const received = new EventEmitter();
        const gone = new EventEmitter();
        /** @type {any[]} */
        const posted = [];
        const webview = strict('Webview', {
            options: {}, html: '', cspSource: 'https://own.example', asWebviewUri: (/** @type {Uri} */ uri) => uri,
            onDidReceiveMessage: received.event, postMessage: async (/** @type {any} */ message) => posted.push(structuredClone(message)) > 0,
        });
        return { panel: strict('WebviewPanel', { webview, onDidDispose: gone.event }), received, posted, gone };
    }
}

/**
 * Loads the extension afresh, with the fake in place of VS Code.
 * @param {FakeVSCode} fake
 * @param {string} file
 */
function load(fake, file) {
    const original = /** @type {any} */ (Module)._load;
    const modules = Object.keys(require.cache).filter(name => name.includes('/src/') || name.includes('\\src\\'));
    modules.forEach(name => delete require.cache[name]);
    /** @type {any} */ (Module)._load = (/** @type {string} */ name, /** @type {any[]} */ ...rest) => (name === 'vscode' ? fake.api : original(name, ...rest));
    try {
        return require(file);
    } finally {
        /** @type {any} */ (Module)._load = original;
    }
}

module.exports = { FakeVSCode, TabInputTextDiff, load };
