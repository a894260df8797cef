// @ts-check
'use strict';

/** @typedef {import('./gitseal').View} View */
/** @typedef {import('./gitseal').Value} Value */

/**
 * Finds where the tokens of a view stand, in the order of its text. A token can stand
 * there twice, if a sealed value was copied.
 * @param {View} view
 * @returns {{value: Value, start: number, end: number}[]}
 */
function places(view) {
    const found = [];
    let from = 0;
    for (const value of view.values) {
        if (!value.token) {
            continue;
        }
        let start = view.text.indexOf(value.token, from);
        if (start < 0) {
            start = view.text.indexOf(value.token); // the list need not have the order of the text
        }
        if (start >= 0) {
            from = start + value.token.length;
            found.push({ value, start, end: from });
        }
    }
    return found;
}

/**
 * Finds the value that somebody means who has put the cursor somewhere: the nearest
 * token in the line, else the first in the block below it, such as a block scalar.
 * @param {View} view
 * @param {number} line from 0
 * @param {number} character from 0
 * @returns {Value | undefined} undefined if that would be a guess
 */
function valueAt(view, line, character) {
    const lines = view.text.split('\n');
    if (line >= lines.length) {
        return undefined;
    }
    const start = lines.slice(0, line).reduce((sum, text) => sum + text.length + 1, 0);
    const all = places(view);
    const cursor = start + character;
    const inLine = all.filter(p => p.start >= start && p.start <= start + lines[line].length);
    if (inLine.length > 0) {
        /** @param {{start: number, end: number}} p */
        const distance = p => Math.max(p.start - cursor, cursor - p.end, 0);
        return inLine.reduce((best, p) => (distance(p) < distance(best) ? p : best)).value;
    }
    if (/[|>][-+0-9]*\s*$/.test(lines[line])) {
        const next = start + lines[line].length + 1;
        return all.find(p => p.start >= next && p.start <= next + (lines[line + 1] ?? '').length)?.value;
    }
    return undefined;
}

module.exports = { places, valueAt };
