// @ts-check
'use strict';

const vscode = require('vscode');
const { GitsealError } = require('./core/gitseal');

/**
 * Makes a text safe to show. Messages of VS Code may hold links, and links may hold
 * commands; names of files and keys come from a repository.
 * @param {string} text
 */
function safe(text) {
    return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, ' ').replace(/\]\(/g, '] (').replace(/\$\(/g, '$ (');
}

/**
 * Shows why something was not done.
 * @param {unknown} error
 * @param {string[]} choices buttons
 * @returns {Promise<string | undefined>} the button
 */
async function showError(error, ...choices) {
    const text = error instanceof Error ? error.message : String(error);
    const hint = error instanceof GitsealError && error.hint ? ` (${error.hint})` : '';
    const message = safe(text + hint);
    if (error instanceof GitsealError && error.refused) {
        return vscode.window.showWarningMessage(message, ...choices);
    }
    return vscode.window.showErrorMessage(message, ...choices);
}

/** @param {string} text */
function showInfo(text) {
    void vscode.window.showInformationMessage(safe(text));
}

/** @param {string[]} warnings */
function showWarnings(warnings) {
    for (const warning of warnings) {
        void vscode.window.showWarningMessage(safe(warning));
    }
}

module.exports = { safe, showError, showInfo, showWarnings };
