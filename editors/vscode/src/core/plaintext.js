// @ts-check
'use strict';

/**
 * A change of what is shown: from `start`, the text `removed` gives way to `inserted`.
 * @typedef {{start: number, removed: string, inserted: string}} Change
 */

/**
 * A change together with the line ends that go and come with it.
 * @typedef {Change & {removedEnds: string[], insertedEnds: string[]}} Step
 */

/**
 * The plain text of a file, in memory. Text fields know one kind of line end, so what
 * is shown has line feeds, and the file's own line ends are kept beside it: every
 * byte is a part of the file.
 */
class Plaintext {
    /** @param {string} text */
    constructor(text) {
        /** @type {string[]} */
        this.ends = text.match(/\r\n|\r|\n/g) ?? [];
        this.shown = text.replace(/\r\n|\r/g, '\n');
        /** The line end that new lines get where no other line is near. */
        this.usual = mostOf(this.ends) ?? '\n';
    }

    /**
     * Reads the bytes of a file.
     * @param {Uint8Array} bytes
     * @returns {Plaintext}
     * @throws {TypeError} if they are not UTF-8 text
     */
    static decode(bytes) {
        const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
        if (text.includes('\0')) {
            throw new TypeError('the file is not text');
        }
        return new Plaintext(text);
    }

    /** @returns {Buffer} the bytes of the file */
    encode() {
        if (this.ends.every(end => end === '\n')) {
            return Buffer.from(this.shown, 'utf8');
        }
        let line = 0;
        return Buffer.from(this.shown.replace(/\n/g, () => this.ends[line++]), 'utf8');
    }

    /**
     * Replaces a part of what is shown.
     * @param {number} start
     * @param {number} length how much is removed
     * @param {string} inserted
     * @returns {Step} for undo and redo
     * @throws {RangeError} if there is no such part
     */
    splice(start, length, inserted) {
        if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 0 || start + length > this.shown.length) {
            throw new RangeError('no such part of the text');
        }
        const text = inserted.replace(/\r\n|\r/g, '\n');
        const removed = this.shown.slice(start, start + length);
        const before = count(this.shown.slice(0, start));
        const removedEnds = this.ends.slice(before, before + count(removed));
        const near = removedEnds[0] ?? this.ends[before - 1] ?? this.usual;
        const insertedEnds = Array.from({ length: count(text) }, (_, i) => removedEnds[i] ?? near);
        const step = { start, removed, inserted: text, removedEnds, insertedEnds };
        this.redo(step);
        return step;
    }

    /**
     * @param {Step} step
     * @throws {RangeError} if the text is not what it was before the step
     */
    redo(step) {
        this.#expect(step.start, step.removed);
        this.#replace(step.start, step.removed.length, step.inserted, step.insertedEnds);
    }

    /**
     * @param {Step} step
     * @throws {RangeError} if the text is not what it was after the step
     */
    undo(step) {
        this.#expect(step.start, step.inserted);
        this.#replace(step.start, step.inserted.length, step.removed, step.removedEnds);
    }

    /**
     * @param {number} start
     * @param {string} text
     */
    #expect(start, text) {
        if (!this.shown.startsWith(text, start)) {
            throw new RangeError('the text is another one');
        }
    }

    /**
     * @param {number} start
     * @param {number} length
     * @param {string} text
     * @param {string[]} ends
     */
    #replace(start, length, text, ends) {
        const before = count(this.shown.slice(0, start));
        const gone = count(this.shown.slice(start, start + length));
        this.ends = [...this.ends.slice(0, before), ...ends, ...this.ends.slice(before + gone)];
        this.shown = this.shown.slice(0, start) + text + this.shown.slice(start + length);
    }
}

/** @param {string} text */
function count(text) {
    let n = 0;
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) {
        n++;
    }
    return n;
}

/** @param {string[]} list */
function mostOf(list) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const item of list) {
        counts.set(item, (counts.get(item) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

module.exports = { Plaintext };
