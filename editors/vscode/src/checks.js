// @ts-check
'use strict';

const path = require('node:path');
const vscode = require('vscode');
const { isSealed } = require('./core/detect');
const { safe } = require('./messages');

/** Files that can be sealed and have no name of their own kind are not looked at by themselves. */
const names = /(\.(ya?ml|json|ini)|(^|[/\\])\.env[^/\\]*|\.env)$/i;

/** Puts what gitseal check finds among the problems. */
class Checks {
    /**
     * @param {import('./core/gitseal').Gitseal} gitseal
     * @param {vscode.DiagnosticCollection} problems
     */
    constructor(gitseal, problems) {
        this.gitseal = gitseal;
        this.problems = problems;
    }

    /**
     * Looks at a file that was opened or saved.
     * @param {vscode.TextDocument} document
     */
    async saved(document) {
        const wanted = vscode.workspace.getConfiguration('gitseal').get('check') === true;
        if (!wanted || document.uri.scheme !== 'file' || !(names.test(document.uri.fsPath) || isSealed(document.getText()))) {
            return;
        }
        try {
            await this.check(document.uri);
        } catch {
            // It was not asked for; the command says what is wrong.
            this.problems.delete(document.uri);
        }
    }

    /**
     * @param {vscode.Uri} file
     * @returns {Promise<number>} how much was found
     */
    async check(file) {
        const findings = (await this.gitseal.check(file.fsPath)).filter(f => path.basename(f.file) === path.basename(file.fsPath));
        this.problems.set(file, findings.map(diagnosticOf));
        return findings.length;
    }

    /** @param {vscode.TextDocument} document */
    closed(document) {
        this.problems.delete(document.uri);
    }
}

/** @param {import('./core/gitseal').Finding} finding */
function diagnosticOf(finding) {
    const levels = { error: vscode.DiagnosticSeverity.Error, warning: vscode.DiagnosticSeverity.Warning, note: vscode.DiagnosticSeverity.Information };
    const line = Math.max(0, (finding.line ?? 1) - 1);
    const text = finding.hint ? `${finding.message}\n${finding.hint}` : finding.message;
    const diagnostic = new vscode.Diagnostic(new vscode.Range(line, 0, line, 1000), text, levels[/** @type {keyof typeof levels} */ (finding.level)] ?? levels.error);
    diagnostic.source = 'gitseal';
    diagnostic.code = finding.id;
    return diagnostic;
}

/** Says above a sealed file, and above its view, who can read it. */
class Lenses {
    /** @param {import('./views').Views} views */
    constructor(views) {
        this.views = views;
    }

    /** @param {vscode.TextDocument} document */
    async provideCodeLenses(document) {
        const file = document.uri.with({ scheme: 'file' });
        if (document.uri.scheme === 'file' && !isSealed(document.getText())) {
            return [];
        }
        const top = new vscode.Range(0, 0, 0, 0);
        /** @type {(title: string, command: string) => vscode.CodeLens} */
        const lens = (title, command) => new vscode.CodeLens(top, { title: safe(title), command, arguments: [file] });
        try {
            const { readers } = await this.views.gitseal.who(file.fsPath);
            const view = await this.views.load(file.fsPath);
            const list = readers.slice(0, 3).map(r => r.name ?? `${r.reader.slice(0, 12)}…`).join(', ') + (readers.length > 3 ? ` and ${readers.length - 3} more` : '');
            const shown = document.uri.scheme === 'file' ? [lens('show without values', 'gitseal.view')] : [];
            const proposed = view.proposals > 0 ? [lens(`${view.proposals} proposed`, 'gitseal.accept')] : [];
            return [lens(`sealed for ${list}`, 'gitseal.who'), ...shown, lens('set a value', 'gitseal.setValue'), lens('edit', 'gitseal.edit'), ...proposed];
        } catch {
            return []; // whoever opens or views the file is told
        }
    }
}

module.exports = { Checks, Lenses };
