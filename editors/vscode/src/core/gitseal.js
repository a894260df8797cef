// @ts-check
'use strict';

const crypto = require('node:crypto');
const path = require('node:path');
const { run } = require('./process');

/** The exit codes of gitseal that are told apart here. */
const exit = Object.freeze({ done: 0, failed: 1, usage: 2, wrongState: 3, noIdentity: 4, tampered: 5, refused: 6 });

/** The kinds of secrets that gitseal makes itself. */
const kinds = Object.freeze(['password', 'hex', 'base64', 'uuid', 'ssh-ed25519', 'age']);

/** @typedef {{path: string, state: string, kind: string, token?: string}} Value */
/** @typedef {{file: string, digest: string, format: string, readers: string[], proposals: number, text: string, values: Value[]}} View */
/** @typedef {{file?: string, format?: string, action?: string, digest?: string, warnings?: string[]}} Report */
/** @typedef {{file: string, path: string, action: string, kind?: string, public?: string}} SetResult */
/** @typedef {{id: string, path: string, at: string, by?: string, action: string, kind?: string}} Proposal */
/** @typedef {{type: string, reader: string, name?: string, group: number, state: string}} Reader */
/** @typedef {{id: string, level: string, file: string, line?: number, column?: number, path?: string, message: string, hint?: string}} Finding */

/** An answer of gitseal that is an error. Its texts hold no values. */
class GitsealError extends Error {
    /**
     * @param {string} message
     * @param {{code: number, hint?: string, line?: number, column?: number, path?: string}} about `line` and `column` count from 1, `column` in bytes
     */
    constructor(message, about) {
        super(message);
        this.code = about.code;
        this.hint = about.hint ?? '';
        this.line = about.line ?? 0;
        this.column = about.column ?? 0;
        this.path = about.path ?? '';
    }

    /** Whether a door is closed: to agents, or by a rule. */
    get refused() {
        return this.code === exit.refused;
    }
}

/** Calls gitseal, as editors/README.md and the help of its commands describe it. */
class Gitseal {
    /**
     * @param {object} options
     * @param {() => string} options.program the absolute path; asked for at every call
     * @param {() => number} options.timeout in milliseconds
     * @param {typeof import('node:child_process').spawn} options.spawn
     */
    constructor(options) {
        this.options = options;
    }

    /**
     * The file without its values. No key is needed.
     * @param {string} file
     * @returns {Promise<View>}
     */
    view(file) {
        return this.#json(file, ['view', '--json', '--quiet', '--', file]);
    }

    /**
     * Who can open the file. No key is needed.
     * @param {string} file
     * @returns {Promise<{threshold: number, key_groups: number, readers: Reader[]}>}
     */
    async who(file) {
        const all = await this.#json(file, ['who', '--json', '--by-file', '--', file]);
        if (all.files.length !== 1) {
            throw new GitsealError(`${file}: the readers cannot be told`, { code: exit.failed });
        }
        return all.files[0];
    }

    /**
     * What is wrong with the file. Nothing is opened, so that nothing is asked.
     * @param {string} file
     * @returns {Promise<Finding[]>}
     */
    async check(file) {
        const all = await this.#json(file, ['check', '--json', '--keyless', '--', file], { also: exit.wrongState });
        return all.findings;
    }

    /**
     * @param {string} file
     * @param {string} [format] if its name does not say
     * @returns {Promise<{text: Buffer, report: Report}>} the plain file
     */
    async unseal(file, format) {
        const flags = format ? ['--format', format] : [];
        const result = await this.#call(file, ['unseal', '--editor', ...flags, '--', file]);
        return { text: result.stdout, report: editorReport(result) };
    }

    /**
     * Seals a text over a file.
     * @param {string} file
     * @param {Buffer} text
     * @param {string} ifUnchanged a digest, none or any
     * @returns {Promise<Report>}
     */
    async seal(file, text, ifUnchanged) {
        return editorReport(await this.#call(file, ['seal', '--editor', '--path', file, '--if-unchanged', ifUnchanged, '-'], text));
    }

    /**
     * Seals a text as a whole, for the readers that the file's rule names. The text
     * may be anything, and nothing has to be opened for it. The selector of the rule
     * does not count: there are no plain values in what is returned.
     * @param {string} file
     * @param {Buffer} text
     * @returns {Promise<Buffer>} the sealed bytes
     */
    async sealWhole(file, text) {
        const args = ['seal', '--format', 'binary', '--unencrypted-suffix', '_unencrypted', '--no-reuse', '--quiet', '--path', file, '-o', '-', '-'];
        const result = await this.#call(file, args, text);
        if (result.code !== exit.done) {
            throw errorOf(result);
        }
        return result.stdout;
    }

    /**
     * Replaces a value, or proposes to.
     * @param {string} file
     * @param {string} key
     * @param {Buffer} value
     * @returns {Promise<SetResult>}
     */
    set(file, key, value) {
        return this.#json(file, ['set', '--json', '--', file, key, '-'], { input: value });
    }

    /**
     * Makes a value that nobody sees.
     * @param {string} file
     * @param {string} key
     * @param {string} kind one of kinds
     * @returns {Promise<SetResult>}
     */
    generate(file, key, kind) {
        return this.#json(file, ['set', '--json', '--generate', kind, '--', file, key]);
    }

    /**
     * @param {string} file
     * @param {string} key
     * @returns {Promise<Buffer>} the value
     */
    async get(file, key) {
        const result = await this.#call(file, ['get', '--', file, key]);
        if (result.code !== exit.done) {
            throw errorOf(result);
        }
        return result.stdout;
    }

    /**
     * @param {string} file
     * @returns {Promise<Proposal[]>} those that are open
     */
    proposals(file) {
        return this.#proposals(file, ['accept', '--list', '--json', '--', file]);
    }

    /**
     * Accepts proposals, or turns them down.
     * @param {string} file
     * @param {string[]} ids
     * @param {'accept' | 'drop'} how
     * @returns {Promise<Proposal[]>} those, with what became of them
     */
    settle(file, ids, how) {
        const chosen = ids.flatMap(id => ['--id', id]);
        return this.#proposals(file, ['accept', '--yes', ...(how === 'drop' ? ['--drop'] : []), ...chosen, '--json', '--', file]);
    }

    /**
     * @param {string} file
     * @param {string[]} args
     * @returns {Promise<Proposal[]>}
     */
    async #proposals(file, args) {
        const files = await this.#json(file, args, { also: exit.wrongState });
        return files.length === 1 ? files[0].proposals : [];
    }

    /**
     * @param {string} file
     * @param {string[]} args
     * @param {Buffer} [input]
     */
    #call(file, args, input) {
        const { program, timeout, spawn } = this.options;
        return run(spawn, { program: program(), args, cwd: path.dirname(file), input, timeout: timeout() });
    }

    /**
     * @param {string} file
     * @param {string[]} args
     * @param {{input?: Buffer, also?: number}} [more] an exit code that comes with a result, too
     * @returns {Promise<any>}
     */
    async #json(file, args, more = {}) {
        const result = await this.#call(file, args, more.input);
        const answered = result.code === exit.done || (result.code === more.also && result.stdout.length > 0);
        if (!answered) {
            throw errorOf(result);
        }
        try {
            return JSON.parse(result.stdout.toString('utf8'));
        } catch {
            // The parser's message would quote what it has read.
            throw new GitsealError('gitseal has answered with something that is not JSON', { code: exit.failed, hint: 'is it another version?' });
        }
    }
}

/**
 * Reads the report of a call with --editor.
 * @param {import('./process').Result} result
 * @returns {Report}
 */
function editorReport(result) {
    const report = reportIn(result.stderr);
    if (result.code === exit.done && report) {
        return report;
    }
    if (!report || typeof report.error !== 'string') {
        throw errorOf(result);
    }
    throw new GitsealError(report.error, { ...report, code: result.code });
}

/** @param {string} stderr */
function reportIn(stderr) {
    try {
        const report = JSON.parse(stderr);
        return report !== null && typeof report === 'object' ? report : undefined;
    } catch {
        return undefined;
    }
}

/**
 * Reads an error that is text.
 * @param {import('./process').Result} result
 */
function errorOf(result) {
    /** @type {string[]} */
    const errors = [];
    /** @type {string[]} */
    const hints = [];
    for (const line of result.stderr.split('\n')) {
        const match = /^(?:[\w-]+: )?(error|hint): (.*)$/.exec(line);
        if (match) {
            (match[1] === 'error' ? errors : hints).push(match[2]);
        }
    }
    const text = errors.join('; ') || result.stderr.trim() || `gitseal has failed with code ${result.code}`;
    return new GitsealError(text, { code: result.code, hint: hints.join('; ') });
}

/**
 * Names the bytes of a file as gitseal does.
 * @param {Uint8Array} bytes
 */
function digestOf(bytes) {
    return 'sha256:' + crypto.createHash('sha256').update(bytes).digest('hex');
}

module.exports = { Gitseal, GitsealError, exit, kinds, digestOf };
