// @ts-check
'use strict';

const fs = require('node:fs/promises');
const path = require('node:path');
const { digestOf, GitsealError, exit } = require('./gitseal');
const { Plaintext } = require('./plaintext');

/** @typedef {import('./gitseal').Gitseal} Gitseal */
/** @typedef {import('./plaintext').Step & {reload: number}} Step */

/** The text was not sealed over the file, because the file is no longer what was read. */
class ChangedError extends Error {}

/**
 * A sealed file that is being edited. Its plain text is here, in memory, and goes to
 * and from gitseal through pipes.
 */
class Session {
    /**
     * @param {Gitseal} gitseal
     * @param {string} file
     * @param {Plaintext} text
     * @param {string} digest of the sealed file that the text is of, or none
     */
    constructor(gitseal, file, text, digest) {
        this.gitseal = gitseal;
        this.file = file;
        this.text = text;
        this.digest = digest;
        /** What is to be said about the file. @type {string[]} */
        this.warnings = [];
        /** Counts the changes, so that one to a text that is gone is noticed. */
        this.version = 0;
        /** The version that the sealed file holds, and what it is. */
        this.sealed = 0;
        this.sealedText = digestOf(text.encode());
        /** Counts the times at which another text came: steps from before do not fit it. */
        this.reloads = 0;
    }

    /**
     * Opens a file.
     * @param {Gitseal} gitseal
     * @param {string} file
     */
    static async open(gitseal, file) {
        const { text, report } = await gitseal.unseal(file);
        const session = new Session(gitseal, file, decode(file, text), String(report.digest));
        session.warnings = report.warnings ?? [];
        return session;
    }

    /**
     * Opens what backup has written. If the file has changed since the backup was
     * made, saving notices that.
     * @param {Gitseal} gitseal
     * @param {string} file
     * @param {{path: string, digest: string}} backup
     */
    static async restore(gitseal, file, backup) {
        await refuseIfClosed(gitseal, file);
        const { text } = await gitseal.unseal(backup.path, 'binary');
        const session = new Session(gitseal, file, decode(file, text), backup.digest);
        session.sealed = -1;
        return session;
    }

    /** Whether there is something that is not sealed yet. */
    get dirty() {
        return this.version !== this.sealed;
    }

    /**
     * Makes a change to what is shown.
     * @param {{base: number, start: number, removed: number, inserted: string}} change `base` is the version that it is made to
     * @returns {Step | undefined} undefined if that version is gone
     */
    edit(change) {
        if (change.base !== this.version || typeof change.inserted !== 'string') {
            return undefined;
        }
        const step = this.text.splice(change.start, change.removed, change.inserted);
        this.version++;
        return { ...step, reload: this.reloads };
    }

    /**
     * @param {Step} step
     * @returns {boolean} false if the file was read again meanwhile, and nothing was done
     */
    undo(step) {
        return this.#move(step, () => this.text.undo(step));
    }

    /**
     * @param {Step} step
     * @returns {boolean} as of undo
     */
    redo(step) {
        return this.#move(step, () => this.text.redo(step));
    }

    /**
     * @param {Step} step
     * @param {() => void} how
     */
    #move(step, how) {
        if (step.reload !== this.reloads) {
            return false;
        }
        how();
        this.version++;
        return true;
    }

    /**
     * Seals the text over the file.
     * @param {{over?: boolean}} [options] `over`: whatever the file is now
     * @returns {Promise<string[]>} warnings
     * @throws {ChangedError} if the file was changed meanwhile
     */
    async save(options = {}) {
        const version = this.version;
        const bytes = this.text.encode();
        try {
            const report = await this.gitseal.seal(this.file, bytes, options.over ? 'any' : this.digest);
            this.digest = String(report.digest);
            this.sealed = version;
            this.sealedText = digestOf(bytes);
            return report.warnings ?? [];
        } catch (error) {
            if (error instanceof GitsealError && error.code === exit.wrongState && !options.over && (await this.changedOnDisk())) {
                throw new ChangedError(error.message, { cause: error });
            }
            throw error;
        }
    }

    /**
     * Seals the text as another file: as its rule says, or, if it is there, for the
     * readers that it has.
     * @param {string} file
     * @returns {Promise<string[]>} warnings
     */
    async saveAs(file) {
        if (file === this.file) {
            return this.save({ over: true }); // VS Code has asked
        }
        const there = await digestOnDisk(file);
        const report = await this.gitseal.seal(file, this.text.encode(), there ?? 'none');
        return report.warnings ?? [];
    }

    /** Takes the file as it is now in place of the text. */
    async reload() {
        const fresh = await Session.open(this.gitseal, this.file);
        this.text = fresh.text;
        this.digest = fresh.digest;
        if (fresh.sealedText !== this.sealedText) {
            this.reloads++;
            this.sealedText = fresh.sealedText;
        }
        this.version++;
        this.sealed = this.version;
    }

    /** Whether the file is no longer what was read. */
    async changedOnDisk() {
        return (await digestOnDisk(this.file)) !== this.digest;
    }

    /**
     * Seals the text, as a whole, into another file, from which restore takes it. It
     * need not be valid: it is in the middle of being typed.
     * @param {string} file
     * @returns {Promise<{path: string, digest: string}>} what restore wants
     */
    async backup(file) {
        const bytes = await this.gitseal.sealWhole(this.file, this.text.encode());
        await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
        await fs.writeFile(file, bytes, { mode: 0o600 });
        return { path: file, digest: this.digest };
    }

    /** Forgets the text. */
    close() {
        this.text = new Plaintext('');
        this.reloads++;
        this.version++;
    }
}

/**
 * @param {string} file
 * @param {Buffer} bytes
 */
function decode(file, bytes) {
    try {
        return Plaintext.decode(bytes);
    } catch {
        throw new GitsealError(`${file}: the file is not UTF-8 text`, { code: exit.failed, hint: 'gitseal unseal -o writes it elsewhere' });
    }
}

/**
 * Makes the rule of a file count for its backup, too.
 * @param {Gitseal} gitseal
 * @param {string} file
 */
async function refuseIfClosed(gitseal, file) {
    try {
        await gitseal.unseal(file);
    } catch (error) {
        if (!(error instanceof GitsealError) || error.refused) {
            throw error;
        }
        // The file may be gone or damaged; the backup is what is left.
    }
}

/**
 * @param {string} file
 * @returns {Promise<string | undefined>} undefined if there is none
 */
async function digestOnDisk(file) {
    try {
        return digestOf(await fs.readFile(file));
    } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') {
            return undefined;
        }
        throw error;
    }
}

module.exports = { Session, ChangedError };
