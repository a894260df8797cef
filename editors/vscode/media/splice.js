// @ts-check
'use strict';

/**
 * Tells what changed between two texts: the part that is not the same at the
 * beginning and at the end of both. A pair of surrogates is not torn apart.
 * @param {string} before
 * @param {string} after
 * @returns {{start: number, removed: number, inserted: string}}
 */
function splice(before, after) {
    const shorter = Math.min(before.length, after.length);
    let start = 0;
    while (start < shorter && before[start] === after[start]) {
        start++;
    }
    if (start > 0 && /[\ud800-\udbff]/.test(before[start - 1])) {
        start--;
    }
    let same = 0;
    while (same < shorter - start && before[before.length - 1 - same] === after[after.length - 1 - same]) {
        same++;
    }
    if (same > 0 && /[\udc00-\udfff]/.test(before[before.length - same])) {
        same--;
    }
    return { start, removed: before.length - same - start, inserted: after.slice(start, after.length - same) };
}

if (typeof module !== 'undefined') {
    module.exports = { splice };
}
